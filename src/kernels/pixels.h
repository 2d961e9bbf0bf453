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

/* Half the size, rounded up: the mean of each 2x2 pixels, as far as they are there. */
typedef struct lt_halve_args {
    size_t n, h, w, c;
    const float *from; /* [n, h, w, c] */
    float *to;         /* [n, (h + 1) / 2, (w + 1) / 2, c] */
} lt_halve_args;

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

/* Pixels of r x r and their channels exchanged, as torch.nn.functional.pixel_shuffle and pixel_unshuffle: channel k of
 * pixel (y, x) of the fine picture [n, r*h, r*w, c] is channel k*r*r + y%r*r + x%r of pixel (y/r, x/r) of the coarse
 * one [n, h, w, c*r*r]. */
typedef struct lt_shuffle_args {
    size_t n, h, w, c, r;
    const float *from;
    float *to;
} lt_shuffle_args;

/* to [rows, to_pitch]: its first c are a + scale * b, of a [rows, a_pitch] and b [rows, b_pitch] (NULL: a alone). to
 * may be b. */
typedef struct lt_blend_args {
    size_t rows, c, a_pitch, b_pitch, to_pitch;
    float scale;
    const float *a, *b;
    float *to;
} lt_blend_args;

typedef struct lt_pixel_kernels {
    void (*upsample)(const lt_upsample_args *a);
    void (*upsample_backward)(const lt_upsample_args *a);
    void (*halve)(const lt_halve_args *a);
    void (*resample)(const lt_resample_args *a);
    void (*resample_backward)(const lt_resample_args *a);
    /* y [rows, c] = scale [c] * x + shift [c] (NULL: 0); y may be x */
    void (*affine)(const float *x, const float *scale, const float *shift, float *y, size_t rows, size_t c);
    /* y [n, channels] = [cos(t f_i), sin(t f_i)], f_i = 10000^(-i / (channels / 2)): Ho et al. 2020 in diffusers'
     * order, in float32 as there */
    void (*timestep)(const float *t, float *y, size_t n, size_t channels);
    void (*shuffle)(const lt_shuffle_args *a);   /* coarse to fine */
    void (*unshuffle)(const lt_shuffle_args *a); /* fine to coarse */
    void (*blend)(const lt_blend_args *a);
    /* y [rows, c] = x, times slope [c] where it is below 0 (PReLU, He et al. 2015); y may be x */
    void (*prelu)(const float *x, const float *slope, float *y, size_t rows, size_t c);
} lt_pixel_kernels;

/* As lt_losses and lt_reference_losses (loss.h). */
extern const lt_pixel_kernels lt_pixels, lt_reference_pixels;

#endif
