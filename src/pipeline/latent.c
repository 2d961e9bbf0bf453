/* Between pictures and latents, by the VAE, whole or in tiles. */
#include "pipeline/latent.h"

#include "base/picture.h"
#include "kernels/loss.h"
#include "pipeline/tiles.h"

#include <math.h>
#include <string.h>

enum { TILE = 64, OVERLAP = 16 }; /* latent pixels a side */

/* Of a tile, of a side. */
static int tile_side(int side, bool tiling) { return tiling && side > TILE ? TILE : side; }

/* ---- Encoding and decoding ---- */

lt_status lt_latent_encode(lt_session *session, const float *pixels, int h, int w, bool tiling,
                           const float *posterior_noise, float *latent) {
    const lt_components *parts = session->parts;
    const lt_vae *vae = &parts->vae;
    const int c = vae->latent_channels, each = lt_vae_moments(vae);
    if (parts->pixels) {
        memcpy(latent, pixels, (size_t)h * (size_t)w * (size_t)c * sizeof(float));
        return LT_OK;
    }
    LT_TRY(lt_module_needed(parts, LT_MODULE_VAE_ENCODER, ""));
    const lt_tiles t = {.module = LT_MODULE_VAE_ENCODER,
                        .input = "x",
                        .output = "moments",
                        .in_unit = vae->factor,
                        .out_unit = 1,
                        .in_channels = 3,
                        .out_channels = each,
                        .h = h / vae->factor,
                        .w = w / vae->factor,
                        .side = tiling ? TILE : 0,
                        .overlap = OVERLAP};
    const size_t count = (size_t)t.h * (size_t)t.w * (size_t)c;
    float *moments = lt_alloc(2 * count * sizeof(float));
    lt_status status = moments ? lt_tiles_run(session, &t, pixels, moments) : LT_ERROR_MEMORY;
    for (size_t i = 0; i < count && !status; i++) {
        const float *mean = moments + i / (size_t)c * (size_t)each + i % (size_t)c;
        const bool drawn = posterior_noise && each > c;
        const float deviation = drawn ? expf(0.5f * lt_clamp_logvar(mean[c])) : 0;
        latent[i] = (drawn ? *mean + deviation * posterior_noise[i] : *mean) * vae->scaling;
    }
    lt_free(moments);
    if (!status && !lt_all_finite(latent, count))
        return lt_fail(LT_ERROR_MODEL, "the latent is no finite number: is the VAE's scaling, %g, right?",
                       (double)vae->scaling);
    return status;
}

lt_status lt_latent_decode(lt_session *session, const float *latent, int h, int w, bool tiling, float *pixels) {
    const lt_components *parts = session->parts;
    const lt_vae *vae = &parts->vae;
    const lt_shape shape = {1, h, w, vae->latent_channels};
    if (!lt_all_finite(latent, lt_shape_count(shape)))
        return lt_fail(LT_ERROR_ARGUMENT, "a latent that holds a NaN or an infinity is no picture's");
    if (parts->pixels) {
        memcpy(pixels, latent, lt_shape_count(shape) * sizeof(float));
        return LT_OK;
    }
    LT_TRY(lt_module_needed(parts, LT_MODULE_VAE_DECODER, ""));
    const lt_tiles t = {.module = LT_MODULE_VAE_DECODER,
                        .input = "z",
                        .output = "out",
                        .in_unit = 1,
                        .out_unit = vae->factor,
                        .in_channels = shape.c,
                        .out_channels = 3,
                        .h = h,
                        .w = w,
                        .side = tiling ? TILE : 0,
                        .overlap = OVERLAP};
    float *z = lt_alloc(lt_shape_count(shape) * sizeof(float));
    if (!z) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < lt_shape_count(shape); i++) z[i] = latent[i] / vae->scaling;
    const lt_status status = lt_tiles_run(session, &t, z, pixels);
    lt_free(z);
    return status;
}

lt_status lt_latent_need(const lt_session *session, lt_module module, int h, int w, bool tiling, lt_need *need) {
    const int unit = module == LT_MODULE_VAE_ENCODER ? session->parts->vae.factor : 1;
    const lt_module_size size = {.n = 1, .h = tile_side(h, tiling) * unit, .w = tile_side(w, tiling) * unit};
    return lt_module_need(session, module, &size, 1, need);
}

