/* Lines: what is darker than its surroundings, by differences of Gaussians. */
#include "annotators/annotators.h"
#include "annotators/gaussian.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t count_pixels(const lt_image *image) { return (size_t)image->width * (size_t)image->height; }

static uint8_t to_byte(float value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); } /* rounds down */

static float least(const float *v) { return fminf(v[0], fminf(v[1], v[2])); }

lt_status lt_annotate_blur(const lt_image *image, const double *p, lt_image *map) {
    float *blurred;
    LT_TRY(lt_gaussian(image, p[0], &blurred));
    for (size_t i = 0; i < 3 * count_pixels(image); i++) map->pixels[i] = to_byte(rintf(blurred[i]));
    lt_free(blurred);
    return LT_OK;
}

/* ---- Scribble ---- */

static bool is_line(const float *fine, const float *coarse, float threshold) {
    const float difference[3] = {coarse[0] - fine[0], coarse[1] - fine[1], coarse[2] - fine[2]};
    return 2 * (255 - to_byte(255 - least(difference))) > threshold;
}

lt_status lt_annotate_scribble(const lt_image *image, const double *p, lt_image *map) {
    float *fine = NULL, *coarse = NULL;
    lt_status status = lt_gaussian(image, 0.5, &fine);
    if (!status) status = lt_gaussian(image, 5, &coarse);
    for (size_t i = 0; !status && i < count_pixels(image); i++)
        memset(map->pixels + 3 * i, is_line(fine + 3 * i, coarse + 3 * i, (float)p[0]) ? 255 : 0, 3);
    lt_free(fine);
    lt_free(coarse);
    return status;
}

/* ---- Line art ---- */

static int compare(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* The median of those over 8 among values, which are sorted here; 0: there are none. */
static float median_over_8(float *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    size_t first = 0;
    while (first < count && values[first] <= 8) first++;
    const size_t n = count - first;
    if (!n) return 0;
    return (values[first + (n - 1) / 2] + values[first + n / 2]) / 2;
}

/* How much darker each pixel is, into the first count of values. */
static void darken(const lt_image *image, float *values) {
    for (size_t i = 0; i < count_pixels(image); i++) {
        float difference[3];
        for (size_t c = 0; c < 3; c++) difference[c] = values[3 * i + c] - (float)image->pixels[3 * i + c];
        values[i] = fminf(fmaxf(least(difference), 0), 255);
    }
}

lt_status lt_annotate_lineart(const lt_image *image, const double *p, lt_image *map) {
    const size_t count = count_pixels(image);
    float *values, *sorted = lt_alloc(count * sizeof *sorted);
    (void)p;
    const lt_status status = sorted ? lt_gaussian(image, 6, &values) : LT_ERROR_MEMORY;
    if (!status) {
        darken(image, values);
        memcpy(sorted, values, count * sizeof *sorted);
        const float scale = fmaxf(16, median_over_8(sorted, count));
        for (size_t i = 0; i < count; i++) memset(map->pixels + 3 * i, to_byte(values[i] / scale * 127), 3);
        lt_free(values);
    }
    lt_free(sorted);
    return status;
}
