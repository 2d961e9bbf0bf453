/* What is painted on: the size, the picture to start from, the mask. */
#include "pipeline/canvas.h"

#include "base/picture.h"
#include "pipeline/fill.h"
#include "pipeline/latent.h"

#include <math.h>
#include <string.h>

/* ---- Size ---- */

static int rounded(int size, int factor) { return (int)lt_max((size_t)(size / factor * factor), (size_t)factor); }

static bool is_of_area(const lt_request *r) { return r->image && r->mask && r->only_masked; }

static lt_status choose_size(lt_canvas *c, const lt_session *session, const lt_request *r) {
    const lt_components *parts = session->parts;
    const int factor = parts->vae.factor, own = parts->sample_size * factor;
    const lt_image *as = is_of_area(r) ? NULL : r->image;
    const int width = r->width ? r->width : as ? as->width : own;
    const int height = r->height ? r->height : as ? as->height : own;
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

static void note_empty(const lt_session *session, const lt_request *r, const float *mask, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (mask[i] > 0.5f) return;
    lt_notify(&session->listener, "the mask keeps everything: nothing of it is %s",
              r->mask_rule == LT_MASK_TRANSPARENT ? "transparent" : "white and opaque");
}

/* The mask at a size, blurred: [height, width], allocated even after a failure. */
static lt_status read_mask(const lt_session *session, const lt_request *r, int width, int height, float **mask) {
    const size_t w = (size_t)width, h = (size_t)height;
    *mask = lt_alloc(w * h * sizeof(float));
    if (!*mask) return LT_ERROR_MEMORY;
    LT_TRY(lt_image_read_mask(r->mask, r->mask_rule, width, height, *mask));
    note_empty(session, r, *mask, w * h);
    return r->mask_blur > 0.01f ? blur(*mask, w, h, r->mask_blur) : LT_OK;
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

/* Colours from around the mask in place of what is under it. */
static lt_status fill(lt_canvas *c) {
    const size_t w = (size_t)c->width, h = (size_t)c->height;
    c->filled = lt_alloc(w * h * 3 * sizeof(float));
    if (!c->filled) return LT_ERROR_MEMORY;
    memcpy(c->filled, c->pixels, w * h * 3 * sizeof(float));
    return lt_fill_masked(c->filled, c->mask, h, w);
}

/* ---- An area of the picture ---- */

/* A mask as bytes; [count], allocated. */
static lt_status grey_of(const float *mask, size_t count, uint8_t **grey) {
    *grey = lt_alloc(count);
    for (size_t i = 0; i < count && *grey; i++) (*grey)[i] = (uint8_t)lrintf(mask[i] * 255);
    return *grey ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status find_area(lt_canvas *c, const lt_session *session, const lt_request *r) {
    const int w = r->image->width, h = r->image->height;
    uint8_t *grey;
    c->around.image = r->image;
    LT_TRY(read_mask(session, r, w, h, &c->around.mask));
    LT_TRY(grey_of(c->around.mask, (size_t)w * (size_t)h, &grey));
    const lt_area box = lt_area_of_mask(grey, w, h, r->mask_padding);
    c->around.area = lt_area_expand(box, c->width, c->height, w, h);
    lt_free(grey);
    return LT_OK;
}

/* The area of the picture, scaled to the canvas. */
static lt_status read_area(lt_canvas *c) {
    lt_image part;
    LT_TRY(lt_area_cut(c->around.area, c->around.image, &part));
    const lt_status status = read_picture(c, &part);
    lt_image_free(&part);
    return status;
}

/* The area of the mask, as a picture. */
static lt_status cut_mask(const lt_canvas *c, lt_image *part) {
    const lt_area a = c->around.area;
    LT_TRY(lt_image_alloc(a.w, a.h, part));
    for (size_t i = 0; i < (size_t)a.w * (size_t)a.h; i++) {
        const size_t y = (size_t)a.y + i / (size_t)a.w, x = (size_t)a.x + i % (size_t)a.w;
        const float m = c->around.mask[y * (size_t)c->around.image->width + x];
        memset(part->pixels + 3 * i, (int)lrintf(m * 255), 3);
    }
    return LT_OK;
}

static lt_status read_area_mask(lt_canvas *c) {
    const size_t count = (size_t)c->width * (size_t)c->height;
    lt_image part = {0}, sized = {0};
    c->mask = lt_alloc(count * sizeof(float));
    lt_status status = c->mask ? cut_mask(c, &part) : LT_ERROR_MEMORY;
    if (!status) status = lt_image_resize(&part, c->width, c->height, &sized);
    for (size_t i = 0; i < count && !status; i++) c->mask[i] = (float)sized.pixels[3 * i] / 255;
    lt_image_free(&part);
    lt_image_free(&sized);
    return status;
}

/* Of the request's picture and mask what is painted on. */
static lt_status read_inputs(lt_canvas *c, const lt_session *session, const lt_request *r) {
    if (is_of_area(r)) {
        LT_TRY(find_area(c, session, r));
        LT_TRY(read_area(c));
        return read_area_mask(c);
    }
    if (r->image) LT_TRY(read_picture(c, r->image));
    return r->mask ? read_mask(session, r, c->width, c->height, &c->mask) : LT_OK;
}

/* ---- All of it ---- */

lt_status lt_canvas_prepare(lt_canvas *c, const lt_session *session, const lt_request *r) {
    const lt_components *parts = session->parts;
    *c = (lt_canvas){0};
    const bool inpainting_model = parts->unet.in_channels != parts->unet.out_channels;
    lt_status status = choose_size(c, session, r);
    if (!status) status = read_inputs(c, session, r);
    if (!status && r->mask && r->masked_content == LT_CONTENT_FILL) status = fill(c);
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
    lt_free(c->filled);
    lt_free(c->around.mask);
    *c = (lt_canvas){0};
}

/* ---- The end ---- */

/* Puts the input picture back over pixels where the mask says so. */
static void compose(const lt_canvas *c, float *pixels) {
    for (size_t i = 0; i < (size_t)c->width * (size_t)c->height * 3; i++) {
        const float m = c->mask[i / 3], clamped = fminf(fmaxf(pixels[i], -1), 1);
        pixels[i] = clamped * m + c->pixels[i] * (1 - m);
    }
}

static lt_status to_image(const lt_canvas *c, const float *pixels, lt_image *image) {
    LT_TRY(lt_image_alloc(c->width, c->height, image));
    lt_pixels_to_bytes(pixels, image->pixels, (size_t)c->width * (size_t)c->height * 3);
    return LT_OK;
}

/* Lays part, of the area's size, over a copy of the whole as the mask says. */
static void lay_over(const lt_canvas *c, const lt_image *part, lt_image *whole) {
    const lt_area a = c->around.area;
    const size_t width = (size_t)whole->width;
    for (size_t i = 0; i < (size_t)a.w * (size_t)a.h; i++) {
        const size_t at = ((size_t)a.y + i / (size_t)a.w) * width + (size_t)a.x + i % (size_t)a.w;
        const float m = c->around.mask[at];
        for (size_t k = 0; k < 3; k++) {
            uint8_t *to = &whole->pixels[3 * at + k];
            *to = (uint8_t)lrintf((float)*to * (1 - m) + (float)part->pixels[3 * i + k] * m);
        }
    }
}

static lt_status put_back(const lt_canvas *c, const lt_image *painted, lt_image *image) {
    const lt_image *whole = c->around.image;
    lt_image part;
    LT_TRY(lt_image_resize(painted, c->around.area.w, c->around.area.h, &part));
    const lt_status status = lt_image_alloc(whole->width, whole->height, image);
    if (!status) {
        memcpy(image->pixels, whole->pixels, (size_t)whole->width * (size_t)whole->height * 3);
        lay_over(c, &part, image);
    }
    lt_image_free(&part);
    return status;
}

lt_status lt_canvas_finish(const lt_canvas *c, float *pixels, lt_image *image) {
    lt_image painted;
    if (c->mask && !c->around.image) compose(c, pixels);
    if (!c->around.image) return to_image(c, pixels, image);
    LT_TRY(to_image(c, pixels, &painted));
    const lt_status status = put_back(c, &painted, image);
    lt_image_free(&painted);
    return status;
}
