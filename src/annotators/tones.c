/* Tones: value by value. */
#include "annotators/annotators.h"

#include <math.h>
#include <string.h>

static size_t count_pixels(const lt_image *image) { return (size_t)image->width * (size_t)image->height; }

lt_status lt_annotate_invert(const lt_image *image, const double *p, lt_image *map) {
    (void)p;
    for (size_t i = 0; i < 3 * count_pixels(image); i++) map->pixels[i] = (uint8_t)(255 - image->pixels[i]);
    return LT_OK;
}

static int least(const uint8_t *v) { return v[0] < v[1] ? (v[0] < v[2] ? v[0] : v[2]) : (v[1] < v[2] ? v[1] : v[2]); }
static int most(const uint8_t *v) { return v[0] > v[1] ? (v[0] > v[2] ? v[0] : v[2]) : (v[1] > v[2] ? v[1] : v[2]); }

lt_status lt_annotate_threshold(const lt_image *image, const double *p, lt_image *map) {
    for (size_t i = 0; i < count_pixels(image); i++)
        memset(map->pixels + 3 * i, least(image->pixels + 3 * i) > p[0] ? 255 : 0, 3);
    return LT_OK;
}

/* ---- Brightness ---- */

/* Light of a value of sRGB (IEC 61966-2-1). */
static double linear(uint8_t value) {
    const double v = value / 255.0;
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

/* CIE's L* of 1976, 0 to 255 in place of 100, in OpenCV's fixed point: light in 11 bits, its cube root in 15. */
static int lightness(const uint8_t *v) {
    enum { LIGHT = 255 << 3, ROOT = 1 << 15 };
    const double r = rint(LIGHT * linear(v[0])), g = rint(LIGHT * linear(v[1])), b = rint(LIGHT * linear(v[2]));
    const double y = floor((871 * r + 2929 * g + 296 * b + 2048) / 4096) / LIGHT;
    const double f = rint(ROOT * (y < 0.008856 ? 7.787 * y + 16.0 / 116 : cbrt(y)));
    return (int)((296 * (int64_t)f - 1336934 + ROOT / 2) >> 15);
}

static lt_status brightness(const lt_image *image, int (*of)(const uint8_t *v), double power, lt_image *map) {
    for (size_t i = 0; i < count_pixels(image); i++) { /* in float32 and rounded down, as there */
        const float v = powf((float)of(image->pixels + 3 * i) / 255, (float)power) * 255;
        memset(map->pixels + 3 * i, (int)v, 3);
    }
    return LT_OK;
}

lt_status lt_annotate_luminance(const lt_image *image, const double *p, lt_image *map) {
    return brightness(image, lightness, p[0], map);
}

lt_status lt_annotate_intensity(const lt_image *image, const double *p, lt_image *map) {
    return brightness(image, most, p[0], map);
}