void lt_pixels_from_bytes(const uint8_t *bytes, float *pixels, size_t count) {
    for (size_t i = 0; i < count; i++) pixels[i] = (float)bytes[i] / 127.5f - 1;
}

void lt_pixels_to_bytes(const float *pixels, uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const float v = (pixels[i] * 0.5f + 0.5f) * 255;
        bytes[i] = v >= 255 ? 255 : v > 0 ? (uint8_t)lrintf(v) : 0; /* NaN becomes 0, though none should come */
    }
}

/* ---- Preview ---- */

/* How much of each of the first channels, one a row, is in red, green and blue. */
typedef struct lt_look {
    int channels;
    float to_rgb[4][3];
} lt_look;

static const lt_look look_of_pixels = {3, {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
static const lt_look look_in_grey = {1, {{0.5f, 0.5f, 0.5f}}};
/* A linear fit of SD 1.x's decoder, as it is known in the field. */
static const lt_look look_of_sd = {4,
                                   {{0.3512f, 0.2297f, 0.3227f},
                                    {0.3250f, 0.4974f, 0.2350f},
                                    {-0.2829f, 0.1762f, 0.2721f},
                                    {-0.2120f, -0.2616f, -0.7177f}}};

/* SD 1.x's latents, and SD 2.x's, which are the same, are told by what they are scaled by; a TAESD doesn't tell. */
static const lt_look *look_of(const lt_components *parts) {
    const lt_vae *vae = &parts->vae;
    const bool is_sd =
        vae->latent_channels == 4 && vae->factor == 8 && (vae->tiny || fabsf(vae->scaling - 0.18215f) < 1e-5f);
    return parts->pixels ? &look_of_pixels : is_sd ? &look_of_sd : &look_in_grey;
}

void lt_latent_look(const lt_components *parts, const float *latent, int h, int w, uint8_t *rgb) {
    const lt_look *look = look_of(parts);
    const size_t pixels = (size_t)h * (size_t)w, c = (size_t)parts->vae.latent_channels;
    for (size_t p = 0; p < pixels; p++) {
        float v[3] = {0};
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < look->channels; k++) v[i] += look->to_rgb[k][i] * latent[p * c + (size_t)k];
        lt_pixels_to_bytes(v, rgb + 3 * p, 3);
    }
}

/* pixels: room for those of preview. Between two previews nothing but the packed weights stays. */
static lt_status decode_preview(lt_session *session, const float *latent, int h, int w, float *pixels,
                                const lt_image *preview) {
    const lt_module_size size = {.n = 1, .h = h, .w = w};
    const size_t count = (size_t)preview->width * (size_t)preview->height * 3;
    lt_plan *plan;
    LT_TRY(lt_module_plan(session, LT_MODULE_TAESD_DECODER, &size, &plan));
    lt_port_write(lt_plan_port(plan, "z"), 0, latent,
                  (size_t)h * (size_t)w * (size_t)session->parts->taesd.latent_channels);
    LT_TRY(lt_module_run(session, plan, LT_RATE_PROMPT));
    lt_port_read(lt_plan_port(plan, "image"), 0, pixels, count);
    for (size_t i = 0; i < count; i++) pixels[i] = 2 * pixels[i] - 1;
    lt_pixels_to_bytes(pixels, preview->pixels, count);
    lt_module_rest(session, LT_MODULE_TAESD_DECODER);
    return LT_OK;
}

lt_status lt_latent_preview(lt_session *session, const float *latent, int h, int w, lt_image *preview) {
    const int unit = session->parts->previews ? LT_TAESD_FACTOR : 1;
    LT_TRY(lt_image_alloc(w * unit, h * unit, preview));
    if (unit == 1) return lt_latent_look(session->parts, latent, h, w, preview->pixels), LT_OK;
    float *pixels = lt_alloc((size_t)preview->width * (size_t)preview->height * 3 * sizeof(float));
    const lt_status status = pixels ? decode_preview(session, latent, h, w, pixels, preview) : LT_ERROR_MEMORY;
    lt_free(pixels);
    if (status) lt_image_free(preview);
    return status;
}
