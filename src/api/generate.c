/* The public interface's work: pictures, latents, embeddings. */
#include "pipeline/generate.h"
#include "api/model.h"
#include "base/door.h"
#include "base/fields.h"
#include "base/picture.h"
#include "base/rng.h"
#include "pipeline/embedding.h"
#include "pipeline/latent.h"

#include <string.h>

static lt_status generate(lt_session *session, const lt_request *request, lt_result *result) {
    const lt_guides guides = {request->classifier ? &request->classifier->parts : NULL,
                              request->clip ? &request->clip->parts : NULL};
    return lt_paint(session, request, &guides, result);
}

lt_status lt_generate(lt_session *session, const lt_request *request, lt_result *result) {
    const lt_argument arguments[] = {
        {"session", session}, {"request", request}, {"result", .out = result, .size = sizeof *result}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_fields_check(lt_request_fields(), request);
    if (!status) status = generate(session, request, result);
    return lt_leave(&door, status);
}

/* ---- Latents ---- */

/* The picture's pixels without what is over a multiple of factor, to the right and below. */
static float *cropped_pixels(const lt_image *image, int h, int w) {
    float *pixels = lt_alloc((size_t)h * (size_t)w * 3 * sizeof(float));
    for (int y = 0; pixels && y < h; y++)
        lt_pixels_from_bytes(image->pixels + (size_t)y * (size_t)image->width * 3, pixels + (size_t)y * (size_t)w * 3,
                             (size_t)w * 3);
    return pixels;
}

static lt_status encode(lt_session *session, const lt_image *image, const uint64_t *seed, bool tiling, float **latent,
                        int shape[3]) {
    const lt_components *parts = session->parts;
    LT_TRY(lt_image_check(image));
    if (!parts->pixels) LT_TRY(lt_module_needed(parts, LT_MODULE_VAE_ENCODER, ""));
    const int factor = parts->vae.factor, h = image->height / factor, w = image->width / factor;
    if (h < 1 || w < 1)
        return lt_fail(LT_ERROR_ARGUMENT, "a picture of %dx%d is too small: this model needs %dx%d at least",
                       image->width, image->height, factor, factor);
    const size_t count = (size_t)parts->vae.latent_channels * (size_t)h * (size_t)w;
    float *pixels = cropped_pixels(image, h * factor, w * factor);
    float *z = lt_alloc(count * sizeof(float)), *noise = lt_alloc(count * sizeof(float));
    lt_status status = pixels && z && noise ? LT_OK : LT_ERROR_MEMORY;
    if (!status && seed) {
        lt_rng rng;
        lt_rng_seed(&rng, LT_RNG_CPU, *seed);
        lt_rng_normal(&rng, noise, count);
    }
    if (!status) status = lt_latent_encode(session, pixels, h * factor, w * factor, tiling, seed ? noise : NULL, z);
    lt_free(pixels);
    lt_free(noise);
    if (status) {
        lt_free(z);
        return status;
    }
    *latent = z;
    shape[0] = parts->vae.latent_channels;
    shape[1] = h;
    shape[2] = w;
    return LT_OK;
}

lt_status lt_encode(lt_session *session, const lt_image *image, const uint64_t *seed, bool tiling, float **latent,
                    int shape[3]) {
    const lt_argument arguments[] = {{"session", session},
                                     {"image", image},
                                     {"latent", .out = latent, .size = sizeof *latent},
                                     {"shape", .out = shape, .size = 3 * sizeof *shape}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = encode(session, image, seed, tiling, latent, shape);
    return lt_leave(&door, status);
}

static lt_status decode(lt_session *session, const float *latent, const int shape[3], bool tiling, lt_image *image) {
    const lt_components *parts = session->parts;
    if (!parts->pixels) LT_TRY(lt_module_needed(parts, LT_MODULE_VAE_DECODER, ""));
    const int most = LT_IMAGE_MAX_SIDE / parts->vae.factor;
    if (shape[0] != parts->vae.latent_channels || shape[1] < 1 || shape[2] < 1 || shape[1] > most || shape[2] > most)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "a latent of %dx%dx%d can't be decoded: it needs %d channels and sides of 1 to %d", shape[0],
                       shape[1], shape[2], parts->vae.latent_channels, most);
    const int width = shape[2] * parts->vae.factor, height = shape[1] * parts->vae.factor;
    const size_t count = (size_t)width * (size_t)height * 3;
    float *pixels = lt_alloc(count * sizeof(float));
    uint8_t *bytes = lt_alloc(count);
    lt_status status = pixels && bytes ? LT_OK : LT_ERROR_MEMORY;
    if (!status) status = lt_latent_decode(session, latent, shape[1], shape[2], tiling, pixels);
    if (!status) {
        lt_pixels_to_bytes(pixels, bytes, count);
        *image = (lt_image){width, height, bytes};
    } else {
        lt_free(bytes);
    }
    lt_free(pixels);
    return status;
}

lt_status lt_decode(lt_session *session, const float *latent, const int shape[3], bool tiling, lt_image *image) {
    const lt_argument arguments[] = {
        {"session", session}, {"latent", latent}, {"shape", shape}, {"image", .out = image, .size = sizeof *image}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = decode(session, latent, shape, tiling, image);
    return lt_leave(&door, status);
}

/* ---- CLIP ---- */

lt_status lt_embed_text(lt_session *session, const char *text, float **embedding, size_t *dim) {
    const lt_argument arguments[] = {{"session", session},
                                     {"text", text},
                                     {"embedding", .out = embedding, .size = sizeof *embedding},
                                     {"dim", .out = dim, .size = sizeof *dim}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_text_embedding(session, text, true, embedding, dim);
    return lt_leave(&door, status);
}

lt_status lt_embed_image(lt_session *session, const lt_image *image, float **embedding, size_t *dim) {
    const lt_argument arguments[] = {{"session", session},
                                     {"image", image},
                                     {"embedding", .out = embedding, .size = sizeof *embedding},
                                     {"dim", .out = dim, .size = sizeof *dim}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_image_embedding(session, image, embedding, dim);
    return lt_leave(&door, status);
}
