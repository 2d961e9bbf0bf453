/* What deltas are made of that read the weight as it stands before them: GLoRA's W A, OFT's R' W. */
#include "kernels/delta_own.h"

#include "base/threads.h"

#include <math.h>

enum { AT_ONCE = 32 }; /* rows */

/* A loop over parts of the rows. */
typedef struct own_loop {
    const lt_own_weight *weight;
    float *rows;  /* the threads' own: [size, columns] each */
    float *other; /* a [columns, rank], or coefficients [blocks, size, size] */
    size_t size, rank;
    float *to;
    size_t stride;
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

/* Of each block, t[m][n] = c[m] R[n][m] - (m == n): what row n of W gives to row m of the difference. */
static void make_coefficients(float *r, const float *c, size_t n, double *spare) {
    for (size_t i = 0; i < n; i++)
        for (size_t m = 0; m < n; m++) spare[m * n + i] = (c ? c[m] : 1) * (double)r[i * n + m] - (m == i);
    for (size_t i = 0; i < n * n; i++) r[i] = (float)spare[i];
}

static void rotate_part(const void *context, size_t i, int thread) {
    const own_loop *l = context;
    size_t count;
    const float *rows = read_part(l, i, thread, &count), *t = l->other + i * l->size * l->size;
    const size_t columns = l->weight->columns;
    for (size_t m = 0; m < count; m++) {
        float *to = l->to + (i * l->size + m) * columns;
        for (size_t c = 0; c < columns; c++) to[c] = 0;
        for (size_t n = 0; n < count; n++)
            for (size_t c = 0; c < columns; c++) to[c] += t[m * l->size + n] * rows[n * columns + c];
    }
}

static void make_turns(float *blocks, const float *c, size_t count, size_t n, double bound, double *spare) {
    const double scale = bound_scale(blocks, count, n, bound);
    for (size_t i = 0; i < count; i++) {
        make_turn(blocks + i * n * n, n, scale, spare);
        make_coefficients(blocks + i * n * n, c ? c + i * n : NULL, n, spare);
    }
}

lt_status lt_own_rotation(const lt_own_weight *weight, const lt_delta *delta, float *to) {
    const lt_tensor *b = &delta->factor[0].up, *rescale = &delta->factor[1].up;
    own_loop l = {.weight = weight, .size = b->shape[1], .to = to};
    double *spare = lt_alloc(2 * l.size * l.size * sizeof *spare);
    float *c = rescale->data ? lt_alloc(weight->rows * sizeof *c) : NULL;
    l.other = lt_alloc(lt_tensor_count(b) * sizeof *l.other);
    lt_status status = spare && l.other && (c || !rescale->data) ? LT_OK : LT_ERROR_MEMORY;
    if (!status) {
        if (c) lt_tensor_read_f32(rescale, c);
        lt_tensor_read_f32(b, l.other);
        make_turns(l.other, c, b->shape[0], l.size, delta->bound, spare);
        status = run_loop(&l, rotate_part);
    }
    lt_free(spare);
    lt_free(c);
    lt_free(l.other);
    return status;
}
