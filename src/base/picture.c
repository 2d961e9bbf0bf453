/* Pictures in memory: their limits, their memory, their grey levels. */
#include "base/picture.h"

#include "base/door.h"

lt_status lt_image_check_size(size_t width, size_t height) {
    if (width == 0 || height == 0)
        return lt_fail(LT_ERROR_FORMAT, "a picture of %zux%zu pixels is empty", width, height);
    if (width > LT_IMAGE_MAX_SIDE || height > LT_IMAGE_MAX_SIDE)
        return lt_fail(LT_ERROR_FORMAT, "a picture of %zux%zu pixels is too large: a side may have %d", width, height,
                       LT_IMAGE_MAX_SIDE);
    return LT_OK;
}

static bool sides_are_possible(int width, int height) {
    return width >= 1 && width <= LT_IMAGE_MAX_SIDE && height >= 1 && height <= LT_IMAGE_MAX_SIDE;
}

lt_status lt_image_check(const lt_image *image) {
    if (image && image->pixels && sides_are_possible(image->width, image->height)) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "an empty picture, or one with a side over %d", LT_IMAGE_MAX_SIDE);
}

static lt_status alloc(int width, int height, lt_image *image) {
    if (!sides_are_possible(width, height))
        return lt_fail(LT_ERROR_ARGUMENT, "a picture of %dx%d: sides of 1 to %d are possible", width, height,
                       LT_IMAGE_MAX_SIDE);
    uint8_t *pixels = lt_alloc((size_t)width * (size_t)height * 3);
    if (!pixels) return LT_ERROR_MEMORY;
    *image = (lt_image){width, height, pixels, NULL};
    return LT_OK;
}

lt_status lt_image_alloc(int width, int height, lt_image *image) {
    const lt_argument arguments[] = {{"image", .out = image, .size = sizeof *image}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = alloc(width, height, image);
    return lt_leave(&door, status);
}

void lt_image_free(lt_image *image) {
    if (!image) return;
    lt_free(image->pixels);
    lt_free(image->alpha);
    *image = (lt_image){0};
}

/* c * a is what was laid over white without that white: (c * a + 1 - a) - (1 - a). */
lt_status lt_image_flatten_mask(const lt_image *mask, lt_mask_rule rule, lt_image *flat) {
    LT_TRY(lt_image_check(mask));
    LT_TRY(lt_image_alloc(mask->width, mask->height, flat));
    const size_t count = (size_t)mask->width * (size_t)mask->height;
    for (size_t i = 0; i < 3 * count; i++) {
        const int white = mask->alpha ? 255 - mask->alpha[i / 3] : 0, over_black = mask->pixels[i] - white;
        flat->pixels[i] = (uint8_t)(rule == LT_MASK_TRANSPARENT ? white : over_black > 0 ? over_black : 0);
    }
    return LT_OK;
}

lt_status lt_image_to_grey(const lt_image *image, uint8_t *grey) {
    LT_TRY(lt_image_check(image));
    const size_t count = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < count; i++) {
        /* ITU-R 601 luma in 16 bits' fixed point, as Pillow's convert("L") */
        const uint8_t *rgb = image->pixels + 3 * i;
        grey[i] = (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
    }
    return LT_OK;
}

static lt_status read_shares(const lt_image *image, float *values) {
    const size_t count = (size_t)image->width * (size_t)image->height;
    uint8_t *grey = lt_alloc(count);
    const lt_status status = grey ? lt_image_to_grey(image, grey) : LT_ERROR_MEMORY;
    for (size_t i = 0; i < count && !status; i++) values[i] = (float)grey[i] / 255;
    lt_free(grey);
    return status;
}

lt_status lt_image_read_mask(const lt_image *mask, lt_mask_rule rule, int width, int height, float *values) {
    lt_image flat = {0}, sized = {0};
    lt_status status = lt_image_flatten_mask(mask, rule, &flat);
    if (!status) status = lt_image_resize(&flat, width, height, &sized);
    if (!status) status = read_shares(&sized, values);
    lt_image_free(&flat);
    lt_image_free(&sized);
    return status;
}
