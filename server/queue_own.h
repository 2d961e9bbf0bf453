/* What queue.c (who asks), worker.c (who draws) and visit.c (who looks on) share. */
#ifndef LT_QUEUE_OWN_H
#define LT_QUEUE_OWN_H

#include "draw.h"
#include "job.h"
#include "store.h"
#include "turn.h"

struct lt_queue {
    const lt_server_options *options;
    lt_store *store;
    lt_models *models;
    pthread_mutex_t turn; /* of all that follows */
    pthread_cond_t work;  /* there may be some for workers; or what drain waits for */
    lt_jobs jobs;
    lt_queue_state state;
    int arriving;        /* jobs that are being written down */
    atomic_bool closing; /* no new jobs */
    atomic_bool stopped; /* what is drawn ends now, to be drawn again later */
    pthread_t *workers;  /* [worker_count] */
    int worker_count;
    struct {
        lt_turns waiting;
        int inside; /* they draw, in a worker's place */
        bool last;  /* what was begun last is one */
    } visits;
};

/* Whether a job may be begun now, if one waits; the turn is the caller's. */
bool lt_queue_may_draw(const lt_queue *queue);

/* Ends a job, here and in the store; the turn is the caller's, and is given up meanwhile. */
void lt_queue_end(lt_queue *queue, lt_job *job, lt_job_state state, lt_status status, const char *error);
lt_status lt_workers_begin(lt_queue *queue);
void lt_workers_end(lt_queue *queue); /* waits for them */

#endif
