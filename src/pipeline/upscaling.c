/* Pictures made larger by an upscaler, in tiles. */
#include "pipeline/upscaling.h"

#include "base/picture.h"
#include "pipeline/tiles.h"

#include <math.h>
#include <string.h>

enum { MOST_TIMES = 3 };

/* Pixels a side that the network sees as one. */
static int unit_of(const lt_upscaler *u) { return u->squeeze ? u->squeeze : 1; }

/* How far a pixel of an SRVGG sees, along each side: by its convolutions alone, of which each adds one. An ESRGAN sees
 * hundreds of pixels, of which those far away hardly count: a share of the overlap is left out at a tile's edge. */
static int margin_of(const lt_upscaler *u, int overlap) {
    const int sees = u->blocks + 2;
    return u->kind == LT_UPSCALER_SRVGG ? (int)lt_min((size_t)sees, (size_t)(overlap / 2)) : overlap / 4;
}

/* h, w: of the picture, in squeezed pixels. Of SRVGG the tiles overlap by what it sees, so that they are exact. */
static lt_tiles tiles_of(const lt_upscaler *u, int h, int w, const lt_upscale_options *o) {
    const int unit = unit_of(u), side = o->tile / unit, sees = 2 * (u->blocks + 2);
    const int asked = u->kind == LT_UPSCALER_SRVGG && o->overlap < sees ? sees : o->overlap / unit;
    const int overlap = side ? (int)lt_min((size_t)asked, (size_t)(side / 2 - 1)) : 0;
    return (lt_tiles){.module = LT_MODULE_UPSCALER,
                      .input = "x",
                      .output = "out",
                      .in_unit = unit,
                      .out_unit = u->scale * unit,
                      .in_channels = 3,
                      .out_channels = 3,
                      .h = h,
                      .w = w,
                      .side = side,
                      .overlap = overlap,
                      .margin = margin_of(u, overlap),
                      .progress = o->progress,
                      .user = o->user};
}

/* ---- Pixels ---- */

/* Place i of a line of n, which goes on as in a mirror. */
static int mirrored(int i, int n) {
    if (n == 1) return 0;
    const int at = i % (2 * n - 2);
    return at < n ? at : 2 * n - 2 - at;
}

/* [h, w, 3] in [0, 1] of the picture, which is mirrored to the right and below where it is smaller. */
static void read_pixels(const lt_image *image, int h, int w, float *pixels) {
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const uint8_t *from = image->pixels + 3 * ((size_t)mirrored(y, image->height) * (size_t)image->width +
                                                       (size_t)mirrored(x, image->width));
            for (int c = 0; c < 3; c++) *pixels++ = (float)from[c] / 255;
        }
}

/* The upper left part of pixels, whose rows are `width` pixels long. */
static void write_pixels(const float *pixels, size_t width, const lt_image *image) {
    for (int y = 0; y < image->height; y++)
        for (int i = 0; i < 3 * image->width; i++) {
            const float v = pixels[(size_t)y * width * 3 + (size_t)i] * 255;
            image->pixels[(size_t)y * 3 * (size_t)image->width + (size_t)i] = v >= 255 ? 255
                                                                              : v > 0  ? (uint8_t)lrintf(v)
                                                                                       : 0;
        }
}

/* ---- Once ---- */

static lt_status run(lt_session *session, const lt_image *image, const lt_upscale_options *o, const lt_image *larger) {
    const lt_upscaler *u = &session->parts->upscaler;
    const int unit = unit_of(u), h = (int)lt_round_up((size_t)image->height, (size_t)unit),
              w = (int)lt_round_up((size_t)image->width, (size_t)unit);
    const lt_tiles tiles = tiles_of(u, h / unit, w / unit, o);
    const size_t pixels = (size_t)h * (size_t)w * 3, area = (size_t)u->scale * (size_t)u->scale;
    float *in = lt_alloc(pixels * sizeof(float)), *out = lt_alloc(pixels * area * sizeof(float));
    if (in) read_pixels(image, h, w, in);
    const lt_status status = in && out ? lt_tiles_run(session, &tiles, in, out) : LT_ERROR_MEMORY;
    if (!status) write_pixels(out, (size_t)w * (size_t)u->scale, larger);
    lt_free(in);
    lt_free(out);
    return status;
}

lt_status lt_upscale_once(lt_session *session, const lt_image *image, const lt_upscale_options *o, lt_image *larger) {
    LT_TRY(lt_module_needed(session->parts, LT_MODULE_UPSCALER, ", so it can't make a picture larger"));
    const int scale = session->parts->upscaler.scale, most = LT_IMAGE_MAX_SIDE / scale;
    if (image->width > most || image->height > most)
        return lt_fail(LT_ERROR_ARGUMENT, "a picture of %dx%d would be larger than %d a side when it is %d times that",
                       image->width, image->height, LT_IMAGE_MAX_SIDE, scale);
    LT_TRY(lt_image_alloc(image->width * scale, image->height * scale, larger));
    const lt_status status = run(session, image, o, larger);
    lt_module_rest(session, LT_MODULE_UPSCALER);
    if (status) lt_image_free(larger);
    return status;
}

/* ---- To a size ---- */

static bool is_smaller(const lt_image *image, int width, int height) {
    return image->width < width || image->height < height;
}

static lt_status finish(lt_image *large, int width, int height, lt_image *out) {
    if (large->width == width && large->height == height) {
        *out = *large;
        return LT_OK;
    }
    const lt_status status = lt_image_resize(large, width, height, out);
    lt_image_free(large);
    return status;
}

lt_status lt_upscale_to(lt_session *session, const lt_image *image, int width, int height, const lt_upscale_options *o,
                        lt_image *out) {
    lt_image large;
    LT_TRY(lt_upscale_once(session, image, o, &large));
    for (int i = 1; i < MOST_TIMES && session->parts->upscaler.scale > 1 && is_smaller(&large, width, height); i++) {
        lt_image before = large;
        const lt_status status = lt_upscale_once(session, &before, o, &large);
        lt_image_free(&before);
        if (status) return status;
    }
    return finish(&large, width, height, out);
}
