/* Who asks: jobs come, are looked at, cancelled. Who draws them is in worker.c. */
#include "queue_own.h"

#include "picture_file.h"
#include "tools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *lt_job_state_name(lt_job_state state) {
    static const char *const names[] = {"waiting", "running", "done", "failed", "cancelled"};
    return names[state];
}

/* ---- Submitting ---- */

static lt_refusal refusal_of(lt_status status) {
    switch (status) {
    case LT_OK: return LT_ACCEPTED;
    case LT_ERROR_UNSUPPORTED: return LT_REFUSED_LIMIT;
    case LT_ERROR_FILE: return LT_REFUSED_MODEL;
    case LT_ERROR_MEMORY: return LT_REFUSED_DISK;
    default: return LT_REFUSED_JOB;
    }
}

/* Whether it can be drawn, as far as that can be told without opening a model. */
static lt_refusal check(lt_queue *q, const json_t *job) {
    const lt_job_limits limits = lt_draw_limits(q->options);
    lt_job_request *read = tool_calloc(1, sizeof *read);
    if (!read) return LT_REFUSED_DISK;
    lt_status status = lt_job_request_read(job, &limits, read);
    if (!status) status = lt_draw_check(q->models, read);
    lt_job_request_free(read);
    free(read);
    return refusal_of(status);
}

/* A seed that nobody chose is chosen now: however often the job is drawn, its pictures are the same. */
static bool choose_seed(json_t *job, const char *key, bool always) {
    const json_t *seed = json_object_get(job, key);
    const bool random = seed ? json_integer_value(seed) == -1 : always;
    return !random || !json_object_set_new(job, key, json_integer((json_int_t)lt_random_seed()));
}

static char *write_job(const json_t *job) {
    const char *kind = json_string_value(json_object_get(job, "kind"));
    const bool draws = !kind || strcmp(kind, "upscale");
    json_t *copy = json_copy((json_t *)(uintptr_t)job);
    const bool chosen =
        copy && (!draws || (choose_seed(copy, "seed", true) && choose_seed(copy, "variation_seed", false)));
    char *text = chosen ? json_dumps(copy, JSON_COMPACT) : NULL;
    json_decref(copy);
    if (!text) lt_fail(LT_ERROR_MEMORY, "out of memory for a job");
    return text;
}

/* Whether no more of this client's may wait: a queue that others have filled takes one of each who has none there, up
 * to as many again. */
static bool is_full(const lt_queue *q, const char *client) {
    const int waiting = lt_jobs_count(&q->jobs, LT_JOB_WAITING) + q->arriving;
    return waiting >= q->options->queue && (waiting / 2 >= q->options->queue || lt_jobs_waiting_of(&q->jobs, client));
}

/* A place in the queue, for as long as the job is written down. */
static lt_refusal reserve(lt_queue *q, const char *client) {
    pthread_mutex_lock(&q->turn);
    const bool full = is_full(q, client);
    if (!full) q->arriving++;
    pthread_mutex_unlock(&q->turn);
    if (!full) return LT_ACCEPTED;
    lt_fail(LT_ERROR_UNSUPPORTED, "the queue is full: %d jobs wait", q->options->queue);
    return LT_REFUSED_FULL;
}

static void arrive(lt_queue *q, lt_job *job) {
    pthread_mutex_lock(&q->turn);
    q->arriving--;
    if (job) lt_jobs_add(&q->jobs, job);
    q->state.accepted += job != NULL;
    pthread_cond_broadcast(&q->work);
    pthread_mutex_unlock(&q->turn);
}

static lt_job *write_down(lt_queue *q, const json_t *job, lt_stored_job *stored) {
    if (!stored->job || lt_store_add(q->store, stored)) return NULL;
    lt_job *added = lt_job_new(stored->id, stored->client, stored->number, job);
    if (added)
        added->is.created = stored->created;
    else
        lt_store_forget(q->store, stored->id);
    return added;
}

static lt_refusal take(lt_queue *q, const json_t *job, const char *client, char id[LT_JOB_ID]) {
    lt_stored_job stored = {.created = server_time(), .client = (char *)(uintptr_t)client};
    const json_int_t count = json_integer_value(json_object_get(job, "count"));
    const lt_refusal full = reserve(q, client);
    if (full) return full;
    server_random_name(id, LT_JOB_ID / 2);
    snprintf(stored.id, sizeof stored.id, "%s", id);
    stored.pictures = count > 0 ? (int)count : 1;
    stored.job = write_job(job);
    lt_job *added = write_down(q, job, &stored);
    free(stored.job);
    arrive(q, added);
    return added ? LT_ACCEPTED : LT_REFUSED_DISK;
}

