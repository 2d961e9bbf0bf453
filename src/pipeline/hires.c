/* The second pass of a picture: sizes, and how what was drawn is enlarged. */
#include "pipeline/hires.h"

#include "adapters/shelf.h"
#include "base/picture.h"
#include "kernels/pixels.h"
#include "models/names.h"
#include "pipeline/latent.h"
#include "pipeline/upscaling.h"

#include <math.h>
#include <string.h>

/* ---- Sizes ---- */

/* numerator / denominator of whole numbers, as far as an int goes. */
static int proportion(int a, int numerator, int denominator) {
    const int64_t v = (int64_t)a * numerator / denominator;
    return v > INT32_MAX ? INT32_MAX : (int)v;
}

lt_hires_size lt_hires_size_of(int width, int height, double scale, int to_width, int to_height, int factor) {
    const bool by_scale = !to_width && !to_height;
    const bool by_width = !to_height || (to_width && (double)width / height < (double)to_width / to_height);
    if (by_scale) return (lt_hires_size){.width = (int)(width * scale), .height = (int)(height * scale)};
    lt_hires_size s = {.width = by_width ? to_width : proportion(to_height, width, height),
                       .height = by_width ? proportion(to_width, height, width) : to_height};
    if (to_width && to_height) s.cut_x = (s.width - to_width) / factor, s.cut_y = (s.height - to_height) / factor;
    return s;
}

/* ---- Latents ---- */

static double linear_weight(double x) { return fabs(x) < 1 ? 1 - fabs(x) : 0; }

/* Keys' cubic convolution (1981). */
static double cubic_weight(double x, double a) {
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* The weight of a value at distance x: PyTorch's bicubic has a = -0.75, antialiased, as Pillow's, -0.5. */
static double weight_of(lt_latent_mode mode, double x) {
    return mode == LT_LATENT_BICUBIC               ? cubic_weight(x, -0.75)
           : mode == LT_LATENT_BICUBIC_ANTIALIASED ? cubic_weight(x, -0.5)
                                                   : linear_weight(x);
}

enum { TAPS = 4 };

typedef struct axis {
    lt_axis shape;
    int *first, *used;
    float *weights;
} axis;

static void axis_free(axis *a) {
    lt_free(a->first);
    lt_free(a->used);
    lt_free(a->weights);
}

/* Value i of `size` takes the nearest of `source`. */
static void take_nearest(axis *a, lt_latent_mode mode, size_t i) {
    const double shift = mode == LT_LATENT_NEAREST_EXACT ? 0.5 : 0;
    const double at = floor(((double)i + shift) * (double)a->shape.source / (double)a->shape.size);
    a->first[i] = (int)fmin(at, (double)a->shape.source - 1);
    a->used[i] = 1;
    a->weights[i * TAPS] = 1;
}

/* Value i is a sum of those around it; beyond the border the last one goes on, or, antialiased, nothing does. Where a
 * latent grows smaller, an antialiased mode of PyTorch looks further: not this one, for nobody draws on from less. */
static void take_around(axis *a, lt_latent_mode mode, size_t i) {
    const int last = (int)a->shape.source - 1;
    const double at = ((double)i + 0.5) * (double)a->shape.source / (double)a->shape.size - 0.5;
    const int from = (int)floor(at) - 1;
    const bool inside_alone = mode == LT_LATENT_BICUBIC_ANTIALIASED;
    double sum = 0, weights[TAPS] = {0};
    a->first[i] = from < 0 ? 0 : from > last ? last : from;
    for (int k = 0; k < TAPS; k++) {
        const int place = from + k, clamped = place < 0 ? 0 : place > last ? last : place;
        const double w = inside_alone && clamped != place ? 0 : weight_of(mode, at - place);
        weights[clamped - a->first[i]] += w;
        sum += w;
        a->used[i] = clamped - a->first[i] + 1;
    }
    for (int k = 0; k < TAPS; k++) a->weights[i * TAPS + (size_t)k] = (float)(weights[k] / sum);
}

static lt_status make_axis(lt_latent_mode mode, int source, int size, axis *a) {
    const bool nearest = mode == LT_LATENT_NEAREST || mode == LT_LATENT_NEAREST_EXACT;
    *a = (axis){.shape = {.size = (size_t)size, .source = (size_t)source, .taps = TAPS}};
    a->first = lt_calloc((size_t)size, sizeof *a->first);
    a->used = lt_calloc((size_t)size, sizeof *a->used);
    a->weights = lt_calloc((size_t)size * TAPS, sizeof *a->weights);
    if (!a->first || !a->used || !a->weights) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < (size_t)size; i++) (nearest ? take_nearest : take_around)(a, mode, i);
    a->shape.first = a->first;
    a->shape.used = a->used;
    a->shape.weights = a->weights;
    return LT_OK;
}

