/* Adding deltas to weights, tile by tile, so that a delta as large as its weight never lies in memory.
 *
 * A tile of a low-rank factor is a product of our own (gemm.h), in plain C where there are no vectors: that is the
 * reference. Its sums run over the rank in order, so that an element is the same whatever tile it is in. */
#include "kernels/delta_add.h"

#include "base/threads.h"
#include "kernels/delta_own.h"
#include "kernels/gemm.h"

#include <math.h>
#include <string.h>

enum { TILE_ROWS = 32, TILE_COLUMNS = 128 };

typedef float tile[TILE_ROWS * TILE_COLUMNS];

/* A factor to read tiles of. */
typedef struct ready_factor {
    size_t rows, columns;
    /* product: up turned, [rank, up_stride], and down, [rank, down_stride], padded for whole tiles */
    size_t rank, up_stride, down_stride;
    float *up, *down;
    /* rank 0: a whole matrix, read where it is, or dense float32 of its own */
    lt_tensor whole;
    float *dense;
} ready_factor;

struct lt_ready_delta {
    const lt_delta *delta;
    float strength;
    lt_isa isa;
    const lt_gemm_simd *simd; /* NULL: plain C */
    size_t rows, columns, taps;
    ready_factor factor[2];
    float *gain; /* magnitude / norm: [rows] or [columns]; NULL: no magnitude */
    bool gain_of_rows;
};

/* A part of a matrix. */
typedef struct area {
    size_t row, column, rows, columns;
} area;

/* ---- Tiles ---- */

static void multiply_plainly(const ready_factor *f, const area *a, float *to) {
    for (size_t r = 0; r < a->rows; r++)
        for (size_t c = 0; c < a->columns; c++) {
            float sum = 0;
            for (size_t k = 0; k < f->rank; k++)
                sum += f->up[k * f->up_stride + a->row + r] * f->down[k * f->down_stride + a->column + c];
            to[r * TILE_COLUMNS + c] = sum;
        }
}

static void multiply(const lt_gemm_simd *simd, const ready_factor *f, const area *a, float *to) {
    if (!simd) {
        multiply_plainly(f, a, to);
        return;
    }
    const lt_tile product = {.rows = a->rows,
                             .k = f->rank,
                             .a = f->up + a->row,
                             .lda = f->up_stride,
                             .b = f->down + a->column,
                             .ldb = f->down_stride,
                             .c = to,
                             .ldc = TILE_COLUMNS};
    lt_gemm_outer(simd, &product, a->columns);
}

static void read_whole(const ready_factor *f, const area *a, float *to) {
    for (size_t r = 0; r < a->rows; r++) {
        const size_t at = (a->row + r) * f->columns + a->column;
        lt_tensor part = f->whole;
        part.rank = 1;
        part.shape[0] = a->columns;
        part.stride[0] = 1;
        lt_tensor_skip(&part, at);
        lt_tensor_read_f32(&part, to + r * TILE_COLUMNS);
    }
}

static void read_factor(const lt_gemm_simd *simd, const ready_factor *f, const area *a, float *to) {
    if (f->rank)
        multiply(simd, f, a, to);
    else
        read_whole(f, a, to);
}

/* One row of F1 (x) F2, both of which are dense. */
static void kronecker_row(const ready_factor *f, size_t row, size_t column, size_t columns, float *to) {
    const float *left = f[0].dense + row / f[1].rows * f[0].columns;
    const float *right = f[1].dense + row % f[1].rows * f[1].columns;
    while (columns) {
        const size_t within = column % f[1].columns, n = lt_min(columns, f[1].columns - within);
        const float factor = left[column / f[1].columns];
        for (size_t i = 0; i < n; i++) to[i] = factor * right[within + i];
        to += n;
        column += n;
        columns -= n;
    }
}

