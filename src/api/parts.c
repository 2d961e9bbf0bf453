/* The public interface's parts of the way: latents, noise, embeddings, tokens, steps. */
#include "annotators/annotators.h"
#include "api/model.h"
#include "base/door.h"
#include "base/fields.h"
#include "base/picture.h"
#include "base/rng.h"
#include "kernels/layout.h"
#include "pipeline/embedding.h"
#include "pipeline/latent.h"
#include "text/merges.h"

#include <math.h>
#include <string.h>

/* ---- Latents ---- */

/* The picture's pixels without what is over a multiple of factor, to the right and below. */
static float *cropped_pixels(const lt_image *image, int h, int w) {
    float *pixels = lt_alloc((size_t)h * (size_t)w * 3 * sizeof(float));
    for (int y = 0; pixels && y < h; y++)
        lt_pixels_from_bytes(image->pixels + (size_t)y * (size_t)image->width * 3, pixels + (size_t)y * (size_t)w * 3,
                             (size_t)w * 3);
    return pixels;
}

/* Numbers as PyTorch draws them, [c, h, w] in memory of spare, as [h, w, c]. */
static void draw_noise(uint64_t seed, size_t area, size_t c, float *spare, float *noise) {
    lt_rng rng;
    lt_rng_seed(&rng, LT_RNG_CPU, seed);
    lt_rng_normal(&rng, spare, c * area);
    lt_nchw_to_nhwc(spare, noise, 1, area, c);
}

/* The latent [c, h, w], shape, of a picture that is large enough for it. */
static lt_status encode_to(lt_session *session, const lt_image *image, const uint64_t *seed, bool tiling,
                           const int shape[3], float *latent) {
    const int factor = session->parts->vae.factor, h = shape[1] * factor, w = shape[2] * factor;
    const size_t c = (size_t)shape[0], area = (size_t)shape[1] * (size_t)shape[2], count = c * area;
    float *pixels = cropped_pixels(image, h, w);
    float *z = lt_alloc(count * sizeof(float)), *noise = lt_alloc(count * sizeof(float)); /* [h, w, c] */
    lt_status status = pixels && z && noise ? LT_OK : LT_ERROR_MEMORY;
    if (!status && seed) draw_noise(*seed, area, c, latent, noise);
    if (!status) status = lt_latent_encode(session, pixels, h, w, tiling, seed ? noise : NULL, z);
    if (!status) lt_nhwc_to_nchw(z, latent, 1, area, c);
    lt_free(pixels);
    lt_free(noise);
    lt_free(z);
    return status;
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
    const int found[3] = {parts->vae.latent_channels, h, w};
    float *z = lt_alloc((size_t)found[0] * (size_t)h * (size_t)w * sizeof(float));
    if (!z) return LT_ERROR_MEMORY;
    const lt_status status = encode_to(session, image, seed, tiling, found, z);
    if (status) {
        lt_free(z);
        return status;
    }
    *latent = z;
    memcpy(shape, found, sizeof found);
    return LT_OK;
}

lt_status lt_encode(lt_session *session, const lt_image *image, const uint64_t *seed, bool tiling, float **latent,
                    int shape[3]) {
    const lt_argument arguments[] = {LT_SESSION_ARGUMENT,
                                     {"image", image},
                                     {"latent", .out = latent, .size = sizeof *latent},
                                     {"shape", .out = shape, .size = 3 * sizeof *shape}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = encode(session, image, seed, tiling, latent, shape);
    return lt_leave(&door, status);
}

/* The picture, which has its size, of a latent [c, h, w]. */
static lt_status decode_to(lt_session *session, const float *latent, const int shape[3], bool tiling,
                           const lt_image *image) {
    const size_t count = (size_t)image->width * (size_t)image->height * 3;
    const size_t c = (size_t)shape[0], area = (size_t)shape[1] * (size_t)shape[2];
    float *pixels = lt_alloc(count * sizeof(float)), *z = lt_alloc(c * area * sizeof(float));
    lt_status status = pixels && z ? LT_OK : LT_ERROR_MEMORY;
    if (!status) lt_nchw_to_nhwc(latent, z, 1, area, c);
    if (!status) status = lt_latent_decode(session, z, shape[1], shape[2], tiling, pixels);
    if (!status) lt_pixels_to_bytes(pixels, image->pixels, count);
    lt_free(pixels);
    lt_free(z);
    return status;
}

static lt_status decode(lt_session *session, const float *latent, const int shape[3], bool tiling, lt_image *image) {
    const lt_components *parts = session->parts;
    if (!parts->pixels) LT_TRY(lt_module_needed(parts, LT_MODULE_VAE_DECODER, ""));
    const int factor = parts->vae.factor, most = LT_IMAGE_MAX_SIDE / factor;
    if (shape[0] != parts->vae.latent_channels || shape[1] < 1 || shape[2] < 1 || shape[1] > most || shape[2] > most)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "a latent of %dx%dx%d can't be decoded: it needs %d channels and sides of 1 to %d", shape[0],
                       shape[1], shape[2], parts->vae.latent_channels, most);
    LT_TRY(lt_image_alloc(shape[2] * factor, shape[1] * factor, image));
    const lt_status status = decode_to(session, latent, shape, tiling, image);
    if (status) lt_image_free(image);
    return status;
}

