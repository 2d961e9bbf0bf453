/* ControlNet (Zhang et al. 2023): a copy of what goes down in a U-Net, and of its middle, that sees a picture beside
 * the noisy latent, the hint. What it makes at each place where the U-Net keeps something goes through a convolution
 * that began as zeros, and is added there. */
#ifndef LT_CONTROLNET_H
#define LT_CONTROLNET_H

#include "models/unet.h"

enum { LT_HINT_CONVS = 8, LT_HINT_FACTOR = 8 }; /* FACTOR: pixels of the hint a side of the latent's */

typedef struct lt_controlnet {
    lt_unet half;            /* what goes down; weights NULL: a description alone */
    int hint_channels;       /* 3 */
    int hint[LT_HINT_CONVS]; /* channels behind each convolution over the hint: 16, 16, 32, 32, 96, 96, 256, 320 */
    bool pooled;             /* what is added is the same everywhere: its mean ("shuffle") */
} lt_controlnet;

/* Walks over all of it. */
void lt_controlnet_walk(const lt_controlnet *net, lt_walk *walk);

/* What names and shapes tell; and from weights named "control_model....". */
lt_status lt_controlnet_read(const lt_names *names, lt_naming naming, lt_controlnet *net);
lt_status lt_controlnet_open(lt_weights *weights, lt_controlnet *net);

/* LT_ERROR_MODEL unless it is for that U-Net, for which reason. */
lt_status lt_controlnet_fits(const lt_controlnet *net, const lt_unet *unet);

/* What the picture is for the rest, the same at each step. Input: "hint" [n,8h,8w,hint_channels] in [0, 1]. Output:
 * "guide" [n,h,w,half.channels]. */
lt_status lt_controlnet_build_hint(const lt_controlnet *net, int n, int h, int w, lt_graph *graph);

/* Inputs: "x", "t", "context", "context_lengths" as of lt_unet_build, and "guide" [n,h,w,half.channels]. Outputs:
 * "residual.I" (lt_residual_ports), as large as what the U-Net keeps at its I-th place, that of its middle last. */
lt_status lt_controlnet_build(const lt_controlnet *net, int n, int h, int w, int tokens, lt_graph *graph);

/* How many those are. */
int lt_controlnet_residuals(const lt_controlnet *net);

#endif
