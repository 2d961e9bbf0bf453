/* Widening weights of each format (weight_format.h). */
#include "kernels/simd/weight_format.h"

/* Of values that stand alone: rows and columns don't matter. */
LT_INLINE void widen(const lt_weight_format_id format, const size_t bytes, const void *x, float *y, size_t n) {
    size_t i = 0;
    for (; i + LT_VEC <= n; i += LT_VEC) vf_store(y + i, vf_load_weight(format, x, i));
    if (i == n) return;
    char rest[LT_VEC * sizeof(float)] = {0};
    memcpy(rest, (const char *)x + i * bytes, (n - i) * bytes);
    vf_store_part(y + i, vf_load_weight(format, rest, 0), n - i);
}

void LT_SIMD_NAME(lt_widen_f32)(const void *x, float *y, size_t rows, size_t columns) {
    widen(LT_WEIGHT_F32, sizeof(float), x, y, rows * columns);
}

void LT_SIMD_NAME(lt_widen_f16)(const void *x, float *y, size_t rows, size_t columns) {
    widen(LT_WEIGHT_F16, sizeof(uint16_t), x, y, rows * columns);
}

void LT_SIMD_NAME(lt_widen_bf16)(const void *x, float *y, size_t rows, size_t columns) {
    widen(LT_WEIGHT_BF16, sizeof(uint16_t), x, y, rows * columns);
}
