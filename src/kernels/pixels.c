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

const lt_pixel_kernels lt_pixels = {upsample, upsample_backward, resample, resample_backward, affine, timestep};