lt_status lt_latent_resample(lt_latent_mode mode, const float *from, int h, int w, int c, float *to, int to_h,
                             int to_w) {
    axis down = {0}, across = {0};
    float *wide = lt_alloc((size_t)h * (size_t)to_w * (size_t)c * sizeof(float));
    lt_status status = wide ? make_axis(mode, w, to_w, &across) : LT_ERROR_MEMORY;
    if (!status) status = make_axis(mode, h, to_h, &down);
    if (!status) {
        lt_pixels.resample(&(lt_resample_args){&across.shape, (size_t)h, (size_t)c, from, wide});
        lt_pixels.resample(&(lt_resample_args){&down.shape, 1, (size_t)to_w * (size_t)c, wide, to});
    }
    axis_free(&down);
    axis_free(&across);
    lt_free(wide);
    return status;
}

/* ---- Names ---- */

static const char *const modes[LT_LATENT_MODES][2] = {
    [LT_LATENT_BILINEAR] = {"latent", "Latent"},
    [LT_LATENT_BILINEAR_ANTIALIASED] = {"latent-antialiased", "Latent (antialiased)"},
    [LT_LATENT_BICUBIC] = {"latent-bicubic", "Latent (bicubic)"},
    [LT_LATENT_BICUBIC_ANTIALIASED] = {"latent-bicubic-antialiased", "Latent (bicubic antialiased)"},
    [LT_LATENT_NEAREST] = {"latent-nearest", "Latent (nearest)"},
    [LT_LATENT_NEAREST_EXACT] = {"latent-nearest-exact", "Latent (nearest-exact)"},
};

/* What the web UIs call files of Real-ESRGAN, and the way without a network. */
static const char *const others[][2] = {
    {"lanczos", "Lanczos"},
    {"lanczos", "None"},
    {"RealESRGAN_x4plus", "R-ESRGAN 4x+"},
    {"RealESRGAN_x4plus_anime_6B", "R-ESRGAN 4x+ Anime6B"},
    {"RealESRGAN_x2plus", "R-ESRGAN 2x+"},
    {"realesr-general-x4v3", "R-ESRGAN General 4xV3"},
    {"realesr-animevideov3", "R-ESRGAN AnimeVideo"},
};

lt_latent_mode lt_hires_mode(const char *upscaler) {
    int mode = 0;
    while (upscaler && mode < LT_LATENT_MODES && strcmp(modes[mode][0], upscaler)) mode++;
    return (lt_latent_mode)mode;
}

char *lt_hires_label(const char *upscaler) {
    const lt_latent_mode mode = lt_hires_mode(upscaler);
    if (mode < LT_LATENT_MODES) return lt_strdup(modes[mode][1]);
    return strcmp(upscaler, others[0][0]) ? lt_shelf_name(upscaler) : lt_strdup(others[0][1]);
}

const char *lt_hires_by_label(const char *label) {
    for (size_t i = 0; i < LT_LATENT_MODES; i++)
        if (!strcmp(modes[i][1], label)) return modes[i][0];
    for (size_t i = 0; i < LT_COUNT(others); i++)
        if (!strcmp(others[i][1], label)) return others[i][0];
    return label;
}

/* ---- Preparing ---- */

bool lt_hires_asked(const lt_request *r) { return r->hires_scale > 0 || r->hires_width || r->hires_height; }

