/* The U-Net that predicts the noise: Ronneberger et al. 2015, Ho et al. 2020, Rombach et al. 2022; SD 1.x's layout, any
 * width, depth and number of levels that the tensors' shapes tell. */
#ifndef LT_UNET_H
#define LT_UNET_H

#include "graph/graph.h"

typedef struct lt_unet {
    lt_weights *weights;
    int in_channels,
        out_channels;     /* 4 and 4; an inpainting model reads 9: latent 4, mask 1, masked picture's latent 4 */
    int context_dim;      /* of cross-attention; 0: the model takes no context */
    int groups;           /* of every group norm */
    int heads, head_size; /* heads, or if that is 0, channels of a head */
} lt_unet;

/* Reads the configuration from weights named as in an LDM file ("model.diffusion_model...."). */
lt_status lt_unet_open(lt_weights *weights, lt_unet *unet);

/* Inputs: "x" [n,h,w,in_channels], "t" [n,1,1,1], "context" [n,1,tokens,context_dim] and "context_lengths" [n,1,1,1]
 * (tokens of each sample's context that count). Output: "out" [n,h,w,out_channels]. */
lt_status lt_unet_build(const lt_unet *unet, int n, int h, int w, int tokens, lt_graph *graph);

#endif
