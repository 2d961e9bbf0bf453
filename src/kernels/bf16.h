/* Rounding to bf16, to the nearest and to even in between. */
#ifndef LT_BF16_H
#define LT_BF16_H

#include "base/base.h"

/* x [n] to y [n], by so many threads. Only where lt_isa_has_bf16. */
void lt_to_bf16(const float *x, uint16_t *y, size_t n, int threads);

/* x [n] rounded to bf16, as float32, on any processor. */
void lt_round_to_bf16(const float *x, float *y, size_t n, int threads);

/* The vector loop of the former (simd/bf16.c). */
void lt_to_bf16_avx512(const float *x, uint16_t *y, size_t n);

#endif
