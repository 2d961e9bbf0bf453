/* A1111's API: who waits for what. progress, interrupt and skip name no request: they are about the client's own first
 * one, so that of several clients none sees or stops what is another's. */
#include "a1111_own.h"
#include "a1111_state.h"
#include "json_lax.h"
#include "tools.h"
#include "tools/base64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- The list ---- */

void lt_a1111_begin(lt_a1111 *a, lt_a1111_wait *wait) {
    pthread_mutex_lock(&a->lock);
    lt_a1111_wait **end = &a->waits;
    while (*end) end = &(*end)->next;
    wait->begun = server_time();
    *end = wait;
    pthread_mutex_unlock(&a->lock);
}

void lt_a1111_end(lt_a1111 *a, lt_a1111_wait *wait) {
    pthread_mutex_lock(&a->lock);
    lt_a1111_wait **at = &a->waits;
    while (*at && *at != wait) at = &(*at)->next;
    if (*at) *at = wait->next;
    pthread_mutex_unlock(&a->lock);
}

bool lt_a1111_next(lt_a1111 *a, lt_a1111_wait *wait) {
    pthread_mutex_lock(&a->lock);
    const bool more = !wait->interrupted && wait->job + 1 < wait->order->count;
    if (more) wait->job++;
    pthread_mutex_unlock(&a->lock);
    return more;
}

/* The lock is held. */
static lt_a1111_wait *find(const lt_a1111 *a, const char *client) {
    lt_a1111_wait *wait = a->waits;
    while (wait && strcmp(lt_http_client(wait->order->request), client)) wait = wait->next;
    return wait;
}

bool lt_a1111_look(lt_a1111 *a, const char *client, lt_a1111_state *state) {
    pthread_mutex_lock(&a->lock);
    const lt_a1111_wait *wait = find(a, client);
    if (wait) {
        *state = (lt_a1111_state){.job = wait->job, .jobs = wait->order->count, .begun = wait->begun};
        state->interrupted = wait->interrupted;
        memcpy(state->id, wait->order->ids[wait->job], LT_JOB_ID);
        strncpy(state->task, wait->task, sizeof state->task - 1);
    }
    pthread_mutex_unlock(&a->lock);
    return wait != NULL;
}

/* What is drawn keeps its finished pictures; what waits has none. */
static void stop_job(lt_queue *queue, const char *id) {
    lt_job_snapshot job;
    if (!lt_queue_snapshot(queue, id, &job) || lt_job_ended(&job)) return;
    if (job.state == LT_JOB_RUNNING)
        lt_queue_finish(queue, id);
    else
        lt_queue_cancel(queue, id);
}

/* Ids of the jobs that are to be stopped: of all, the last ones first. The caller's; NULL: none. */
static char (*mark_stopped(lt_a1111 *a, const char *client, bool all, int *count))[LT_JOB_ID] {
    pthread_mutex_lock(&a->lock);
    lt_a1111_wait *wait = find(a, client);
    *count = !wait ? 0 : all ? wait->order->count - wait->job : 1;
    char(*ids)[LT_JOB_ID] = *count ? tool_calloc((size_t)*count, sizeof *ids) : NULL;
    for (int i = 0; ids && i < *count; i++) memcpy(ids[i], wait->order->ids[wait->job + *count - 1 - i], LT_JOB_ID);
    if (wait) wait->interrupted |= all;
    pthread_mutex_unlock(&a->lock);
    return ids;
}

/* Ends are written down, for which who asks for the progress needn't wait. */
void lt_a1111_stop(lt_a1111 *a, const char *client, bool all) {
    int count;
    char(*ids)[LT_JOB_ID] = mark_stopped(a, client, all, &count);
    for (int i = 0; ids && i < count; i++) stop_job(lt_server_queue(a->server), ids[i]);
    free(ids);
}

void lt_a1111_interrupt(lt_http_request *r) {
    lt_a1111_stop(lt_a1111_of(r), lt_http_client(r), true);
    lt_http_answer_json(r, 200, json_object());
}

void lt_a1111_skip(lt_http_request *r) {
    lt_a1111_stop(lt_a1111_of(r), lt_http_client(r), false);
    lt_a1111_answer_nothing(r);
}

/* ---- Progress ---- */

