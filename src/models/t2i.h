/* T2I-Adapter (Mou et al. 2023): a small network that sees a picture once and makes a feature for each level of the
 * U-Net, which is added where the level ends on the way down. */
#ifndef LT_T2I_H
#define LT_T2I_H

#include "models/unet.h"

enum { LT_T2I_FACTOR = 8 }; /* pixels of the hint a side of the latent's: they are channels of what the adapter reads */

typedef struct lt_t2i {
    lt_weights *weights; /* NULL: a description alone */
    bool light;          /* each level is narrower inside, with a convolution in and one out */
    int hint_channels;   /* 3, or 1 of a grey one */
    int levels;
    struct {
        int channels, inner, blocks;
    } level[LT_MAX_LEVELS]; /* 320, 640, 1280 and 1280 wide, of two blocks each */
} lt_t2i;

/* Walks over all of it. */
void lt_t2i_walk(const lt_t2i *adapter, lt_walk *walk);

/* What names and shapes tell; and from weights named "t2i_adapter....". */
lt_status lt_t2i_read(const lt_names *names, lt_naming naming, lt_t2i *adapter);
lt_status lt_t2i_open(lt_weights *weights, lt_t2i *adapter);

/* LT_ERROR_MODEL unless it is for that U-Net, for which reason. */
lt_status lt_t2i_fits(const lt_t2i *adapter, const lt_unet *unet);

/* Input: "hint" [n,h,w,64 * hint_channels], the pixels of 8 by 8 in [0, 1] as torch's PixelUnshuffle orders them
 * (lt_t2i_unshuffle). Outputs: "feature.I" (lt_feature_ports) of each level, half as large as the one before. */
lt_status lt_t2i_build(const lt_t2i *adapter, int n, int h, int w, lt_graph *graph);

/* pixels [8h,8w,3] of one hint in that order, into hint [h,w,64 * channels]; channels 1: their mean. */
void lt_t2i_unshuffle(const float *pixels, int h, int w, int channels, float *hint);

#endif
