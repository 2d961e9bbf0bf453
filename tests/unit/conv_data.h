/* What the tests of convolutions share: numbers and shapes. */
#ifndef LT_TEST_CONV_DATA_H
#define LT_TEST_CONV_DATA_H

#include "kernels/conv_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { GUARD = 64, GUARD_BYTE = 0xA5, FRESH_BYTE = 0xFF /* four of them are a NaN */ };

static inline uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static inline int random_int(uint32_t *state, int from, int to) {
    return from + (int)(next_random(state) % (uint32_t)(to - from + 1));
}

static inline float *random_floats(uint32_t *state, size_t count, float scale) {
    float *f = lt_alloc(count * sizeof *f);
    assert_non_null(f);
    for (size_t i = 0; i < count; i++) f[i] = ((float)next_random(state) * 0x1p-23f - 1.0f) * scale;
    return f;
}

static inline lt_conv_desc shape(int n, int h, int w, int c0, int c1, int oc, int kernel, int stride, int begin,
                                 int end) {
    return (lt_conv_desc){.n = n,
                          .h = h,
                          .w = w,
                          .c = {c0, c1},
                          .oc = oc,
                          .kernel = kernel,
                          .stride = stride,
                          .pad_begin = begin,
                          .pad_end = end,
                          .bias = true,
                          .weight_type = LT_F32,
                          .isa = LT_ISA_BEST,
                          .threads = 2};
}

#endif
