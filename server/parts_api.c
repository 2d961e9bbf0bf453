/* Parts of the way from words to a picture, alone, for the page's room Understand (docs/understand.md): the noise
 * levels of a schedule, noised pictures, the VAE's two halves, CLIP's opinion. What computes is a visit (visit.h). */
#include "array_file.h"
#include "draw.h"
#include "jobs_api.h"
#include "taps_request.h"
#include "tools.h"
#include "tools/base64.h"
#include "tools/picture.h"
#include "visit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TIMESTEPS = 64, MOST_LATENTS = 64, MOST_COMPARED = 32 };
static const double MOST_DRAWS = 2e8; /* numbers of noise that a chain may take: some seconds */

/* ---- What is asked ---- */

static lt_status wanted(const char *key, const char *what) {
    return lt_fail(LT_ERROR_ARGUMENT, "%s: %s is wanted", key, what);
}

static lt_status read_picture(const lt_http_request *r, const char *key, const json_t *text, lt_image *image) {
    const double most = 1e6 * lt_server_options_of(lt_http_server(r))->most_pixels;
    size_t size;
    void *bytes = json_is_string(text) ? lt_base64_read(json_string_value(text), &size) : NULL;
    if (!bytes) return wanted(key, "a PNG, JPEG or WebP in base64");
    const lt_status status = lt_image_read(bytes, size, most > 0 ? (size_t)most : 0, image);
    free(bytes);
    return status ? lt_fail_in(status, "%s", key) : LT_OK;
}

static const char *model_of(const json_t *body) { return json_string_value(json_object_get(body, "model")); }

/* ---- A visit to a model ---- */

/* What a route does: fills file from what body asks, on visit's session. */
typedef lt_status act(lt_visit *visit, const json_t *body, lt_array_file *file);

static void act_on(lt_visit *visit, const json_t *body, act *does) {
    lt_array_file file = {0};
    lt_status status = lt_visit_open(visit, model_of(body));
    if (!status) status = does(visit, body, &file);
    if (status)
        lt_visit_fail(visit, status);
    else
        lt_array_file_answer(visit->request, &file);
    lt_array_file_free(&file);
}

static void answer(lt_http_request *r, act *does) {
    lt_visit visit;
    json_t *body = lt_http_json(r);
    if (body && lt_visit_begin(&visit, r)) {
        act_on(&visit, body, does);
        lt_visit_end(&visit);
    }
    json_decref(body);
}

/* Pictures of a list are called by their numbers. */
static lt_status add_numbered(lt_array_file *file, size_t i, const lt_image *image) {
    char name[24];
    snprintf(name, sizeof name, "%zu", i);
    lt_array_file_add_image(file, name, image);
    return file->status;
}

/* ---- Noise ---- */

static lt_status read_timesteps(const json_t *list, int *timesteps, int *count) {
    *count = (int)json_array_size(list);
    if (*count < 1 || *count > MOST_TIMESTEPS) return wanted("timesteps", "a list of 1 to 64 numbers from 0 to 999");
    for (int i = 0; i < *count; i++) {
        const json_t *t = json_array_get(list, (size_t)i);
        if (!json_is_integer(t)) return wanted("timesteps", "a list of whole numbers from 0 to 999");
        timesteps[i] = (int)fmin(fmax(-1, (double)json_integer_value(t)), 1e6); /* lt_noise says what is possible */
    }
    return LT_OK;
}

/* A chain takes as many draws of noise as it has steps. */
static lt_status check_chain(const lt_image *image, const int *timesteps, int count) {
    double steps = 0;
    for (int i = 0; i < count; i++) steps += timesteps[i] + 1;
    if (steps * image->width * image->height * 3 <= MOST_DRAWS) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED,
                   "chain: so many steps of so large a picture take too long: a smaller one is wanted");
}

static lt_status noise(lt_visit *visit, const json_t *body, const lt_image *image, lt_array_file *file) {
    const bool chain = json_is_true(json_object_get(body, "chain"));
    lt_session *session = json_is_true(json_object_get(body, "latent")) ? lt_visit_session(visit) : NULL;
    const uint64_t seed = (uint64_t)json_integer_value(json_object_get(body, "seed"));
    int timesteps[MOST_TIMESTEPS], count;
    lt_image images[MOST_TIMESTEPS];
    LT_TRY(read_timesteps(json_object_get(body, "timesteps"), timesteps, &count));
    if (chain) LT_TRY(check_chain(image, timesteps, count));
    LT_TRY(lt_noise(session, image, timesteps, count, seed, chain, images));
    for (int i = 0; i < count; i++) {
        add_numbered(file, (size_t)i, &images[i]);
        lt_image_free(&images[i]);
    }
    return file->status;
}