lt_refusal lt_queue_submit(lt_queue *q, const json_t *job, const char *client, char id[LT_JOB_ID]) {
    id[0] = 0;
    lt_refusal refusal = LT_REFUSED_CLOSING;
    if (q->closing)
        lt_fail(LT_ERROR_CANCELLED, "the server ends: no new jobs");
    else
        refusal = check(q, job);
    if (!refusal) refusal = take(q, job, client, id);
    if (!refusal) return LT_ACCEPTED;
    pthread_mutex_lock(&q->turn);
    q->state.refused++;
    pthread_mutex_unlock(&q->turn);
    return refusal;
}

/* ---- Ending ---- */

static void store_end(lt_queue *q, const lt_job_snapshot *is) {
    lt_stored_job end = {.state = is->state, .started = is->started, .finished = is->finished, .status = is->status};
    end.error = *is->error ? (char *)(uintptr_t)is->error : NULL;
    end.notes = *is->notes ? (char *)(uintptr_t)is->notes : NULL;
    snprintf(end.id, sizeof end.id, "%s", is->id);
    if (lt_store_ended(q->store, &end)) server_log(is->id, "its end can't be written down: %s", lt_error_message());
}

static void count_end(lt_queue *q, lt_job_state state) {
    uint64_t *const counts[] = {
        [LT_JOB_DONE] = &q->state.done, [LT_JOB_FAILED] = &q->state.failed, [LT_JOB_CANCELLED] = &q->state.cancelled};
    ++*counts[state];
}

static lt_job_snapshot ended(const lt_job *job, lt_job_state state, lt_status status, const char *error) {
    lt_job_snapshot end = job->is;
    end.state = state;
    end.finished = server_time();
    end.status = status;
    snprintf(end.error, sizeof end.error, "%s", error ? error : "");
    server_make_utf8(end.error);
    return end;
}

static void make_known(lt_queue *q, lt_job *job, const lt_job_snapshot *end) {
    job->is = *end;
    free(job->preview);
    job->preview = NULL;
    count_end(q, end->state);
    lt_jobs_touch(&q->jobs, job);
    lt_jobs_touch_all(&q->jobs);
    lt_jobs_trim(&q->jobs);
}

/* First in the store, then for everybody. */
void lt_queue_end(lt_queue *q, lt_job *job, lt_job_state state, lt_status status, const char *error) {
    const lt_job_snapshot end = ended(job, state, status, error);
    job->users++;
    pthread_mutex_unlock(&q->turn);
    store_end(q, &end);
    pthread_mutex_lock(&q->turn);
    job->users--;
    make_known(q, job, &end);
}

/* A waiting one is nobody's while it ends: it must not be begun meanwhile. */
static void cancel(lt_queue *q, lt_job *job) {
    job->cancel = true;
    if (job->is.state != LT_JOB_WAITING) return;
    job->is.state = LT_JOB_CANCELLED;
    lt_queue_end(q, job, LT_JOB_CANCELLED, LT_ERROR_CANCELLED, NULL);
}

bool lt_queue_cancel(lt_queue *q, const char *id) {
    pthread_mutex_lock(&q->turn);
    lt_job *job = lt_jobs_find(&q->jobs, id);
    const bool live = job && !lt_job_ended(&job->is);
    if (live) cancel(q, job);
    pthread_mutex_unlock(&q->turn);
    return live;
}

bool lt_queue_finish(lt_queue *q, const char *id) {
    pthread_mutex_lock(&q->turn);
    lt_job *job = lt_jobs_find(&q->jobs, id);
    const bool running = job && job->is.state == LT_JOB_RUNNING;
    if (running) job->end = true;
    pthread_mutex_unlock(&q->turn);
    return running;
}

lt_status lt_queue_forget(lt_queue *q, const char *id) {
    pthread_mutex_lock(&q->turn);
    lt_job *job = lt_jobs_find(&q->jobs, id);
    const bool live = job && !lt_job_ended(&job->is);
    if (job && !live) job->is.id[0] = 0; /* nobody finds it, and it goes with the oldest */
    pthread_mutex_unlock(&q->turn);
    if (live) return lt_fail(LT_ERROR_ARGUMENT, "%s: it hasn't ended", id);
    return lt_store_forget(q->store, id);
}

