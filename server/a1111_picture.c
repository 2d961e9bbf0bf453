/* Pictures as A1111's clients send them, made ready for a job. */
#include "a1111_picture.h"

#include "tools/base64.h"

#include <stdlib.h>
#include <string.h>

/* ---- Reading ---- */

/* What is fetched from elsewhere is not: a stranger could have this machine ask its neighbours. */
static bool is_address(const char *text) { return !strncmp(text, "http://", 7) || !strncmp(text, "https://", 8); }

void *lt_a1111_bytes(const json_t *value, size_t *size, lt_a1111_fault *fault) {
    const char *text = json_string_value(value);
    void *bytes = text && !is_address(text) ? lt_base64_read(text, size) : NULL;
    if (!text)
        lt_a1111_fail(fault, 422, "Input should be a valid string: a picture in base64");
    else if (is_address(text))
        lt_a1111_fail(fault, 422, "Requests not allowed: send the picture in base64");
    else if (!bytes)
        lt_a1111_fail(fault, 422, "Invalid encoded image");
    return bytes;
}

bool lt_a1111_image(const json_t *value, size_t most_pixels, lt_image *image, lt_a1111_fault *fault) {
    size_t size;
    void *bytes = lt_a1111_bytes(value, &size, fault);
    if (!bytes) return false;
    const lt_status status = lt_image_read(bytes, size, most_pixels, image);
    free(bytes);
    return !status || lt_a1111_fail(fault, 422, "Invalid encoded image: %s", lt_error_message());
}

json_t *lt_a1111_png(const lt_image *image) {
    uint8_t *bytes;
    size_t size;
    if (lt_image_encode("png", image, NULL, &bytes, &size)) return NULL;
    char *text = lt_base64_write(bytes, size);
    json_t *value = text ? json_string(text) : NULL;
    lt_bytes_free(bytes);
    free(text);
    return value;
}

/* ---- Resize modes (modules/images.py, resize_image) ---- */

/* Copies rows and columns of part into whole, at (x, y), as far as it is inside. */
static void paste(const lt_image *part, lt_image *whole, int x, int y) {
    for (int row = 0; row < part->height; row++)
        for (int column = 0; column < part->width; column++) {
            const int to_x = x + column, to_y = y + row;
            if (to_x < 0 || to_y < 0 || to_x >= whole->width || to_y >= whole->height) continue;
            const size_t to = (size_t)to_y * (size_t)whole->width + (size_t)to_x;
            const size_t from = (size_t)row * (size_t)part->width + (size_t)column;
            memcpy(whole->pixels + 3 * to, part->pixels + 3 * from, 3);
        }
}

static int inside(int at, int first, int count) {
    return at < first ? first : at >= first + count ? first + count - 1 : at;
}

/* What is around the part, of the given place, becomes as its nearest pixels. */
static void extend(lt_image *whole, int x, int y, int w, int h) {
    for (int row = 0; row < whole->height; row++)
        for (int column = 0; column < whole->width; column++) {
            const size_t from = (size_t)inside(row, y, h) * (size_t)whole->width + (size_t)inside(column, x, w);
            const size_t to = (size_t)row * (size_t)whole->width + (size_t)column;
            if (from != to) memcpy(whole->pixels + 3 * to, whole->pixels + 3 * from, 3);
        }
}

/* The picture's size within the fit's, or around it, its sides in their ratio. */
static void choose_size(const lt_image *image, lt_a1111_fit fit, int *width, int *height) {
    const double ratio = (double)fit.width / fit.height, own = (double)image->width / image->height;
    const bool by_width = fit.mode == 1 ? ratio > own : ratio < own;
    const bool by_height = fit.mode == 1 ? ratio <= own : ratio >= own;
    *width = by_width ? fit.width : (int)((int64_t)image->width * fit.height / image->height);
    *height = by_height ? fit.height : (int)((int64_t)image->height * fit.width / image->width);
    if (*width < 1) *width = 1;
    if (*height < 1) *height = 1;
}

