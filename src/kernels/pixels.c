/* Pixels of pixels, row by row over threads. */
#include "kernels/pixels.h"

#include "base/threads.h"

#include <math.h>
#include <string.h>

/* ---- Nearest neighbours ---- */

/* Row `index` of the larger picture, of all samples. */
static void repeat_row(const void *args, size_t index, int thread) {
    (void)thread;
    const lt_upsample_args *a = args;
    const size_t c = a->c, h = a->large_h, w = a->large_w, from_row = index % h * a->small_h / h;
    const float *from = a->from + (index / h * a->small_h + from_row) * a->small_w * c;
    float *to = a->to + index * w * c;
    for (size_t column = 0; column < w; column++)
        memcpy(to + column * c, from + column * a->small_w / w * c, c * sizeof *to);
}

static void upsample(const lt_upsample_args *a) {
    lt_parallel(LT_ALL_THREADS, a->n * a->large_h, LT_EVENLY, repeat_row, a);
}

/* Row `index` of the smaller picture, of all samples. */
static void sum_row(const void *args, size_t index, int thread) {
    (void)thread;
    const lt_upsample_args *a = args;
    const size_t c = a->c, h = a->small_h, w = a->small_w, large = a->large_h, wide = a->large_w, row = index % h;
    float *to = a->to + index * w * c;
    memset(to, 0, w * c * sizeof *to);
    for (size_t from_row = (row * large + h - 1) / h; from_row < large && from_row * h / large == row; from_row++) {
        const float *from = a->from + (index / h * large + from_row) * wide * c;
        for (size_t column = 0; column < wide; column++, from += c) {
            float *sum = to + column * w / wide * c;
            for (size_t k = 0; k < c; k++) sum[k] += from[k];
        }
    }
}

static void upsample_backward(const lt_upsample_args *a) {
    lt_parallel(LT_ALL_THREADS, a->n * a->small_h, LT_EVENLY, sum_row, a);
}

/* ---- Means ---- */

/* Row `index` of the halved picture, of all samples. */
static void halve_row(const void *args, size_t index, int thread) {
    (void)thread;
    const lt_halve_args *a = args;
    const size_t c = a->c, h = (a->h + 1) / 2, w = (a->w + 1) / 2, y = index % h * 2;
    const float *rows[2];
    for (size_t k = 0; k < 2; k++) rows[k] = a->from + (index / h * a->h + lt_min(y + k, a->h - 1)) * a->w * c;
    float *to = a->to + index * w * c;
    for (size_t x = 0; x < w; x++, to += c) {
        const size_t left = 2 * x * c, right = lt_min(2 * x + 1, a->w - 1) * c;
        for (size_t k = 0; k < c; k++)
            to[k] = 0.25f * (rows[0][left + k] + rows[0][right + k] + rows[1][left + k] + rows[1][right + k]);
    }
}

static void halve(const lt_halve_args *a) {
    lt_parallel(LT_ALL_THREADS, a->n * ((a->h + 1) / 2), LT_EVENLY, halve_row, a);
}

/* ---- Resampling ---- */

static void mix(const void *args, size_t outer, int thread) {
    (void)thread;
    const lt_resample_args *a = args;
    const lt_axis *axis = a->axis;
    const size_t n = a->inner;
    const float *from = a->from + outer * axis->source * n;
    float *to = a->to + outer * axis->size * n;
    memset(to, 0, axis->size * n * sizeof *to);
    for (size_t i = 0; i < axis->size; i++, to += n)
        for (int k = 0; k < axis->used[i]; k++) {
            const float weight = axis->weights[i * axis->taps + (size_t)k];
            const float *row = from + (size_t)(axis->first[i] + k) * n;
            for (size_t j = 0; j < n; j++) to[j] += weight * row[j];
        }
}

static void resample(const lt_resample_args *a) { lt_parallel(LT_ALL_THREADS, a->outer, LT_EVENLY, mix, a); }

/* The transpose of mix. */
static void mix_back(const void *args, size_t outer, int thread) {
    (void)thread;
    const lt_resample_args *a = args;
    const lt_axis *axis = a->axis;
    const size_t n = a->inner;
    const float *from = a->from + outer * axis->size * n;
    float *to = a->to + outer * axis->source * n;
    memset(to, 0, axis->source * n * sizeof *to);
    for (size_t i = 0; i < axis->size; i++, from += n)
        for (int k = 0; k < axis->used[i]; k++) {
            const float weight = axis->weights[i * axis->taps + (size_t)k];
            float *row = to + (size_t)(axis->first[i] + k) * n;
            for (size_t j = 0; j < n; j++) row[j] += weight * from[j];
        }
}

