/* A1111's API: txt2img and img2img. */
#include "a1111_own.h"
#include "a1111_result.h"
#include "json_lax.h"
#include "tools.h"

#include <stdlib.h>
#include <string.h>

/* ---- What a translation asks of the server ---- */

typedef struct shelf_view {
    lt_models *models;
    lt_models_listing listing;
} shelf_view;

static bool is_image_prompt(void *user, const char *model) {
    const shelf_view *s = user;
    char *path = lt_models_find(s->models, LT_SHELF_IMAGE_PROMPT, model);
    free(path);
    return path != NULL;
}

/* A module that says bigG takes an encoder that is called so, any other takes one that isn't, if there is one. */
static const char *image_encoder(void *user, const char *module) {
    const shelf_view *s = user;
    const bool big =
        strcasestr(module, "bigg") || strcasestr(module, "clip_g") || !strcasecmp(module, "ip-adapter_clip_sdxl");
    const char *any = NULL;
    for (size_t i = 0; i < s->listing.count; i++) {
        const lt_shelf_item *item = &s->listing.items[i];
        if (item->kind != LT_SHELF_IMAGE_ENCODER) continue;
        if (!any || (strcasestr(item->name, "bigg") != NULL) == big) any = item->name;
    }
    return any;
}

/* ---- Drawing ---- */

/* A request that is being served. */
typedef struct serving {
    lt_http_request *request;
    lt_a1111_drawing drawing;
    lt_order order;
    lt_a1111_wait wait;
    lt_job_result *results; /* [order.count] */
    char notes[1024];       /* of the first job that has any: the others' are the same */
} serving;

static void answer_refusal(lt_http_request *r, lt_refusal refusal) {
    const int status = refusal == LT_REFUSED_JOB ? 422 : (int)refusal;
    if (refusal == LT_REFUSED_FULL || refusal == LT_REFUSED_CLOSING) lt_http_add_header(r, "Retry-After", "5");
    lt_http_fail(r, status, "%s", lt_error_message());
}

/* Waits for the job that it is at. False: answered. */
static bool finish_job(serving *s) {
    lt_http_request *r = s->request;
    lt_job_snapshot job;
    const int i = s->wait.job;
    const bool there = lt_order_wait(&s->order, i, &job);
    if (!*s->notes) memcpy(s->notes, job.notes, sizeof s->notes);
    if (!there) {
        lt_order_cancel(&s->order);
        lt_http_fail(r, 503, "the client has gone, or the server ends");
    } else if (job.state == LT_JOB_FAILED) {
        lt_order_cancel(&s->order);
        lt_http_fail(r, lt_order_failure(&job), "%s", job.error);
    } else if (!lt_queue_result(lt_server_queue(lt_http_server(r)), s->order.ids[i], 0, &s->results[i]))
        lt_http_fail(r, 500, "%s", lt_error_message());
    else
        return true;
    return false;
}

static bool finish_all(serving *s) {
    do
        if (!finish_job(s)) return false;
    while (lt_a1111_next(lt_a1111_of(s->request), &s->wait));
    return true;
}

/* ---- The answer ---- */

static const lt_shelf_item *find_item(const lt_models_listing *listing, const char *path) {
    for (size_t i = 0; path && i < listing->count; i++)
        if (!strcmp(listing->items[i].path, path)) return &listing->items[i];
    return NULL;
}

static void answer(serving *s, const shelf_view *shelf) {
    const char *model = lt_lax_text(json_array_get(s->drawing.jobs, 0), "model");
    const char *vae = lt_lax_text(json_array_get(s->drawing.jobs, 0), "vae");
    char *path = *model ? lt_models_find(shelf->models, LT_SHELF_CHECKPOINT, model) : NULL, hash[11] = "";
    const lt_shelf_item *item = find_item(&shelf->listing, path);
    if (item && item->sha256) memcpy(hash, item->sha256, 10);
    const lt_a1111_model said = {item ? item->name : NULL, *hash ? hash : NULL, *vae ? vae : NULL};
    lt_http_answer_json(s->request, 200, lt_a1111_result(&s->drawing, s->results, s->order.count, &said, s->notes));
    free(path);
}

static void draw(serving *s, const shelf_view *shelf) {
    const lt_refusal refusal = lt_order_place(&s->order, s->request, s->drawing.jobs);
    if (refusal) {
        answer_refusal(s->request, refusal);
        return;
    }
    s->wait.order = &s->order;
    s->results = tool_calloc((size_t)s->order.count, sizeof *s->results);
    lt_a1111_begin(lt_a1111_of(s->request), &s->wait);
    if (!s->results)
        lt_http_fail(s->request, 500, "%s", lt_error_message());
    else if (finish_all(s))
        answer(s, shelf);
    lt_a1111_end(lt_a1111_of(s->request), &s->wait);
    for (int i = 0; s->results && i < s->order.count; i++) lt_job_result_free(&s->results[i]);
    free(s->results);
    lt_order_free(&s->order);
}

/* ---- The doors ---- */

/* override_settings that are to stay are options from now on. */
static bool keep_settings(lt_http_request *r, const json_t *body, lt_a1111_fault *fault) {
    bool restore = true;
    const json_t *settings = lt_lax_get(body, "override_settings");
    lt_lax_flag(lt_lax_get(body, "override_settings_restore_afterwards"), &restore);
    return restore || !settings || lt_a1111_set_options(lt_http_server(r), settings, fault);
}

static void serve(lt_http_request *r, const json_t *body, bool img2img) {
    shelf_view shelf = {lt_server_models(lt_http_server(r))};
    json_t *options = lt_a1111_options(lt_http_server(r));
    const lt_a1111_host host = {
        options,         lt_a1111_most_pixels(r), lt_server_options_of(lt_http_server(r))->most_count,
        is_image_prompt, image_encoder,           &shelf};
    serving s = {r, .wait = {.task = img2img ? "scripts_img2img" : "scripts_txt2img"}};
    if (!options || lt_models_list(shelf.models, &shelf.listing))
        lt_http_fail(r, 500, "%s", lt_error_message());
    else if (!lt_a1111_read(body, img2img, &host, &s.drawing) || !keep_settings(r, body, &s.drawing.fault))
        lt_a1111_answer_fault(r, &s.drawing.fault);
    else
        draw(&s, &shelf);
    lt_a1111_drawing_free(&s.drawing);
    lt_models_release(shelf.models, &shelf.listing);
    json_decref(options);
}

static void read_and_serve(lt_http_request *r, bool img2img) {
    json_t *body = lt_http_json(r);
    if (body) serve(r, body, img2img);
    json_decref(body);
}

void lt_a1111_txt2img(lt_http_request *r) { read_and_serve(r, false); }
void lt_a1111_img2img(lt_http_request *r) { read_and_serve(r, true); }