/* The delta but for its scale. */
static void read_delta(const lt_ready_delta *d, const area *a, float *to) {
    if (d->delta->kind == LT_DELTA_KRONECKER) {
        for (size_t r = 0; r < a->rows; r++)
            kronecker_row(d->factor, a->row + r, a->column, a->columns, to + r * TILE_COLUMNS);
        return;
    }
    read_factor(d->simd, &d->factor[0], a, to);
    if (d->delta->kind != LT_DELTA_HADAMARD) return;
    tile second;
    read_factor(d->simd, &d->factor[1], a, second);
    for (size_t r = 0; r < a->rows; r++)
        for (size_t c = 0; c < a->columns; c++) to[r * TILE_COLUMNS + c] *= second[r * TILE_COLUMNS + c];
}

/* ---- Adding ---- */

static size_t count_tiles(size_t rows, size_t columns) {
    return lt_count_parts(rows, TILE_ROWS) * lt_count_parts(columns, TILE_COLUMNS);
}

/* Tile i of the rows [first, first + count). */
static area tile_at(size_t i, size_t first, size_t count, size_t columns) {
    const size_t across = lt_count_parts(columns, TILE_COLUMNS);
    const size_t row = i / across * TILE_ROWS, column = i % across * TILE_COLUMNS;
    return (area){first + row, column, lt_min(TILE_ROWS, count - row), lt_min(TILE_COLUMNS, columns - column)};
}

static void add_scaled(const lt_ready_delta *d, size_t first, size_t count, float factor, float *rows, size_t stride) {
    for (size_t i = 0; i < count_tiles(count, d->columns); i++) {
        const area a = tile_at(i, first, count, d->columns);
        tile values;
        read_delta(d, &a, values);
        for (size_t r = 0; r < a.rows; r++) {
            float *row = rows + (a.row - first + r) * stride + a.column;
            for (size_t c = 0; c < a.columns; c++) row[c] += factor * values[r * TILE_COLUMNS + c];
        }
    }
}

/* w + strength * (gain * (w + scale * values) - w) */
static void mix_row(const lt_ready_delta *d, size_t row, size_t column, size_t columns, const float *values, float *w) {
    const float strength = d->strength, scale = d->delta->scale, *gain = d->gain;
    if (d->gain_of_rows)
        for (size_t c = 0; c < columns; c++) w[c] += strength * (gain[row] * (w[c] + scale * values[c]) - w[c]);
    else
        for (size_t c = 0; c < columns; c++) w[c] += strength * (gain[column + c] * (w[c] + scale * values[c]) - w[c]);
}

static void add_with_gain(const lt_ready_delta *d, size_t first, size_t count, float *rows, size_t stride) {
    for (size_t i = 0; i < count_tiles(count, d->columns); i++) {
        const area a = tile_at(i, first, count, d->columns);
        tile values;
        read_delta(d, &a, values);
        for (size_t r = 0; r < a.rows; r++)
            mix_row(d, a.row + r, a.column, a.columns, values + r * TILE_COLUMNS,
                    rows + (a.row - first + r) * stride + a.column);
    }
}

void lt_ready_delta_add(const lt_ready_delta *d, size_t first, size_t count, float *rows, size_t stride) {
    if (d->gain)
        add_with_gain(d, first, count, rows, stride);
    else
        add_scaled(d, first, count, d->strength * d->delta->scale, rows, stride);
}

/* ---- Making factors ready ---- */

/* The rows of m, `stride` floats apart. */
static void read_rows(const lt_tensor *m, float *to, size_t stride) {
    for (size_t i = 0; i < m->shape[0]; i++) {
        const lt_tensor row = lt_tensor_row(m, i);
        lt_tensor_read_f32(&row, to + i * stride);
    }
}

/* Room for a matrix that is read in whole tiles: a width that does not put all rows into the same sets of the cache. */
static float *make_padded(size_t rows, size_t columns, size_t *stride) {
    *stride = (lt_round_up(columns, TILE_COLUMNS) / 16 | 1) * 16;
    return lt_calloc(rows * *stride, sizeof(float));
}

