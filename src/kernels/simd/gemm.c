/* The matrix product's inner loops: a tile of sums that stays in registers, and what is done to the sums when they are
 * complete.
 *
 * AVX-512: 14 rows by 2 vectors, 28 sums, 2 vectors of b and one broadcast of a: 31 of 32 registers. AVX2: 6 by 2
 * of 16. With a latency of 4 cycles both keep two FMA units busy. */
#include "kernels/gemm.h"
#include "kernels/simd/weight_format.h"

#if defined(__AVX512F__)
enum { ROWS = 14 };
#else
enum { ROWS = 6 };
#endif
enum { COLUMNS = 2 * LT_VEC };

/* ---- The product ---- */

/* A tile with `rows` known when it is compiled, so that every sum has its register. Rows of a are reached from every
 * third one: x86 addresses p, p + lda and p + 2*lda from one pointer. */
LT_INLINE void tile_rows(const lt_tile *t, const size_t rows, const lt_weight_format_id b, const bool outer) {
    const size_t lda = outer ? 1 : t->lda, ldb = outer ? t->ldb : COLUMNS, ldc = t->ldc, step = outer ? t->lda : 1;
    const float *next = t->next;
    float *c = t->c;
    vf sum[ROWS][2];
    const float *p[(ROWS + 2) / 3];
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++) {
        sum[i][0] = sum[i][1] = (vf){0};
        __builtin_prefetch(c + i * ldc, 1);
        __builtin_prefetch(c + i * ldc + COLUMNS - 1, 1);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i += 3) p[i / 3] = t->a + i * lda;
    for (size_t j = 0; j < t->k; j++) {
        const size_t at = j * ldb;
        const vf b0 = vf_load_weight(b, t->b, at), b1 = vf_load_weight(b, t->b, at + LT_VEC);
        if (!outer) {
            __builtin_prefetch(next);
            next += t->ahead;
        }
#pragma GCC unroll 16
        for (size_t i = 0; i < rows; i++) {
            const vf x = vf_set(p[i / 3][i % 3 * lda]);
            sum[i][0] += x * b0;
            sum[i][1] += x * b1;
        }
#pragma GCC unroll 16
        for (size_t i = 0; i < rows; i += 3) p[i / 3] += step;
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++) {
        float *first = c + i * ldc, *second = first + LT_VEC;
        vf_store(first, t->add ? vf_load(first) + sum[i][0] : sum[i][0]);
        vf_store(second, t->add ? vf_load(second) + sum[i][1] : sum[i][1]);
    }
}

LT_INLINE void tile_any(const lt_tile *t, const lt_weight_format_id b, const bool outer) {
    switch (t->rows) {
    case 1: tile_rows(t, 1, b, outer); break;
    case 2: tile_rows(t, 2, b, outer); break;
    case 3: tile_rows(t, 3, b, outer); break;
    case 4: tile_rows(t, 4, b, outer); break;
    case 5: tile_rows(t, 5, b, outer); break;
    case 6: tile_rows(t, 6, b, outer); break;
#if defined(__AVX512F__)
    case 7: tile_rows(t, 7, b, outer); break;
    case 8: tile_rows(t, 8, b, outer); break;
    case 9: tile_rows(t, 9, b, outer); break;
    case 10: tile_rows(t, 10, b, outer); break;
    case 11: tile_rows(t, 11, b, outer); break;
    case 12: tile_rows(t, 12, b, outer); break;
    case 13: tile_rows(t, 13, b, outer); break;
    case 14: tile_rows(t, 14, b, outer); break;
#endif
    default: break;
    }
}

static void tile_f32(const lt_tile *t) { tile_any(t, LT_WEIGHT_F32, false); }
static void tile_f16(const lt_tile *t) { tile_any(t, LT_WEIGHT_F16, false); }
static void tile_bf16(const lt_tile *t) { tile_any(t, LT_WEIGHT_BF16, false); }
static void tile_outer(const lt_tile *t) { tile_any(t, LT_WEIGHT_F32, true); }