static void resample_backward(const lt_resample_args *a) {
    lt_parallel(LT_ALL_THREADS, a->outer, LT_EVENLY, mix_back, a);
}

/* ---- Element by element ---- */

static void affine(const float *x, const float *scale, const float *shift, float *y, size_t rows, size_t c) {
    for (size_t row = 0; row < rows; row++, x += c, y += c)
        for (size_t k = 0; k < c; k++) y[k] = scale[k] * x[k] + (shift ? shift[k] : 0);
}

static void timestep(const float *t, float *y, size_t n, size_t channels) {
    const size_t half = channels / 2;
    for (size_t i = 0; i < n; i++, y += channels)
        for (size_t k = 0; k < half; k++) {
            const float frequency = expf(-logf(10000.0f) * (float)k / (float)half);
            y[k] = cosf(t[i] * frequency);
            y[half + k] = sinf(t[i] * frequency);
        }
}

/* ---- Shuffled pixels ---- */

/* Row `index` of the coarse picture, of all samples, from or to the r rows of the fine one. */
static void shuffle_row(const lt_shuffle_args *a, size_t index, bool back) {
    const size_t r = a->r, c = a->c, coarse = c * r * r, fine_row = a->w * r * c;
    for (size_t x = 0; x < a->w; x++)
        for (size_t y = 0; y < r; y++)
            for (size_t i = 0; i < r * c; i++) {
                const size_t at = (index * a->w + x) * coarse + i % c * r * r + y * r + i / c;
                const size_t fine = (index * r + y) * fine_row + x * r * c + i;
                a->to[back ? at : fine] = a->from[back ? fine : at];
            }
}

static void to_fine(const void *args, size_t index, int thread) {
    (void)thread;
    shuffle_row(args, index, false);
}

static void to_coarse(const void *args, size_t index, int thread) {
    (void)thread;
    shuffle_row(args, index, true);
}

static void shuffle(const lt_shuffle_args *a) { lt_parallel(LT_ALL_THREADS, a->n * a->h, LT_EVENLY, to_fine, a); }
static void unshuffle(const lt_shuffle_args *a) { lt_parallel(LT_ALL_THREADS, a->n * a->h, LT_EVENLY, to_coarse, a); }

/* ---- Rows ---- */

enum { ROWS = 256 }; /* a piece's */

static void blend_rows(const void *args, size_t piece, int thread) {
    (void)thread;
    const lt_blend_args *s = args;
    for (size_t row = piece * ROWS; row < lt_min((piece + 1) * ROWS, s->rows); row++) {
        const float *a = s->a + row * s->a_pitch, *b = s->b ? s->b + row * s->b_pitch : NULL;
        float *to = s->to + row * s->to_pitch;
        for (size_t k = 0; k < s->c; k++) to[k] = b ? a[k] + s->scale * b[k] : a[k];
    }
}

static void blend(const lt_blend_args *a) {
    lt_parallel(LT_ALL_THREADS, (a->rows + ROWS - 1) / ROWS, LT_EVENLY, blend_rows, a);
}

typedef struct prelu_args {
    const float *x, *slope;
    float *y;
    size_t rows, c;
} prelu_args;

static void prelu_rows(const void *args, size_t piece, int thread) {
    (void)thread;
    const prelu_args *a = args;
    for (size_t row = piece * ROWS; row < lt_min((piece + 1) * ROWS, a->rows); row++) {
        const float *x = a->x + row * a->c;
        float *y = a->y + row * a->c;
        for (size_t k = 0; k < a->c; k++) y[k] = x[k] * (x[k] < 0 ? a->slope[k] : 1.0f);
    }
}

static void prelu(const float *x, const float *slope, float *y, size_t rows, size_t c) {
    const prelu_args a = {x, slope, y, rows, c};
    lt_parallel(LT_ALL_THREADS, (rows + ROWS - 1) / ROWS, LT_EVENLY, prelu_rows, &a);
}

const lt_pixel_kernels lt_pixels = {upsample, upsample_backward, halve, resample, resample_backward, affine, timestep,
                                    shuffle,  unshuffle,         blend, prelu};
