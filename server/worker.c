/* Who draws: a thread for each job that is drawn at a time. */
#include "queue_own.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A job that is drawn. */
typedef struct work {
    lt_queue *queue;
    lt_job *job;
} work;

/* ---- What the drawing tells ---- */

static bool is_late(const work *w) {
    const double most = w->queue->options->most_seconds;
    return most > 0 && tool_now() - w->job->begun > most;
}

static bool on_cancelled(void *user) {
    const work *w = user;
    return w->job->cancel || w->queue->stopped || is_late(w);
}

static bool on_enough(void *user) {
    const work *w = user;
    return w->job->end;
}

static void set_preview(work *w, const lt_image *image) {
    uint8_t *bytes;
    size_t size;
    if (lt_image_encode("png", image, NULL, &bytes, &size)) return; /* a picture less to look at */
    void *copy = malloc(size);
    if (copy) memcpy(copy, bytes, size);
    lt_bytes_free(bytes);
    if (!copy) return;
    pthread_mutex_lock(&w->queue->turn);
    free(w->job->preview);
    w->job->preview = copy;
    w->job->preview_size = size;
    w->job->is.previews++;
    pthread_mutex_unlock(&w->queue->turn);
}

static void on_progress(void *user, const lt_progress *progress) {
    work *w = user;
    if (progress->preview) set_preview(w, progress->preview);
    pthread_mutex_lock(&w->queue->turn);
    w->job->is.step = progress->step;
    w->job->is.steps = progress->steps;
    w->job->is.seconds_left = progress->seconds_left;
    lt_jobs_touch(&w->queue->jobs, w->job);
    pthread_mutex_unlock(&w->queue->turn);
}

static lt_status on_picture(void *user, const lt_drawn_picture *drawn) {
    work *w = user;
    const lt_stored_picture picture = {.number = drawn->number,
                                       .parameters = (char *)(uintptr_t)drawn->parameters,
                                       .seed = drawn->seed,
                                       .width = drawn->width,
                                       .height = drawn->height};
    LT_TRY(lt_store_picture(w->queue->store, w->job->is.id, drawn->format, &picture, drawn->bytes, drawn->size));
    pthread_mutex_lock(&w->queue->turn);
    w->job->is.picture = drawn->number + 1;
    lt_jobs_touch(&w->queue->jobs, w->job);
    pthread_mutex_unlock(&w->queue->turn);
    return LT_OK;
}

/* Notices may quote prompts. */
static void on_notice(void *user, const char *message) {
    work *w = user;
    char *notes = w->job->is.notes;
    const size_t room = sizeof w->job->is.notes;
    if (w->queue->options->log_prompts) server_log(w->job->is.id, "note: %s", message);
    pthread_mutex_lock(&w->queue->turn);
    const size_t size = strlen(notes);
    snprintf(notes + size, room - size, "%s%s", size ? "\n" : "", message);
    server_make_utf8(notes);
    lt_jobs_touch(&w->queue->jobs, w->job);
    pthread_mutex_unlock(&w->queue->turn);
}

/* ---- A job ---- */

static lt_status draw_stored(work *w, const char *text) {
    const lt_draw_watch watch = {on_cancelled, on_progress, on_enough, on_picture, on_notice, w};
    json_t *job = json_loads(text, 0, NULL);
    if (!job) return lt_fail(LT_ERROR_FORMAT, "what was written down of the job can't be read any more");
    const lt_status status = lt_draw(w->queue->options, w->queue->models, job, &watch);
    json_decref(job);
    return status;
}

static lt_status draw(work *w) {
    lt_stored_job stored;
    bool found;
    LT_TRY(lt_store_find(w->queue->store, w->job->is.id, true, &found, &stored));
    if (!found) return lt_fail(LT_ERROR_FILE, "the job isn't in the store any more");
    if (w->queue->options->log_prompts) server_log(stored.id, "%.800s", stored.job);
    const lt_status status = draw_stored(w, stored.job);
    lt_stored_job_free(&stored);
    return status;
}

