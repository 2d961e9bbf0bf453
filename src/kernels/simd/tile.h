/* The matrix product's inner loop: a tile of sums that stays in registers.
 *
 * AVX-512: 14 rows by 2 vectors, 28 sums, 2 vectors of b and one broadcast of a: 31 of 32 registers. AVX2: 6 by 2
 * of 16. With a latency of 4 cycles both keep two units busy. */
#ifndef LT_SIMD_TILE_H
#define LT_SIMD_TILE_H

#include "kernels/gemm.h"
#include "kernels/simd/weight_format.h"

#if defined(__AVX512F__)
enum { ROWS = 14 };
#else
enum { ROWS = 6 };
#endif
enum { COLUMNS = 2 * LT_VEC };

/* ---- One word of a with a vector of b ---- */

LT_INLINE vi load_words(const void *p) {
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}

LT_INLINE vf broadcast(const lt_precision numbers, const float *a) {
    if (numbers == LT_PRECISION_F32) return vf_set(*a);
    int32_t word;
    memcpy(&word, a, sizeof word);
    return (vf)vi_set(word);
}

/* Four products of unsigned bytes (of a) and signed ones (of b) are added to each sum, or two of bf16: by name, since
 * compilers move sums that change their type to and fro. */
LT_INLINE vf add_quads(vf sum, vf a, vf b) {
#if defined(__AVX512VNNI__)
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#elif defined(__AVXVNNI__)
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
#elif defined(__AVX512F__) /* as pairs of 16 bits, the even bytes and the odd ones: nothing saturates */
    const __m512i even = _mm512_and_si512((__m512i)a, _mm512_set1_epi16(255)), odd = _mm512_srli_epi16((__m512i)a, 8);
    const __m512i b_even = _mm512_srai_epi16(_mm512_slli_epi16((__m512i)b, 8), 8),
                  b_odd = _mm512_srai_epi16((__m512i)b, 8);
    return (vf)((vi)sum + (vi)_mm512_madd_epi16(even, b_even) + (vi)_mm512_madd_epi16(odd, b_odd));
#else
    const __m256i even = _mm256_and_si256((__m256i)a, _mm256_set1_epi16(255)), odd = _mm256_srli_epi16((__m256i)a, 8);
    const __m256i b_even = _mm256_srai_epi16(_mm256_slli_epi16((__m256i)b, 8), 8),
                  b_odd = _mm256_srai_epi16((__m256i)b, 8);
    return (vf)((vi)sum + (vi)_mm256_madd_epi16(even, b_even) + (vi)_mm256_madd_epi16(odd, b_odd));
#endif
}

LT_INLINE vf add_product(const lt_precision numbers, vf sum, vf a, vf b) {
    if (numbers == LT_PRECISION_INT8) return add_quads(sum, a, b);
#if defined(__AVX512BF16__)
    if (numbers == LT_PRECISION_BF16) {
        __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
        return sum;
    }
#endif
    return sum + a * b;
}

/* ---- A tile ---- */

LT_INLINE void store_sums(const lt_tile *t, const lt_precision numbers, size_t row, vf sum, float *to) {
    if (numbers == LT_PRECISION_INT8) sum = __builtin_convertvector((vi)sum, vf) * vf_set(t->scale[row]);
    vf_store(to, t->add ? vf_load(to) + sum : sum);
}

/* With `rows` known when it is compiled, so that every sum has its register. Rows of a are reached from every third
 * one: x86 addresses p, p + lda and p + 2*lda from one pointer. */
LT_INLINE void tile_rows(const lt_tile *t, const size_t rows, const lt_precision numbers,
                         const lt_weight_format_id format, const bool outer) {
    const size_t lda = outer ? 1 : t->lda, ldb = outer ? t->ldb : COLUMNS, ldc = t->ldc, step = outer ? t->lda : 1;
    const size_t start = numbers == LT_PRECISION_INT8 ? COLUMNS : 0;
    const float *next = t->next;
    float *c = t->c;
    vf sum[ROWS][2];
    const float *p[(ROWS + 2) / 3];
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++) {
        sum[i][0] = start ? (vf)load_words(t->b) : (vf){0};
        sum[i][1] = start ? (vf)load_words((const float *)t->b + LT_VEC) : (vf){0};
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
            const vf x = broadcast(numbers, &p[i / 3][i % 3 * lda]);
            sum[i][0] = add_product(numbers, sum[i][0], x, b0);
            sum[i][1] = add_product(numbers, sum[i][1], x, b1);
        }
#pragma GCC unroll 16
        for (size_t i = 0; i < rows; i += 3) p[i / 3] += step;
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++) {
        store_sums(t, numbers, i, sum[i][0], c + i * ldc);
        store_sums(t, numbers, i, sum[i][1], c + i * ldc + LT_VEC);
    }
}

LT_INLINE void tile_any(const lt_tile *t, const lt_precision numbers, const lt_weight_format_id format,
                        const bool outer) {
    switch (t->rows) {
    case 1: tile_rows(t, 1, numbers, format, outer); break;
    case 2: tile_rows(t, 2, numbers, format, outer); break;
    case 3: tile_rows(t, 3, numbers, format, outer); break;
    case 4: tile_rows(t, 4, numbers, format, outer); break;
    case 5: tile_rows(t, 5, numbers, format, outer); break;
    case 6: tile_rows(t, 6, numbers, format, outer); break;
#if defined(__AVX512F__)
    case 7: tile_rows(t, 7, numbers, format, outer); break;
    case 8: tile_rows(t, 8, numbers, format, outer); break;
    case 9: tile_rows(t, 9, numbers, format, outer); break;
    case 10: tile_rows(t, 10, numbers, format, outer); break;
    case 11: tile_rows(t, 11, numbers, format, outer); break;
    case 12: tile_rows(t, 12, numbers, format, outer); break;
    case 13: tile_rows(t, 13, numbers, format, outer); break;
    case 14: tile_rows(t, 14, numbers, format, outer); break;
#endif
    default: break;
    }
}

#endif