static lt_status check(const lt_session *session, const lt_request *r, const lt_hires *h) {
    const int factor = session->parts->vae.factor, most = LT_IMAGE_MAX_SIDE;
    if (r->image) return lt_fail(LT_ERROR_ARGUMENT, "hires: a second pass goes without an image to start from");
    if (r->classifier) return lt_fail(LT_ERROR_ARGUMENT, "hires: a classifier guides pictures of its own size alone");
    for (size_t i = 0; i < r->image_prompt_count; i++)
        if (r->image_prompts[i].mask)
            return lt_fail(LT_ERROR_ARGUMENT, "hires: an image prompt's mask is for pictures of one size");
    if (h->size.width > most || h->size.height > most || h->size.width < factor || h->size.height < factor)
        return lt_fail(LT_ERROR_ARGUMENT, "hires: %dx%d: sides from %d to %d are possible", h->size.width,
                       h->size.height, factor, most);
    if (h->mode == LT_LATENT_MODES && !session->parts->pixels)
        LT_TRY(
            lt_module_needed(session->parts, LT_MODULE_VAE_ENCODER, ", so it can't draw on from an enlarged picture"));
    return LT_OK;
}

static lt_status open_network(lt_hires *h, const char *path) {
    const lt_checkpoint *file = &h->source.file;
    LT_TRY(lt_source_open(path, &h->source));
    lt_status status = lt_names_add(&h->tensors, file->tensors, file->count, 1u << LT_ROLE_UPSCALER, false, NULL);
    if (!status) status = lt_weights_create(h->tensors.tensors, h->tensors.count, &h->network.weights);
    if (!status) status = lt_upscaler_open(h->network.weights, &h->network.upscaler);
    h->network.has[LT_MODULE_UPSCALER] = !status;
    return status ? lt_fail_in(status, "%s", path) : LT_OK;
}

static lt_status find_network(lt_hires *h, const lt_session *session, const char *name) {
    const lt_shelf shelf = {session->models, session->parts->file};
    char *path;
    lt_status status = lt_shelf_path(&shelf, LT_SHELF_UPSCALER, name, &path);
    if (status) return lt_fail_in(status, "`hires_upscaler`");
    status = open_network(h, path);
    lt_free(path);
    return status;
}

bool lt_hires_is_here(const lt_session *session, const char *upscaler) {
    const lt_shelf shelf = {session->models, session->parts->file};
    char *path = NULL;
    const bool formula = lt_hires_mode(upscaler) < LT_LATENT_MODES || !strcmp(upscaler, others[0][0]);
    const bool here = formula || !lt_shelf_path(&shelf, LT_SHELF_UPSCALER, upscaler, &path);
    lt_free(path);
    return here;
}

lt_status lt_hires_prepare(lt_hires *h, const lt_session *session, const lt_request *r, const lt_canvas *first) {
    const int factor = session->parts->vae.factor;
    *h = (lt_hires){.asked = lt_hires_asked(r), .mode = lt_hires_mode(r->hires_upscaler)};
    if (!h->asked) return LT_OK;
    h->size = lt_hires_size_of(first->width, first->height, r->hires_scale, r->hires_width, r->hires_height, factor);
    LT_TRY(check(session, r, h));
    if (h->size.width < first->width || h->size.height < first->height)
        lt_notify(&session->listener, "the second pass is smaller than the first: %dx%d after %dx%d", h->size.width,
                  h->size.height, first->width, first->height);
    h->latent_w = h->size.width / factor - h->size.cut_x;
    h->latent_h = h->size.height / factor - h->size.cut_y;
    if (h->mode < LT_LATENT_MODES || !strcmp(r->hires_upscaler, others[0][0])) return LT_OK;
    return find_network(h, session, r->hires_upscaler);
}

void lt_hires_free(lt_hires *h) {
    lt_components_free(&h->network);
    lt_tensor_list_free(&h->tensors);
    lt_source_close(&h->source);
    *h = (lt_hires){0};
}

/* ---- Enlarging ---- */

