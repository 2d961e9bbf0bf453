/* Vectors of floats, as wide as the instruction set that a file of this folder is being compiled for: meson compiles
 * each file once with LT_SIMD=avx2 and once with LT_SIMD=avx512, or on AArch64 with LT_SIMD=neon, and LT_SIMD_NAME(f)
 * gives each compilation's functions a name of their own.
 *
 * Arithmetic and comparisons are the compiler's own vector operators (+, *, <, ...). Only what they can't say (maximum,
 * loads of a part, widening of f16 and bf16) is an intrinsic. */
#ifndef LT_VEC_H
#define LT_VEC_H

#if defined(__aarch64__)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LT_PASTE_(a, b)    a##_##b
#define LT_PASTE(a, b)     LT_PASTE_(a, b)
#define LT_SIMD_NAME(name) LT_PASTE(name, LT_SIMD)
#define LT_INLINE          static inline __attribute__((always_inline))

#if defined(__AVX512F__)
enum { LT_VEC = 16 }; /* floats in a vector */
#elif defined(__aarch64__)
enum { LT_VEC = 4 };
#else
enum { LT_VEC = 8 };
#endif

typedef float vf __attribute__((vector_size(LT_VEC * 4)));
typedef int32_t vi __attribute__((vector_size(LT_VEC * 4)));
typedef uint32_t vu __attribute__((vector_size(LT_VEC * 4)));
typedef float v8 __attribute__((vector_size(32))); /* eight floats, for any */
typedef uint32_t v8u __attribute__((vector_size(32)));
typedef uint16_t h8 __attribute__((vector_size(16))); /* eight numbers of 16 bits */

/* ---- Moving ---- */

LT_INLINE vf vf_load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
LT_INLINE void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
LT_INLINE vf vf_set(float x) { return x - (vf){0}; }
LT_INLINE vi vi_set(int32_t x) { return x - (vi){0}; }

/* Eight floats, of which the first n (0 to 8) are there: the others are neither read nor written, and load as zero. */
LT_INLINE v8 v8_load(const float *p) {
    v8 v;
    memcpy(&v, p, sizeof v);
    return v;
}
LT_INLINE void v8_store(float *p, v8 v) { memcpy(p, &v, sizeof v); }
#if defined(__aarch64__)
LT_INLINE v8 v8_load_part(const float *p, size_t n) {
    v8 v = {0};
    memcpy(&v, p, n * sizeof *p);
    return v;
}
LT_INLINE void v8_store_part(float *p, v8 v, size_t n) { memcpy(p, &v, n * sizeof *p); }
#else
LT_INLINE __m256i v8_mask(size_t n) {
    static const int32_t ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones_then_zeros + 8 - n));
}
LT_INLINE v8 v8_load_part(const float *p, size_t n) { return (v8)_mm256_maskload_ps(p, v8_mask(n)); }
LT_INLINE void v8_store_part(float *p, v8 v, size_t n) {
#if defined(__AVX512VL__)
    _mm256_mask_storeu_ps(p, (__mmask8)((1u << n) - 1), (__m256)v); /* faster than AVX's, where both are there */
#else
    _mm256_maskstore_ps(p, v8_mask(n), (__m256)v);
#endif
}
#endif

