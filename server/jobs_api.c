/* Jobs of Latent's own API. */
#include "jobs_api.h"

#include "store.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lt_queue *queue_of(const lt_http_request *r) { return lt_server_queue(lt_http_server(r)); }

/* ---- A job as JSON ---- */

json_t *lt_text_json(const char *text) {
    json_t *string = text ? json_string(text) : NULL;
    return string ? string : json_null();
}

/* Its lines. */
static json_t *notes_json(const char *notes) {
    json_t *list = json_array();
    while (*notes) {
        const size_t size = strcspn(notes, "\n");
        json_array_append_new(list, json_stringn(notes, size));
        notes += size + (notes[size] == '\n');
    }
    return list;
}

/* null: it can't be told, or not yet. */
static json_t *number_or_null(double value, bool known) { return known ? json_real(value) : json_null(); }

/* URLs of pictures as they were finished (one may have been deleted since); their endings follow from the job's format,
 * which is the file's business: any is served. */
static json_t *picture_urls(const lt_job_snapshot *job) {
    json_t *urls = json_array();
    for (int i = 0; i < job->picture; i++)
        json_array_append_new(urls, json_sprintf("/latent/v1/jobs/%s/pictures/%d", job->id, i));
    return urls;
}

json_t *lt_job_json(const lt_job_snapshot *job) {
    const bool waiting = job->state == LT_JOB_WAITING, running = job->state == LT_JOB_RUNNING;
    const bool failed = job->state == LT_JOB_FAILED;
    json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:f, s:i}", "id", job->id, "state",
                             lt_job_state_name(job->state), "picture", job->picture, "pictures", job->pictures, "step",
                             job->step, "steps", job->steps, "created", job->created, "previews", job->previews);
    json_object_set_new(json, "place", waiting ? json_integer(job->place) : json_null());
    json_object_set_new(json, "seconds_to_start", number_or_null(job->wait_seconds, waiting && job->wait_seconds >= 0));
    json_object_set_new(json, "seconds_left", number_or_null(job->seconds_left, running && job->seconds_left >= 0));
    json_object_set_new(json, "started", number_or_null(job->started, job->started > 0));
    json_object_set_new(json, "finished", number_or_null(job->finished, job->finished > 0));
    json_object_set_new(json, "error", lt_text_json(failed ? job->error : NULL));
    json_object_set_new(json, "notes", notes_json(job->notes));
    json_object_set_new(json, "urls", picture_urls(job));
    return json;
}

static void answer_job(lt_http_request *r, int status, const char *id) {
    lt_job_snapshot job;
    if (lt_queue_snapshot(queue_of(r), id, &job))
        lt_http_answer_json(r, status, lt_job_json(&job));
    else
        lt_http_fail(r, 404, "%s: there is no such job", id);
}

/* ---- One job ---- */

static void post_job(lt_http_request *r) {
    char id[LT_JOB_ID], place[96];
    json_t *job = lt_http_json(r);
    if (!job) return;
    const lt_refusal refusal = lt_queue_submit(queue_of(r), job, lt_http_client(r), id);
    json_decref(job);
    if (refusal == LT_REFUSED_FULL || refusal == LT_REFUSED_CLOSING) lt_http_add_header(r, "Retry-After", "5");
    if (refusal) {
        lt_http_fail(r, (int)refusal, "%s", lt_error_message());
        return;
    }
    server_log(lt_http_id(r), "job %s", id);
    snprintf(place, sizeof place, "/latent/v1/jobs/%s", id);
    lt_http_add_header(r, "Location", place);
    answer_job(r, 202, id);
}

static void get_job(lt_http_request *r) { answer_job(r, 200, lt_http_part(r, 0)); }

/* A live one is cancelled, and stays to be looked at; an ended one goes with its pictures. */
static void delete_job(lt_http_request *r) {
    const char *id = lt_http_part(r, 0);
    lt_job_snapshot job;
    if (lt_queue_cancel(queue_of(r), id)) {
        answer_job(r, 202, id);
        return;
    }
    if (!lt_queue_snapshot(queue_of(r), id, &job))
        lt_http_fail(r, 404, "%s: there is no such job", id);
    else if (lt_queue_forget(queue_of(r), id))
        lt_http_fail(r, 500, "%s", lt_error_message());
    else
        lt_http_answer(r, 204, NULL, NULL, 0);
}

static void get_request(lt_http_request *r) {
    json_t *job = lt_queue_job(queue_of(r), lt_http_part(r, 0));
    if (job)
        lt_http_answer_json(r, 200, job);
    else
        lt_http_fail(r, 404, "%s: there is no such job", lt_http_part(r, 0));
}