static lt_status act_noise(lt_visit *visit, const json_t *body, lt_array_file *file) {
    lt_image image = {0};
    LT_TRY(read_picture(visit->request, "image", json_object_get(body, "image"), &image));
    const lt_status status = noise(visit, body, &image, file);
    lt_image_free(&image);
    return status;
}

/* {"image", "timesteps": [t, ...], "seed", "chain", "latent", "model"}: pictures "0", "1", ..., U8 [h, w, 3] */
static void post_noise(lt_http_request *r) { answer(r, act_noise); }

/* ---- The VAE ---- */

static lt_status add_latent(lt_visit *visit, const lt_image *image, lt_array_file *file) {
    float *latent;
    int s[3];
    lt_image back = {0};
    LT_TRY(lt_encode(lt_visit_session(visit), image, NULL, true, &latent, s));
    const size_t shape[] = {(size_t)s[0], (size_t)s[1], (size_t)s[2]};
    lt_array_file_add(file, "latent", "F32", shape, 3, latent);
    const lt_status status = lt_decode(lt_visit_session(visit), latent, s, true, &back);
    if (!status) lt_array_file_add_image(file, "decoded", &back);
    lt_image_free(&back);
    lt_floats_free(latent);
    return status ? status : file->status;
}

static lt_status act_encode(lt_visit *visit, const json_t *body, lt_array_file *file) {
    lt_image image = {0};
    LT_TRY(read_picture(visit->request, "image", json_object_get(body, "image"), &image));
    lt_array_file_add_image(file, "picture", &image);
    const lt_status status = add_latent(visit, &image, file);
    lt_image_free(&image);
    return status;
}

/* {"image", "model"}: "picture" as it was sent, "latent" (the posterior's mean), and "decoded" of that */
static void post_encode(lt_http_request *r) { answer(r, act_encode); }

/* [count, c, h, w] numbers. */
static lt_status read_latents(const lt_visit *visit, const json_t *body, size_t numbers, int s[3], size_t *count) {
    const json_t *list = json_object_get(body, "shape");
    const lt_model_info info = lt_model_describe(lt_session_model(lt_visit_session(visit)));
    const double most = 1e6 * lt_server_options_of(lt_http_server(visit->request))->most_pixels;
    for (size_t i = 0; i < 3; i++) s[i] = (int)fmin(json_number_value(json_array_get(list, i)), LT_IMAGE_MAX_SIDE);
    if (json_array_size(list) != 3 || s[0] != info.latent_channels || s[1] < 1 || s[2] < 1)
        return wanted("shape", "[channels, height, width] of this model's latents");
    const size_t one = (size_t)s[0] * (size_t)s[1] * (size_t)s[2];
    *count = numbers / one;
    if (!*count || numbers % one || *count > MOST_LATENTS) return wanted("latents", "1 to 64 latents of that shape");
    if (most > 0 && (double)*count * s[1] * s[2] * info.factor * info.factor > most)
        return lt_fail(LT_ERROR_UNSUPPORTED, "latents: over %.1f million pixels", 1e-6 * most);
    return LT_OK;
}

static lt_status decode_one(lt_visit *visit, const float *latent, const int s[3], size_t i, lt_array_file *file) {
    lt_image image;
    if (lt_visit_over(visit)) return lt_fail(LT_ERROR_CANCELLED, "nobody waits for this any more");
    LT_TRY(lt_decode(lt_visit_session(visit), latent, s, true, &image));
    const lt_status status = add_numbered(file, i, &image);
    lt_image_free(&image);
    return status;
}

static lt_status act_decode(lt_visit *visit, const json_t *body, lt_array_file *file) {
    size_t numbers, count = 0;
    int s[3];
    float *latents = lt_floats_read(json_object_get(body, "latents"), &numbers);
    lt_status status = latents ? LT_OK : wanted("latents", "float32 numbers in base64");
    if (!status) status = read_latents(visit, body, numbers, s, &count);
    for (size_t i = 0; i < count && !status; i++)
        status = decode_one(visit, latents + i * (numbers / count), s, i, file);
    free(latents);
    return status;
}

/* {"latents": base64 of float32, "shape": [c, h, w], "model"}: pictures "0", "1", ... */
static void post_decode(lt_http_request *r) { answer(r, act_decode); }

/* ---- CLIP ---- */

/* Embeddings of length 1, [count], each of dim numbers. */
typedef struct embedded {
    float *items[MOST_COMPARED];
    size_t count, dim;
} embedded;

