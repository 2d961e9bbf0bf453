/* Vectors of weights of each format, for the loops that read them packed. */
#ifndef LT_SIMD_WEIGHT_FORMAT_H
#define LT_SIMD_WEIGHT_FORMAT_H

#include "kernels/simd/vec.h"
#include "kernels/weight_format.h"

/* LT_VEC values from number `at` on. Called with a format that is known when it is compiled. */
LT_INLINE vf vf_load_weight(const lt_weight_format_id format, const void *weights, size_t at) {
    switch (format) {
    case LT_WEIGHT_F16: return vf_load_f16((const uint16_t *)weights + at);
    case LT_WEIGHT_BF16: return vf_load_bf16((const uint16_t *)weights + at);
    default: return vf_load((const float *)weights + at);
    }
}

#endif
