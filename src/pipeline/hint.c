/* The picture that a control sees. */
#include "pipeline/hint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t *pixel_at(const lt_image *image, int x, int y) {
    return image->pixels + 3 * ((size_t)y * (size_t)image->width + (size_t)x);
}

static size_t count_pixels(const lt_image *image) { return (size_t)image->width * (size_t)image->height; }

/* ---- Colours ---- */

enum { FEW = 200, SLOTS = 512 };

/* How many colours there are, and no more than FEW. */
static int count_colours(const lt_image *image) {
    int32_t seen[SLOTS];
    int count = 0;
    memset(seen, -1, sizeof seen);
    for (size_t i = 0; i < count_pixels(image) && count < FEW; i++) {
        const uint8_t *p = image->pixels + 3 * i;
        const int32_t colour = p[0] << 16 | p[1] << 8 | p[2];
        size_t at = (uint32_t)colour * 2654435761u >> 23;
        while (seen[at] >= 0 && seen[at] != colour) at = (at + 1) % SLOTS;
        count += seen[at] != colour;
        seen[at] = colour;
    }
    return count;
}

/* Of black and white alone, or nearly. */
static bool is_binary(const lt_image *image) {
    uint8_t least = 255, most = 0;
    for (size_t i = 0; i < 3 * count_pixels(image); i++) {
        least = image->pixels[i] < least ? image->pixels[i] : least;
        most = image->pixels[i] > most ? image->pixels[i] : most;
    }
    return least < 16 && most > 240 && count_colours(image) == 2;
}

/* The level that parts a histogram into the two halves that differ most: Otsu 1979. */
static int otsu(const size_t histogram[256], size_t count) {
    double total = 0, below = 0, best = -1;
    size_t under = 0;
    int level = 0;
    for (int i = 0; i < 256; i++) total += (double)i * (double)histogram[i];
    for (int i = 0; i < 256; i++) {
        under += histogram[i];
        below += (double)i * (double)histogram[i];
        if (!under || under == count) continue;
        const double w = (double)under / (double)count,
                     difference = below / (double)under - (total - below) / (double)(count - under);
        if (w * (1 - w) * difference * difference > best) best = w * (1 - w) * difference * difference, level = i;
    }
    return level;
}

/* Black and white again. */
static void part(lt_image *image) {
    size_t histogram[256] = {0};
    const size_t count = count_pixels(image);
    for (size_t i = 0; i < count; i++)
        histogram[(image->pixels[3 * i] + image->pixels[3 * i + 1] + image->pixels[3 * i + 2]) / 3]++;
    const int level = otsu(histogram, count);
    for (size_t i = 0; i < count; i++) {
        uint8_t *p = image->pixels + 3 * i;
        memset(p, (p[0] + p[1] + p[2]) / 3 > level ? 255 : 0, 3);
    }
}

/* ---- Scaling ---- */

static lt_status scale_nearest(const lt_image *image, int width, int height, lt_image *out) {
    LT_TRY(lt_image_alloc(width, height, out));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const int from_x = (int)((int64_t)x * image->width / width),
                      from_y = (int)((int64_t)y * image->height / height);
            memcpy((uint8_t *)(uintptr_t)pixel_at(out, x, y), pixel_at(image, from_x, from_y), 3);
        }
    return LT_OK;
}

static lt_status scale(const lt_image *image, int width, int height, lt_image *out) {
    const bool binary = is_binary(image);
    if (!binary && count_colours(image) < FEW) return scale_nearest(image, width, height, out);
    const bool same = image->width == width && image->height == height;
    LT_TRY(lt_image_resize(image, width, height, out));
    if (binary && !same) part(out);
    return LT_OK;
}

/* ---- Fitting ---- */

static int compare_bytes(const void *a, const void *b) { return *(const uint8_t *)a - *(const uint8_t *)b; }

/* The median of a channel along the border; values has room for all of it. */
static uint8_t border_median(const lt_image *image, int channel, uint8_t *values) {
    const int w = image->width, h = image->height;
    size_t n = 0;
    for (int x = 0; x < w; x++) values[n++] = pixel_at(image, x, 0)[channel];
    for (int x = 0; x < w; x++) values[n++] = pixel_at(image, x, h - 1)[channel];
    for (int y = 0; y < h; y++) values[n++] = pixel_at(image, 0, y)[channel];
    for (int y = 0; y < h; y++) values[n++] = pixel_at(image, w - 1, y)[channel];
    qsort(values, n, 1, compare_bytes);
    return (uint8_t)((values[n / 2 - 1] + values[n / 2]) / 2);
}

/* Fills out with the colour of image's border. */
static lt_status fill(const lt_image *image, lt_image *out) {
    uint8_t colour[3], *values = lt_alloc(2 * ((size_t)image->width + (size_t)image->height));
    if (!values) return LT_ERROR_MEMORY;
    for (int c = 0; c < 3; c++) colour[c] = border_median(image, c, values);
    for (size_t i = 0; i < count_pixels(out); i++) memcpy(out->pixels + 3 * i, colour, 3);
    lt_free(values);
    return LT_OK;
}

/* Puts from, centred, on to: what is larger is cut. */
static void centre(const lt_image *from, lt_image *to) {
    const int w = (int)lt_min((size_t)from->width, (size_t)to->width);
    const int h = (int)lt_min((size_t)from->height, (size_t)to->height);
    const int from_x = (from->width - w) / 2, from_y = (from->height - h) / 2;
    const int x = (to->width - w) / 2, y = (to->height - h) / 2;
    for (int row = 0; row < h; row++)
        memcpy((uint8_t *)(uintptr_t)pixel_at(to, x, y + row), pixel_at(from, from_x, from_y + row), 3 * (size_t)w);
}

static int side(int size, double by) { return (int)fmin(fmax(rint(size * by), 1), LT_IMAGE_MAX_SIDE); }

/* As the web UI does it: the smaller of both factors leaves a border, the larger one is cut. */
static lt_status place(const lt_image *image, lt_control_fit fit, lt_image *hint) {
    const double by_height = (double)hint->height / image->height, by_width = (double)hint->width / image->width;
    const double by = fit == LT_CONTROL_FILL ? fmin(by_height, by_width) : fmax(by_height, by_width);
    lt_image scaled;
    LT_TRY(scale(image, side(image->width, by), side(image->height, by), &scaled));
    const lt_status status = fit == LT_CONTROL_FILL ? fill(image, hint) : LT_OK;
    if (!status) centre(&scaled, hint);
    lt_image_free(&scaled);
    return status;
}

lt_status lt_hint_fit(const lt_image *image, lt_control_fit fit, int width, int height, lt_image *hint) {
    *hint = (lt_image){0};
    LT_TRY(lt_image_check(image));
    if (fit == LT_CONTROL_STRETCH) return scale(image, width, height, hint);
    LT_TRY(lt_image_alloc(width, height, hint));
    const lt_status status = place(image, fit, hint);
    if (status) lt_image_free(hint);
    return status;
}
