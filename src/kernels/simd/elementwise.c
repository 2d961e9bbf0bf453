/* Kernels that go through memory once, element by element. Pieces are CHUNK elements whatever the number of threads. */
#include "kernels/simd/simd.h"

enum { CHUNK = 4096 };

static size_t chunks_of(size_t n) { return (n + CHUNK - 1) / CHUNK; }

/* What the loops below go through: each reads those of these that it has. */
typedef struct arrays {
    const float *a, *b;
    float *y;
    size_t n; /* elements; of a row, where rows are gone through */
    lt_activation act;
} arrays;

/* ---- Activations ---- */

LT_INLINE vf activation(lt_activation act, vf x) {
    switch (act) {
    case LT_ACT_SILU: return vf_silu(x, 1.0f);
    case LT_ACT_GELU: return vf_gelu(x);
    case LT_ACT_QUICK_GELU: return vf_silu(x, 1.702f);
    case LT_ACT_RELU: return vf_max(vf_set(0.0f), x);
    case LT_ACT_LEAKY_RELU: return vf_max(0.2f * x, x);
    case LT_ACT_SOFT_CLAMP: return vf_soft_clamp(x);
    default: return x;
    }
}

LT_INLINE void activate_chunk(lt_activation act, const float *x, float *y, size_t n) {
    size_t i = 0;
    for (; i + LT_VEC <= n; i += LT_VEC) vf_store(y + i, activation(act, vf_load(x + i)));
    if (i < n) vf_store_part(y + i, activation(act, vf_load_part(x + i, n - i)), n - i);
}

static void activate_part(const void *context, size_t chunk, int thread) {
    (void)thread;
    const arrays *s = context;
    const size_t i = chunk * CHUNK, count = lt_min(CHUNK, s->n - i);
    switch (s->act) {
    case LT_ACT_SILU: activate_chunk(LT_ACT_SILU, s->a + i, s->y + i, count); break;
    case LT_ACT_GELU: activate_chunk(LT_ACT_GELU, s->a + i, s->y + i, count); break;
    case LT_ACT_QUICK_GELU: activate_chunk(LT_ACT_QUICK_GELU, s->a + i, s->y + i, count); break;
    case LT_ACT_RELU: activate_chunk(LT_ACT_RELU, s->a + i, s->y + i, count); break;
    case LT_ACT_LEAKY_RELU: activate_chunk(LT_ACT_LEAKY_RELU, s->a + i, s->y + i, count); break;
    case LT_ACT_SOFT_CLAMP: activate_chunk(LT_ACT_SOFT_CLAMP, s->a + i, s->y + i, count); break;
    default: activate_chunk(LT_ACT_NONE, s->a + i, s->y + i, count); break;
    }
}

void LT_SIMD_NAME(lt_activate)(lt_activation act, const float *x, float *y, size_t n) {
    const arrays loop = {.act = act, .a = x, .y = y, .n = n};
    lt_parallel(lt_threads_worth(n), chunks_of(n), LT_EVENLY, activate_part, &loop);
}

static void geglu_row(const void *context, size_t row, int thread) {
    (void)thread;
    const arrays *s = context;
    const size_t oc = s->n;
    const float *value = s->a + row * 2 * oc, *gate = value + oc;
    float *to = s->y + row * oc;
    size_t i = 0;
    for (; i + LT_VEC <= oc; i += LT_VEC) vf_store(to + i, vf_load(value + i) * vf_gelu(vf_load(gate + i)));
    if (i < oc) {
        const vf rest = vf_load_part(value + i, oc - i) * vf_gelu(vf_load_part(gate + i, oc - i));
        vf_store_part(to + i, rest, oc - i);
    }
}

void LT_SIMD_NAME(lt_geglu)(const float *a, float *y, size_t rows, size_t oc) {
    const arrays loop = {.a = a, .y = y, .n = oc};
    lt_parallel(lt_threads_worth(rows * oc), rows, LT_EVENLY, geglu_row, &loop);
}

/* ---- Their derivatives ---- */

LT_INLINE vf derivative(lt_activation act, vf x) {
    vf gelu;
    switch (act) {
    case LT_ACT_SILU: return vf_silu_derivative(x, 1.0f);
    case LT_ACT_GELU: return vf_gelu_derivative(x, &gelu);
    case LT_ACT_QUICK_GELU: return vf_silu_derivative(x, 1.702f);
    case LT_ACT_RELU: return vf_select(x > 0.0f, vf_set(1.0f), vf_set(0.0f));
    case LT_ACT_LEAKY_RELU: return vf_select(x > 0.0f, vf_set(1.0f), vf_set(0.2f));
    case LT_ACT_SOFT_CLAMP: return vf_soft_clamp_derivative(x);
    default: return vf_set(1.0f);
    }
}

