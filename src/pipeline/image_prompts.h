/* Pictures as prompts: from a picture to keys and values of each cross-attention, which the U-Net's graph has as inputs
 * (models/unet.h). They depend on the request alone, so they are made once. */
#ifndef LT_IMAGE_PROMPTS_H
#define LT_IMAGE_PROMPTS_H

#include "pipeline/guidance.h"

typedef struct lt_image_context {
    float *values[2];  /* of the picture, and of none: in the order in which attentions run, of each the keys
                          [tokens, c] and then the values */
    float *mask;       /* [mask_h, mask_w]; NULL: 1 everywhere */
    float scale;       /* while it is there, */
    double start, end; /* a share of the steps */
} lt_image_context;

/* All image prompts of a request; zeroed: none. */
typedef struct lt_image_contexts {
    lt_image_tokens tokens; /* how many there are, and of each */
    lt_image_context items[LT_MOST_IMAGE_PROMPTS];
    lt_attentions attentions; /* of the U-Net */
    int mask_h, mask_w;
} lt_image_contexts;

/* Those of [count] prompts, for the session's U-Net and latents of h x w. LT_ERROR_ARGUMENT or LT_ERROR_MODEL where an
 * adapter, the encoder and the U-Net don't fit together. lt_image_contexts_free is due even after a failure. */
lt_status lt_image_contexts_make(const lt_session *session, const lt_guides *guides, const lt_image_prompt *prompts,
                                 size_t count, lt_shape latent, lt_image_contexts *contexts);
void lt_image_contexts_free(lt_image_contexts *contexts);

/* Writes the inputs of a U-Net's plan: keys and values of one of its samples (none: what is said of no picture), and
 * the weights of all samples, for the step (from 0) at hand of so many. */
void lt_image_contexts_write(const lt_image_contexts *contexts, lt_plan *plan, size_t sample, bool none);
void lt_image_contexts_weigh(const lt_image_contexts *contexts, lt_plan *plan, int step, int steps);

/* Runs an IP-Adapter, whose plan then has two samples, of the picture and of none. pixels [size, size, 3], as CLIP
 * reads them, of the encoder's size. */
lt_status lt_image_prompt_run(lt_session *adapter, lt_session *encoder, const float *pixels, lt_plan **plan);

#endif