static void get_preview(lt_http_request *r) {
    size_t size;
    void *bytes = lt_queue_preview(queue_of(r), lt_http_part(r, 0), &size, NULL);
    lt_http_add_header(r, "Cache-Control", "no-store");
    if (bytes)
        lt_http_answer(r, 200, "image/png", bytes, size);
    else
        lt_http_fail(r, 404, "there is no preview of it (now)");
    free(bytes);
}

/* ---- Pictures ---- */

static const char *type_of(const char *path) {
    const char *dot = strrchr(path, '.');
    if (dot && !strcmp(dot, ".jpg")) return "image/jpeg";
    return dot && !strcmp(dot, ".webp") ? "image/webp" : "image/png";
}

/* "0", and "0.png" for who likes endings; -1: it is no number. */
static int picture_number(const char *part) {
    char *end;
    const long number = strtol(part, &end, 10);
    const bool whole = end != part && (!*end || *end == '.');
    return whole && number >= 0 && number < 1000000 ? (int)number : -1;
}

static void get_picture(lt_http_request *r) {
    lt_stored_pictures pictures;
    const int number = picture_number(lt_http_part(r, 1));
    if (lt_store_pictures(lt_server_store(lt_http_server(r)), lt_http_part(r, 0), &pictures)) {
        lt_http_fail(r, 500, "%s", lt_error_message());
        return;
    }
    size_t i = 0;
    while (i < pictures.count && pictures.items[i].number != number) i++;
    if (i < pictures.count)
        lt_http_answer_file(r, type_of(pictures.items[i].path), pictures.items[i].path);
    else
        lt_http_fail(r, 404, "there is no such picture");
    lt_stored_pictures_free(&pictures);
}

static void delete_picture(lt_http_request *r) {
    bool found;
    const int number = picture_number(lt_http_part(r, 1));
    const lt_status status = lt_queue_forget_picture(queue_of(r), lt_http_part(r, 0), number, &found);
    if (status)
        lt_http_fail(r, status == LT_ERROR_ARGUMENT ? 409 : 500, "%s", lt_error_message());
    else if (found)
        lt_http_answer(r, 204, NULL, NULL, 0);
    else
        lt_http_fail(r, 404, "there is no such picture");
}

static json_t *picture_json(const char *id, const lt_stored_picture *p) {
    char seed[32]; /* may be larger than JSON's integers */
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)p->seed);
    return json_pack("{s:i, s:o, s:s, s:i, s:i, s:o}", "number", p->number, "url",
                     json_sprintf("/latent/v1/jobs/%s/pictures/%d", id, p->number), "seed", seed, "width", p->width,
                     "height", p->height, "parameters", lt_text_json(p->parameters));
}

static json_t *pictures_json(lt_store *store, const char *id) {
    lt_stored_pictures pictures;
    if (lt_store_pictures(store, id, &pictures)) return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < pictures.count; i++) json_array_append_new(list, picture_json(id, &pictures.items[i]));
    lt_stored_pictures_free(&pictures);
    return list;
}

static void get_pictures(lt_http_request *r) {
    lt_job_snapshot job;
    if (!lt_queue_snapshot(queue_of(r), lt_http_part(r, 0), &job)) {
        lt_http_fail(r, 404, "%s: there is no such job", lt_http_part(r, 0));
        return;
    }
    json_t *list = pictures_json(lt_server_store(lt_http_server(r)), job.id);
    if (list)
        lt_http_answer_json(r, 200, json_pack("{s:o}", "pictures", list));
    else
        lt_http_fail(r, 500, "%s", lt_error_message());
}

/* ---- Events ---- */

/* A client that follows a job. */
typedef struct follower {
    lt_queue *queue;
    lt_job_snapshot job;
    bool cancels; /* going away cancels what waits or is drawn */
    bool begun;
} follower;

static bool send_changes(follower *f, lt_http_stream *stream, const lt_job_snapshot *before) {
    const lt_job_snapshot *now = &f->job;
    if (now->previews != before->previews)
        lt_http_event_json(stream, "preview",
                           json_pack("{s:i, s:o}", "number", now->previews, "url",
                                     json_sprintf("/latent/v1/jobs/%s/preview?n=%d", now->id, now->previews)));
    for (int i = before->picture; i < now->picture; i++)
        lt_http_event_json(
            stream, "picture",
            json_pack("{s:i, s:o}", "number", i, "url", json_sprintf("/latent/v1/jobs/%s/pictures/%d", now->id, i)));
    return lt_http_event_json(stream, lt_job_ended(now) ? "end" : "progress", lt_job_json(now));
}

