/* Drawing a job, from its JSON to encoded pictures: lt_draw at the bottom, upwards. */
#include "draw.h"

#include "draw_files.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BORROWED = LT_MAX_CONTROLS + LT_MOST_IMAGE_PROMPTS + 4 };

/* All that a job needs while it is drawn. */
typedef struct drawing {
    const lt_draw_watch *watch;
    lt_models *models;
    lt_job_request job;
    lt_draw_files files;
    lt_models_entry *entry, *borrowed[MOST_BORROWED]; /* entry: with the session */
    size_t borrowed_count;
    lt_status failed; /* in a callback, and why */
    char why[512];
} drawing;

lt_job_limits lt_draw_limits(const lt_server_options *o) {
    return (lt_job_limits){1e6 * o->most_pixels, o->most_steps, o->most_count};
}

lt_status lt_draw_check(lt_models *models, const lt_job_request *request) {
    lt_draw_files files;
    lt_job_request *copy = tool_calloc(1, sizeof *copy); /* whose names become paths */
    if (!copy) return LT_ERROR_MEMORY;
    *copy = *request;
    const lt_status status = lt_draw_files_find(models, copy, &files);
    if (!status) lt_draw_files_free(&files);
    free(copy);
    return status;
}

/* ---- Callbacks ---- */

static bool on_cancelled(void *user) {
    const drawing *d = user;
    return d->watch->cancelled(d->watch->user);
}

static bool on_enough(void *user) {
    const drawing *d = user;
    return d->watch->enough && d->watch->enough(d->watch->user);
}

static bool on_progress(void *user, const lt_progress *progress) {
    const drawing *d = user;
    d->watch->progress(d->watch->user, progress);
    return !on_cancelled(user);
}

static lt_status hand_over(drawing *d, const lt_image *image, int number, uint64_t seed, const char *parameters) {
    uint8_t *bytes;
    size_t size;
    LT_TRY(lt_image_encode_at(d->job.format, d->job.quality, image, parameters, &bytes, &size));
    const lt_drawn_picture picture = {number, d->job.format, bytes,         size,
                                      seed,   image->width,  image->height, parameters};
    const lt_status status = d->watch->picture(d->watch->user, &picture);
    lt_bytes_free(bytes);
    return status;
}

static bool on_ready(void *user, int i, lt_result *result) {
    drawing *d = user;
    d->failed = hand_over(d, &result->images[i], i, result->seeds[i], result->parameters[i]);
    if (d->failed) snprintf(d->why, sizeof d->why, "%s", lt_error_message());
    lt_image_free(&result->images[i]);
    return !d->failed;
}

static bool on_tapped(void *user, const lt_tapped *value) {
    const drawing *d = user;
    return d->watch->look->tapped(d->watch->user, value);
}

/* ---- Models ---- */

static lt_status borrow(drawing *d, const char *path, lt_models_entry *base, const lt_model **model) {
    lt_models_entry **entry = &d->borrowed[d->borrowed_count];
    if (!path) return LT_OK;
    LT_TRY(lt_models_borrow(d->models, path, base, entry));
    d->borrowed_count++;
    *model = lt_models_model(*entry);
    return LT_OK;
}

static lt_status open_added(drawing *d) {
    lt_request *r = &d->job.request;
    LT_TRY(borrow(d, d->files.image_encoder, NULL, &r->image_encoder));
    LT_TRY(borrow(d, d->files.classifier, NULL, &r->classifier));
    LT_TRY(borrow(d, d->files.clip, NULL, &r->clip));
    LT_TRY(borrow(d, d->files.refiner, NULL, &r->refiner));
    for (size_t i = 0; i < r->control_count; i++)
        LT_TRY(borrow(d, d->files.controls[i], d->entry, &d->job.controls[i].model));
    for (size_t i = 0; i < r->image_prompt_count; i++)
        LT_TRY(borrow(d, d->files.adapters[i], NULL, &d->job.image_prompts[i].adapter));
    return LT_OK;
}