static lt_status lay_out(const lt_image *part, lt_a1111_fit fit, lt_image *whole) {
    const int x = fit.width / 2 - part->width / 2, y = fit.height / 2 - part->height / 2;
    const lt_status status = lt_image_alloc(fit.width, fit.height, whole);
    if (status) return status;
    memset(whole->pixels, 0, (size_t)fit.width * (size_t)fit.height * 3);
    paste(part, whole, x, y);
    if (fit.mode == 2) extend(whole, x, y, part->width, part->height);
    return LT_OK;
}

lt_status lt_a1111_fit_image(lt_image *image, lt_a1111_fit fit) {
    int width, height;
    lt_image part, whole = {0};
    if (!fit.mode) return LT_OK;
    choose_size(image, fit, &width, &height);
    const double pixels = (double)width * height;
    if (fit.most_pixels &&
        (pixels > 4.0 * (double)fit.most_pixels || width > LT_IMAGE_MAX_SIDE || height > LT_IMAGE_MAX_SIDE))
        return lt_fail(LT_ERROR_UNSUPPORTED, "a picture of %dx%d would be resized to %dx%d: too large", image->width,
                       image->height, width, height);
    lt_status status = lt_image_scale(image, width, height, &part);
    if (status) return status;
    status = lay_out(&part, fit, &whole);
    lt_image_free(&part);
    if (status) return status;
    lt_image_free(image);
    *image = whole;
    return LT_OK;
}

/* ---- Values of jobs ---- */

static void fail_fit(lt_status status, lt_a1111_fault *fault) {
    const bool theirs = status == LT_ERROR_UNSUPPORTED || status == LT_ERROR_ARGUMENT;
    lt_a1111_fail(fault, theirs ? 422 : 500, "%s", status ? lt_error_message() : "out of memory");
}

json_t *lt_a1111_picture(const json_t *value, lt_a1111_fit fit, size_t most_pixels, lt_a1111_fault *fault) {
    lt_image image;
    if (!lt_a1111_image(value, most_pixels, &image, fault)) return NULL;
    const lt_status status = lt_a1111_fit_image(&image, fit);
    json_t *made = status || !fit.mode ? NULL : lt_a1111_png(&image);
    lt_image_free(&image);
    if (!status && !fit.mode) made = json_string(json_string_value(value)); /* as it came */
    if (!made) fail_fit(status, fault);
    return made;
}

/* ITU-R 601 luma, as Pillow's convert("L"). */
static int luma(const uint8_t *rgb) {
    return (int)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
}

/* It is opaque everywhere, or transparent somewhere. */
static bool transparent(const lt_image *image) {
    const size_t count = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; image->alpha && i < count; i++)
        if (image->alpha[i] != 255) return true;
    return false;
}

/* modules/processing.py, create_binary_mask. */
static void flatten(lt_image *mask, bool invert, bool round) {
    const size_t count = (size_t)mask->width * (size_t)mask->height;
    const bool by_alpha = transparent(mask);
    for (size_t i = 0; i < count; i++) {
        int white = by_alpha ? mask->alpha[i] : luma(mask->pixels + 3 * i);
        if (round) white = white > 128 ? 255 : 0;
        memset(mask->pixels + 3 * i, invert ? 255 - white : white, 3);
        if (mask->alpha) mask->alpha[i] = 255;
    }
}

json_t *lt_a1111_mask(const json_t *value, bool invert, bool round, lt_a1111_fit fit, size_t most_pixels,
                      lt_a1111_fault *fault) {
    lt_image mask;
    if (!lt_a1111_image(value, most_pixels, &mask, fault)) return NULL;
    flatten(&mask, invert, round);
    const lt_status status = lt_a1111_fit_image(&mask, fit);
    json_t *made = status ? NULL : lt_a1111_png(&mask);
    lt_image_free(&mask);
    if (!made) fail_fit(status, fault);
    return made;
}
