/* Sums of a matrix's columns: the gradient of a bias. */
#ifndef LT_COLUMNS_H
#define LT_COLUMNS_H

#include "base/base.h"

/* sums[c] += the sum of column c of x [rows, c], by at most so many threads, whose number doesn't matter to the sums.
 * scratch: lt_column_sums_scratch bytes. */
size_t lt_column_sums_scratch(size_t rows, size_t c);
void lt_column_sums(lt_isa limit, const float *x, size_t rows, size_t c, float *sums, void *scratch, int threads);

/* The vector loops (simd/columns.c): of one thread. */
void lt_column_sums_avx2(const float *x, size_t rows, size_t c, float *sums);
void lt_column_sums_avx512(const float *x, size_t rows, size_t c, float *sums);
void lt_column_sums_neon(const float *x, size_t rows, size_t c, float *sums);

#endif
