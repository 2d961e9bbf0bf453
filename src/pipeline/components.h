/* The parts of an open model. Once it is open nothing of them changes, so that any number of sessions read them. */
#ifndef LT_COMPONENTS_H
#define LT_COMPONENTS_H

#include "diffusion/diffusion.h"
#include "models/classifier.h"
#include "models/clip.h"
#include "models/controlnet.h"
#include "models/ip_adapter.h"
#include "models/t2i.h"
#include "models/unet.h"
#include "models/upscaler.h"
#include "models/vae.h"
#include "text/known.h"
#include "text/text.h"

typedef enum lt_module {
    LT_MODULE_TEXT,
    LT_MODULE_TEXT_2,
    LT_MODULE_IMAGE,
    LT_MODULE_UNET,
    LT_MODULE_VAE_ENCODER,
    LT_MODULE_VAE_DECODER,
    LT_MODULE_CLASSIFIER,
    LT_MODULE_TAESD_ENCODER,
    LT_MODULE_TAESD_DECODER,
    LT_MODULE_UPSCALER,
    LT_MODULE_IMAGE_PROMPT,
    LT_MODULE_HINT, /* of a ControlNet */
    LT_MODULE_CONTROL,
    LT_MODULE_ADAPTER, /* T2I-Adapter */
    LT_MODULE_COUNT
} lt_module;

/* For what a module is planned; what does not concern it is 0. */
typedef struct lt_module_size {
    int n, h, w;            /* samples and input size; hint, adapter: the latent's */
    lt_seamless wraps;      /* unet, vae: sides that are one */
    int tokens;             /* unet, control: of the context; image prompt: states of the picture */
    lt_shortcuts shortcuts; /* unet */
    lt_additions added;     /* unet */
    int vectors;            /* text: of embeddings that the prompts may name */
    int skip;               /* text: layers left out at the end */
    int states;             /* image: 1 for the states before its last layer, not the embedding */
    int embed;              /* text: 1 to make the text embedding too */
    int gradient;           /* classifier: 1 to make the gradient of log p(y | x_t) too */
} lt_module_size;

typedef struct lt_components {
    lt_weights *weights;
    lt_precision packed; /* the file's weights are packed for this one; LT_PRECISION_AUTO: they are not */
    bool quantised;      /* the file has weights of the U-Net in 8 bits, and so says which of its layers stand them */
    bool has[LT_MODULE_COUNT];
    lt_clip_text text, text_2; /* text_2: the second one of Stable Diffusion XL */
    lt_clip_image image;
    lt_unet unet;
    lt_vae vae;
    lt_taesd taesd; /* beside the VAE, for previews, or in its place (vae.tiny) */
    bool previews;  /* whose previews it decodes */
    lt_upscaler upscaler;
    bool pixels; /* the U-Net works on pixels: what the VAE would do is nothing, factor and scaling are 1 */
    lt_classifier classifier;
    lt_ip_adapter image_prompt;
    lt_controlnet control;
    lt_deltas *deltas; /* that belong to the weights: a ControlNet's that is kept as a difference; NULL: none */
    lt_t2i adapter;
    char **labels;  /* [classifier.classes]: the classes' names */
    lt_known known; /* what a small model has learned */
    lt_noise_schedule schedule;
    lt_tokenizer *tokenizer;
    const lt_few_steps *few_steps; /* it was distilled; NULL: nothing tells */
    int sample_size;               /* latents a side, as the model was trained: 64 */
    char *name;                    /* the checkpoint's, for the parameters text */
    /* for errors: where the tensors are from, and the VAE's, text encoder's and that of previews if they are others; or
     * NULL */
    char *file, *vae_file, *text_file, *preview_file;
    lt_listener listener; /* of what is found out while opening and converting */
} lt_components;

/* What a U-Net with a vector (XL's) reads in it: the second text encoder's embedding, and so many numbers, each in so
 * many channels. */
enum { LT_MOST_SIZES = 6, LT_REFINER_SIZES = 5, LT_SIZE_CHANNELS = 256 };
int lt_size_count(const lt_components *parts); /* 0: the U-Net has no such vector */

/* Frees the weights and the tokenizer; parts may be zeroed or half filled. */
void lt_components_free(lt_components *parts);

/* Appends a module's forward pass to graph, which starts zeroed and is the caller's to free. LT_ERROR_MODEL if the
 * checkpoint lacks it. */
lt_status lt_module_build(const lt_components *parts, lt_module module, const lt_module_size *size, lt_graph *graph);
/* Sizes of every module for one picture of h times w latents. */
void lt_module_sizes(const lt_components *parts, int h, int w, lt_module_size sizes[LT_MODULE_COUNT]);
/* Do the parts fit together: channels and contexts, where both sides are there? LT_ERROR_MODEL says which don't. */
lt_status lt_parts_agree(const lt_components *parts);
/* Is all there that drawing needs, and served? */
bool lt_parts_draw(const lt_components *parts);
/* lt_parts_agree, and whether each part has every tensor that its forward pass asks for, in its shape: all that
 * drawing, encoding and decoding would find out. */
lt_status lt_parts_check(const lt_components *parts);
/* LT_ERROR_MODEL unless the module's output has that shape: a hostile checkpoint's layers can make something else. */
lt_status lt_module_expect(lt_module module, lt_port output, lt_shape shape);
const char *lt_module_name(lt_module module);

/* LT_ERROR_MODEL if the checkpoint lacks the text encoder that its U-Net reads, LT_ERROR_UNSUPPORTED if the U-Net reads
 * another vector beside it than XL's. */
lt_status lt_texts_check(const lt_components *parts);
/* LT_ERROR_MODEL if the checkpoint lacks a module; what can't be done then stands behind it: ", so it can't draw". */
lt_status lt_module_needed(const lt_components *parts, lt_module module, const char *then);
/* Puts the file that the module comes from before the message where status is a fault of the model's; returns it. */
lt_status lt_module_fail(const lt_components *parts, lt_module module, lt_status status);

#endif
