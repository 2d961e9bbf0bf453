/* Between layouts. */
#include "kernels/layout.h"

void lt_nchw_to_nhwc(const float *from, float *to, size_t n, size_t pixels, size_t c) {
    for (size_t i = 0; i < n; i++, from += pixels * c, to += pixels * c)
        for (size_t k = 0; k < c; k++)
            for (size_t p = 0; p < pixels; p++) to[p * c + k] = from[k * pixels + p];
}

void lt_nhwc_to_nchw(const float *from, float *to, size_t n, size_t pixels, size_t c) {
    for (size_t i = 0; i < n; i++, from += pixels * c, to += pixels * c)
        for (size_t k = 0; k < c; k++)
            for (size_t p = 0; p < pixels; p++) to[k * pixels + p] = from[p * c + k];
}
