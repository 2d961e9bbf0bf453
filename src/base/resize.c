/* Scaling pictures exactly as Pillow does it: a separable filter, stretched over the source when shrinking, in two
 * passes (columns, then rows) of fixed-point arithmetic with 8 bits between them. */
#include "base/picture.h"

#include <math.h>
#include <string.h>

/* A filter's weight at distance x from the centre, 0 from radius on. */
typedef struct filter {
    double radius;
    double (*weight)(double x);
} filter;

static double sinc(double x) { return x == 0 ? 1 : sin(x * M_PI) / (x * M_PI); }
static double lanczos3_weight(double x) { return fabs(x) < 3 ? sinc(x) * sinc(x / 3) : 0; }

/* Keys' cubic convolution (1981) with a = -0.5. */
static double bicubic_weight(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static const filter lanczos3 = {3, lanczos3_weight}, bicubic = {2, bicubic_weight};

/* ---- One axis: what each pixel of the result takes from which pixels of the source ---- */

enum { PRECISION = 22, HALF = 1 << (PRECISION - 1) }; /* 32 bits, less 8 for the value and 2 for what overshoots */

typedef struct axis {
    int taps;         /* room for this many weights for each pixel */
    int *first;       /* [count] the first source pixel */
    int *used;        /* [count] how many of the taps are used */
    int32_t *weights; /* [count, taps] times 2^PRECISION, their sum 2^PRECISION but for rounding */
} axis;

static void axis_free(axis *a) {
    lt_free(a->first);
    lt_free(a->used);
    lt_free(a->weights);
    *a = (axis){0};
}

/* The weights [taps] of the result's pixel at index, scale being source pixels for each of the result's, from the
 * source's pixel *first on. Their sum is 1. Returns how many there are. */
static int exact_weights(const filter *f, int source, double scale, int index, double *weights, int *first) {
    const double stretch = fmax(scale, 1), shrink = 1 / stretch, reach = f->radius * stretch;
    const double centre = (index + 0.5) * scale;
    const int from = (int)fmax(centre - reach + 0.5, 0), to = (int)fmin(centre + reach + 0.5, source);
    double sum = 0;
    for (int i = 0; i < to - from; i++) sum += weights[i] = f->weight((from + i - centre + 0.5) * shrink);
    for (int i = 0; i < to - from; i++) weights[i] /= sum;
    *first = from;
    return to - from;
}

static int taps_of(const filter *f, double scale) { return (int)ceil(f->radius * fmax(scale, 1)) * 2 + 1; }

int lt_bicubic_taps(int source, int size) { return taps_of(&bicubic, (double)source / size); }

int lt_bicubic_weights(int source, int size, int index, double *weights, int *first) {
    return exact_weights(&bicubic, source, (double)source / size, index, weights, first);
}

/* The same in fixed point, as a->weights' slot. exact [taps] is scratch. */
static void weigh_pixel(const filter *f, int source, double scale, int index, double *exact, axis *a, int slot) {
    a->used[slot] = exact_weights(f, source, scale, index, exact, &a->first[slot]);
    for (int i = 0; i < a->used[slot]; i++)
        a->weights[(size_t)slot * (size_t)a->taps + (size_t)i] = (int32_t)lround(exact[i] * (1 << PRECISION));
}

/* The part [start, start + count) of source pixels scaled to size. */
static lt_status axis_make(const filter *f, int source, int size, int start, int count, axis *a) {
    const double scale = (double)source / size;
    *a = (axis){.taps = taps_of(f, scale)};
    a->first = lt_calloc((size_t)count, sizeof *a->first);
    a->used = lt_calloc((size_t)count, sizeof *a->used);
    a->weights = lt_calloc((size_t)count, (size_t)a->taps * sizeof *a->weights);
    double *exact = lt_calloc((size_t)a->taps, sizeof *exact);
    const bool ok = a->first && a->used && a->weights && exact;
    for (int i = 0; ok && i < count; i++) weigh_pixel(f, source, scale, start + i, exact, a, i);
    lt_free(exact);
    if (!ok) axis_free(a);
    return ok ? LT_OK : LT_ERROR_MEMORY;
}

static uint8_t clip(int32_t sum) {
    const int32_t value = sum >> PRECISION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* The stretch of source pixels that an axis reads. */
static int axis_begin(const axis *a) { return a->first[0]; }
static int axis_end(const axis *a, int count) { return a->first[count - 1] + a->used[count - 1]; }

/* ---- Two passes ---- */

/* One row: in, which starts with the source's pixel at begin, to out [count, 3]. */
static void scale_row(const uint8_t *in, int begin, const axis *a, int count, uint8_t *out) {
    for (int x = 0; x < count; x++) {
        const uint8_t *from = in + 3 * (size_t)(a->first[x] - begin);
        const int32_t *weights = a->weights + (size_t)x * (size_t)a->taps;
        int32_t r = HALF, g = HALF, b = HALF;
        for (int i = 0; i < a->used[x]; i++) {
            r += weights[i] * from[3 * i];
            g += weights[i] * from[3 * i + 1];
            b += weights[i] * from[3 * i + 2];
        }
        out[3 * x] = clip(r);
        out[3 * x + 1] = clip(g);
        out[3 * x + 2] = clip(b);
    }
}

/* Row y of the result, n values, from rows that are stride apart; in is the source's row begin. sums [n] is scratch. */
static void blend_rows(const uint8_t *in, size_t stride, int begin, const axis *a, int y, size_t n, int32_t *sums,
                       uint8_t *out) {
    const uint8_t *from = in + (size_t)(a->first[y] - begin) * stride;
    const int32_t *weights = a->weights + (size_t)y * (size_t)a->taps;
    for (size_t k = 0; k < n; k++) sums[k] = HALF;
    for (int i = 0; i < a->used[y]; i++) {
        for (size_t k = 0; k < n; k++) sums[k] += weights[i] * from[(size_t)i * stride + k];
    }
    for (size_t k = 0; k < n; k++) out[k] = clip(sums[k]);
}

static lt_status columns_first(const lt_image *image, const axis *columns, const axis *rows, lt_image *out) {
    const size_t row = 3 * (size_t)out->width, source_row = 3 * (size_t)image->width;
    const int begin = axis_begin(rows), end = axis_end(rows, out->height);
    uint8_t *narrow = lt_alloc((size_t)(end - begin) * row);
    int32_t *sums = lt_alloc(row * sizeof *sums);
    const bool ok = narrow && sums;
    for (int y = begin; ok && y < end; y++)
        scale_row(image->pixels + (size_t)y * source_row, 0, columns, out->width, narrow + (size_t)(y - begin) * row);
    for (int y = 0; ok && y < out->height; y++)
        blend_rows(narrow, row, begin, rows, y, row, sums, out->pixels + (size_t)y * row);
    lt_free(narrow);
    lt_free(sums);
    return ok ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status rows_first(const lt_image *image, const axis *columns, const axis *rows, lt_image *out) {
    const int begin = axis_begin(columns), end = axis_end(columns, out->width);
    const size_t n = 3 * (size_t)(end - begin), source_row = 3 * (size_t)image->width;
    uint8_t *flat = lt_alloc(n);
    int32_t *sums = lt_alloc(n * sizeof *sums);
    const bool ok = flat && sums;
    for (int y = 0; ok && y < out->height; y++) {
        blend_rows(image->pixels + 3 * (size_t)begin, source_row, 0, rows, y, n, sums, flat);
        scale_row(flat, begin, columns, out->width, out->pixels + 3 * (size_t)y * (size_t)out->width);
    }
    lt_free(flat);
    lt_free(sums);
    return ok ? LT_OK : LT_ERROR_MEMORY;
}

/* Which pass is first shows, for each rounds and clips. Pillow 13 takes rows first where the height loses over twice as
 * much as the width; up to 12 it never did. */
static bool is_rows_first(const lt_image *image, int width, int height) {
    return height < image->height && image->height - height > 2 * (image->width - width);
}

/* ---- Whole pictures ---- */

/* Where a picture is cut after scaling it to width x height. Only what is kept is computed. */
typedef struct window {
    int x, y, width, height;
} window;

static lt_status scale(const lt_image *image, const filter *f, int width, int height, window keep, lt_image *out) {
    axis columns = {0}, rows = {0};
    *out = (lt_image){0};
    lt_status status = lt_image_alloc(keep.width, keep.height, out);
    if (!status) status = axis_make(f, image->width, width, keep.x, keep.width, &columns);
    if (!status) status = axis_make(f, image->height, height, keep.y, keep.height, &rows);
    if (!status)
        status = (is_rows_first(image, width, height) ? rows_first : columns_first)(image, &columns, &rows, out);
    axis_free(&columns);
    axis_free(&rows);
    if (status) lt_image_free(out);
    return status;
}

static lt_status check_side(const char *what, int side) {
    if (side >= 1 && side <= LT_IMAGE_MAX_SIDE) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "a picture can't be scaled to a %s of %d pixels: 1 to %d are possible", what,
                   side, LT_IMAGE_MAX_SIDE);
}

lt_status lt_image_resize(const lt_image *image, int width, int height, lt_image *out) {
    *out = (lt_image){0};
    LT_TRY(lt_image_check(image));
    LT_TRY(check_side("width", width));
    LT_TRY(check_side("height", height));
    return scale(image, &lanczos3, width, height, (window){0, 0, width, height}, out);
}

/* transformers rounds the longer side down, and the margins before the crop too. */
static lt_crop cover(int width, int height, int w, int h) {
    const bool wide = (int64_t)width * h >= (int64_t)height * w;
    const int across = wide ? (int)(width * (int64_t)h / height) : w,
              down = wide ? h : (int)(height * (int64_t)w / width);
    return (lt_crop){.width = across, .height = down, .x = (across - w) / 2, .y = (down - h) / 2};
}

lt_crop lt_clip_crop_of(int width, int height, int size) { return cover(width, height, size, size); }

lt_status lt_image_cover(const lt_image *image, int width, int height, lt_image *out) {
    *out = (lt_image){0};
    LT_TRY(lt_image_check(image));
    LT_TRY(check_side("width", width));
    LT_TRY(check_side("height", height));
    const lt_crop c = cover(image->width, image->height, width, height);
    return scale(image, &bicubic, c.width, c.height, (window){c.x, c.y, width, height}, out);
}

lt_status lt_image_clip_crop(const lt_image *image, int size, lt_image *out) {
    return lt_image_cover(image, size, size, out);
}