lt_status lt_decode(lt_session *session, const float *latent, const int shape[3], bool tiling, lt_image *image) {
    const lt_argument arguments[] = {
        LT_SESSION_ARGUMENT, {"latent", latent}, {"shape", shape}, {"image", .out = image, .size = sizeof *image}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = decode(session, latent, shape, tiling, image);
    return lt_leave(&door, status);
}

/* ---- CLIP ---- */

lt_status lt_embed_text(lt_session *session, const char *text, float **embedding, size_t *dim) {
    const lt_argument arguments[] = {LT_SESSION_ARGUMENT,
                                     {"text", text},
                                     {"embedding", .out = embedding, .size = sizeof *embedding},
                                     {"dim", .out = dim, .size = sizeof *dim}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_text_embedding(session, text, true, embedding, dim);
    return lt_leave(&door, status);
}

lt_status lt_embed_image(lt_session *session, const lt_image *image, float **embedding, size_t *dim) {
    const lt_argument arguments[] = {LT_SESSION_ARGUMENT,
                                     {"image", image},
                                     {"embedding", .out = embedding, .size = sizeof *embedding},
                                     {"dim", .out = dim, .size = sizeof *dim}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_image_embedding(session, image, embedding, dim);
    return lt_leave(&door, status);
}

void lt_floats_free(float *floats) { lt_free(floats); }

/* ---- Noise ---- */

/* What is noised: a picture's pixels in [-1, 1], or its latent. */
typedef struct noising {
    lt_session *session; /* NULL: pixels */
    lt_noise_schedule schedule;
    const lt_image *image;
    uint64_t seed;
    bool chain;
    float *x0, *x, *noise; /* [n] */
    size_t n;
    int shape[3];
} noising;

static lt_status begin_noising(noising *o) {
    if (o->session) {
        o->schedule = o->session->parts->schedule;
        LT_TRY(encode(o->session, o->image, NULL, true, &o->x0, o->shape));
        o->n = (size_t)o->shape[0] * (size_t)o->shape[1] * (size_t)o->shape[2];
    } else {
        LT_TRY(lt_noise_schedule_sd(&o->schedule, LT_PREDICT_EPSILON));
        LT_TRY(lt_image_check(o->image));
        o->n = (size_t)o->image->width * (size_t)o->image->height * 3;
        o->x0 = lt_alloc(o->n * sizeof(float));
        if (o->x0) lt_pixels_from_bytes(o->image->pixels, o->x0, o->n);
    }
    o->x = lt_alloc(o->n * sizeof(float));
    o->noise = lt_alloc(o->n * sizeof(float));
    return o->x0 && o->x && o->noise ? LT_OK : LT_ERROR_MEMORY;
}

/* x_t of x0 by single steps: x_s = sqrt(1 - beta_s) x_s-1 + sqrt(beta_s) noise, 1 - beta_s = abar_s / abar_s-1. */
static void walk(noising *o, int t, lt_rng *rng) {
    const float *cumprod = o->schedule.alphas_cumprod;
    for (int step = 0; step <= t; step++) {
        const float alpha = cumprod[step] / (step ? cumprod[step - 1] : 1);
        lt_rng_normal(rng, o->noise, o->n);
        for (size_t i = 0; i < o->n; i++) o->x[i] = sqrtf(alpha) * o->x[i] + sqrtf(1 - alpha) * o->noise[i];
    }
}

/* x_t of x0; every timestep sees the same noise, so that only its share changes. */
static void add_noise(noising *o, int t) {
    lt_rng rng;
    lt_rng_seed(&rng, LT_RNG_CPU, o->seed);
    memcpy(o->x, o->x0, o->n * sizeof(float));
    if (o->chain) {
        walk(o, t, &rng);
    } else {
        lt_rng_normal(&rng, o->noise, o->n);
        lt_forward_process(&o->schedule, t, o->x, o->noise, o->x, o->n);
    }
}

static lt_status show_noised(noising *o, lt_image *image) {
    if (o->session) return decode(o->session, o->x, o->shape, true, image);
    LT_TRY(lt_image_alloc(o->image->width, o->image->height, image));
    lt_pixels_to_bytes(o->x, image->pixels, o->n);
    return LT_OK;
}

static lt_status check_timesteps(const int *timesteps, int count) {
    if (count < 1) return lt_fail(LT_ERROR_ARGUMENT, "count: %d; at least one timestep is needed", count);
    for (int i = 0; i < count; i++)
        if (timesteps[i] < 0 || timesteps[i] >= LT_TRAIN_STEPS)
            return lt_fail(LT_ERROR_ARGUMENT, "timesteps: %d; 0 to %d is possible", timesteps[i], LT_TRAIN_STEPS - 1);
    return LT_OK;
}

static lt_status noise(noising *o, const int *timesteps, int count, lt_image *images) {
    LT_TRY(check_timesteps(timesteps, count));
    lt_status status = begin_noising(o);
    for (int i = 0; i < count && !status; i++) {
        add_noise(o, timesteps[i]);
        status = show_noised(o, &images[i]);
    }
    for (int i = 0; i < count && status; i++) lt_image_free(&images[i]);
    lt_free(o->x0);
    lt_free(o->x);
    lt_free(o->noise);
    return status;
}

lt_status lt_noise(lt_session *session, const lt_image *image, const int *timesteps, int count, uint64_t seed,
                   bool chain, lt_image *images) {
    const lt_argument arguments[] = {
        {"image", image},
        {"timesteps", timesteps},
        {"images", .out = images, .size = count > 0 ? (size_t)count * sizeof *images : sizeof *images},
        LT_SESSION_ARGUMENT, /* the one that may be left out */
    };
    lt_door door;
    noising o = {.session = session, .image = image, .seed = seed, .chain = chain};
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments) - !session);
    if (!status) status = noise(&o, timesteps, count, images);
    return lt_leave(&door, status);
}

/* ---- Tokens ---- */

static lt_status tokenize(const char *text, lt_tokens *tokens) {
    lt_tokenizer *tokenizer;
    LT_TRY(lt_tokenizer_of_clip(&tokenizer));
    const lt_status status = lt_tokenizer_read(tokenizer, text, tokens);
    lt_tokenizer_free(tokenizer);
    return status;
}

lt_status lt_tokenize(const char *text, lt_tokens *tokens) {
    const lt_argument arguments[] = {{"text", text}, {"tokens", .out = tokens, .size = sizeof *tokens}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = tokenize(text, tokens);
    return lt_leave(&door, status);
}

lt_status lt_tokenizer_open(lt_tokenizer **tokenizer) {
    const lt_argument arguments[] = {{"tokenizer", .out = tokenizer, .size = sizeof *tokenizer}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_tokenizer_of_clip(tokenizer);
    return lt_leave(&door, status);
}

void lt_tokenizer_close(lt_tokenizer *tokenizer) { lt_tokenizer_free(tokenizer); }

lt_status lt_tokenize_by(const lt_tokenizer *tokenizer, const char *text, lt_tokens *tokens) {
    const lt_argument arguments[] = {
        {"tokenizer", tokenizer}, {"text", text}, {"tokens", .out = tokens, .size = sizeof *tokens}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_tokenizer_read(tokenizer, text, tokens);
    return lt_leave(&door, status);
}

/* ---- Steps ---- */

static lt_status plan_steps(const lt_model *model, const lt_request *r, lt_steps *steps) {
    lt_noise_schedule usual, drawn;
    LT_TRY(lt_fields_check(lt_request_fields(), r));
    LT_TRY(lt_noise_schedule_sd(&usual, r->zero_snr ? LT_PREDICT_V : LT_PREDICT_EPSILON));
    LT_TRY(lt_noise_schedule_for(model ? &model->parts.schedule : &usual, r->zero_snr, &drawn));
    return lt_steps_make(&drawn, r->sampler, r->schedule, r->steps, r->image ? r->strength : 1, steps);
}

lt_status lt_plan_steps(const lt_model *model, const lt_request *request, lt_steps *steps) {
    const lt_argument arguments[] = {{"request", request}, {"steps", .out = steps, .size = sizeof *steps}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = plan_steps(model, request, steps);
    return lt_leave(&door, status);
}

/* ---- Maps for controls ---- */

lt_status lt_annotate(const char *annotator, const lt_image *image, lt_image *map) {
    const lt_argument arguments[] = {
        {"annotator", annotator}, {"image", image}, {"map", .out = map, .size = sizeof *map}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_annotate_picture(annotator, image, map);
    return lt_leave(&door, status);
}

lt_status lt_annotator_check(const char *annotator) {
    const lt_argument arguments[] = {{"annotator", annotator}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_annotator_known(annotator);
    return lt_leave(&door, status);
}

const char *const *lt_annotators(void) { return lt_annotator_names(); }
