/* What deltas are made of that read the weight as it stands before them: GLoRA's W A, OFT's R' W, BOFT's R_m ... R_1 W.
 */
#include "kernels/delta_own.h"

#include "base/threads.h"

#include <math.h>
#include <string.h>

enum { AT_ONCE = 32 }; /* rows */

/* One of a rotation's products. A block's rows lie in `runs` as far apart as `near` runs are long: OFT's in one, a
 * butterfly's in two, of which its matrix takes a row each in turns. */
typedef struct stage {
    size_t size, run, near; /* rows of a block, rows of a run, blocks whose first runs lie side by side */
    float *turns;           /* [blocks, size, size] */
} stage;

/* A loop over parts of the rows. */
typedef struct own_loop {
    const lt_own_weight *weight;
    size_t size; /* of a part */
    float *rows; /* the threads' own: [size, columns] each */
    float *to;
    /* products: a [columns, rank], and where a column of them begins */
    float *other;
    size_t rank, stride;
    stage stage; /* rotations */
} own_loop;

/* Reads part i's rows into the thread's own memory. */
static const float *read_part(const own_loop *l, size_t i, int thread, size_t *count) {
    const size_t first = i * l->size;
    float *rows = l->rows + (size_t)thread * l->size * l->weight->columns;
    *count = lt_min(l->size, l->weight->rows - first);
    l->weight->read(l->weight->user, first, *count, rows);
    return rows;
}

/* By part, with room for the threads' rows. */
static lt_status run_loop(own_loop *l, lt_body *part) {
    const size_t parts = (l->weight->rows + l->size - 1) / l->size;
    const int threads = (int)lt_min((size_t)lt_thread_count(), parts);
    l->rows = lt_alloc((size_t)threads * l->size * l->weight->columns * sizeof *l->rows);
    if (!l->rows) return LT_ERROR_MEMORY;
    lt_parallel(threads, parts, 1, part, l);
    lt_free(l->rows);
    return LT_OK;
}

/* ---- W a ---- */

static void multiply_part(const void *context, size_t i, int thread) {
    const own_loop *l = context;
    size_t count;
    const float *rows = read_part(l, i, thread, &count);
    const size_t columns = l->weight->columns;
    for (size_t r = 0; r < count; r++)
        for (size_t k = 0; k < l->rank; k++) {
            double sum = 0;
            for (size_t c = 0; c < columns; c++) sum += (double)rows[r * columns + c] * l->other[k * columns + c];
            l->to[k * l->stride + i * l->size + r] = (float)sum;
        }
}

lt_status lt_own_product(const lt_own_weight *weight, const lt_tensor *a, float *to, size_t stride) {
    const lt_tensor turned = lt_tensor_turned(a);
    own_loop l = {.weight = weight, .size = AT_ONCE, .rank = a->shape[1], .to = to, .stride = stride};
    l.other = lt_alloc(lt_tensor_count(a) * sizeof *l.other);
    if (!l.other) return LT_ERROR_MEMORY;
    lt_tensor_read_f32(&turned, l.other);
    const lt_status status = run_loop(&l, multiply_part);
    lt_free(l.other);
    return status;
}

/* ---- Rotations ---- */

/* The matrix a [n, n] made the identity by steps that make b the solution x of a x = b (Gauss and Jordan). Pivots are
 * not sought: a = I - Q, Q antisymmetric, has none that is under 1. */
static void solve(double *a, double *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const double pivot = 1 / a[i * n + i];
        for (size_t c = 0; c < n; c++) a[i * n + c] *= pivot, b[i * n + c] *= pivot;
        for (size_t r = 0; r < n; r++) {
            const double factor = a[r * n + i];
            if (r == i || factor == 0) continue;
            for (size_t c = 0; c < n; c++) a[r * n + c] -= factor * a[i * n + c], b[r * n + c] -= factor * b[i * n + c];
        }
    }
}

/* R = (I - Q)^-1 (I + Q), which commute, in place of B's block b [n, n]; scale: of Q. spare: [2, n, n]. */
static void make_turn(float *b, size_t n, double scale, double *spare) {
    double *minus = spare, *plus = spare + n * n;
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < n; c++) {
            const double q = scale * ((double)b[r * n + c] - b[c * n + r]);
            minus[r * n + c] = (r == c) - q;
            plus[r * n + c] = (r == c) + q;
        }
    solve(minus, plus, n);
    for (size_t i = 0; i < n * n; i++) b[i] = (float)plus[i];
}

/* What Q of all blocks is multiplied by to keep to the bound. */
static double bound_scale(const float *b, size_t blocks, size_t n, double bound) {
    double sum = 0;
    for (size_t i = 0; i < blocks; i++, b += n * n)
        for (size_t r = 0; r < n; r++)
            for (size_t c = 0; c < n; c++)
                sum += ((double)b[r * n + c] - b[c * n + r]) * ((double)b[r * n + c] - b[c * n + r]);
    return bound > 0 && sqrt(sum) > bound ? bound / sqrt(sum) : 1;
}

