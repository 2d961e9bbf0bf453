/* A job in memory, and whose turn it is; queue.c and its files alone look in here. The queue's turn is the caller's in
 * all of these. */
#ifndef LT_JOB_H
#define LT_JOB_H

#include "queue.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct lt_job {
    lt_job_snapshot is; /* but for place and wait_seconds, which follow from the others */
    char *client;
    int64_t number;          /* in the order of their coming */
    uint64_t round;          /* in which it is drawn: each client has one job in a round */
    double cost;             /* steps of a picture of 512x512 */
    double begun;            /* on the clock that goes forward */
    atomic_bool cancel, end; /* end: what is finished stays */
    void *preview;           /* PNG */
    size_t preview_size;
    pthread_cond_t changed;
    int users; /* who waits on it: it stays */
    struct lt_job *next;
} lt_job;

typedef struct lt_jobs {
    lt_job *first;  /* a list: what waits and is drawn, and what has ended lately */
    uint64_t round; /* of what was begun last */
    uint64_t change;
    double rate; /* seconds for a cost of 1, as it was lately; 0: it isn't known yet */
    int workers;
} lt_jobs;

/* NULL: no memory. */
lt_job *lt_job_new(const char *id, const char *client, int64_t number, const json_t *job);
void lt_jobs_add(lt_jobs *jobs, lt_job *job); /* gives it its round */
void lt_jobs_free(lt_jobs *jobs);
lt_job *lt_jobs_find(const lt_jobs *jobs, const char *id); /* NULL: none */
/* Whose turn it is; NULL: nobody waits. */
lt_job *lt_jobs_next(const lt_jobs *jobs);
int lt_jobs_count(const lt_jobs *jobs, lt_job_state state);
bool lt_jobs_waiting_of(const lt_jobs *jobs, const char *client); /* whether a job of that client waits */
/* Something about it has changed; about all that wait. */
void lt_jobs_touch(lt_jobs *jobs, lt_job *job);
void lt_jobs_touch_all(lt_jobs *jobs);
void lt_jobs_snapshot(const lt_jobs *jobs, const lt_job *job, lt_job_snapshot *snapshot);
/* How long it took says how long others will. */
void lt_jobs_learn(lt_jobs *jobs, const lt_job *job, double seconds);
/* Of those that have ended the oldest go, which nobody looks at. */
void lt_jobs_trim(lt_jobs *jobs);
/* Of what waits and is drawn, in the order of drawing: an array of count, free it; NULL: no memory, or none. */
lt_job_snapshot *lt_jobs_snapshots(const lt_jobs *jobs, size_t *count);

#endif
