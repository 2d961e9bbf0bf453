/* Numbers as pictures, and pictures as text. */
#include "picture.h"

#include "base64.h"
#include "tools.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Smaller ---- */

/* The mean of pixels [from, to) of both axes. */
static void average(const lt_image *image, const int from[2], const int to[2], uint8_t *rgb) {
    const int n = (to[0] - from[0]) * (to[1] - from[1]);
    int sum[3] = {n / 2, n / 2, n / 2};
    for (int y = from[1]; y < to[1]; y++)
        for (int x = from[0]; x < to[0]; x++)
            for (int k = 0; k < 3; k++)
                sum[k] += image->pixels[3 * ((size_t)y * (size_t)image->width + (size_t)x) + (size_t)k];
    for (int k = 0; k < 3; k++) rgb[k] = (uint8_t)(sum[k] / n);
}

lt_status picture_shrink(const lt_image *image, int most, lt_image *small) {
    const int side = image->width > image->height ? image->width : image->height;
    const int w = (int)fmax(1, (double)image->width * most / side),
              h = (int)fmax(1, (double)image->height * most / side);
    LT_TRY(lt_image_alloc(w, h, small));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const int from[2] = {x * image->width / w, y * image->height / h};
            const int to[2] = {(x + 1) * image->width / w, (y + 1) * image->height / h};
            average(image, from, to, small->pixels + 3 * ((size_t)y * (size_t)w + (size_t)x));
        }
    return LT_OK;
}

static lt_status encode(const lt_image *image, const char *format, char **url) {
    uint8_t *bytes;
    size_t size;
    LT_TRY(lt_image_encode(format, image, NULL, &bytes, &size));
    char *text = lt_base64_write(bytes, size);
    *url = text ? tool_format("data:image/%s;base64,%s", strcmp(format, "jpg") ? format : "jpeg", text) : NULL;
    free(text);
    lt_bytes_free(bytes);
    return *url ? LT_OK : LT_ERROR_MEMORY;
}

lt_status picture_url(const lt_image *image, const char *format, int most, char **url) {
    lt_image small = {0};
    const bool fits = image->width <= most && image->height <= most;
    *url = NULL;
    if (!fits) LT_TRY(picture_shrink(image, most, &small));
    const lt_status status = encode(fits ? image : &small, format, url);
    lt_image_free(&small);
    return status;
}

/* ---- Principal components ---- */

enum { COMPONENTS = 3, ROUNDS = 30, SAMPLES = 1024 };

/* Planes seen as count * pixels points of c numbers. */
typedef struct cloud {
    const lt_array *const *planes;
    size_t count, c, pixels;
    float *mean;              /* [c] */
    double *axis[COMPONENTS]; /* [c], orthogonal, of length 1 */
    double *next;             /* [c] */
} cloud;

static double at(const cloud *p, size_t point, size_t k) {
    return (double)p->planes[point / p->pixels]->data[k * p->pixels + point % p->pixels] - (double)p->mean[k];
}

static double project(const cloud *p, size_t point, const double *axis) {
    double sum = 0;
    for (size_t k = 0; k < p->c; k++) sum += at(p, point, k) * axis[k];
    return sum;
}

static void find_mean(cloud *p) {
    const size_t n = p->count * p->pixels;
    for (size_t k = 0; k < p->c; k++) {
        double sum = 0;
        p->mean[k] = 0;
        for (size_t i = 0; i < n; i++) sum += at(p, i, k);
        p->mean[k] = (float)(sum / (double)n);
    }
}

/* Without its share in the axes before, of length 1. */
static void straighten(cloud *p, int i, double *v) {
    double length = 0;
    for (int j = 0; j < i; j++) {
        double share = 0;
        for (size_t k = 0; k < p->c; k++) share += v[k] * p->axis[j][k];
        for (size_t k = 0; k < p->c; k++) v[k] -= share * p->axis[j][k];
    }
    for (size_t k = 0; k < p->c; k++) length += v[k] * v[k];
    for (size_t k = 0; k < p->c; k++) v[k] = length > 0 ? v[k] / sqrt(length) : 0;
}

/* Power iteration, on some of the points where there are many. */
static void find_axis(cloud *p, int i) {
    const size_t n = p->count * p->pixels, stride = 1 + n / SAMPLES;
    for (size_t k = 0; k < p->c; k++) p->axis[i][k] = 1 + (double)((k * 7919 + (size_t)i * 104729) % 97) / 97;
    straighten(p, i, p->axis[i]);
    for (int round = 0; round < ROUNDS; round++) {
        memset(p->next, 0, p->c * sizeof *p->next);
        for (size_t point = 0; point < n; point += stride) {
            const double share = project(p, point, p->axis[i]);
            for (size_t k = 0; k < p->c; k++) p->next[k] += share * at(p, point, k);
        }
        straighten(p, i, p->next);
        memcpy(p->axis[i], p->next, p->c * sizeof *p->next);
    }
}

static double deviation(const cloud *p, const double *axis) {
    const size_t n = p->count * p->pixels;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += project(p, i, axis) * project(p, i, axis);
    return sqrt(sum / (double)n);
}

static void paint(const cloud *p, lt_image *images) {
    for (int i = 0; i < COMPONENTS; i++) {
        const double scale = deviation(p, p->axis[i]);
        for (size_t point = 0; point < p->count * p->pixels; point++) {
            const double v = scale > 0 ? project(p, point, p->axis[i]) / scale : 0, byte = 127.5 + 58 * v;
            images[point / p->pixels].pixels[3 * (point % p->pixels) + (size_t)i] = (uint8_t)(byte < 0     ? 0
                                                                                              : byte > 255 ? 255
                                                                                                           : byte);
        }
    }
}

static lt_status allocate(cloud *p, lt_image *images) {
    const size_t *shape = p->planes[0]->shape;
    p->mean = tool_alloc(p->c * sizeof *p->mean);
    p->next = tool_alloc(p->c * sizeof *p->next);
    for (int i = 0; i < COMPONENTS; i++)
        if (!(p->axis[i] = tool_alloc(p->c * sizeof *p->axis[i]))) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < p->count; i++) LT_TRY(lt_image_alloc((int)shape[2], (int)shape[1], &images[i]));
    return p->mean && p->next ? LT_OK : LT_ERROR_MEMORY;
}

lt_status picture_components(const lt_array *const *planes, size_t count, lt_image *images) {
    cloud p = {.planes = planes, .count = count, .c = planes[0]->shape[0]};
    p.pixels = planes[0]->shape[1] * planes[0]->shape[2];
    memset(images, 0, count * sizeof *images);
    const lt_status status = allocate(&p, images);
    if (!status) find_mean(&p);
    for (int i = 0; i < COMPONENTS && !status; i++) find_axis(&p, i);
    if (!status) paint(&p, images);
    for (size_t i = 0; i < count && status; i++) lt_image_free(&images[i]);
    for (int i = 0; i < COMPONENTS; i++) free(p.axis[i]);
    free(p.mean);
    free(p.next);
    return status;
}

/* ---- Maps ---- */

void picture_scale(const float *values, size_t count, size_t pixels, uint8_t *bytes, float *most) {
    for (size_t i = 0; i < count; i++) {
        const float *plane = values + i * pixels;
        most[i] = 0;
        for (size_t k = 0; k < pixels; k++) most[i] = fmaxf(most[i], plane[k]);
        for (size_t k = 0; k < pixels; k++)
            bytes[i * pixels + k] = (uint8_t)(most[i] > 0 && plane[k] > 0 ? lrintf(255 * plane[k] / most[i]) : 0);
    }
}
