/* The formulas of pixels.c and nothing else, in double precision, one element after the other. */
#include "kernels/pixels.h"

#include <math.h>

/* ---- Nearest neighbours ---- */

/* Where value (sample, y, x, k) of a picture of h x w lies. */
static size_t at(const lt_upsample_args *a, size_t h, size_t w, size_t sample, size_t y, size_t x, size_t k) {
    return ((sample * h + y) * w + x) * a->c + k;
}

static size_t large_at(const lt_upsample_args *a, size_t i, size_t y, size_t x, size_t k) {
    return at(a, a->large_h, a->large_w, i, y, x, k);
}

/* Where that comes from. */
static size_t small_at(const lt_upsample_args *a, size_t i, size_t y, size_t x, size_t k) {
    return at(a, a->small_h, a->small_w, i, y * a->small_h / a->large_h, x * a->small_w / a->large_w, k);
}

static void upsample(const lt_upsample_args *a) {
    for (size_t i = 0; i < a->n; i++)
        for (size_t y = 0; y < a->large_h; y++)
            for (size_t x = 0; x < a->large_w; x++)
                for (size_t k = 0; k < a->c; k++) a->to[large_at(a, i, y, x, k)] = a->from[small_at(a, i, y, x, k)];
}

static void upsample_backward(const lt_upsample_args *a) {
    for (size_t i = 0; i < a->n * a->small_h * a->small_w * a->c; i++) a->to[i] = 0;
    for (size_t i = 0; i < a->n; i++)
        for (size_t y = 0; y < a->large_h; y++)
            for (size_t x = 0; x < a->large_w; x++)
                for (size_t k = 0; k < a->c; k++) a->to[small_at(a, i, y, x, k)] += a->from[large_at(a, i, y, x, k)];
}

/* ---- Means ---- */

static float mean_of_four(const lt_halve_args *a, size_t i, size_t y, size_t x, size_t k) {
    double sum = 0;
    int count = 0;
    for (size_t at = 0; at < 4; at++) {
        const size_t from_y = 2 * y + at / 2, from_x = 2 * x + at % 2;
        if (from_y >= a->h || from_x >= a->w) continue;
        sum += (double)a->from[((i * a->h + from_y) * a->w + from_x) * a->c + k];
        count++;
    }
    return (float)(sum / count);
}

static void halve(const lt_halve_args *a) {
    const size_t h = (a->h + 1) / 2, w = (a->w + 1) / 2;
    for (size_t i = 0; i < a->n * h * w * a->c; i++)
        a->to[i] = mean_of_four(a, i / a->c / w / h, i / a->c / w % h, i / a->c % w, i % a->c);
}

/* ---- Resampling ---- */

/* How much of source value s is in value i. */
static double share(const lt_axis *axis, size_t i, size_t s) {
    const size_t first = (size_t)axis->first[i];
    return s >= first && s < first + (size_t)axis->used[i] ? (double)axis->weights[i * axis->taps + s - first] : 0;
}

static void resample(const lt_resample_args *a) {
    const size_t size = a->axis->size, source = a->axis->source, n = a->inner;
    for (size_t row = 0; row < a->outer * size; row++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t s = 0; s < source; s++)
                sum += share(a->axis, row % size, s) * (double)a->from[(row / size * source + s) * n + j];
            a->to[row * n + j] = (float)sum;
        }
}

static void resample_backward(const lt_resample_args *a) {
    const size_t size = a->axis->size, source = a->axis->source, n = a->inner;
    for (size_t row = 0; row < a->outer * source; row++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t i = 0; i < size; i++)
                sum += share(a->axis, i, row % source) * (double)a->from[(row / source * size + i) * n + j];
            a->to[row * n + j] = (float)sum;
        }
}

/* ---- Element by element ---- */

static void affine(const float *x, const float *scale, const float *shift, float *y, size_t rows, size_t c) {
    for (size_t i = 0; i < rows * c; i++)
        y[i] = (float)((double)scale[i % c] * (double)x[i] + (shift ? (double)shift[i % c] : 0));
}

static void timestep(const float *t, float *y, size_t n, size_t channels) {
    const size_t half = channels / 2;
    for (size_t i = 0; i < n * half; i++) {
        const double angle = (double)t[i / half] * pow(10000, -(double)(i % half) / (double)half);
        y[i / half * channels + i % half] = (float)cos(angle);
        y[i / half * channels + half + i % half] = (float)sin(angle);
    }
}

/* ---- Shuffled pixels, rows ---- */

/* Where value i of the fine picture lies in the coarse one. */
static size_t coarse_at(const lt_shuffle_args *a, size_t i) {
    const size_t k = i % a->c, x = i / a->c % (a->w * a->r), y = i / a->c / (a->w * a->r), r = a->r;
    return ((y / r * a->w + x / r) * a->c + k) * r * r + y % r * r + x % r;
}

static size_t fine_count(const lt_shuffle_args *a) { return a->n * a->h * a->w * a->c * a->r * a->r; }

static void shuffle(const lt_shuffle_args *a) {
    for (size_t i = 0; i < fine_count(a); i++) a->to[i] = a->from[coarse_at(a, i)];
}

static void unshuffle(const lt_shuffle_args *a) {
    for (size_t i = 0; i < fine_count(a); i++) a->to[coarse_at(a, i)] = a->from[i];
}

static void blend(const lt_blend_args *a) {
    for (size_t row = 0; row < a->rows; row++)
        for (size_t k = 0; k < a->c; k++) {
            const double b = a->b ? (double)a->b[row * a->b_pitch + k] : 0;
            a->to[row * a->to_pitch + k] = (float)((double)a->a[row * a->a_pitch + k] + (double)a->scale * b);
        }
}

static void prelu(const float *x, const float *slope, float *y, size_t rows, size_t c) {
    for (size_t i = 0; i < rows * c; i++) y[i] = x[i] < 0 ? slope[i % c] * x[i] : x[i];
}

const lt_pixel_kernels lt_reference_pixels = {upsample, upsample_backward, halve,   resample,  resample_backward,
                                              affine,   timestep,          shuffle, unshuffle, blend,
                                              prelu};
