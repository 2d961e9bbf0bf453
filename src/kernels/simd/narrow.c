/* Rounding rows of floats to int8: see kernels/narrow.h. */
#include "kernels/narrow.h"
#include "kernels/simd/vec.h"

#include <float.h>

/* The greatest magnitude's bits: as integers, magnitudes are in their order, and a NaN is above them all. */
LT_INLINE float greatest(const void *x, size_t c, const bool bf16) {
    vi most = {0};
    size_t i = 0;
    for (; i + LT_VEC <= c; i += LT_VEC) most = vi_max(most, (vi)vf_load_value(x, i, LT_VEC, bf16) & 0x7FFFFFFF);
    if (i < c) most = vi_max(most, (vi)vf_load_value(x, i, c - i, bf16) & 0x7FFFFFFF);
    return vi_greatest_float(most);
}

/* x * inverse, to the nearest integer, plus 128, as LT_VEC bytes. */
LT_INLINE void store_bytes(vf x, vf inverse, uint8_t *bytes, size_t n) {
#if defined(__AVX512F__)
    const __m128i q = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32((__m512)(x * inverse)));
    _mm_mask_storeu_epi8(bytes, (__mmask16)((1u << n) - 1), _mm_xor_si128(q, _mm_set1_epi8(-128)));
#elif defined(__aarch64__)
    const int16x4_t words = vqmovn_s32(vcvtnq_s32_f32((float32x4_t)(x * inverse)));
    const uint8x8_t all = veor_u8(vreinterpret_u8_s8(vqmovn_s16(vcombine_s16(words, words))), vdup_n_u8(128));
    memcpy(bytes, &all, n);
#else
    const __m256i q = _mm256_cvtps_epi32((__m256)(x * inverse));
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
    const __m128i all = _mm_xor_si128(_mm_packs_epi16(words, words), _mm_set1_epi8(-128));
    uint8_t eight[16];
    _mm_storeu_si128((__m128i *)(void *)eight, all);
    memcpy(bytes, eight, n);
#endif
}

LT_INLINE float round_row(const void *x, size_t c, uint8_t *bytes, const bool bf16) {
    const float most = greatest(x, c, bf16);
    memset(bytes + c / 4 * 4, 128, lt_round_up(c, 4) - c / 4 * 4);
    if (!(most >= LT_NARROW_LEAST && most <= FLT_MAX)) {
        memset(bytes, 128, c);
        return most / 127.0f;
    }
    const vf inverse = vf_set(127.0f / most);
    size_t i = 0;
    for (; i + LT_VEC <= c; i += LT_VEC) store_bytes(vf_load_value(x, i, LT_VEC, bf16), inverse, bytes + i, LT_VEC);
    if (i < c) store_bytes(vf_load_value(x, i, c - i, bf16), inverse, bytes + i, c - i);
    return most / 127.0f;
}

void LT_SIMD_NAME(lt_int8_rows)(const void *x, bool bf16, size_t rows, size_t c, uint8_t *bytes, float *scales) {
    const size_t stride = lt_round_up(c, 4);
    for (size_t r = 0; r < rows; r++)
        scales[r] = bf16 ? round_row((const uint16_t *)x + r * c, c, bytes + r * stride, true)
                         : round_row((const float *)x + r * c, c, bytes + r * stride, false);
}
