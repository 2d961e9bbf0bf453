/* The half of a U-Net that goes down, time embedding and middle included: what a U-Net and a classifier of noisy
 * latents have in common. */
#ifndef LT_UNET_HALF_H
#define LT_UNET_HALF_H

#include "nn/nn.h"

enum { LT_UNET_MAX_SKIPS = 64 };

/* Of the residual blocks and the output; attention blocks have 1e-6. */
#define LT_UNET_EPS 1e-5f

/* One building of the graph. */
typedef struct lt_unet_pass {
    lt_nn nn;
    const char *prefix;           /* of its tensors' names: "model.diffusion_model." */
    lt_transformer_inputs inputs; /* context NULL: self-attention alone */
    lt_node *emb;                 /* the time embedding behind its SiLU, which every residual block would do again */
    lt_node *skips[LT_UNET_MAX_SKIPS];
    int depth;
} lt_unet_pass;

/* prefix and name together. */
lt_name lt_unet_name(const lt_unet_pass *pass, const char *name);

/* A residual block and, if the checkpoint has one behind it, a transformer. name: the whole one, "....output_blocks.3"
 */
lt_node *lt_unet_step(lt_unet_pass *pass, const char *name, lt_node *h, lt_node *skip);

/* From x [n,h,w,c] and t [n,1,1,1] to the middle's output; sets emb, and skips [depth] to each step's output. */
lt_node *lt_unet_go_down(lt_unet_pass *pass, lt_node *x, lt_node *t);

/* How many heads there are cannot be told from shapes: SD 1.x projects with convolutions and has 8 heads; SD 2.x
 * projects with linear layers and has heads of 64. Sets one of both, by the tensors under prefix. */
void lt_unet_guess_heads(lt_weights *weights, const char *prefix, int *heads, int *head_size);

#endif