lt_status lt_queue_forget_picture(lt_queue *q, const char *id, int number, bool *found) {
    lt_job_snapshot job;
    *found = false;
    if (!lt_queue_snapshot(q, id, &job)) return LT_OK;
    if (!lt_job_ended(&job)) return lt_fail(LT_ERROR_ARGUMENT, "%s: it hasn't ended", id);
    return lt_store_forget_picture(q->store, id, number, found);
}

static lt_job *find_of(lt_queue *q, const char *client) {
    lt_job *job = q->jobs.first;
    while (job && (lt_job_ended(&job->is) || job->cancel || (client && strcmp(job->client, client)))) job = job->next;
    return job;
}

void lt_queue_cancel_all(lt_queue *q, const char *client) {
    pthread_mutex_lock(&q->turn);
    for (lt_job *job; (job = find_of(q, client));) cancel(q, job);
    pthread_mutex_unlock(&q->turn);
}

/* ---- Looking ---- */

static bool snapshot_of_store(lt_queue *q, const char *id, lt_job_snapshot *s) {
    lt_stored_job job;
    bool found;
    if (lt_store_find(q->store, id, false, &found, &job) || !found) return false;
    *s = (lt_job_snapshot){.state = job.state,
                           .picture = job.finished_pictures,
                           .pictures = job.pictures,
                           .created = job.created,
                           .started = job.started,
                           .finished = job.finished,
                           .seconds_left = -1,
                           .wait_seconds = -1,
                           .change = 1,
                           .status = job.status};
    snprintf(s->id, sizeof s->id, "%s", job.id);
    snprintf(s->error, sizeof s->error, "%s", job.error ? job.error : "");
    snprintf(s->notes, sizeof s->notes, "%s", job.notes ? job.notes : "");
    lt_stored_job_free(&job);
    return true;
}

bool lt_queue_snapshot(lt_queue *q, const char *id, lt_job_snapshot *snapshot) {
    pthread_mutex_lock(&q->turn);
    const lt_job *job = lt_jobs_find(&q->jobs, id);
    if (job) lt_jobs_snapshot(&q->jobs, job, snapshot);
    pthread_mutex_unlock(&q->turn);
    return job || snapshot_of_store(q, id, snapshot);
}

static struct timespec deadline_of(double seconds) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const double whole = (double)(time_t)seconds;
    t.tv_sec += (time_t)whole;
    t.tv_nsec += (long)(1e9 * (seconds - whole));
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void wait_for(lt_queue *q, lt_job *job, double seconds, uint64_t change) {
    const struct timespec deadline = deadline_of(seconds > 0 ? seconds : 0);
    job->users++;
    while (job->is.change == change && !lt_job_ended(&job->is) && !q->stopped)
        if (pthread_cond_timedwait(&job->changed, &q->turn, &deadline) == ETIMEDOUT) break;
    job->users--;
}

bool lt_queue_wait(lt_queue *q, const char *id, double seconds, lt_job_snapshot *snapshot) {
    pthread_mutex_lock(&q->turn);
    lt_job *job = lt_jobs_find(&q->jobs, id);
    if (job) wait_for(q, job, seconds, snapshot->change);
    if (job) lt_jobs_snapshot(&q->jobs, job, snapshot);
    pthread_mutex_unlock(&q->turn);
    return job || snapshot_of_store(q, id, snapshot);
}

void *lt_queue_preview(lt_queue *q, const char *id, size_t *size, int *number) {
    pthread_mutex_lock(&q->turn);
    const lt_job *job = lt_jobs_find(&q->jobs, id);
    void *copy = job && job->preview ? malloc(job->preview_size) : NULL;
    if (copy) memcpy(copy, job->preview, job->preview_size);
    *size = copy ? job->preview_size : 0;
    if (number) *number = copy ? job->is.previews : 0;
    pthread_mutex_unlock(&q->turn);
    return copy;
}

lt_job_snapshot *lt_queue_list(lt_queue *q, size_t *count) {
    pthread_mutex_lock(&q->turn);
    lt_job_snapshot *all = lt_jobs_snapshots(&q->jobs, count);
    pthread_mutex_unlock(&q->turn);
    return all;
}

json_t *lt_queue_job(lt_queue *q, const char *id) {
    lt_stored_job job;
    bool found;
    if (lt_store_find(q->store, id, true, &found, &job) || !found) return NULL;
    json_t *read = json_loads(job.job, 0, NULL);
    lt_stored_job_free(&job);
    return read;
}

/* ---- Results ---- */

