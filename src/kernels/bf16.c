/* Rounding to bf16: sharing the work out. */
#include "kernels/bf16.h"

#include "base/tensor.h"

enum { PIECE = 1 << 14 }; /* numbers that a thread takes at a time */

void lt_to_bf16(const float *x, uint16_t *y, size_t n, int threads) {
#if defined(__x86_64__)
#pragma omp parallel for schedule(static) num_threads(threads) if (n > PIECE)
    for (size_t i = 0; i < n; i += PIECE) lt_to_bf16_avx512(x + i, y + i, lt_min(PIECE, n - i));
#else
    (void)threads;
    for (size_t i = 0; i < n; i++) y[i] = lt_f32_to_bf16(x[i]);
#endif
}

void lt_round_to_bf16(const float *x, float *y, size_t n, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (n > PIECE)
    for (size_t i = 0; i < n; i++) y[i] = lt_bf16_to_f32(lt_f32_to_bf16(x[i]));
}