static bool next_event(void *user, lt_http_stream *stream) {
    follower *f = user;
    const lt_job_snapshot before = f->job;
    if (!lt_queue_wait(f->queue, before.id, 0.5, &f->job)) return false;
    if (f->begun && f->job.change == before.change && !lt_job_ended(&f->job)) return true;
    f->begun = true;
    return send_changes(f, stream, &before) && !lt_job_ended(&f->job);
}

static void stop_following(void *user, bool gone) {
    follower *f = user;
    if (gone && f->cancels && !lt_queue_closing(f->queue)) lt_queue_cancel(f->queue, f->job.id);
    free(f);
}

static bool is_asked(const lt_http_request *r, const char *name) {
    const char *value = lt_http_query(r, name);
    return value && strcmp(value, "0") && strcmp(value, "false");
}

static follower *follow(const lt_http_request *r) {
    follower *f = tool_calloc(1, sizeof *f);
    if (!f || !lt_queue_snapshot(queue_of(r), lt_http_part(r, 0), &f->job)) return free(f), NULL;
    f->queue = queue_of(r);
    f->cancels = is_asked(r, "cancel");
    f->job.change = 0; /* the first event is how it stands */
    f->job.previews = f->job.picture = 0;
    return f;
}

static void get_events(lt_http_request *r) {
    follower *f = follow(r);
    if (f)
        lt_http_answer_events(r, (lt_http_source){next_event, stop_following, f});
    else
        lt_http_fail(r, 404, "%s: there is no such job", lt_http_part(r, 0));
}

/* ---- Lists ---- */

static json_t *stored_json(lt_store *store, const lt_stored_job *job) {
    return json_pack("{s:s, s:I, s:s, s:f, s:f, s:f, s:i, s:s?, s:o?, s:o?}", "id", job->id, "number",
                     (json_int_t)job->number, "state", lt_job_state_name(job->state), "created", job->created,
                     "started", job->started, "finished", job->finished, "pictures_wanted", job->pictures, "error",
                     job->error, "job", json_loads(job->job, 0, NULL), "pictures", pictures_json(store, job->id));
}

static long long number_asked(const lt_http_request *r, const char *name, long long usual) {
    const char *text = lt_http_query(r, name);
    const long long value = text ? strtoll(text, NULL, 10) : usual;
    return value > 0 ? value : usual;
}

/* The history, latest first: ?before=NUMBER&limit=N&words=... */
static void get_history(lt_http_request *r) {
    lt_store *store = lt_server_store(lt_http_server(r));
    lt_stored_jobs jobs;
    const long long limit = number_asked(r, "limit", 50);
    if (lt_store_history(store, number_asked(r, "before", 0), limit > 200 ? 200 : (int)limit, lt_http_query(r, "words"),
                         &jobs)) {
        lt_http_fail(r, 500, "%s", lt_error_message());
        return;
    }
    json_t *rows = json_array();
    for (size_t i = 0; i < jobs.count; i++) json_array_append_new(rows, stored_json(store, &jobs.items[i]));
    lt_stored_jobs_free(&jobs);
    lt_http_answer_json(r, 200, json_pack("{s:o}", "jobs", rows));
}

static void get_queue(lt_http_request *r) {
    size_t count;
    lt_job_snapshot *jobs = lt_queue_list(queue_of(r), &count);
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(rows, lt_job_json(&jobs[i]));
    free(jobs);
    lt_http_answer_json(r, 200, json_pack("{s:o}", "jobs", rows));
}

static const lt_http_route routes[] = {
    {"POST", "/latent/v1/jobs", post_job, 0},
    {"GET", "/latent/v1/jobs", get_history, 0},
    {"GET", "/latent/v1/queue", get_queue, 0},
    {"GET", "/latent/v1/jobs/{}", get_job, 0},
    {"DELETE", "/latent/v1/jobs/{}", delete_job, 0},
    {"GET", "/latent/v1/jobs/{}/events", get_events, 0},
    {"GET", "/latent/v1/jobs/{}/request", get_request, 0},
    {"GET", "/latent/v1/jobs/{}/preview", get_preview, 0},
    {"GET", "/latent/v1/jobs/{}/pictures", get_pictures, 0},
    {"GET", "/latent/v1/jobs/{}/pictures/{}", get_picture, 0},
    {"DELETE", "/latent/v1/jobs/{}/pictures/{}", delete_picture, 0},
    {0},
};
const lt_http_api lt_jobs_api = {"/latent/v1", routes, NULL};
