/* Gaussians over pictures of floats. */
#include "annotators/gaussian.h"

#include <math.h>

/* Behind the border the picture is mirrored, without its outermost pixel: 2 1 0 1 2. */
static int mirrored(int at, int size) {
    if (size == 1) return 0;
    while (at < 0 || at >= size) at = at < 0 ? -at : 2 * (size - 1) - at;
    return at;
}

/* exp(-x^2 / 2 deviation^2) for x from -radius to radius, their sum 1. */
static void weigh(double deviation, int radius, float *weights) {
    double sum = 0;
    for (int k = -radius; k <= radius; k++) sum += exp(-0.5 * k * k / (deviation * deviation));
    for (int k = -radius; k <= radius; k++)
        weights[k + radius] = (float)(exp(-0.5 * k * k / (deviation * deviation)) / sum);
}

/* Along one axis: lines of n pixels that are step apart, each line line_step behind the one before. */
static void blur_lines(const float *from, float *to, int lines, size_t line_step, int n, size_t step,
                       const float *weights, int radius) {
    for (int l = 0; l < lines; l++)
        for (int i = 0; i < n; i++)
            for (size_t c = 0; c < 3; c++) {
                const float *line = from + (size_t)l * line_step + c;
                double sum = 0;
                for (int k = -radius; k <= radius; k++)
                    sum += (double)weights[k + radius] * (double)line[(size_t)mirrored(i + k, n) * step];
                to[(size_t)l * line_step + (size_t)i * step + c] = (float)sum;
            }
}

lt_status lt_gaussian(const lt_image *image, double deviation, float **blurred) {
    const int w = image->width, h = image->height, radius = ((int)rint(deviation * 8 + 1) | 1) / 2;
    const size_t count = (size_t)w * (size_t)h * 3, row = (size_t)w * 3;
    float *half_done = lt_alloc(count * sizeof *half_done), *out = lt_alloc(count * sizeof *out);
    float *weights = lt_alloc((size_t)(2 * radius + 1) * sizeof *weights);
    const bool ok = half_done && out && weights;
    if (ok) {
        weigh(deviation, radius, weights);
        for (size_t i = 0; i < count; i++) out[i] = image->pixels[i];
        blur_lines(out, half_done, h, row, w, 3, weights, radius);
        blur_lines(half_done, out, w, 3, h, row, weights, radius);
    }
    lt_free(half_done);
    lt_free(weights);
    *blurred = ok ? out : NULL;
    if (!ok) lt_free(out);
    return ok ? LT_OK : LT_ERROR_MEMORY;
}
