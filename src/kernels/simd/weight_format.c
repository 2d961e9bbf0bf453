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

/* A panel's columns, a group of rows at a time (weight_format.h). */
LT_INLINE void widen_codes(const size_t block, const void *x, float *y, size_t rows, size_t columns) {
    const char *from = x;
    for (size_t row = 0; row < rows; row += block, from += columns * (block + 2 * sizeof(float)))
        for (size_t c = 0; c < columns; c += LT_VEC) {
            const vf scale = vf_load((const float *)(const void *)from + c);
            const vf offset = vf_load((const float *)(const void *)from + columns + c);
            const int8_t *codes = (const int8_t *)from + 2 * columns * sizeof(float) + c;
            for (size_t i = 0; i < block; i++)
                vf_store(y + (row + i) * columns + c, scale * vf_load_i8(codes + i * columns) + offset);
        }
}

void LT_SIMD_NAME(lt_widen_codes_16)(const void *x, float *y, size_t rows, size_t columns) {
    widen_codes(16, x, y, rows, columns);
}

void LT_SIMD_NAME(lt_widen_codes_32)(const void *x, float *y, size_t rows, size_t columns) {
    widen_codes(32, x, y, rows, columns);
}
