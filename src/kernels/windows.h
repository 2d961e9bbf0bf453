/* A convolution as a matrix product: row r of A [rows, k] is the window of output pixel r, k = (ky*kernel + kx)*c +
 * channel, zeros outside, or what is on the other side. A exists only in pieces, copied where they are needed. */
#ifndef LT_WINDOWS_H
#define LT_WINDOWS_H

#include "kernels/conv.h"

typedef struct lt_windows {
    int kernel, stride, pad, h, w;
    bool wraps_x, wraps_y;
    size_t c[2], both, oh, ow; /* both: the channels of both sources */
    size_t pitch[2];           /* numbers from one pixel of a source to the next */
} lt_windows;

lt_windows lt_windows_of(const lt_conv_desc *d);

/* Of four bytes each, floats or words (narrow.h): out[i] = A[row, k + i], i < count */
void lt_windows_copy(const lt_windows *s, const float *const src[2], size_t row, size_t k, size_t count, float *out);

/* Whose block of words, of one tap and source, a row's is: the same for all of a block. */
typedef struct lt_windows_block {
    int source, ky, kx;
    size_t first, count; /* words of a pixel */
} lt_windows_block;

lt_windows_block lt_windows_block_of(const lt_windows *s, size_t k, size_t count);

/* out[i] = A[row, k + i] for rows [row, row + rows), out's rows `stride` apart, and scale[i] a value of the pixel that
 * row i's come from (of_pixel: [n, h, w]), 0 outside. */
void lt_windows_copy_block(const lt_windows *s, const lt_windows_block *b, const float *src, const float *of_pixel,
                           size_t row, size_t rows, float *out, size_t stride, float *scale);

#endif