LT_INLINE void derive_chunk(lt_activation act, const float *x, const float *dy, float *dx, size_t n) {
    for (size_t i = 0; i < n; i += LT_VEC) {
        const size_t rest = i + LT_VEC <= n ? 0 : n - i;
        vf_store_rest(dx + i, vf_load_rest(dy + i, rest) * derivative(act, vf_load_rest(x + i, rest)), rest);
    }
}

static void derive_part(const void *context, size_t chunk, int thread) { /* a: x, b: dy, y: dx */
    (void)thread;
    const arrays *s = context;
    const size_t i = chunk * CHUNK, count = lt_min(CHUNK, s->n - i);
    switch (s->act) {
    case LT_ACT_SILU: derive_chunk(LT_ACT_SILU, s->a + i, s->b + i, s->y + i, count); break;
    case LT_ACT_GELU: derive_chunk(LT_ACT_GELU, s->a + i, s->b + i, s->y + i, count); break;
    case LT_ACT_QUICK_GELU: derive_chunk(LT_ACT_QUICK_GELU, s->a + i, s->b + i, s->y + i, count); break;
    case LT_ACT_RELU: derive_chunk(LT_ACT_RELU, s->a + i, s->b + i, s->y + i, count); break;
    case LT_ACT_LEAKY_RELU: derive_chunk(LT_ACT_LEAKY_RELU, s->a + i, s->b + i, s->y + i, count); break;
    case LT_ACT_SOFT_CLAMP: derive_chunk(LT_ACT_SOFT_CLAMP, s->a + i, s->b + i, s->y + i, count); break;
    default: derive_chunk(LT_ACT_NONE, s->a + i, s->b + i, s->y + i, count); break;
    }
}

void LT_SIMD_NAME(lt_activate_backward)(lt_activation act, const float *x, const float *dy, float *dx, size_t n) {
    const arrays loop = {.act = act, .a = x, .b = dy, .y = dx, .n = n};
    lt_parallel(lt_threads_worth(n), chunks_of(n), LT_EVENLY, derive_part, &loop);
}

static void geglu_backward_row(const void *context, size_t row, int thread) { /* a: a, b: dy, y: da */
    (void)thread;
    const arrays *s = context;
    const size_t oc = s->n;
    for (size_t i = 0; i < oc; i += LT_VEC) {
        const size_t rest = i + LT_VEC <= oc ? 0 : oc - i, value = row * 2 * oc + i, gate = value + oc;
        const vf d = vf_load_rest(s->b + row * oc + i, rest);
        vf gelu;
        const vf slope = vf_gelu_derivative(vf_load_rest(s->a + gate, rest), &gelu);
        vf_store_rest(s->y + gate, d * vf_load_rest(s->a + value, rest) * slope, rest);
        vf_store_rest(s->y + value, d * gelu, rest);
    }
}

void LT_SIMD_NAME(lt_geglu_backward)(const float *a, const float *dy, float *da, size_t rows, size_t oc) {
    const arrays loop = {.a = a, .b = dy, .y = da, .n = oc};
    lt_parallel(lt_threads_worth(rows * oc), rows, LT_EVENLY, geglu_backward_row, &loop);
}

/* ---- Sums ---- */

static void add_chunk(const float *a, const float *b, float *y, size_t n) {
    size_t i = 0;
    for (; i + LT_VEC <= n; i += LT_VEC) vf_store(y + i, vf_load(a + i) + vf_load(b + i));
    if (i < n) vf_store_part(y + i, vf_load_part(a + i, n - i) + vf_load_part(b + i, n - i), n - i);
}

void LT_SIMD_NAME(lt_add)(const float *a, const float *b, float *y, size_t n) {
    LT_SIMD_NAME(lt_add_broadcast)(a, b, y, 1, n);
}

static void add_part(const void *context, size_t piece, int thread) {
    (void)thread;
    const arrays *s = context;
    const size_t chunks = chunks_of(s->n), i = piece % chunks * CHUNK, at = piece / chunks * s->n + i;
    add_chunk(s->a + at, s->b + i, s->y + at, lt_min(CHUNK, s->n - i));
}

void LT_SIMD_NAME(lt_add_broadcast)(const float *a, const float *b, float *y, size_t n, size_t m) {
    const arrays loop = {.a = a, .b = b, .y = y, .n = m};
    lt_parallel(lt_threads_worth(n * m), n * chunks_of(m), LT_EVENLY, add_part, &loop);
}
