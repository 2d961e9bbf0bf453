/* Products of words: a float, two bf16 or four int8 (kernels/narrow.h), a pair of Winograd's integers
 * (kernels/winograd_pairs.h): one word with a vector of them. */
#ifndef LT_SIMD_WORDS_H
#define LT_SIMD_WORDS_H

#include "kernels/simd/vec.h"

LT_INLINE vi load_words(const void *p) {
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* What a word holds. Pairs are two signed integers of 16 bits. */
typedef enum numbers_kind { NUMBERS_F32, NUMBERS_BF16, NUMBERS_INT8, NUMBERS_PAIRS } numbers_kind;

LT_INLINE vf broadcast(const numbers_kind of, const float *a) {
    if (of == NUMBERS_F32) return vf_set(*a);
    int32_t word;
    memcpy(&word, a, sizeof word);
    return (vf)vi_set(word);
}

/* Four products of unsigned bytes (of a) and signed ones (of b) are added to each sum, or two of bf16: by name, since
 * compilers move sums that change their type to and fro. */
LT_INLINE vf add_quads(vf sum, vf a, vf b) {
#if defined(__aarch64__) /* AArch64's bytes are both signed: 128 less than a, and sums start from 0 (tile.h) */
    const int8x16_t x = vreinterpretq_s8_u8(veorq_u8((uint8x16_t)a, vdupq_n_u8(128))), y = (int8x16_t)b;
#if defined(__ARM_FEATURE_DOTPROD)
    return (vf)vdotq_s32((int32x4_t)sum, x, y);
#else
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(x), vget_low_s8(y))),
                    high = vpaddlq_s16(vmull_high_s8(x, y));
    return (vf)vaddq_s32((int32x4_t)sum, vpaddq_s32(low, high));
#endif
#elif defined(__AVX512VNNI__)
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

#if defined(__AVX512VNNI__)
LT_INLINE vf add_pairs(vf sum, vf a, vf b) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}
#elif defined(__AVXVNNI__)
LT_INLINE vf add_pairs(vf sum, vf a, vf b) {
    __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
}
#endif

LT_INLINE vf add_words(const numbers_kind of, vf sum, vf a, vf b) {
    if (of == NUMBERS_INT8) return add_quads(sum, a, b);
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
    if (of == NUMBERS_PAIRS) return add_pairs(sum, a, b);
#endif
#if defined(__AVX512BF16__)
    if (of == NUMBERS_BF16) {
        __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
        return sum;
    }
#endif
    return sum + a * b;
}

/* Each word a pair: a's nearest integer and, in the upper half, b's. */
LT_INLINE v8 v8_join_rounded(v8 a, v8 b) {
    const v8u low = (v8u)(a + LT_ROUNDING_SHIFT), high = (v8u)(b + LT_ROUNDING_SHIFT);
    return (v8)((low & 0xFFFF) | high << 16);
}

#if defined(__AVX512BF16__)
/* Two bf16 in each word: a's and, in the upper half, b's. */
LT_INLINE vf vf_join(vf a, vf b) {
    const vu low = (vu)_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)a));
    const vu high = (vu)_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)b));
    return (vf)(low | high << 16);
}
LT_INLINE v8 v8_join(v8 a, v8 b) {
    const __m256i low = _mm256_cvtepu16_epi32((__m128i)_mm256_cvtneps_pbh((__m256)a));
    const __m256i high = _mm256_cvtepu16_epi32((__m128i)_mm256_cvtneps_pbh((__m256)b));
    return (v8)_mm256_or_si256(low, _mm256_slli_epi32(high, 16));
}
#endif

#endif
