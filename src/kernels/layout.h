/* Between the order of the outside, [n, channels, pixels], and ours, [n, pixels, channels]. */
#ifndef LT_LAYOUT_H
#define LT_LAYOUT_H

#include <stddef.h>

void lt_nchw_to_nhwc(const float *from, float *to, size_t n, size_t pixels, size_t channels);
void lt_nhwc_to_nchw(const float *from, float *to, size_t n, size_t pixels, size_t channels);

#endif
