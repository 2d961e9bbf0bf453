/* Rounding to bf16: sharing the work out. */
#include "kernels/bf16.h"

#include "base/tensor.h"
#include "base/threads.h"

enum { PIECE = 1 << 14 }; /* numbers that a thread takes at a time */

typedef struct numbers {
    const float *x;
    uint16_t *narrow;
    float *rounded;
    size_t n;
} numbers;

void lt_to_bf16_loop(const float *x, uint16_t *y, size_t n) {
#if defined(__x86_64__)
    lt_to_bf16_avx512(x, y, n);
#else
    for (size_t i = 0; i < n; i++) y[i] = lt_f32_to_bf16(x[i]);
#endif
}

static void narrow_piece(const void *context, size_t piece, int thread) {
    (void)thread;
    const numbers *s = context;
    const size_t i = piece * PIECE;
    lt_to_bf16_loop(s->x + i, s->narrow + i, lt_min(PIECE, s->n - i));
}

static void round_piece(const void *context, size_t piece, int thread) {
    (void)thread;
    const numbers *s = context;
    for (size_t i = piece * PIECE; i < lt_min((piece + 1) * PIECE, s->n); i++)
        s->rounded[i] = lt_bf16_to_f32(lt_f32_to_bf16(s->x[i]));
}

void lt_bf16_read(const void *bf16, float *values, size_t n) {
    for (size_t i = 0; i < n; i++) values[i] = lt_bf16_to_f32(((const uint16_t *)bf16)[i]);
}

void lt_bf16_write(const float *values, void *bf16, size_t n) {
    for (size_t i = 0; i < n; i++) ((uint16_t *)bf16)[i] = lt_f32_to_bf16(values[i]);
}

void lt_to_bf16(const float *x, uint16_t *y, size_t n, int threads) {
    const numbers all = {.x = x, .narrow = y, .n = n};
    lt_parallel(threads, (n + PIECE - 1) / PIECE, LT_EVENLY, narrow_piece, &all);
}

void lt_round_to_bf16(const float *x, float *y, size_t n, int threads) {
    const numbers all = {.x = x, .rounded = y, .n = n};
    lt_parallel(threads, (n + PIECE - 1) / PIECE, LT_EVENLY, round_piece, &all);
}
