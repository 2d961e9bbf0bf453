/* The matrix product's inner loop: a tile of sums that stays in registers.
 *
 * AVX-512: 14 rows by 2 vectors, 28 sums, 2 vectors of b and one broadcast of a: 31 of 32 registers. AVX2: 6 by 2
 * of 16. With a latency of 4 cycles both keep two units busy. NEON: 12 by 2, 27 of 32 registers. */
#ifndef LT_SIMD_TILE_H
#define LT_SIMD_TILE_H

#include "kernels/gemm.h"
#include "kernels/simd/weight_format.h"
#include "kernels/simd/words.h"

#if defined(__AVX512F__)
enum { ROWS = 14 };
#elif defined(__aarch64__)
enum { ROWS = 12 };
#else
enum { ROWS = 6 };
#endif
enum { COLUMNS = 2 * LT_VEC };

#if defined(__aarch64__)
enum { SOURCES_ARE_SIGNED = 1 }; /* of int8, as they are multiplied (words.h): there is nothing to start from */
#else
enum { SOURCES_ARE_SIGNED = 0 };
#endif

/* ---- A tile ---- */

LT_INLINE void store_sums(const lt_tile *t, const numbers_kind of, size_t row, vf sum, float *to) {
    if (of >= NUMBERS_INT8) sum = __builtin_convertvector((vi)sum, vf) * vf_set(t->scale[row]);
    vf_store(to, t->add ? vf_load(to) + sum : sum);
}

/* With `rows` known when it is compiled, so that every sum has its register. Rows of a are reached from every third
 * one: x86 addresses p, p + lda and p + 2*lda from one pointer. */
LT_INLINE void tile_rows(const lt_tile *t, const size_t rows, const numbers_kind of, const lt_weight_format_id format,
                         const bool outer) {
    const size_t lda = outer ? 1 : t->lda, ldb = outer ? t->ldb : COLUMNS, ldc = t->ldc, step = outer ? t->lda : 1;
    const size_t start = of == NUMBERS_INT8 ? COLUMNS : 0;
    const float *next = t->next;
    float *c = t->c;
    vf sum[ROWS][2];
    const float *p[(ROWS + 2) / 3];
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++) {
        sum[i][0] = start && !SOURCES_ARE_SIGNED ? (vf)load_words(t->b) : (vf){0};
        sum[i][1] = start && !SOURCES_ARE_SIGNED ? (vf)load_words((const float *)t->b + LT_VEC) : (vf){0};
        __builtin_prefetch(c + i * ldc, 1);
        __builtin_prefetch(c + i * ldc + COLUMNS - 1, 1);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i += 3) p[i / 3] = t->a + i * lda;
    for (size_t j = 0; j < t->k; j++) {
        const size_t at = start + j * ldb;
        const vf b0 = vf_load_weight(format, t->b, at), b1 = vf_load_weight(format, t->b, at + LT_VEC);
        if (!outer) {
            __builtin_prefetch(next);
            next += t->ahead;
        }
#pragma GCC unroll 16
        for (size_t i = 0; i < rows; i++) {
            const vf x = broadcast(of, &p[i / 3][i % 3 * lda]);
            sum[i][0] = add_words(of, sum[i][0], x, b0);
            sum[i][1] = add_words(of, sum[i][1], x, b1);
        }
#pragma GCC unroll 16
        for (size_t i = 0; i < rows; i += 3) p[i / 3] += step;
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++) {
        store_sums(t, of, i, sum[i][0], c + i * ldc);
        store_sums(t, of, i, sum[i][1], c + i * ldc + LT_VEC);
    }
}

LT_INLINE void tile_any(const lt_tile *t, const numbers_kind of, const lt_weight_format_id format, const bool outer) {
    switch (t->rows) {
    case 1: tile_rows(t, 1, of, format, outer); break;
    case 2: tile_rows(t, 2, of, format, outer); break;
    case 3: tile_rows(t, 3, of, format, outer); break;
    case 4: tile_rows(t, 4, of, format, outer); break;
    case 5: tile_rows(t, 5, of, format, outer); break;
    case 6: tile_rows(t, 6, of, format, outer); break;
#if defined(__AVX512F__) || defined(__aarch64__)
    case 7: tile_rows(t, 7, of, format, outer); break;
    case 8: tile_rows(t, 8, of, format, outer); break;
    case 9: tile_rows(t, 9, of, format, outer); break;
    case 10: tile_rows(t, 10, of, format, outer); break;
    case 11: tile_rows(t, 11, of, format, outer); break;
    case 12: tile_rows(t, 12, of, format, outer); break;
#endif
#if defined(__AVX512F__)
    case 13: tile_rows(t, 13, of, format, outer); break;
    case 14: tile_rows(t, 14, of, format, outer); break;
#endif
    default: break;
    }
}

#endif
