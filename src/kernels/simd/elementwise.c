/* Kernels that go through memory once, element by element. Pieces are CHUNK elements whatever the number of threads. */
#include "kernels/simd/simd.h"

enum { CHUNK = 4096, SERIAL = 4 * CHUNK }; /* fewer than SERIAL elements are not worth waking threads for */

static size_t chunks_of(size_t n) { return (n + CHUNK - 1) / CHUNK; }

/* ---- Activations ---- */

LT_INLINE vf activation(lt_activation act, vf x) {
    switch (act) {
    case LT_ACT_SILU: return vf_silu(x, 1.0f);
    case LT_ACT_GELU: return vf_gelu(x);
    case LT_ACT_QUICK_GELU: return vf_silu(x, 1.702f);
    default: return x;
    }
}

LT_INLINE void activate_chunk(lt_activation act, const float *x, float *y, size_t n) {
    size_t i = 0;
    for (; i + LT_VEC <= n; i += LT_VEC) vf_store(y + i, activation(act, vf_load(x + i)));
    if (i < n) vf_store_part(y + i, activation(act, vf_load_part(x + i, n - i)), n - i);
}

void LT_SIMD_NAME(lt_activate)(lt_activation act, const float *x, float *y, size_t n) {
#pragma omp parallel for schedule(static) if (n >= SERIAL)
    for (size_t chunk = 0; chunk < chunks_of(n); chunk++) {
        const size_t i = chunk * CHUNK, count = lt_min(CHUNK, n - i);
        switch (act) {
        case LT_ACT_SILU: activate_chunk(LT_ACT_SILU, x + i, y + i, count); break;
        case LT_ACT_GELU: activate_chunk(LT_ACT_GELU, x + i, y + i, count); break;
        case LT_ACT_QUICK_GELU: activate_chunk(LT_ACT_QUICK_GELU, x + i, y + i, count); break;
        default: activate_chunk(LT_ACT_NONE, x + i, y + i, count); break;
        }
    }
}

void LT_SIMD_NAME(lt_geglu)(const float *a, float *y, size_t rows, size_t oc) {
#pragma omp parallel for schedule(static) if (rows * oc >= SERIAL)
    for (size_t row = 0; row < rows; row++) {
        const float *value = a + row * 2 * oc, *gate = value + oc;
        float *to = y + row * oc;
        size_t i = 0;
        for (; i + LT_VEC <= oc; i += LT_VEC) vf_store(to + i, vf_load(value + i) * vf_gelu(vf_load(gate + i)));
        if (i < oc) {
            const vf rest = vf_load_part(value + i, oc - i) * vf_gelu(vf_load_part(gate + i, oc - i));
            vf_store_part(to + i, rest, oc - i);
        }
    }
}

/* ---- Their derivatives ---- */

LT_INLINE vf derivative(lt_activation act, vf x) {
    vf gelu;
    switch (act) {
    case LT_ACT_SILU: return vf_silu_derivative(x, 1.0f);
    case LT_ACT_GELU: return vf_gelu_derivative(x, &gelu);
    case LT_ACT_QUICK_GELU: return vf_silu_derivative(x, 1.702f);
    default: return vf_set(1.0f);
    }
}

LT_INLINE void derive_chunk(lt_activation act, const float *x, const float *dy, float *dx, size_t n) {
    for (size_t i = 0; i < n; i += LT_VEC) {
        const size_t rest = i + LT_VEC <= n ? 0 : n - i;
        vf_store_rest(dx + i, vf_load_rest(dy + i, rest) * derivative(act, vf_load_rest(x + i, rest)), rest);
    }
}

void LT_SIMD_NAME(lt_activate_backward)(lt_activation act, const float *x, const float *dy, float *dx, size_t n) {
#pragma omp parallel for schedule(static) if (n >= SERIAL)
    for (size_t chunk = 0; chunk < chunks_of(n); chunk++) {
        const size_t i = chunk * CHUNK, count = lt_min(CHUNK, n - i);
        switch (act) {
        case LT_ACT_SILU: derive_chunk(LT_ACT_SILU, x + i, dy + i, dx + i, count); break;
        case LT_ACT_GELU: derive_chunk(LT_ACT_GELU, x + i, dy + i, dx + i, count); break;
        case LT_ACT_QUICK_GELU: derive_chunk(LT_ACT_QUICK_GELU, x + i, dy + i, dx + i, count); break;
        default: derive_chunk(LT_ACT_NONE, x + i, dy + i, dx + i, count); break;
        }
    }
}

void LT_SIMD_NAME(lt_geglu_backward)(const float *a, const float *dy, float *da, size_t rows, size_t oc) {
#pragma omp parallel for schedule(static) if (rows * oc >= SERIAL)
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < oc; i += LT_VEC) {
            const size_t rest = i + LT_VEC <= oc ? 0 : oc - i, value = row * 2 * oc + i, gate = value + oc;
            const vf d = vf_load_rest(dy + row * oc + i, rest);
            vf gelu;
            const vf slope = vf_gelu_derivative(vf_load_rest(a + gate, rest), &gelu);
            vf_store_rest(da + gate, d * vf_load_rest(a + value, rest) * slope, rest);
            vf_store_rest(da + value, d * gelu, rest);
        }
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

void LT_SIMD_NAME(lt_add_broadcast)(const float *a, const float *b, float *y, size_t n, size_t m) {
    const size_t chunks = chunks_of(m);
#pragma omp parallel for schedule(static) if (n * m >= SERIAL)
    for (size_t piece = 0; piece < n * chunks; piece++) {
        const size_t i = piece % chunks * CHUNK, at = piece / chunks * m + i;
        add_chunk(a + at, b + i, y + at, lt_min(CHUNK, m - i));
    }
}

/* ---- Widening ---- */

static void widen_chunk(const uint16_t *x, float *y, size_t n) {
    size_t i = 0;
    for (; i + LT_VEC <= n; i += LT_VEC) vf_store(y + i, vf_load_f16(x + i));
    if (i < n) {
        uint16_t rest[LT_VEC] = {0};
        memcpy(rest, x + i, (n - i) * sizeof *x);
        vf_store_part(y + i, vf_load_f16(rest), n - i);
    }
}

void LT_SIMD_NAME(lt_widen_f16)(const uint16_t *x, float *y, size_t n) {
#pragma omp parallel for schedule(static) if (n >= SERIAL)
    for (size_t chunk = 0; chunk < chunks_of(n); chunk++) {
        const size_t i = chunk * CHUNK;
        widen_chunk(x + i, y + i, lt_min(CHUNK, n - i));
    }
}
