/* Kernels that make pixels of pixels, [n, h, w, c], and embeddings of timesteps. */
#ifndef LT_PIXELS_H
#define LT_PIXELS_H

#include "base/base.h"

/* Nearest neighbour, as torch.nn.functional.interpolate(mode="nearest"): pixel (y, x) of the larger picture is pixel
 * (y * small_h / large_h, x * small_w / large_w) of the smaller. */
typedef struct lt_upsample_args {
    size_t n, c, small_h, small_w, large_h, large_w;
    const float *from; /* the smaller picture; backward: the gradient by the larger, */
    float *to;         /* the larger; backward: that by the smaller, each the sum over the pixels that it went to */
} lt_upsample_args;

/* Where one axis' values come from: each of `size` is a weighted sum of up to taps of `source`. */
typedef struct lt_axis {
    size_t size, source, taps;
    const int *first, *used; /* [size]: the first of them, and how many */
    const float *weights;    /* [size, taps] */
} lt_axis;

/* Resampling along the middle of [outer, source, inner] -> [outer, size, inner]. */
typedef struct lt_resample_args {
    const lt_axis *axis;
    size_t outer, inner;
    const float *from; /* backward: the gradient [outer, size, inner], */
    float *to;         /* and that by the source [outer, source, inner] */
} lt_resample_args;

typedef struct lt_pixel_kernels {
    void (*upsample)(const lt_upsample_args *a);
    void (*upsample_backward)(const lt_upsample_args *a);
    void (*resample)(const lt_resample_args *a);
    void (*resample_backward)(const lt_resample_args *a);
    /* y [rows, c] = scale [c] * x + shift [c] (NULL: 0); y may be x */
    void (*affine)(const float *x, const float *scale, const float *shift, float *y, size_t rows, size_t c);
    /* y [n, channels] = [cos(t f_i), sin(t f_i)], f_i = 10000^(-i / (channels / 2)): Ho et al. 2020 in diffusers'
     * order, in float32 as there */
    void (*timestep)(const float *t, float *y, size_t n, size_t channels);
} lt_pixel_kernels;

/* As lt_losses and lt_reference_losses (loss.h). */
extern const lt_pixel_kernels lt_pixels, lt_reference_pixels;

#endif
