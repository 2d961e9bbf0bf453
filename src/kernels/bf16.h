/* Rounding to bf16, to the nearest and to even in between. */
#ifndef LT_BF16_H
#define LT_BF16_H

#include "base/base.h"

/* x [n] to y [n], by so many threads. Only where the processor has AVX512-BF16. */
void lt_to_bf16(const float *x, uint16_t *y, size_t n, int threads);

/* x [n] rounded to bf16, as float32, on any processor. */
void lt_round_to_bf16(const float *x, float *y, size_t n, int threads);

/* Between bf16 and float32 in plain C: exact, and to the nearest. */
void lt_bf16_read(const void *bf16, float *values, size_t n);
void lt_bf16_write(const float *values, void *bf16, size_t n);

/* lt_to_bf16 in the calling thread. */
void lt_to_bf16_loop(const float *x, uint16_t *y, size_t n);

/* The vector loop (simd/bf16.c). */
void lt_to_bf16_avx512(const float *x, uint16_t *y, size_t n);

#endif