static void embedded_free(embedded *e) {
    for (size_t i = 0; i < e->count; i++) lt_floats_free(e->items[i]);
    e->count = 0;
}

/* What a key has, or one of what it has, as an embedding. */
typedef lt_status embed_fn(lt_visit *visit, const char *key, const json_t *text, float **embedding, size_t *dim);

static lt_status embed_picture(lt_visit *visit, const char *key, const json_t *text, float **embedding, size_t *dim) {
    lt_image image = {0};
    LT_TRY(read_picture(visit->request, key, text, &image));
    const lt_status status = lt_embed_image(lt_visit_session(visit), &image, embedding, dim);
    lt_image_free(&image);
    return status;
}

static lt_status embed_text(lt_visit *visit, const char *key, const json_t *text, float **embedding, size_t *dim) {
    if (!json_is_string(text)) return wanted(key, "text");
    return lt_embed_text(lt_visit_session(visit), json_string_value(text), embedding, dim);
}

static lt_status embed(lt_visit *visit, const char *key, const json_t *list, embed_fn *one, embedded *out) {
    if (list && !json_is_array(list)) return wanted(key, "a list");
    if (json_array_size(list) > MOST_COMPARED)
        return lt_fail(LT_ERROR_UNSUPPORTED, "%s: %d at most", key, MOST_COMPARED);
    for (size_t i = 0; i < json_array_size(list); i++) {
        LT_TRY(one(visit, key, json_array_get(list, i), &out->items[i], &out->dim));
        out->count++;
    }
    return LT_OK;
}

static lt_status add_similarity(const embedded *texts, const embedded *images, lt_array_file *file) {
    const size_t shape[] = {texts->count, images->count};
    float *cosines = tool_calloc(texts->count * images->count, sizeof *cosines);
    if (!cosines) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < texts->count * images->count; i++)
        for (size_t k = 0; k < texts->dim; k++)
            cosines[i] += texts->items[i / images->count][k] * images->items[i % images->count][k];
    lt_array_file_add(file, "similarity", "F32", shape, 2, cosines);
    free(cosines);
    return file->status;
}

static lt_status act_similarity(lt_visit *visit, const json_t *body, lt_array_file *file) {
    embedded texts = {.count = 0}, images = {.count = 0};
    lt_status status = embed(visit, "texts", json_object_get(body, "texts"), embed_text, &texts);
    if (!status) status = embed(visit, "images", json_object_get(body, "images"), embed_picture, &images);
    if (!status && (!texts.count || !images.count)) status = wanted("texts, images", "one of each at least");
    if (!status) status = add_similarity(&texts, &images, file);
    embedded_free(&texts);
    embedded_free(&images);
    return status;
}

/* {"texts", "images", "model"}: "similarity", F32 [texts, images], cosines */
static void post_similarity(lt_http_request *r) { answer(r, act_similarity); }

/* ---- What is within VAE and CLIP ---- */

/* What blocks make, as colours. */
typedef struct inside {
    lt_visit *visit;
    lt_array_file *file;
    json_t *seconds; /* {"vae.decoder.conv_in": 0.01} */
    lt_status failed;
} inside;

static lt_status add_block(inside *in, const lt_tapped *v) {
    lt_image image = {0};
    if (lt_visit_over(in->visit)) return lt_fail(LT_ERROR_CANCELLED, "nobody waits for this any more");
    LT_TRY(picture_components(&v->array, 1, &image));
    lt_array_file_add_image(in->file, v->array->name, &image);
    lt_image_free(&image);
    json_object_set_new(in->seconds, v->array->name, json_real(v->seconds));
    return in->file->status;
}

static bool on_block(void *user, const lt_tapped *v) {
    inside *in = user;
    if (!in->failed) in->failed = add_block(in, v);
    return !in->failed;
}

/* The embedding itself nobody wants. */
static lt_status look_at_clip(inside *in, const json_t *body, const char *key, embed_fn *one) {
    float *embedding = NULL;
    size_t dim;
    const lt_status status = one(in->visit, key, json_object_get(body, key), &embedding, &dim);
    lt_floats_free(embedding);
    return status;
}

static lt_status look_at_text(inside *in, const json_t *body) { return look_at_clip(in, body, "text", embed_text); }

static lt_status look_at_image(inside *in, const json_t *body) {
    return look_at_clip(in, body, "image", embed_picture);
}

static lt_status look_at_encoder(inside *in, const json_t *body) {
    lt_image image = {0};
    float *latent = NULL;
    int shape[3];
    LT_TRY(read_picture(in->visit->request, "image", json_object_get(body, "image"), &image));
    const lt_status status = lt_encode(lt_visit_session(in->visit), &image, NULL, false, &latent, shape);
    lt_floats_free(latent);
    lt_image_free(&image);
    return status;
}

