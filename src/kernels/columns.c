/* Sums of columns: sharing the work out. The rows are cut into parts, whatever the number of threads, so that the bytes
 * don't depend on it; a part adds its rows up in pieces, so that a sum of a million numbers isn't one long chain of
 * roundings; the parts' sums are added in their order. */
#include "kernels/columns.h"

#include "base/threads.h"
#include "kernels/isa.h"

#include <string.h>

enum { PIECE = 256, LINE = 16, MOST_PARTS = 32 };

static size_t part_of(size_t c) { return lt_round_up(c, LINE); }

static size_t parts_of(size_t rows) { return lt_min((rows + PIECE - 1) / PIECE, MOST_PARTS); }

size_t lt_column_sums_scratch(size_t rows, size_t c) { return 2 * part_of(c) * parts_of(rows) * sizeof(float); }

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
#elif defined(__aarch64__)
    if (isa == LT_ISA_NEON) {
        lt_column_sums_neon(x, rows, c, sums);
        return;
    }
#else
    (void)isa;
#endif
    for (size_t i = 0; i < c; i++) sums[i] = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < c; i++) sums[i] += x[r * c + i];
}

typedef struct matrix {
    lt_isa isa;
    const float *x;
    size_t rows, c, parts;
    float *scratch;
} matrix;

/* Part `part` of `parts` of the rows. */
static void sum_part(const void *context, size_t part, int thread) {
    (void)thread;
    const matrix *m = context;
    const size_t pieces = (m->rows + PIECE - 1) / PIECE, c = m->c;
    float *total = m->scratch + part * 2 * part_of(c), *piece = total + part_of(c);
    for (size_t p = pieces * part / m->parts; p < pieces * (part + 1) / m->parts; p++) {
        sum_piece(m->isa, m->x + p * PIECE * c, lt_min(PIECE, m->rows - p * PIECE), c, piece);
        for (size_t i = 0; i < c; i++) total[i] += piece[i];
    }
}

void lt_column_sums(lt_isa limit, const float *x, size_t rows, size_t c, float *sums, void *scratch, int threads) {
    const matrix m = {lt_isa_vectors(limit), x, rows, c, parts_of(rows), scratch};
    memset(scratch, 0, lt_column_sums_scratch(rows, c));
    lt_parallel(threads, m.parts, 1, sum_part, &m);
    for (size_t part = 0; part < m.parts; part++)
        for (size_t i = 0; i < c; i++) sums[i] += m.scratch[part * 2 * part_of(c) + i];
}