/* Takes the stored one's text. */
static bool read_picture(lt_stored_picture *stored, lt_job_picture *picture) {
    picture->bytes = lt_picture_file_read(stored->path, &picture->size);
    picture->number = stored->number;
    picture->parameters = stored->parameters;
    stored->parameters = NULL;
    picture->seed = stored->seed;
    picture->width = stored->width;
    picture->height = stored->height;
    return picture->bytes;
}

static bool read_pictures(lt_stored_pictures *stored, int first, lt_job_result *result) {
    result->pictures = tool_calloc(stored->count, sizeof *result->pictures);
    bool read = result->pictures;
    for (size_t i = 0; i < stored->count && read; i++)
        if (stored->items[i].number >= first)
            read = read_picture(&stored->items[i], &result->pictures[result->count++]);
    if (!read) lt_job_result_free(result);
    return read;
}

bool lt_queue_result(lt_queue *q, const char *id, int first, lt_job_result *result) {
    lt_job_snapshot job;
    lt_stored_pictures stored;
    *result = (lt_job_result){0};
    if (!lt_queue_snapshot(q, id, &job) || lt_store_pictures(q->store, id, &stored)) return false;
    const bool read = read_pictures(&stored, first, result);
    lt_stored_pictures_free(&stored);
    return read;
}

void lt_job_result_free(lt_job_result *result) {
    for (int i = 0; i < result->count; i++) {
        free(result->pictures[i].bytes);
        free(result->pictures[i].parameters);
    }
    free(result->pictures);
    *result = (lt_job_result){0};
}

void lt_queue_describe(lt_queue *q, lt_queue_state *state) {
    pthread_mutex_lock(&q->turn);
    *state = q->state;
    state->waiting = lt_jobs_count(&q->jobs, LT_JOB_WAITING);
    state->running = lt_jobs_count(&q->jobs, LT_JOB_RUNNING);
    state->limit = q->options->queue;
    pthread_mutex_unlock(&q->turn);
}

/* ---- Its life ---- */

static lt_status take_up(lt_queue *q, const lt_stored_job *stored) {
    json_t *read = json_loads(stored->job, 0, NULL);
    lt_job *job = lt_job_new(stored->id, stored->client, stored->number, read);
    json_decref(read);
    if (!job) return LT_ERROR_MEMORY;
    job->is.created = stored->created;
    lt_jobs_add(&q->jobs, job);
    return LT_OK;
}

static lt_status take_up_all(lt_queue *q) {
    lt_stored_jobs unfinished;
    LT_TRY(lt_store_unfinished(q->store, &unfinished));
    lt_status status = LT_OK;
    for (size_t i = 0; i < unfinished.count && !status; i++) status = take_up(q, &unfinished.items[i]);
    if (unfinished.count) server_log(NULL, "%zu job%s from before", unfinished.count, LT_S(unfinished.count));
    lt_stored_jobs_free(&unfinished);
    return status;
}

lt_status lt_queue_open(const lt_server_options *options, lt_store *store, lt_models *models, lt_queue **out) {
    lt_queue *q = tool_calloc(1, sizeof *q);
    *out = q;
    if (!q) return LT_ERROR_MEMORY;
    q->options = options;
    q->store = store;
    q->models = models;
    q->jobs.workers = options->workers;
    pthread_mutex_init(&q->turn, NULL);
    pthread_cond_init(&q->work, NULL);
    lt_status status = take_up_all(q);
    if (!status) status = lt_workers_begin(q);
    if (status) lt_queue_close(q), *out = NULL;
    return status;
}

bool lt_queue_closing(const lt_queue *queue) { return queue->closing; }

static int running(lt_queue *q) {
    pthread_mutex_lock(&q->turn);
    const int count = lt_jobs_count(&q->jobs, LT_JOB_RUNNING);
    pthread_cond_broadcast(&q->work);
    pthread_mutex_unlock(&q->turn);
    return count;
}

void lt_queue_drain(lt_queue *q, double seconds) {
    q->closing = true;
    const double until = tool_now() + seconds;
    while (running(q) && tool_now() < until) nanosleep(&(struct timespec){0, 20000000}, NULL);
    q->stopped = true;
    lt_workers_end(q);
    pthread_mutex_lock(&q->turn);
    lt_jobs_touch_all(&q->jobs); /* who waits goes */
    pthread_mutex_unlock(&q->turn);
}

void lt_queue_close(lt_queue *q) {
    if (!q) return;
    lt_queue_drain(q, 0);
    lt_jobs_free(&q->jobs);
    pthread_mutex_destroy(&q->turn);
    pthread_cond_destroy(&q->work);
    free(q);
}