static lt_status look_at_decoder(inside *in, const json_t *body) {
    size_t numbers, count = 0;
    int s[3];
    lt_image image = {0};
    float *latents = lt_floats_read(json_object_get(body, "latents"), &numbers);
    lt_status status = latents ? LT_OK : wanted("latents", "float32 numbers in base64");
    if (!status) status = read_latents(in->visit, body, numbers, s, &count);
    if (!status) status = lt_decode(lt_visit_session(in->visit), latents, s, false, &image);
    lt_image_free(&image);
    free(latents);
    return status;
}

static const struct {
    const char *module;
    lt_status (*look)(inside *in, const json_t *body);
} insides[] = {{"clip-text", look_at_text},
               {"clip-image", look_at_image},
               {"vae-encoder", look_at_encoder},
               {"vae-decoder", look_at_decoder}};

static lt_status look_inside(inside *in, const json_t *body, size_t which) {
    static const lt_tap all[] = {{.kind = LT_TAP_ACTIVATION}};
    lt_session *session = lt_visit_session(in->visit);
    LT_TRY(lt_session_watch(session, on_block, all, LT_COUNT(all), in));
    const lt_status status = insides[which].look(in, body);
    lt_session_watch(session, NULL, NULL, 0, NULL);
    return in->failed ? in->failed : status;
}

static lt_status act_activations(lt_visit *visit, const json_t *body, lt_array_file *file) {
    const char *module = json_string_value(json_object_get(body, "module"));
    inside in = {visit, file, json_object(), LT_OK};
    size_t which = 0;
    while (which < LT_COUNT(insides) && (!module || strcmp(module, insides[which].module))) which++;
    const lt_status status = which < LT_COUNT(insides)
                                 ? look_inside(&in, body, which)
                                 : wanted("module", "clip-text, clip-image, vae-encoder or vae-decoder");
    lt_array_file_tell(file, "seconds", in.seconds);
    return status ? status : file->status;
}

/* {"module", "text" or "image" or "latents", "shape"; "model"}: what each block makes of it, U8 [h, w, 3]: its first
 * three principal components; "seconds" of each */
static void post_activations(lt_http_request *r) { answer(r, act_activations); }

/* ---- Noise levels ---- */

static json_t *numbers_json(const float *numbers, int count) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++) json_array_append_new(list, json_real((double)numbers[i]));
    return list;
}

static json_t *steps_json(const lt_steps *s) {
    return json_pack("{s:s, s:s, s:o, s:o}", "sampler", s->sampler, "schedule", s->schedule, "timesteps",
                     numbers_json(s->timesteps, s->count), "sigmas", numbers_json(s->sigmas, s->count + 1));
}

/* Any job says them; the server's limits are of drawing. */
static lt_status plan(lt_models *models, const json_t *body, lt_steps *steps) {
    lt_models_entry *entry = NULL;
    lt_job_request *job = tool_calloc(1, sizeof *job);
    if (!job) return LT_ERROR_MEMORY;
    lt_status status = lt_job_request_read(body, &(lt_job_limits){0}, job);
    if (!status) status = lt_models_borrow_checkpoint(models, job->model, &entry);
    if (!status) status = lt_plan_steps(lt_models_model(entry), &job->request, steps);
    lt_models_give_back(models, entry);
    lt_job_request_free(job);
    free(job);
    return status;
}

/* A job: {"sampler", "schedule", "timesteps", "sigmas", which end with the last step's} */
static void post_steps(lt_http_request *r) {
    lt_steps steps;
    json_t *body = lt_http_json(r);
    const lt_status status = body ? plan(lt_server_models(lt_http_server(r)), body, &steps) : LT_OK;
    if (status)
        lt_http_fail(r, lt_visit_fault(status), "%s", lt_error_message());
    else if (body) {
        lt_http_answer_json(r, 200, steps_json(&steps));
        lt_steps_free(&steps);
    }
    json_decref(body);
}

static const lt_http_route routes[] = {
    {"POST", "/latent/v1/steps", post_steps, 0},
    {"POST", "/latent/v1/noise", post_noise, 0},
    {"POST", "/latent/v1/encode", post_encode, 0},
    {"POST", "/latent/v1/decode", post_decode, 0},
    {"POST", "/latent/v1/similarity", post_similarity, 0},
    {"POST", "/latent/v1/activations", post_activations, 0},
    {0},
};
const lt_http_api lt_parts_api = {"/latent/v1", routes, NULL};