/* How it ended; the turn is the caller's. */
static void end_stopped(work *w) {
    lt_job *job = w->job;
    char late[64];
    snprintf(late, sizeof late, "it took longer than %g seconds", w->queue->options->most_seconds);
    if (job->cancel)
        lt_queue_end(w->queue, job, LT_JOB_CANCELLED, LT_ERROR_CANCELLED, NULL);
    else if (job->end)
        lt_queue_end(w->queue, job, LT_JOB_DONE, LT_OK, NULL);
    else if (w->queue->stopped)
        job->is.state = LT_JOB_WAITING; /* in the store it has never been anything else */
    else
        lt_queue_end(w->queue, job, LT_JOB_FAILED, LT_ERROR_UNSUPPORTED, late);
}

static void end(work *w, lt_status status, const char *why) {
    if (status == LT_ERROR_CANCELLED)
        end_stopped(w);
    else if (status)
        lt_queue_end(w->queue, w->job, LT_JOB_FAILED, status, why);
    else
        lt_queue_end(w->queue, w->job, LT_JOB_DONE, LT_OK, NULL);
}

static void log_end(const lt_job *job, double seconds) {
    const bool failed = job->is.state == LT_JOB_FAILED;
    server_log(job->is.id, "%s after %.2f s, %d picture%s%s%s", lt_job_state_name(job->is.state), seconds,
               job->is.picture, LT_S(job->is.picture), failed ? ": " : "", failed ? job->is.error : "");
}

/* The turn is the caller's in these three, and is given up while the job is drawn. */
static void begin(lt_queue *q, lt_job *job) {
    job->is.state = LT_JOB_RUNNING;
    job->is.started = server_time();
    job->is.notes[0] = 0;
    job->begun = tool_now();
    q->jobs.round = job->round;
    q->visits.last = false;
    lt_jobs_touch(&q->jobs, job);
    lt_jobs_touch_all(&q->jobs);
}

static void finish(work *w, lt_status status, double seconds) {
    lt_queue *q = w->queue;
    q->state.drawing_seconds += seconds;
    if (!status && !w->job->end) lt_jobs_learn(&q->jobs, w->job, seconds);
    end(w, status, lt_error_message());
    log_end(w->job, seconds);
}

static void run(lt_queue *q, lt_job *job) {
    work w = {q, job};
    begin(q, job);
    job->users++;
    pthread_mutex_unlock(&q->turn);
    const lt_status status = draw(&w);
    const double seconds = tool_now() - job->begun;
    pthread_mutex_lock(&q->turn);
    finish(&w, status, seconds);
    job->users--;
    pthread_cond_broadcast(&q->work); /* others may draw now */
}

static void *worker(void *user) {
    lt_queue *q = user;
    pthread_mutex_lock(&q->turn);
    while (!q->closing) {
        lt_job *job = lt_queue_may_draw(q) ? lt_jobs_next(&q->jobs) : NULL;
        if (job)
            run(q, job);
        else
            pthread_cond_wait(&q->work, &q->turn);
    }
    pthread_mutex_unlock(&q->turn);
    return NULL;
}

lt_status lt_workers_begin(lt_queue *q) {
    q->workers = tool_calloc((size_t)q->options->workers, sizeof *q->workers);
    if (!q->workers) return LT_ERROR_MEMORY;
    for (; q->worker_count < q->options->workers; q->worker_count++)
        if (pthread_create(&q->workers[q->worker_count], NULL, worker, q))
            return lt_fail(LT_ERROR_MEMORY, "a thread that draws can't be had");
    return LT_OK;
}

void lt_workers_end(lt_queue *q) {
    pthread_mutex_lock(&q->turn);
    pthread_cond_broadcast(&q->work);
    pthread_mutex_unlock(&q->turn);
    for (int i = 0; i < q->worker_count; i++) pthread_join(q->workers[i], NULL);
    q->worker_count = 0;
    free(q->workers);
    q->workers = NULL;
}