/* ---- Packing ---- */

static void transpose(const float *from, size_t from_stride, size_t rows, size_t c, size_t taps, float *to,
                      size_t to_stride) {
    size_t channel = 0, tap = 0;
    for (size_t k = 0; k < c * taps; k += 8) {
        const size_t n = lt_min(8, c * taps - k);
        float *line[8]; /* where column k + i goes */
        for (size_t i = 0; i < n; i++) {
            line[i] = to + (tap * c + channel) * to_stride;
            if (++tap == taps) {
                tap = 0;
                channel++;
            }
        }
        for (size_t row = 0; row < rows; row += 8) {
            v8 r[8];
            for (size_t i = 0; i < 8; i++) {
                const float *p = from + (row + i) * from_stride + k;
                r[i] = n == 8 ? v8_load(p) : v8_load_part(p, n);
            }
            v8_transpose(r);
            for (size_t i = 0; i < n; i++) v8_store(line[i] + row, r[i]);
        }
    }
}

/* ---- The epilogue ---- */

LT_INLINE vf activate(const lt_activation act, vf x) {
    switch (act) {
    case LT_ACT_SILU: return vf_silu(x, 1.0f);
    case LT_ACT_GELU: return vf_gelu(x);
    case LT_ACT_QUICK_GELU: return vf_silu(x, 1.702f);
    case LT_ACT_NONE:
    case LT_ACT_GEGLU: break;
    }
    return x;
}

LT_INLINE void finish_row(const lt_epilogue *e, const lt_activation act, size_t row, const float *sums) {
    for (size_t j = 0; j < e->columns; j += LT_VEC) {
        const size_t n = lt_min(e->columns - j, LT_VEC), at = row * e->stride + j;
        const float *sum = act == LT_ACT_GEGLU ? sums + j / COLUMNS * (2 * COLUMNS) + j % COLUMNS : sums + j;
        vf x = vf_load(sum);
        if (e->bias) x += vf_load_part(e->bias + j, n);
        if (act == LT_ACT_GEGLU) {
            vf gate = vf_load(sum + COLUMNS);
            if (e->gate_bias) gate += vf_load_part(e->gate_bias + j, n);
            x *= vf_gelu(gate);
        }
        x = activate(act, x);
        if (e->residual) x += vf_load_part(e->residual + at, n);
        vf_store_part(e->dst + at, x, n);
    }
}

LT_INLINE void finish_rows(const lt_epilogue *e, const lt_activation act, size_t rows, const float *sums, size_t ldc) {
    for (size_t r = 0; r < rows; r++) finish_row(e, act, r, sums + r * ldc);
}

static void finish(const lt_epilogue *e, size_t rows, const float *sums, size_t ldc) {
    switch (e->act) {
    case LT_ACT_NONE: finish_rows(e, LT_ACT_NONE, rows, sums, ldc); break;
    case LT_ACT_SILU: finish_rows(e, LT_ACT_SILU, rows, sums, ldc); break;
    case LT_ACT_GELU: finish_rows(e, LT_ACT_GELU, rows, sums, ldc); break;
    case LT_ACT_QUICK_GELU: finish_rows(e, LT_ACT_QUICK_GELU, rows, sums, ldc); break;
    case LT_ACT_GEGLU: finish_rows(e, LT_ACT_GEGLU, rows, sums, ldc); break;
    }
}

const lt_gemm_simd LT_SIMD_NAME(lt_gemm_simd) = {
    .isa = LT_VEC == 16 ? LT_ISA_AVX512 : LT_ISA_AVX2,
    .rows = ROWS,
    .columns = COLUMNS,
    .tile = {[LT_WEIGHT_F32] = tile_f32, [LT_WEIGHT_F16] = tile_f16, [LT_WEIGHT_BF16] = tile_bf16},
    .tile_outer = tile_outer,
    .transpose = transpose,
    .finish = finish,
};