/* up [rows, rank], turned. */
static lt_status make_up(ready_factor *f, const lt_tensor *up) {
    const lt_matrix m = lt_matrix_of(up);
    const lt_tensor turned = lt_tensor_turned(&m.tensor);
    f->rows = m.rows;
    f->rank = m.columns;
    f->up = make_padded(f->rank, f->rows, &f->up_stride);
    if (f->up) read_rows(&turned, f->up, f->up_stride);
    return f->up ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status make_down(ready_factor *f, const lt_tensor *down) {
    const lt_matrix m = lt_matrix_of(down);
    f->columns = m.columns;
    f->down = make_padded(f->rank, f->columns, &f->down_stride);
    if (f->down) read_rows(&m.tensor, f->down, f->down_stride);
    return f->down ? LT_OK : LT_ERROR_MEMORY;
}

static void drop_factor(ready_factor *f) {
    lt_free(f->up);
    lt_free(f->down);
    lt_free(f->dense);
    *f = (ready_factor){0};
}

/* All of f, `step` floats from one column to the next. */
static void write_out(const lt_gemm_simd *simd, const ready_factor *f, float *to, size_t stride, size_t step) {
    for (size_t i = 0; i < count_tiles(f->rows, f->columns); i++) {
        const area a = tile_at(i, 0, f->rows, f->columns);
        tile values;
        read_factor(simd, f, &a, values);
        for (size_t r = 0; r < a.rows; r++)
            for (size_t c = 0; c < a.columns; c++)
                to[(a.row + r) * stride + (a.column + c) * step] = values[r * TILE_COLUMNS + c];
    }
}

/* core [rank, inner, taps], dense, by down [inner, channels], tap by tap: to [rank, channels * taps]. */
static lt_status multiply_core(const lt_gemm_simd *simd, const lt_factor *from, const float *core, float *to,
                               size_t stride) {
    const size_t rank = from->core.shape[0], inner = from->core.shape[1];
    const size_t taps = lt_tensor_count(&from->core) / rank / inner;
    lt_status status = LT_OK;
    for (size_t i = 0; i < taps && !status; i++) {
        const lt_tensor tap = {
            .dtype = LT_F32, .rank = 2, .shape = {rank, inner}, .stride = {inner * taps, taps}, .data = core + i};
        ready_factor product = {0};
        status = make_up(&product, &tap);
        if (!status) status = make_down(&product, &from->down);
        if (!status) write_out(simd, &product, to + i, stride, taps);
        drop_factor(&product);
    }
    return status;
}

/* Tucker's: what stands right of `up` is multiplied once. */
static lt_status make_right(const lt_gemm_simd *simd, ready_factor *f, const lt_factor *from) {
    const size_t count = lt_tensor_count(&from->core), taps = count / from->core.shape[0] / from->core.shape[1];
    float *core = lt_alloc(count * sizeof *core);
    f->columns = lt_matrix_of(&from->down).columns * taps;
    f->down = make_padded(f->rank, f->columns, &f->down_stride);
    lt_status status = core && f->down ? LT_OK : LT_ERROR_MEMORY;
    if (!status) lt_tensor_read_f32(&from->core, core);
    if (!status) status = multiply_core(simd, from, core, f->down, f->down_stride);
    lt_free(core);
    return status;
}

/* A whole matrix, which is read where it lies if its rows do so one after the other. */
static lt_status make_whole(ready_factor *f, const lt_tensor *whole) {
    const lt_matrix m = lt_matrix_of(whole);
    f->rows = m.rows;
    f->columns = m.columns;
    f->whole = *whole;
    if (lt_tensor_contiguous(whole)) return LT_OK;
    f->dense = lt_alloc(m.rows * m.columns * sizeof *f->dense);
    if (!f->dense) return LT_ERROR_MEMORY;
    lt_tensor_read_f32(whole, f->dense);
    f->whole = (lt_tensor){.dtype = LT_F32, .data = f->dense};
    return LT_OK;
}

static lt_status make_factor(const lt_gemm_simd *simd, const lt_factor *from, ready_factor *f) {
    if (!from->down.data) return make_whole(f, &from->up);
    LT_TRY(make_up(f, &from->up));
    return from->core.data ? make_right(simd, f, from) : make_down(f, &from->down);
}

/* Kronecker's factors are small, and read in bits: made dense. */
static lt_status make_dense(const lt_gemm_simd *simd, ready_factor *f) {
    if (f->dense) return LT_OK;
    float *dense = lt_alloc(f->rows * f->columns * sizeof *dense);
    if (!dense) return LT_ERROR_MEMORY;
    write_out(simd, f, dense, f->columns, 1);
    f->dense = dense;
    return LT_OK;
}

/* F1 + W F2 is a product of twice the rank: [up | W up2] by [down over down2]. */
static lt_status make_input(lt_ready_delta *d, const lt_own_weight *weight) {
    const lt_factor *own = &d->delta->factor[0], *fed = &d->delta->factor[1];
    const lt_matrix up[] = {lt_matrix_of(&own->up), lt_matrix_of(&fed->up)};
    const lt_matrix down[] = {lt_matrix_of(&own->down), lt_matrix_of(&fed->down)};
    const lt_tensor turned = lt_tensor_turned(&up[0].tensor);
    ready_factor *f = &d->factor[0];
    f->rows = d->rows;
    f->columns = d->columns;
    f->rank = up[0].columns + up[1].columns;
    f->up = make_padded(f->rank, f->rows, &f->up_stride);
    f->down = make_padded(f->rank, f->columns, &f->down_stride);
    if (!f->up || !f->down) return LT_ERROR_MEMORY;
    read_rows(&turned, f->up, f->up_stride);
    read_rows(&down[0].tensor, f->down, f->down_stride);
    read_rows(&down[1].tensor, f->down + up[0].columns * f->down_stride, f->down_stride);
    return lt_own_product(weight, &up[1].tensor, f->up + up[0].columns * f->up_stride, f->up_stride);
}

/* As large as the weight, while it is packed. */
static lt_status make_rotation(lt_ready_delta *d, const lt_own_weight *weight) {
    ready_factor *f = &d->factor[0];
    f->rows = d->rows;
    f->columns = d->columns;
    f->dense = lt_alloc(d->rows * d->columns * sizeof *f->dense);
    f->whole = (lt_tensor){.dtype = LT_F32, .data = f->dense};
    return f->dense ? lt_own_rotation(weight, d->delta, f->dense) : LT_ERROR_MEMORY;
}

static lt_status make_factors(lt_ready_delta *d, const lt_own_weight *weight) {
    const lt_delta *from = d->delta;
    if (from->kind == LT_DELTA_INPUT) return make_input(d, weight);
    if (from->kind == LT_DELTA_ROTATION) return make_rotation(d, weight);
    for (int i = 0; i < (from->kind == LT_DELTA_SUM ? 1 : 2); i++) {
        LT_TRY(make_factor(d->simd, &from->factor[i], &d->factor[i]));
        if (from->kind == LT_DELTA_KRONECKER) LT_TRY(make_dense(d->simd, &d->factor[i]));
    }
    return LT_OK;
}

/* ---- Magnitudes ---- */

/* Squares of W + D, summed by row or, for each block of rows, by input channel: blocks and what they add up to do not
 * depend on the number of threads. */
typedef struct norms {
    const lt_ready_delta *d;
    lt_rows_fn *before;
    const void *user;
    float *rows;  /* the threads' own: [TILE_ROWS, columns] */
    double *sums; /* [rows] or [blocks, channels] */
} norms;

static void add_squares(const float *row, size_t columns, size_t taps, double *sums) {
    for (size_t c = 0; c < columns; c += taps)
        for (size_t i = c; i < c + taps; i++) sums[c / taps] += (double)row[i] * row[i];
}

static void sum_block(const void *context, size_t block, int thread) {
    const norms *n = context;
    const lt_ready_delta *d = n->d;
    const size_t first = block * TILE_ROWS, count = lt_min(TILE_ROWS, d->rows - first), columns = d->columns;
    float *rows = n->rows + (size_t)thread * TILE_ROWS * columns;
    n->before(n->user, first, count, rows);
    add_scaled(d, first, count, d->delta->scale, rows, columns);
    for (size_t r = 0; r < count; r++) {
        if (d->gain_of_rows)
            n->sums[first + r] = lt_kernels_get(d->isa)->sum_of_squares(rows + r * columns, columns);
        else
            add_squares(rows + r * columns, columns, d->taps, n->sums + block * (columns / d->taps));
    }
}

/* The gains of rows, or of columns: each input channel's is that of all its taps. sums: `parts` times count. */
static void divide(const float *magnitude, const double *sums, size_t count, size_t parts, size_t taps, float *gain) {
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t part = 0; part < parts; part++) sum += sums[part * count + i];
        for (size_t tap = 0; tap < taps; tap++) gain[i * taps + tap] = magnitude[i] / (float)sqrt(sum);
    }
}