/* "20261130061841" */
static json_t *timestamp(double when) {
    const time_t seconds = (time_t)when;
    struct tm local;
    char text[32] = "0";
    if (when > 0 && localtime_r(&seconds, &local)) strftime(text, sizeof text, "%Y%m%d%H%M%S", &local);
    return json_string(text);
}

static json_t *state_json(const lt_a1111_state *s, const lt_job_snapshot *job) {
    return json_pack("{s:b, s:b, s:b, s:s, s:i, s:o, s:i, s:i, s:i}", "skipped", 0, "interrupted", s->interrupted,
                     "stopping_generation", s->interrupted, "job", s->task, "job_count", s->jobs, "job_timestamp",
                     timestamp(s->begun), "job_no", s->job, "sampling_step", job->step, "sampling_steps", job->steps);
}

/* As that web UI computes it; what still waits has made none. */
static double progress_of(const lt_a1111_state *s, const lt_job_snapshot *job) {
    const double within = job->steps > 0 ? (double)job->step / job->steps : 0;
    const double of_job = job->pictures > 0 ? (job->picture + within) / job->pictures : 0;
    const double all = (s->job + of_job) / s->jobs;
    return job->state == LT_JOB_WAITING && !s->job ? 0 : fmin(0.01 + all, 1);
}

static double seconds_left(const lt_a1111_state *s, double progress) {
    const double past = server_time() - s->begun;
    return progress > 0 ? past / progress - past : 0;
}

/* The preview in base64, the caller's; NULL: there is none. */
static char *preview_text(lt_queue *queue, const char *id) {
    size_t size;
    void *bytes = lt_queue_preview(queue, id, &size, NULL);
    char *text = bytes ? lt_base64_write(bytes, size) : NULL;
    free(bytes);
    return text;
}

static json_t *place_json(const lt_job_snapshot *job) {
    if (job->state != LT_JOB_WAITING) return json_null();
    return json_sprintf("Waiting: %d job%s before this one", job->place, LT_S(job->place));
}

static json_t *progress_json(const lt_a1111_state *s, const lt_job_snapshot *job) {
    const double progress = s->jobs ? progress_of(s, job) : 0;
    return json_pack("{s:f, s:f, s:o, s:n, s:o, s:n}", "progress", progress, "eta_relative", seconds_left(s, progress),
                     "state", state_json(s, job), "current_image", "textinfo", place_json(job), "current_task");
}

static bool skips_image(const lt_http_request *r) {
    const char *without = lt_http_query(r, "skip_current_image");
    return without && (!strcasecmp(without, "true") || !strcmp(without, "1"));
}

/* Many ask for it again and again: a picture in base64 has nothing that JSON would write otherwise, so it is put in as
 * it stands, in a tenth of the time that it would take to look through. */
static void answer_with_image(lt_http_request *r, json_t *progress, const char *image) {
    char *text = progress ? json_dumps(progress, JSON_COMPACT) : NULL;
    const char *key = "\"current_image\":", *at = text ? strstr(text, key) : NULL;
    const int before = at ? (int)(at + strlen(key) - text) : 0;
    char *whole = at ? tool_format("%.*s\"%s\"%s", before, text, image, text + before + strlen("null")) : NULL;
    lt_http_add_header(r, "Cache-Control", "no-store");
    if (whole)
        lt_http_answer(r, 200, "application/json", whole, strlen(whole));
    else
        lt_http_fail(r, 500, "out of memory");
    json_decref(progress);
    free(text);
    free(whole);
}

void lt_a1111_progress(lt_http_request *r) {
    lt_a1111_state state = {0};
    lt_job_snapshot job = {.state = LT_JOB_RUNNING};
    lt_queue *queue = lt_server_queue(lt_http_server(r));
    const bool busy =
        lt_a1111_look(lt_a1111_of(r), lt_http_client(r), &state) && lt_queue_snapshot(queue, state.id, &job);
    if (!busy) state = (lt_a1111_state){0};
    char *image = busy && !skips_image(r) ? preview_text(queue, state.id) : NULL;
    if (image)
        answer_with_image(r, progress_json(&state, &job), image);
    else
        lt_http_answer_json(r, 200, progress_json(&state, &job));
    free(image);
}
