/* From a prompt to what the U-Net is told of it: what its cross-attention reads, and of some its pooled vector. */
#ifndef LT_CONTEXT_H
#define LT_CONTEXT_H

#include "pipeline/session.h"
#include "pipeline/sizes.h"

typedef struct lt_context {
    float *values; /* [tokens, width]: of two text encoders one beside the other */
    int tokens, width;
    float *vector; /* [unet.vector_dim]: the second one's embedding of the first chunk, and sizes, of U-Nets that read
                      one (XL); NULL of others */
} lt_context;

/* How a text is read. */
typedef struct lt_encoding {
    bool plain;    /* no prompt syntax, cut at 77 tokens with a notice */
    int clip_skip; /* counts from 1 */
    lt_emphasis emphasis;
    lt_sizes sizes; /* beside it */
} lt_encoding;

/* lt_prompt_parse with a notice of what was cut. */
lt_status lt_prompt_prepare(const lt_session *session, const char *text, lt_encoding how, lt_prompt *prompt);

/* A model without cross-attention gets an empty context. */
lt_status lt_context_make(lt_session *session, const char *text, lt_encoding how, lt_context *context);
/* One of zeros, which XL was trained to take for no text. */
lt_status lt_context_make_zeros(const lt_components *parts, const lt_sizes *sizes, lt_context *context);
void lt_context_free(lt_context *context);

#endif
