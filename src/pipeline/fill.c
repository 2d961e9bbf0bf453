/* Filling what lies under a mask, after the web UIs' masking.fill: the picture without it is blurred ever less, and the
 * blurred ones are laid one over the other. Colours are multiplied by their opacity all along. */
#include "pipeline/fill.h"

#include <math.h>
#include <string.h>

enum { CHANNELS = 4, PASSES = 3 }; /* red, green, blue, opacity; boxes that make a Gaussian, as Pillow's */

/* The radius, with a fraction, of the boxes that together blur as a Gaussian of deviation sigma (Gwosdek et al. 2011).
 */
static double box_radius(double sigma) {
    const double variance = sigma * sigma / PASSES, whole = floor((sqrt(12 * variance + 1) - 1) / 2);
    const double part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
    return whole + part / (6 * (variance - (whole + 1) * (whole + 1)));
}

static size_t within(int64_t at, size_t n) { return at < 0 ? 0 : at >= (int64_t)n ? n - 1 : (size_t)at; }

/* One box over a line of n pixels, `step` floats apart; the borders go on outside. line: room for n. */
static void blur_line(float *x, size_t n, size_t step, double radius, float *line) {
    const int64_t whole = (int64_t)radius;
    const double weight = 1 / (2 * radius + 1), edge = (1 - (2 * (double)whole + 1) * weight) / 2;
    double sum = 0;
    for (size_t i = 0; i < n; i++) line[i] = x[i * step];
    for (int64_t k = -whole; k <= whole; k++) sum += (double)line[within(k, n)];
    for (int64_t i = 0; i < (int64_t)n; i++) {
        const double before = (double)line[within(i - whole - 1, n)], after = (double)line[within(i + whole + 1, n)];
        x[(size_t)i * step] = (float)(sum * weight + (before + after) * edge);
        sum += after - (double)line[within(i - whole, n)];
    }
}

/* x [h, w, CHANNELS] */
static void blur(float *x, size_t h, size_t w, double sigma, float *line) {
    const double radius = box_radius(sigma);
    for (int pass = 0; pass < PASSES; pass++)
        for (size_t i = 0; i < h * CHANNELS; i++)
            blur_line(x + i / CHANNELS * w * CHANNELS + i % CHANNELS, w, CHANNELS, radius, line);
    for (int pass = 0; pass < PASSES; pass++)
        for (size_t i = 0; i < w * CHANNELS; i++) blur_line(x + i, h, w * CHANNELS, radius, line);
}

/* What the mask leaves, in [0, 1]. */
static void cut_out(const float *pixels, const float *mask, size_t count, float *out) {
    for (size_t i = 0; i < count; i++, out += CHANNELS) {
        out[3] = 1 - mask[i];
        for (size_t k = 0; k < 3; k++) out[k] = (pixels[3 * i + k] + 1) / 2 * out[3];
    }
}

static void lay_over(float *under, const float *over, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < CHANNELS; k++)
            under[CHANNELS * i + k] = over[CHANNELS * i + k] + under[CHANNELS * i + k] * (1 - over[CHANNELS * i + 3]);
}

/* cut, blurred: room for [h, w, CHANNELS]; sum likewise, zeros. */
static void add_layers(size_t h, size_t w, const float *cut, float *blurred, float *sum, float *line) {
    static const struct {
        double sigma;
        int times;
    } layers[] = {{256, 1}, {64, 1}, {16, 2}, {4, 4}, {2, 2}, {0, 1}};
    for (size_t i = 0; i < LT_COUNT(layers); i++) {
        memcpy(blurred, cut, h * w * CHANNELS * sizeof *cut);
        if (layers[i].sigma > 0) blur(blurred, h, w, layers[i].sigma, line);
        for (int k = 0; k < layers[i].times; k++) lay_over(sum, blurred, h * w);
    }
}

lt_status lt_fill_masked(float *pixels, const float *mask, size_t h, size_t w) {
    const size_t count = h * w;
    float *cut = lt_alloc(count * CHANNELS * sizeof *cut), *blurred = lt_alloc(count * CHANNELS * sizeof *cut);
    float *sum = lt_calloc(count * CHANNELS, sizeof *sum), *line = lt_alloc(lt_max(h, w) * sizeof *line);
    const lt_status status = cut && blurred && sum && line ? LT_OK : LT_ERROR_MEMORY;
    if (!status) {
        cut_out(pixels, mask, count, cut);
        add_layers(h, w, cut, blurred, sum, line);
        for (size_t i = 0; i < 3 * count; i++) {
            const float opacity = sum[i / 3 * CHANNELS + 3];
            pixels[i] = opacity > 0 ? sum[i / 3 * CHANNELS + i % 3] / opacity * 2 - 1 : -1;
        }
    }
    lt_free(cut);
    lt_free(blurred);
    lt_free(sum);
    lt_free(line);
    return status;
}