/* The middle of from [h, w, c] to [to_h, to_w, c]; what can't be parted evenly is left out at the end. */
static void cut(const float *from, int h, int w, int c, float *to, int to_h, int to_w) {
    const size_t row = (size_t)to_w * (size_t)c;
    from += ((size_t)((h - to_h) / 2) * (size_t)w + (size_t)((w - to_w) / 2)) * (size_t)c;
    for (int y = 0; y < to_h; y++, from += (size_t)w * (size_t)c, to += row) memcpy(to, from, row * sizeof(float));
}

/* small as a picture of h->size: by the network, or resampled. */
static lt_status enlarge_picture(const lt_hires *h, const lt_session *session, const lt_image *small, lt_image *large) {
    const lt_upscale_options options = lt_upscale_options_defaults();
    const int width = h->size.width, height = h->size.height;
    if (!h->network.weights) return lt_image_resize(small, width, height, large);
    lt_session beside = lt_session_beside(session, &h->network);
    const lt_status status = lt_upscale_to(&beside, small, width, height, &options, large);
    lt_session_drop(&beside);
    return status;
}

/* The latent of large [h, w] in latents: its mean. The web UI draws from the posterior by numbers that no seed says. */
static lt_status encode(lt_session *session, const lt_image *large, int h, int w, bool tiling, float *latent) {
    const int factor = session->parts->vae.factor;
    const size_t row = (size_t)w * (size_t)factor * 3, count = (size_t)h * (size_t)factor * row;
    float *pixels = lt_alloc(count * sizeof(float));
    for (int y = 0; pixels && y < h * factor; y++)
        lt_pixels_from_bytes(large->pixels + (size_t)y * (size_t)large->width * 3, pixels + (size_t)y * row, row);
    const lt_status status =
        pixels ? lt_latent_encode(session, pixels, h * factor, w * factor, tiling, NULL, latent) : LT_ERROR_MEMORY;
    lt_free(pixels);
    return status;
}

static lt_status decode(lt_session *session, const float *latent, const lt_canvas *first, bool tiling,
                        const lt_image *image) {
    const size_t count = (size_t)first->width * (size_t)first->height * 3;
    float *pixels = lt_alloc(count * sizeof(float));
    lt_status status =
        pixels ? lt_latent_decode(session, latent, first->latent_h, first->latent_w, tiling, pixels) : LT_ERROR_MEMORY;
    if (!status) lt_pixels_to_bytes(pixels, image->pixels, count);
    lt_free(pixels);
    return status;
}

/* By pixels: to [h, w] in latents, before anything is cut away. */
static lt_status through_pixels(const lt_hires *hires, lt_session *session, const float *latent, const lt_canvas *first,
                                bool tiling, float *whole, int h, int w) {
    lt_image small, large = {0};
    LT_TRY(lt_image_alloc(first->width, first->height, &small));
    lt_status status = decode(session, latent, first, tiling, &small);
    lt_module_rest(session, LT_MODULE_VAE_DECODER);
    if (!status) status = enlarge_picture(hires, session, &small, &large);
    if (!status) status = encode(session, &large, h, w, tiling, whole);
    lt_module_rest(session, LT_MODULE_VAE_ENCODER);
    lt_image_free(&small);
    lt_image_free(&large);
    return status;
}

lt_status lt_hires_enlarge(const lt_hires *hires, lt_session *session, const float *latent, const lt_canvas *first,
                           bool tiling, float *out) {
    const int c = session->parts->vae.latent_channels, factor = session->parts->vae.factor;
    const int h = hires->size.height / factor, w = hires->size.width / factor;
    float *whole = lt_alloc((size_t)h * (size_t)w * (size_t)c * sizeof(float));
    if (!whole) return LT_ERROR_MEMORY;
    const lt_status status =
        hires->mode < LT_LATENT_MODES
            ? lt_latent_resample(hires->mode, latent, first->latent_h, first->latent_w, c, whole, h, w)
            : through_pixels(hires, session, latent, first, tiling, whole, h, w);
    if (!status) cut(whole, h, w, c, out, hires->latent_h, hires->latent_w);
    lt_free(whole);
    return status;
}
