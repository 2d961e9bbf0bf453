/* What is painted on: the size, the picture to start from, the mask. */
#include "pipeline/canvas.h"

#include "base/picture.h"
#include "pipeline/latent.h"

#include <math.h>
#include <string.h>

/* ---- Size ---- */

static int rounded(int size, int factor) { return (int)lt_max((size_t)(size / factor * factor), (size_t)factor); }

static lt_status choose_size(lt_canvas *c, const lt_session *session, const lt_request *r) {
    const lt_components *parts = session->parts;
    const int factor = parts->vae.factor, own = parts->sample_size * factor;
    const int width = r->width ? r->width : r->image ? r->image->width : own;
    const int height = r->height ? r->height : r->image ? r->image->height : own;
    if (width < 1 || height < 1 || width > LT_IMAGE_MAX_SIDE || height > LT_IMAGE_MAX_SIDE)
        return lt_fail(LT_ERROR_ARGUMENT, "a picture of %dx%d: sides from 1 to %d are possible", width, height,
                       LT_IMAGE_MAX_SIDE);
    c->width = rounded(width, factor);
    c->height = rounded(height, factor);
    if (c->width != width || c->height != height)
        lt_notify(&session->listener, "%dx%d is rounded to %dx%d: this model's sides are multiples of %d", width,
                  height, c->width, c->height, factor);
    c->latent_w = c->width / factor;
    c->latent_h = c->height / factor;
    return LT_OK;
}

/* ---- The picture to start from ---- */

static lt_status read_picture(lt_canvas *c, const lt_image *image) {
    lt_image sized;
    LT_TRY(lt_image_resize(image, c->width, c->height, &sized));
    const size_t count = (size_t)c->width * (size_t)c->height * 3;
    c->pixels = lt_alloc(count * sizeof(float));
    if (c->pixels) lt_pixels_from_bytes(sized.pixels, c->pixels, count);
    lt_image_free(&sized);
    return c->pixels ? LT_OK : LT_ERROR_MEMORY;
}

/* ---- The mask ---- */

/* One pass of a blur along lines of n values, step apart; weights [2 * radius + 1] sum to 1, borders repeat. */
static void blur_lines(const float *from, float *to, size_t lines, size_t line_step, size_t n, size_t step,
                       const float *weights, int radius) {
    for (size_t l = 0; l < lines; l++)
        for (size_t i = 0; i < n; i++) {
            float sum = 0;
            for (int k = -radius; k <= radius; k++) {
                const int64_t at = (int64_t)i + k, inside = at < 0 ? 0 : at >= (int64_t)n ? (int64_t)n - 1 : at;
                sum += weights[k + radius] * from[l * line_step + (size_t)inside * step];
            }
            to[l * line_step + i * step] = sum;
        }
}

/* A Gaussian of deviation sigma pixels. */
static lt_status blur(float *mask, size_t w, size_t h, float sigma) {
    const int radius = (int)ceilf(3 * sigma);
    float *half_done = lt_alloc(w * h * sizeof(float)), *weights = lt_alloc((size_t)(2 * radius + 1) * sizeof(float));
    if (half_done && weights) {
        float total = 0;
        for (int k = -radius; k <= radius; k++) total += expf(-0.5f * (float)(k * k) / (sigma * sigma));
        for (int k = -radius; k <= radius; k++)
            weights[k + radius] = expf(-0.5f * (float)(k * k) / (sigma * sigma)) / total;
        blur_lines(mask, half_done, h, w, w, 1, weights, radius);
        blur_lines(half_done, mask, w, 1, h, w, weights, radius);
    }
    const lt_status status = half_done && weights ? LT_OK : LT_ERROR_MEMORY;
    lt_free(half_done);
    lt_free(weights);
    return status;
}

static lt_status resize_mask(const lt_canvas *c, const lt_request *r, lt_image *sized) {
    lt_image flat;
    LT_TRY(lt_image_flatten_mask(r->mask, r->mask_rule, &flat));
    const lt_status status = lt_image_resize(&flat, c->width, c->height, sized);
    lt_image_free(&flat);
    return status;
}

static void note_empty(const lt_session *session, const lt_request *r, const uint8_t *grey, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (grey[i] > 127) return;
    lt_notify(&session->listener, "the mask keeps everything: nothing of it is %s",
              r->mask_rule == LT_MASK_TRANSPARENT ? "transparent" : "white and opaque");
}

static lt_status read_mask(lt_canvas *c, const lt_session *session, const lt_request *r) {
    const size_t w = (size_t)c->width, h = (size_t)c->height;
    lt_image sized;
    LT_TRY(resize_mask(c, r, &sized));
    uint8_t *grey = lt_alloc(w * h);
    c->mask = lt_alloc(w * h * sizeof(float));
    lt_status status = grey && c->mask ? lt_image_to_grey(&sized, grey) : LT_ERROR_MEMORY;
    for (size_t i = 0; i < w * h && !status; i++) c->mask[i] = (float)grey[i] / 255;
    if (!status) note_empty(session, r, grey, w * h);
    if (!status && r->mask_blur > 0.01f) status = blur(c->mask, w, h, r->mask_blur);
    lt_free(grey);
    lt_image_free(&sized);
    return status;
}

/* Nearest neighbour of the mask, over a half. */
static lt_status make_latent_mask(lt_canvas *c, int factor) {
    c->latent_mask = lt_alloc((size_t)c->latent_w * (size_t)c->latent_h * sizeof(float));
    if (!c->latent_mask) return LT_ERROR_MEMORY;
    for (int y = 0; y < c->latent_h; y++)
        for (int x = 0; x < c->latent_w; x++) {
            const bool repaint =
                !c->mask || c->mask[(size_t)(y * factor) * (size_t)c->width + (size_t)(x * factor)] > 0.5f;
            c->latent_mask[y * c->latent_w + x] = repaint ? 1 : 0;
        }
    return LT_OK;
}

static lt_status make_masked_pixels(lt_canvas *c) {
    const size_t pixels = (size_t)c->width * (size_t)c->height;
    c->masked_pixels = lt_alloc(pixels * 3 * sizeof(float));
    if (!c->masked_pixels) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < 3 * pixels; i++) c->masked_pixels[i] = c->mask && c->mask[i / 3] <= 0.5f ? c->pixels[i] : 0;
    return LT_OK;
}

/* ---- All of it ---- */

lt_status lt_canvas_prepare(lt_canvas *c, const lt_session *session, const lt_request *r) {
    const lt_components *parts = session->parts;
    *c = (lt_canvas){0};
    const bool inpainting_model = parts->unet.in_channels != parts->unet.out_channels;
    lt_status status = choose_size(c, session, r);
    if (!status && r->image) status = read_picture(c, r->image);
    if (!status && r->mask) status = read_mask(c, session, r);
    if (!status && (r->mask || inpainting_model)) status = make_latent_mask(c, parts->vae.factor);
    if (!status && inpainting_model) status = make_masked_pixels(c);
    if (status) lt_canvas_free(c);
    return status;
}

void lt_canvas_free(lt_canvas *c) {
    lt_free(c->pixels);
    lt_free(c->mask);
    lt_free(c->latent_mask);
    lt_free(c->masked_pixels);
    *c = (lt_canvas){0};
}

void lt_canvas_compose(const lt_canvas *c, float *pixels) {
    if (!c->mask) return;
    for (size_t i = 0; i < (size_t)c->width * (size_t)c->height * 3; i++) {
        const float m = c->mask[i / 3], clamped = fminf(fmaxf(pixels[i], -1), 1);
        pixels[i] = clamped * m + c->pixels[i] * (1 - m);
    }
}
