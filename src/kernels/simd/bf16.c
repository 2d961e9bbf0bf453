/* Rounding to bf16 with the processor's own instruction, which takes subnormal numbers for 0. Compiled for AVX512-BF16
 * alone. */
#include "kernels/bf16.h"

#include <immintrin.h>

enum { STEP = 32 };

void lt_to_bf16_avx512(const float *x, uint16_t *y, size_t n) {
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        const __m512bh both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + i + STEP / 2), _mm512_loadu_ps(x + i));
        _mm512_storeu_si512(y + i, (__m512i)both);
    }
    for (; i < n; i += STEP / 2) {
        const size_t left = lt_min(n - i, STEP / 2);
        const __mmask16 mask = (__mmask16)((1u << left) - 1);
        const __m256bh part = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x + i));
        _mm256_mask_storeu_epi16(y + i, mask, (__m256i)part);
    }
}
