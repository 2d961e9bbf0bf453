/* The forward pass along a walk over a U-Net, or over the half that goes down, time embedding and middle included:
 * what a U-Net and a classifier of noisy latents have in common. */
#ifndef LT_UNET_HALF_H
#define LT_UNET_HALF_H

#include "models/unet.h"
#include "nn/nn.h"

/* Of the residual blocks and the output; attention blocks have 1e-6. */
#define LT_UNET_EPS 1e-5f

/* One building of the graph. */
typedef struct lt_unet_pass {
    lt_nn nn;
    const char *prefix;           /* of its tensors' names: "model.diffusion_model." */
    lt_transformer_inputs inputs; /* context NULL: self-attention alone */
    lt_node *t, *vector, *scale;  /* inputs; vector, scale NULL: there is none */
    lt_node *guide;               /* a ControlNet's: added behind the first convolution; NULL: there is none */
    lt_shortcuts shortcuts;
    lt_node *image_weights[LT_MAX_LEVELS][LT_MOST_IMAGE_PROMPTS]; /* inputs of each resolution; NULL: not met yet */
    lt_additions added;
    lt_node *emb; /* the time embedding behind its SiLU, which every residual block would do again */
    lt_node *h;   /* x, and what the walk has made of it */
    lt_node *skips[1 + LT_MAX_LEVELS * (LT_MAX_BLOCKS + 1)];
    int depth;
    bool rises; /* the middle is done */
} lt_unet_pass;

/* A pass and its walk: lt_unet_walk(unet, &walk) makes h of x [n,h,w,c], t [n,1,1,1] and the rest. */
lt_unet_pass lt_unet_pass_of(const lt_unet *unet, lt_graph *graph, const char *model, const char *prefix);
/* Its inputs (lt_unet_build). */
void lt_unet_pass_begin(lt_unet_pass *pass, const lt_unet *unet, int n, int h, int w, int tokens);
lt_walk lt_unet_pass_walk(lt_unet_pass *pass);

#endif
