/* The optimiser's step and the norm of gradients. Pieces do not depend on the number of threads. */
#include "kernels/simd/simd.h"

enum { CHUNK = 4096 };

/* The factors of a step, rounded once. */
typedef struct step {
    float scale, beta1, rest1, beta2, rest2, eps, decay, rate, bias2, rest_ema;
} step;

static step factors(const lt_adamw_args *a) {
    return (step){
        .scale = a->scale,
        .beta1 = a->beta1,
        .rest1 = 1.0f - a->beta1, /* exact, as the next */
        .beta2 = a->beta2,
        .rest2 = 1.0f - a->beta2,
        .eps = a->eps,
        .decay = a->rate * a->decay,
        .rate = (float)((double)a->rate / (double)a->bias1),
        .bias2 = (float)(1 / (double)a->bias2),
        .rest_ema = 1.0f - a->ema_decay,
    };
}

LT_INLINE void update(const lt_adamw_args *a, const step *s, size_t i, size_t rest) {
    const vf g = vf_load_rest(a->gradient + i, rest) * s->scale, w = vf_load_rest(a->w + i, rest);
    const vf m = vf_load_rest(a->m + i, rest) * s->beta1 + g * s->rest1;
    const vf v = vf_load_rest(a->v + i, rest) * s->beta2 + g * g * s->rest2;
    const vf next = w - w * s->decay - (m * s->rate) / (vf_sqrt(v * s->bias2) + s->eps);
    vf_store_rest(a->m + i, m, rest);
    vf_store_rest(a->v + i, v, rest);
    vf_store_rest(a->w + i, next, rest);
    vf_store_rest(a->gradient + i, (vf){0}, rest);
    if (a->ema) {
        const vf ema = vf_load_rest(a->ema + i, rest);
        vf_store_rest(a->ema + i, ema + (next - ema) * s->rest_ema, rest);
    }
}

typedef struct update_loop {
    const lt_adamw_args *a;
    step s;
} update_loop;

static void update_chunk(const void *context, size_t chunk, int thread) {
    (void)thread;
    const update_loop *loop = context;
    const size_t end = lt_min((chunk + 1) * CHUNK, loop->a->n);
    size_t i = chunk * CHUNK;
    for (; i + LT_VEC <= end; i += LT_VEC) update(loop->a, &loop->s, i, 0);
    if (i < end) update(loop->a, &loop->s, i, end - i);
}

void LT_SIMD_NAME(lt_adamw)(const lt_adamw_args *a) {
    const update_loop loop = {a, factors(a)};
    lt_parallel(lt_threads_worth(a->n), (a->n + CHUNK - 1) / CHUNK, LT_EVENLY, update_chunk, &loop);
}

/* ---- Sum of squares ---- */

enum { HALF = LT_VEC / 2, PIECES = 64 }; /* PIECES: whatever n is, so that their sums need no memory but the stack */

typedef double vd __attribute__((vector_size(LT_VEC * 4)));

/* HALF floats; GCC 12 makes three instructions of __builtin_convertvector. */
LT_INLINE vd vd_load_floats(const float *p) {
#if defined(__AVX512F__)
    return (vd)_mm512_cvtps_pd(_mm256_loadu_ps(p));
#elif defined(__aarch64__)
    return (vd)vcvt_f64_f32(vld1_f32(p));
#else
    return (vd)_mm256_cvtps_pd(_mm_loadu_ps(p));
#endif
}

static double piece_squares(const float *x, size_t n) {
    enum { SUMS = 4 };
    vd sum[SUMS] = {0};
    size_t i = 0;
    for (; i + SUMS * HALF <= n; i += SUMS * HALF)
#pragma GCC unroll 4
        for (size_t v = 0; v < SUMS; v++) {
            const vd wide = vd_load_floats(x + i + v * HALF);
            sum[v] += wide * wide;
        }
    const vd all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    double total = 0;
    for (size_t lane = 0; lane < HALF; lane++) total += all[lane];
    for (; i < n; i++) total += (double)x[i] * (double)x[i];
    return total;
}

typedef struct squares_loop {
    const float *x;
    size_t n, size; /* of all, of a piece */
    double *sums;   /* [PIECES] */
} squares_loop;

static void sum_piece(const void *context, size_t piece, int thread) {
    (void)thread;
    const squares_loop *s = context;
    const size_t begin = piece * s->size;
    s->sums[piece] = begin < s->n ? piece_squares(s->x + begin, lt_min(s->size, s->n - begin)) : 0;
}

double LT_SIMD_NAME(lt_sum_of_squares)(const float *x, size_t n) {
    double sums[PIECES], total = 0;
    const squares_loop loop = {x, n, lt_round_up(n / PIECES + 1, LT_VEC), sums};
    lt_parallel(lt_threads_worth(n), PIECES, LT_EVENLY, sum_piece, &loop);
    for (size_t piece = 0; piece < PIECES; piece++) total += sums[piece];
    return total;
}
