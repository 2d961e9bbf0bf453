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

void lt_a1111_stop(lt_a1111 *a, const char *client, bool all) {
    pthread_mutex_lock(&a->lock);
    lt_a1111_wait *wait = find(a, client);
    lt_queue *queue = wait ? lt_server_queue(a->server) : NULL;
    if (wait) {
        wait->interrupted |= all;
        for (int i = wait->order->count - 1; all && i > wait->job; i--) lt_queue_cancel(queue, wait->order->ids[i]);
        stop_job(queue, wait->order->ids[wait->job]);
    }
    pthread_mutex_unlock(&a->lock);
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

static json_t *preview_json(lt_queue *queue, const char *id) {
    size_t size;
    void *bytes = lt_queue_preview(queue, id, &size, NULL);
    char *text = bytes ? lt_base64_write(bytes, size) : NULL;
    json_t *json = text ? json_string(text) : json_null();
    free(bytes);
    free(text);
    return json;
}

static json_t *place_json(const lt_job_snapshot *job) {
    if (job->state != LT_JOB_WAITING) return json_null();
    return json_sprintf("Waiting: %d job%s before this one", job->place, LT_S(job->place));
}

static json_t *progress_json(lt_http_request *r, const lt_a1111_state *s, const lt_job_snapshot *job) {
    const char *without = lt_http_query(r, "skip_current_image");
    const bool skip = without && (!strcasecmp(without, "true") || !strcmp(without, "1"));
    const double progress = progress_of(s, job);
    return json_pack("{s:f, s:f, s:o, s:o, s:o, s:n}", "progress", progress, "eta_relative", seconds_left(s, progress),
                     "state", state_json(s, job), "current_image",
                     skip ? json_null() : preview_json(lt_server_queue(lt_http_server(r)), s->id), "textinfo",
                     place_json(job), "current_task");
}

static json_t *idle_json(void) {
    const lt_a1111_state none = {0};
    const lt_job_snapshot job = {0};
    return json_pack("{s:f, s:f, s:o, s:n, s:n, s:n}", "progress", 0.0, "eta_relative", 0.0, "state",
                     state_json(&none, &job), "current_image", "textinfo", "current_task");
}

void lt_a1111_progress(lt_http_request *r) {
    lt_a1111_state state;
    lt_job_snapshot job;
    const bool busy = lt_a1111_look(lt_a1111_of(r), lt_http_client(r), &state) &&
                      lt_queue_snapshot(lt_server_queue(lt_http_server(r)), state.id, &job);
    lt_http_answer_json(r, 200, busy ? progress_json(r, &state, &job) : idle_json());
}