/* The same for a vector: n from 0 to LT_VEC. */
#if defined(__AVX512F__)
LT_INLINE vf vf_load_part(const float *p, size_t n) { return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
LT_INLINE void vf_store_part(float *p, vf v, size_t n) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
#elif defined(__aarch64__)
LT_INLINE vf vf_load_part(const float *p, size_t n) {
    vf v = {0};
    memcpy(&v, p, n * sizeof *p);
    return v;
}
LT_INLINE void vf_store_part(float *p, vf v, size_t n) { memcpy(p, &v, n * sizeof *p); }
#else
LT_INLINE vf vf_load_part(const float *p, size_t n) { return v8_load_part(p, n); }
LT_INLINE void vf_store_part(float *p, vf v, size_t n) { v8_store_part(p, v, n); }
#endif

/* The same, but all of it where `rest` is 0: for loops whose last turn is a part. */
LT_INLINE vf vf_load_rest(const float *p, size_t rest) { return rest ? vf_load_part(p, rest) : vf_load(p); }
LT_INLINE void vf_store_rest(float *p, vf v, size_t rest) {
    if (rest)
        vf_store_part(p, v, rest);
    else
        vf_store(p, v);
}

/* LT_VEC f16 numbers, widened exactly. */
LT_INLINE vf vf_load_f16(const uint16_t *p) {
#if defined(__AVX512F__)
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
#elif defined(__aarch64__)
    return (vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
#else
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
#endif
}

/* The same of bf16: the upper half of a float. */
LT_INLINE v8 v8_load_bf16(const uint16_t *p) {
#if defined(__aarch64__)
    const uint16x8_t narrow = vld1q_u16(p);
    const uint32x4_t low = vshll_n_u16(vget_low_u16(narrow), 16), high = vshll_high_n_u16(narrow, 16);
    return (v8)__builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
#else
    const __m128i narrow = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (v8)_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16);
#endif
}
LT_INLINE vf vf_load_bf16(const uint16_t *p) {
#if defined(__aarch64__)
    const uint32x4_t wide = vmovl_u16(vld1_u16(p));
#elif defined(__AVX512F__)
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
#else
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
#endif
    return (vf)((vu)wide << 16);
}

/* LT_VEC bf16 numbers from p on, rounded to the nearest, to even in between; what is no number stays none. */
LT_INLINE h8 v8_to_bf16(v8 v) {
    const v8u bits = (v8u)v, rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, number = (v8u)(v == v);
    const v8u narrow = (number & rounded) | (~number & 0x7FC0);
#if defined(__aarch64__)
    return __builtin_convertvector(narrow, h8);
#else
    return (h8)_mm_packus_epi32(_mm256_castsi256_si128((__m256i)narrow), _mm256_extracti128_si256((__m256i)narrow, 1));
#endif
}
LT_INLINE void vf_store_bf16(uint16_t *p, vf v) {
#if defined(__AVX512F__)
    const vu bits = (vu)v, rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, number = (vu)(v == v);
    const vu narrow = (number & rounded) | (~number & 0x7FC0);
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16((__m512i)narrow));
#elif defined(__aarch64__)
    const vu bits = (vu)v, rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, number = (vu)(v == v);
    vst1_u16(p, vmovn_u32((uint32x4_t)((number & rounded) | (~number & 0x7FC0))));
#else
    const h8 narrow = v8_to_bf16(v);
    memcpy(p, &narrow, sizeof narrow);
#endif
}

/* LT_VEC signed bytes. */
LT_INLINE vf vf_load_i8(const int8_t *p) {
#if defined(__AVX512F__)
    return (vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
#elif defined(__aarch64__)
    const vi wide = {p[0], p[1], p[2], p[3]};
    return __builtin_convertvector(wide, vf);
#else
    return (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
#endif
}

/* Each lane's low 16 bits. */
LT_INLINE void vf_store_low_halves(uint16_t *p, vf v) {
#if defined(__AVX512F__)
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16((__m512i)v));
#elif defined(__aarch64__)
    vst1_u16(p, vmovn_u32((uint32x4_t)v));
#else
    const __m256i low = _mm256_and_si256((__m256i)v, _mm256_set1_epi32(0xFFFF));
    _mm_storeu_si128((__m128i *)(void *)p,
                     _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
#endif
}

/* ---- Values of either type: floats or, where bf16 is true, bf16 numbers; of n of them, the rest is zero and stays as
 * it is. at: the first one's number. ---- */

LT_INLINE const void *vf_at(const void *values, size_t at, const bool bf16) {
    return (const char *)values + at * (bf16 ? sizeof(uint16_t) : sizeof(float));
}
LT_INLINE vf vf_load_value(const void *values, size_t at, size_t n, const bool bf16) {
    const void *p = vf_at(values, at, bf16);
    if (!bf16) return n == LT_VEC ? vf_load(p) : vf_load_part(p, n);
    uint16_t part[LT_VEC] = {0};
    if (n < LT_VEC) memcpy(part, p, n * sizeof *part);
    return vf_load_bf16(n < LT_VEC ? part : p);
}
LT_INLINE void vf_store_value(void *values, size_t at, vf v, size_t n, const bool bf16) {
    void *p = (void *)(uintptr_t)vf_at(values, at, bf16);
    uint16_t part[LT_VEC];
    if (bf16 && n == LT_VEC)
        vf_store_bf16(p, v);
    else if (bf16)
        vf_store_bf16(part, v), memcpy(p, part, n * sizeof *part);
    else if (n == LT_VEC)
        vf_store(p, v);
    else
        vf_store_part(p, v, n);
}

/* ---- Arithmetic ---- */

/* a * b + c, rounded once: for where a formula relies on it. Elsewhere a * b + c is contracted to the same
 * (-ffp-contract=fast). */
LT_INLINE vf vf_fma(vf a, vf b, vf c) {
#if defined(__AVX512F__)
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__aarch64__)
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#endif
}

/* a where mask (a comparison's outcome) is true, b elsewhere. */
LT_INLINE vf vf_select(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }

/* The greater, the smaller; b where either is not a number. */
LT_INLINE vf vf_max(vf a, vf b) {
#if defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__aarch64__)
    return vf_select(a > b, a, b);
#else
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#endif
}
LT_INLINE vf vf_min(vf a, vf b) {
#if defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__aarch64__)
    return vf_select(a < b, a, b);
#else
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#endif
}

LT_INLINE vi vi_max(vi a, vi b) {
#if defined(__AVX512F__)
    return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b);
#elif defined(__aarch64__)
    return (vi)vmaxq_s32((int32x4_t)a, (int32x4_t)b);
#else
    return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b);