static lt_status make_gain(lt_ready_delta *d, lt_rows_fn *before, const void *user) {
    const lt_tensor *m = &d->delta->magnitude;
    const size_t count = lt_tensor_count(m), blocks = lt_count_parts(d->rows, TILE_ROWS);
    const int threads = (int)lt_min((size_t)lt_thread_count(), blocks);
    d->gain_of_rows = lt_magnitude_is_of_rows(m, d->rows);
    const size_t parts = d->gain_of_rows ? 1 : blocks, taps = d->gain_of_rows ? 1 : d->taps;
    norms n = {d, before, user};
    n.rows = lt_alloc((size_t)threads * TILE_ROWS * d->columns * sizeof *n.rows);
    n.sums = lt_calloc(parts * count, sizeof *n.sums);
    float *magnitude = lt_alloc(count * sizeof *magnitude), *gain = lt_alloc(count * taps * sizeof *gain);
    const lt_status status = n.rows && n.sums && magnitude && gain ? LT_OK : LT_ERROR_MEMORY;
    if (!status) {
        lt_tensor_read_f32(m, magnitude);
        lt_parallel(threads, blocks, 1, sum_block, &n);
        divide(magnitude, n.sums, count, parts, taps, gain);
    }
    d->gain = gain; /* closing d frees it */
    lt_free(magnitude);
    lt_free(n.rows);
    lt_free(n.sums);
    return status;
}

/* ---- Both ---- */

lt_status lt_ready_delta_open(const lt_applied *applied, const lt_tensor *weight, lt_isa isa, lt_rows_fn *before,
                              const void *user, lt_ready_delta **ready) {
    const lt_matrix w = lt_matrix_of(weight);
    lt_ready_delta *d = lt_calloc(1, sizeof *d);
    if (!d) return LT_ERROR_MEMORY;
    d->delta = applied->delta;
    d->strength = applied->strength;
    d->isa = isa;
    d->simd = lt_gemm_simd_get(isa);
    d->rows = w.rows;
    d->columns = w.columns;
    d->taps = w.columns / w.tensor.shape[1];
    const lt_own_weight own = {before, user, w.rows, w.columns};
    lt_status status = make_factors(d, &own);
    if (!status && applied->delta->magnitude.data) status = make_gain(d, before, user);
    if (status)
        lt_ready_delta_close(d);
    else
        *ready = d;
    return status;
}

void lt_ready_delta_close(lt_ready_delta *d) {
    if (!d) return;
    for (int i = 0; i < 2; i++) drop_factor(&d->factor[i]);
    lt_free(d->gain);
    lt_free(d);
}