/* The weight's row that a block reads as its p-th: runs one after the other. */
static size_t row_at(const stage *s, size_t block, size_t p) {
    const size_t first = block / s->near * s->near * s->size + block % s->near * s->run;
    return first + p / s->run * s->near * s->run + p % s->run;
}

/* Its matrix's row for it. */
static size_t index_at(const stage *s, size_t p) { return p % s->run * (s->size / s->run) + p / s->run; }

/* Of a block, in place of R: t[p][q] = c[p] R[p][q] - (p == q), by the order in which rows are read: what row q adds to
 * row p of the difference. OFT's R is transposed. */
static void make_coefficients(const stage *s, size_t block, const float *c, double *spare) {
    const size_t n = s->size;
    const bool butterfly = s->run < n;
    float *r = s->turns + block * n * n;
    for (size_t p = 0; p < n; p++)
        for (size_t q = 0; q < n; q++) {
            const size_t i = index_at(s, p), k = index_at(s, q);
            const double value = butterfly ? r[i * n + k] : r[k * n + i];
            spare[p * n + q] = (c ? c[row_at(s, block, p)] : 1) * value - (p == q);
        }
    for (size_t i = 0; i < n * n; i++) r[i] = (float)spare[i];
}

static void make_turns(const stage *s, const float *c, size_t blocks, double scale, double *spare) {
    for (size_t i = 0; i < blocks; i++) {
        make_turn(s->turns + i * s->size * s->size, s->size, scale, spare);
        make_coefficients(s, i, c, spare);
    }
}

/* What the stages before have made of a block's rows. */
static void read_block(const own_loop *l, size_t block, float *rows) {
    const size_t columns = l->weight->columns;
    for (size_t p = 0; p < l->size; p += l->stage.run) {
        const size_t first = row_at(&l->stage, block, p);
        const float *difference = l->to + first * columns;
        float *run = rows + p * columns;
        l->weight->read(l->weight->user, first, l->stage.run, run);
        for (size_t i = 0; i < l->stage.run * columns; i++) run[i] += difference[i];
    }
}

static void turn_block(const void *context, size_t block, int thread) {
    const own_loop *l = context;
    const size_t columns = l->weight->columns;
    const float *turns = l->stage.turns + block * l->size * l->size;
    float *rows = l->rows + (size_t)thread * l->size * columns;
    read_block(l, block, rows);
    for (size_t p = 0; p < l->size; p++) {
        float *to = l->to + row_at(&l->stage, block, p) * columns;
        for (size_t q = 0; q < l->size; q++)
            for (size_t c = 0; c < columns; c++) to[c] += turns[p * l->size + q] * rows[q * columns + c];
    }
}

/* b's values, of all stages in turn; c [rows], in the last, or NULL; spare [2, size, size]. */
static lt_status turn(own_loop *l, const lt_delta *delta, float *b, const float *c, double *spare) {
    const lt_rotation r = lt_rotation_of(&delta->factor[0].up);
    const double scale = bound_scale(b, r.stages * r.blocks, r.size, delta->bound);
    lt_status status = LT_OK;
    for (size_t i = 0; i < r.stages && !status; i++, b += r.blocks * r.size * r.size) {
        l->stage = (stage){r.size, r.butterfly ? r.size / 2 : r.size, (size_t)1 << i, b};
        make_turns(&l->stage, i + 1 == r.stages ? c : NULL, r.blocks, scale, spare);
        status = run_loop(l, turn_block);
    }
    return status;
}

lt_status lt_own_rotation(const lt_own_weight *weight, const lt_delta *delta, float *to) {
    const lt_tensor *b = &delta->factor[0].up, *rescale = &delta->factor[1].up;
    own_loop l = {.weight = weight, .size = lt_rotation_of(b).size, .to = to};
    double *spare = lt_alloc(2 * l.size * l.size * sizeof *spare);
    float *c = rescale->data ? lt_alloc(weight->rows * sizeof *c) : NULL;
    float *values = lt_alloc(lt_tensor_count(b) * sizeof *values);
    lt_status status = spare && values && (c || !rescale->data) ? LT_OK : LT_ERROR_MEMORY;
    if (!status) {
        if (c) lt_tensor_read_f32(rescale, c);
        lt_tensor_read_f32(b, values);
        memset(to, 0, weight->rows * weight->columns * sizeof *to);
        status = turn(&l, delta, values, c, spare);
    }
    lt_free(spare);
    lt_free(c);
    lt_free(values);
    return status;
}
