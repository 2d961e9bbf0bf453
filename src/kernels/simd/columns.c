/* Sums of a matrix's columns, four vectors of columns at a time. */
#include "kernels/columns.h"

#include "kernels/simd/vec.h"

enum { AT_ONCE = 4 };

LT_INLINE void sum_vectors(const float *x, size_t rows, size_t c, const size_t vectors, float *sums) {
    vf sum[AT_ONCE] = {{0}};
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++) sum[v] += vf_load(x + r * c + v * LT_VEC);
    for (size_t v = 0; v < vectors; v++) vf_store(sums + v * LT_VEC, sum[v]);
}

void LT_SIMD_NAME(lt_column_sums)(const float *x, size_t rows, size_t c, float *sums) {
    size_t i = 0;
    for (; i + AT_ONCE * LT_VEC <= c; i += AT_ONCE * LT_VEC) sum_vectors(x + i, rows, c, AT_ONCE, sums + i);
    for (; i + LT_VEC <= c; i += LT_VEC) sum_vectors(x + i, rows, c, 1, sums + i);
    if (i == c) return;
    vf sum = {0};
    for (size_t r = 0; r < rows; r++) sum += vf_load_part(x + r * c + i, c - i);
    vf_store_part(sums + i, sum, c - i);
}