static void close_all(drawing *d) {
    for (size_t i = 0; i < d->borrowed_count; i++) lt_models_give_back(d->models, d->borrowed[i]);
    lt_models_give_back(d->models, d->entry);
}

/* ---- The two kinds of jobs ---- */

static void listen(drawing *d) {
    lt_request *r = &d->job.request;
    const bool looks = d->watch->look;
    r->progress = on_progress;
    r->cancelled = on_cancelled;
    r->enough = on_enough;
    r->ready = looks ? NULL : on_ready;
    r->tapped = looks ? on_tapped : NULL;
    r->user = d;
}

static lt_status open_all(drawing *d, const lt_job_limits *limits) {
    LT_TRY(lt_models_take(d->models, d->files.model, d->files.vae, d->files.preview_vae, &d->entry));
    lt_models_listen(d->entry, d->watch->notice, d->watch->user);
    const lt_model_info info = lt_model_describe(lt_models_model(d->entry));
    LT_TRY(lt_job_request_fits(&d->job, limits, info.width, info.height));
    return open_added(d);
}

static lt_status generate(drawing *d, const lt_job_limits *limits) {
    lt_result result = {0};
    LT_TRY(open_all(d, limits));
    const lt_draw_look *look = d->watch->look;
    lt_session *session = lt_models_session(d->entry);
    listen(d);
    if (look) LT_TRY(look->begin(d->watch->user, session, &d->job.request));
    lt_status status = lt_generate(session, &d->job.request, &result);
    if (look && !status) status = look->drawn(d->watch->user, session, &result);
    lt_result_free(&result);
    return d->failed ? lt_fail(d->failed, "%s", d->why) : status;
}

static bool on_tiles(void *user, size_t done, size_t count) {
    const lt_progress progress = {.pictures = 1, .step = (int)done, .steps = (int)count, .seconds_left = -1};
    return on_progress(user, &progress) && !on_enough(user);
}

/* Of a larger picture there is all or nothing. */
static bool on_unwanted(void *user) { return on_cancelled(user) || on_enough(user); }

static lt_status upscale(drawing *d, const lt_job_limits *limits) {
    lt_upscale_options o = lt_upscale_options_defaults();
    lt_image out;
    LT_TRY(lt_models_take(d->models, d->files.upscaler, NULL, NULL, &d->entry));
    const lt_model_info info = lt_model_describe(lt_models_model(d->entry));
    if (d->job.scale <= 0) d->job.scale = info.upscale;
    LT_TRY(lt_job_request_fits(&d->job, limits, 0, 0));
    o.scale = d->job.scale;
    o.progress = on_tiles;
    o.cancelled = on_unwanted;
    o.user = d;
    LT_TRY(lt_upscale(lt_models_session(d->entry), &d->job.image, &o, &out));
    const lt_status status = hand_over(d, &out, 0, 0, d->job.image_parameters);
    lt_image_free(&out);
    return status;
}

/* ---- A job ---- */

static lt_status draw_read(drawing *d, const lt_job_limits *limits) {
    LT_TRY(lt_draw_files_find(d->models, &d->job, &d->files));
    const lt_status status = d->job.kind == LT_JOB_UPSCALE ? upscale(d, limits) : generate(d, limits);
    close_all(d);
    lt_draw_files_free(&d->files);
    return status;
}

lt_status lt_draw(const lt_server_options *options, lt_models *models, const json_t *job, const lt_draw_watch *watch) {
    const lt_job_limits limits = lt_draw_limits(options);
    drawing *d = tool_calloc(1, sizeof *d);
    if (!d) return LT_ERROR_MEMORY;
    d->watch = watch;
    d->models = models;
    lt_status status = lt_job_request_read(job, &limits, &d->job);
    if (!status) status = draw_read(d, &limits);
    lt_job_request_free(&d->job);
    free(d);
    return status;
}
