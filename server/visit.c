/* Visits among the jobs. */
#include "visit.h"

#include "queue_own.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- Turns; the queue's is the caller's in these ---- */

static int drawn_now(const lt_queue *q) { return lt_jobs_count(&q->jobs, LT_JOB_RUNNING) + q->visits.inside; }

bool lt_queue_may_draw(const lt_queue *q) {
    return drawn_now(q) < q->options->workers && (!q->visits.waiting.first || q->visits.last);
}

static bool may_visit(const lt_queue *q, const lt_turn *turn) {
    return q->visits.waiting.first == turn && drawn_now(q) < q->options->workers &&
           (!q->visits.last || !lt_jobs_count(&q->jobs, LT_JOB_WAITING));
}

/* A tenth of a second, or until something has changed. */
static void wait_a_little(lt_queue *q) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 100000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_clockwait(&q->work, &q->turn, CLOCK_MONOTONIC, &until);
}

static bool wait_for_turn(lt_queue *q, const lt_http_request *request) {
    lt_turn turn;
    lt_turns_add(&q->visits.waiting, &turn, lt_http_client(request));
    while (!may_visit(q, &turn) && !q->closing && !lt_http_gone(request)) wait_a_little(q);
    const bool taken = may_visit(q, &turn) && !q->closing;
    lt_turns_remove(&q->visits.waiting, &turn, taken);
    q->visits.inside += taken;
    q->visits.last |= taken;
    pthread_cond_broadcast(&q->work); /* a job, or another visit, may have waited for this one */
    return taken;
}

/* ---- A visit ---- */

bool lt_visit_begin(lt_visit *v, lt_http_request *request) {
    lt_server *server = lt_http_server(request);
    lt_queue *q = lt_server_queue(server);
    *v = (lt_visit){.request = request, .server = server, .queue = q};
    pthread_mutex_lock(&q->turn);
    const bool full = lt_turns_count(&q->visits.waiting, lt_http_client(request)) >= LT_VISITS;
    const bool taken = !full && wait_for_turn(q, request);
    pthread_mutex_unlock(&q->turn);
    v->begun = v->looked = tool_now();
    if (full) lt_http_add_header(request, "Retry-After", "1");
    if (full) lt_http_fail(request, 429, "%d others of yours wait to look into a model", LT_VISITS);
    if (!full && !taken) lt_http_fail(request, 503, "the server ends, or nobody waits for this any more");
    return taken;
}

void lt_visit_end(lt_visit *v) {
    lt_queue *q = v->queue;
    lt_models_give_back(lt_server_models(v->server), v->entry);
    v->entry = NULL;
    pthread_mutex_lock(&q->turn);
    q->visits.inside--;
    pthread_cond_broadcast(&q->work);
    pthread_mutex_unlock(&q->turn);
}

lt_status lt_visit_open(lt_visit *v, const char *name) {
    lt_models *models = lt_server_models(v->server);
    char *path = lt_models_checkpoint(models, name);
    const lt_status status = path ? lt_models_take(models, path, NULL, NULL, &v->entry) : LT_ERROR_FILE;
    free(path);
    return status;
}

lt_session *lt_visit_session(const lt_visit *v) { return lt_models_session(v->entry); }

/* ---- Ending ---- */

static bool is_late(const lt_visit *v) {
    const double most = v->queue->options->most_seconds;
    return most > 0 && tool_now() - v->begun > most;
}

/* The client is looked at a hundred times a second at most. */
bool lt_visit_over(void *user) {
    lt_visit *v = user;
    const double now = tool_now();
    if (v->gone || v->queue->stopped || is_late(v)) return true;
    if (!v->request || now - v->looked < 0.01) return false;
    v->looked = now;
    v->gone = lt_http_gone(v->request);
    return v->gone;
}

int lt_visit_fault(lt_status status) {
    switch (status) {
    case LT_ERROR_ARGUMENT:
    case LT_ERROR_FORMAT: return 400;
    case LT_ERROR_FILE: return 404;
    case LT_ERROR_UNSUPPORTED: return 422;
    case LT_ERROR_MODEL: return 500;
    default: return 503;
    }
}

void lt_visit_fail(lt_visit *v, lt_status status) {
    if (status == LT_ERROR_CANCELLED && is_late(v))
        lt_http_fail(v->request, 422, "it took longer than %g seconds", v->queue->options->most_seconds);
    else
        lt_http_fail(v->request, lt_visit_fault(status), "%s", lt_error_message());
}