#endif
}
/* The lanes' greatest, of the bits of floats that are not negative. */
LT_INLINE float vi_greatest_float(vi lanes) {
    int32_t bits = 0;
    for (size_t lane = 0; lane < LT_VEC; lane++) bits = lanes[lane] > bits ? lanes[lane] : bits;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

LT_INLINE vf vf_sqrt(vf x) {
#if defined(__AVX512F__)
    return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(__aarch64__)
    return (vf)vsqrtq_f32((float32x4_t)x);
#else
    return (vf)_mm256_sqrt_ps((__m256)x);
#endif
}

/* The sum of all lanes, always in the same order: the upper half is added to the lower until one is left. */
LT_INLINE float vf_sum(vf v) {
#if defined(__aarch64__)
    return (v[0] + v[2]) + (v[1] + v[3]);
#else
#if defined(__AVX512F__)
    v8 a = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
           __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    v8 a = v;
#endif
    a += __builtin_shufflevector(a, a, 4, 5, 6, 7, 4, 5, 6, 7);
    a += __builtin_shufflevector(a, a, 2, 3, 2, 3, 2, 3, 2, 3);
    return a[0] + a[1];
#endif
}

/* 2^n for the integer n that `shifted` = n + 1.5 * 2^23 holds in its low bits, multiplied into p in [0.7, 1.5).
 * An n that no float's exponent holds wraps round: the bits mean nothing. */
LT_INLINE vf vf_scale_by_power(vf p, vf shifted) { return (vf)((vu)p + ((vu)shifted << 23)); }

/* 1.5 * 2^23: adding it rounds to an integer, which then lies in the low bits. */
#define LT_ROUNDING_SHIFT 12582912.0f

/* 2^x. Relative error under 1e-7 (polynomial: Remez, 1.9e-9) for x in [-126, 128); below, 2^-126, so never a subnormal.
 * Takes no x from 128 on. Not a number stays so. */
LT_INLINE vf vf_exp2(vf x) {
    x = vf_max(vf_set(-126.0f), x);
    const vf shifted = x + LT_ROUNDING_SHIFT;
    const vf r = x - (shifted - LT_ROUNDING_SHIFT); /* [-0.5, 0.5], exact */
    vf p = vf_set(0.000153458041922f);
    p = p * r + 0.00133999310496f;
    p = p * r + 0.00961848898528f;
    p = p * r + 0.0555032877751f;
    p = p * r + 0.240226468904f;
    p = p * r + 0.693147205737f;
    p = p * r + 1.00000000055f;
    return vf_scale_by_power(p, shifted);
}

/* The same to 8e-5, for weights that are rounded to bf16. */
LT_INLINE vf vf_exp2_roughly(vf x) {
    x = vf_max(vf_set(-126.0f), x);
    const vf shifted = x + LT_ROUNDING_SHIFT;
    const vf r = x - (shifted - LT_ROUNDING_SHIFT);
    vf p = vf_set(0.0551716685f);
    p = p * r + 0.242611125f;
    p = p * r + 0.693260968f;
    p = p * r + 0.999928057f;
    return vf_scale_by_power(p, shifted);
}

/* e^x. Relative error under 1e-7 (polynomial: Remez, 1.9e-9) for x in [-87.3, 88.3]; x is first brought into that
 * range, so that the smallest result is a normal number and the greatest is finite. Not a number stays so. */
LT_INLINE vf vf_exp(vf x) {
    x = vf_min(vf_set(88.3f), vf_max(vf_set(-87.3f), x));
    const vf shifted = vf_fma(x, vf_set(1.44269504f), vf_set(LT_ROUNDING_SHIFT));
    const vf n = shifted - LT_ROUNDING_SHIFT;
    /* ln 2 in two parts, the first with zeros at its end, so that n times it is exact (Cody & Waite 1980) */
    const vf r = vf_fma(n, vf_set(-1.42860682e-6f), vf_fma(n, vf_set(-0.693145751953125f), x));
    vf p = vf_set(0.00138368285104f);
    p = p * r + 0.00837482395054f;
    p = p * r + 0.0416682263149f;
    p = p * r + 0.166664200737f;
    p = p * r + 0.499999920746f;
    p = p * r + 1.00000003634f;
    p = p * r + 1.00000000055f;
    return vf_scale_by_power(p, shifted);
}

/* ---- Activations ---- */

/* x / (1 + e^(-slope x)): SiLU with slope 1, quick GELU with slope 1.702. */
LT_INLINE vf vf_silu(vf x, float slope) { return x / (1.0f + vf_exp(x * -slope)); }

/* Its derivative s (1 + slope x (1 - s)), s the sigmoid of slope x: 1 - s is e^(-slope x) s, without a difference. */
LT_INLINE vf vf_silu_derivative(vf x, float slope) {
    const vf e = vf_exp(x * -slope), s = 1.0f / (1.0f + e);
    return s + (slope * x) * s * (e * s);
}

/* Phi(x), the normal distribution, and *density = e^(-x^2/2) (x is first brought into [-14.5, 14.5]). For t = |x|,
 * Phi(-t) = e^(-t^2/2) * u * P(2u - 1) with u = 3 / (3 + t): the scaled complementary error function is smooth in u. P
 * by Remez over t in [0, 14.5]: relative error 2e-8, in the left tail too. */
LT_INLINE vf vf_normal(vf x, vf *density) {
    const vf t = vf_min(vf_set(14.5f), vf_max(x, -x)), u = 3.0f / (3.0f + t), v = 2.0f * u - 1.0f;
    vf p = vf_set(-1.72855391875e-5f);
    p = p * v - 6.79662792363e-5f;
    p = p * v + 0.000315583626813f;
    p = p * v + 0.000339042986187f;
    p = p * v - 0.00231248837619f;
    p = p * v - 0.00348748156269f;
    p = p * v + 0.0157527303122f;
    p = p * v + 0.0766725696133f;
    p = p * v + 0.1697773882f;
    p = p * v + 0.243027897158f;
    const vf square = t * t, rest = vf_fma(t, t, -square); /* t^2 = square + rest, exactly */
    *density = vf_exp(-0.5f * square) * (1.0f - 0.5f * rest);
    const vf tail = *density * (u * p);
    return vf_select(x < 0.0f, tail, 1.0f - tail);
}

/* x * Phi(x) */
LT_INLINE vf vf_gelu(vf x) {
    vf density;
    return x * vf_normal(x, &density);
}

/* Phi(x) + x * e^(-x^2/2) / sqrt(2 pi); *gelu = x * Phi(x) */
LT_INLINE vf vf_gelu_derivative(vf x, vf *gelu) {
    vf density;
    const vf normal = vf_normal(x, &density);
    *gelu = x * normal;
    return normal + x * (density * 0.39894228f);
}

/* 3 tanh(x / 3) = 3 - 6 / (e^(2x/3) + 1): to 2e-7, an absolute error, of which a latent feels nothing. */
LT_INLINE vf vf_soft_clamp(vf x) { return 3.0f - 6.0f / (vf_exp(x * (2.0f / 3.0f)) + 1.0f); }

/* 1 - tanh^2(x / 3) = 4 e / (e + 1)^2 */
LT_INLINE vf vf_soft_clamp_derivative(vf x) {
    const vf e = vf_exp(x * (2.0f / 3.0f)), s = 1.0f / (e + 1.0f);
    return 4.0f * (e * s) * s;
}

/* ---- Transposing ---- */

/* Rows become columns. */
LT_INLINE void v8_transpose(v8 r[8]) {
    v8 pair[8], quad[8];
    for (int i = 0; i < 8; i += 2) {
        pair[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        pair[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 8; i += 4) {
        quad[i] = __builtin_shufflevector(pair[i], pair[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        quad[i + 1] = __builtin_shufflevector(pair[i], pair[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        quad[i + 2] = __builtin_shufflevector(pair[i + 1], pair[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
        quad[i + 3] = __builtin_shufflevector(pair[i + 1], pair[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = __builtin_shufflevector(quad[i], quad[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] = __builtin_shufflevector(quad[i], quad[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/* The same of numbers of 16 bits. */
LT_INLINE void h8_transpose(h8 r[8]) {
    h8 pair[8], quad[8];
    for (int i = 0; i < 8; i += 2) {
        pair[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 2, 10, 3, 11);
        pair[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 4, 12, 5, 13, 6, 14, 7, 15);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            quad[i + 2 * j] = __builtin_shufflevector(pair[i + j], pair[i + j + 2], 0, 1, 8, 9, 2, 3, 10, 11);
            quad[i + 2 * j + 1] = __builtin_shufflevector(pair[i + j], pair[i + j + 2], 4, 5, 12, 13, 6, 7, 14, 15);
        }
    for (int i = 0; i < 4; i++) {
        r[2 * i] = __builtin_shufflevector(quad[i], quad[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[2 * i + 1] = __builtin_shufflevector(quad[i], quad[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

#endif
