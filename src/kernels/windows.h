/* A convolution as a matrix product: row r of A [rows, k] is the window of output pixel r, k = (ky*kernel + kx)*c +
 * channel, zeros outside. A exists only in pieces, copied where they are needed. */
#ifndef LT_WINDOWS_H
#define LT_WINDOWS_H

#include "kernels/conv.h"

typedef struct lt_windows {
    int kernel, stride, pad, h, w;
    size_t c[2], both, oh, ow; /* both: the channels of both sources */
} lt_windows;

lt_windows lt_windows_of(const lt_conv_desc *d);

/* Of four bytes each, floats or words (narrow.h): out[i] = A[row, k + i], i < count */
void lt_windows_copy(const lt_windows *s, const float *const src[2], size_t row, size_t k, size_t count, float *out);

/* A pixel's one value (of each source: [n, h, w]) where A[row, k] comes from; 0 outside. */
float lt_windows_value(const lt_windows *s, const float *const of_pixel[2], size_t row, size_t k);

#endif
