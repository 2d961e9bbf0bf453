/* Sums of columns: sharing the work out. A thread adds some rows up, in pieces, so that a sum of a million numbers
 * isn't one long chain of roundings; the threads' sums are added in their order. */
#include "kernels/columns.h"

#include "kernels/isa.h"

#include <string.h>

enum { PIECE = 256, LINE = 16 };

static size_t part_of(size_t c) { return lt_round_up(c, LINE); }

size_t lt_column_sums_scratch(size_t c, int threads) { return 2 * part_of(c) * (size_t)threads * sizeof(float); }

static void sum_piece(lt_isa isa, const float *x, size_t rows, size_t c, float *sums) {
#if defined(__x86_64__)
    if (isa == LT_ISA_AVX512) {
        lt_column_sums_avx512(x, rows, c, sums);
        return;
    }
    if (isa == LT_ISA_AVX2) {
        lt_column_sums_avx2(x, rows, c, sums);
        return;
    }
#else
    (void)isa;
#endif
    for (size_t i = 0; i < c; i++) sums[i] = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < c; i++) sums[i] += x[r * c + i];
}

void lt_column_sums(lt_isa limit, const float *x, size_t rows, size_t c, float *sums, void *scratch, int threads) {
    const lt_isa isa = lt_isa_choose(limit);
    const size_t pieces = (rows + PIECE - 1) / PIECE, own = 2 * part_of(c);
    memset(scratch, 0, lt_column_sums_scratch(c, threads));
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        const size_t first = pieces * (size_t)t / (size_t)threads, last = pieces * ((size_t)t + 1) / (size_t)threads;
        float *total = (float *)scratch + (size_t)t * own, *piece = total + part_of(c);
        for (size_t p = first; p < last; p++) {
            sum_piece(isa, x + p * PIECE * c, lt_min(PIECE, rows - p * PIECE), c, piece);
            for (size_t i = 0; i < c; i++) total[i] += piece[i];
        }
    }
    for (int t = 0; t < threads; t++)
        for (size_t i = 0; i < c; i++) sums[i] += ((const float *)scratch)[(size_t)t * own + i];
}
