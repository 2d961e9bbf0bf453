/* The queue: jobs wait, are drawn, and end. What was accepted is on disk (store.h) before submit returns, and so is a
 * finished picture before anybody hears of it: a server that was killed goes on with all that waited or was being
 * drawn. All functions may be called from any thread. */
#ifndef LT_QUEUE_H
#define LT_QUEUE_H

#include "server.h"

#include <jansson.h>

typedef struct lt_queue lt_queue;

enum { LT_JOB_ID = 33 }; /* 32 hexadecimal digits that nobody can guess, and a NUL */

typedef enum lt_job_state { LT_JOB_WAITING, LT_JOB_RUNNING, LT_JOB_DONE, LT_JOB_FAILED, LT_JOB_CANCELLED } lt_job_state;
const char *lt_job_state_name(lt_job_state state); /* "waiting", "running", "done", "failed", "cancelled" */

/* Why a job isn't taken, as HTTP says it; lt_error_message() has the words. */
typedef enum lt_refusal {
    LT_ACCEPTED = 0,
    LT_REFUSED_JOB = 400,     /* it makes no sense: the message names the key */
    LT_REFUSED_MODEL = 404,   /* a model of that name isn't on the shelf */
    LT_REFUSED_LIMIT = 422,   /* over a limit of this server: the message names it */
    LT_REFUSED_FULL = 429,    /* too many jobs wait */
    LT_REFUSED_CLOSING = 503, /* the server ends */
    LT_REFUSED_DISK = 507     /* it can't be written down */
} lt_refusal;

/* Takes a job: JSON as docs/server.md has it (request.h reads it), which stays the caller's and isn't changed. client
 * is whose it is: clients take turns. */
lt_refusal lt_queue_submit(lt_queue *queue, const json_t *job, const char *client, char id[LT_JOB_ID]);

/* Ends it: a waiting one at once, a running one within 0.3 s. false: there is none of that id that waits or runs. */
bool lt_queue_cancel(lt_queue *queue, const char *id);
/* Ends the picture that is being drawn after the step that it is at, with what there is of it, and those behind it: the
 * job is done. */
bool lt_queue_finish(lt_queue *queue, const char *id);
/* Forgets one that has ended, with its pictures, for good. */
lt_status lt_queue_forget(lt_queue *queue, const char *id);
/* Likewise one picture of one that has ended; found: whether there was one. */
lt_status lt_queue_forget_picture(lt_queue *queue, const char *id, int number, bool *found);
/* All that wait or run of a client; NULL: of all. */
void lt_queue_cancel_all(lt_queue *queue, const char *client);

typedef struct lt_job_snapshot {
    char id[LT_JOB_ID];
    lt_job_state state;
    int place;             /* waiting: how many are drawn before it */
    int picture, pictures; /* finished and wanted */
    int step, steps;       /* of the picture that is being drawn */
    double wait_seconds;   /* waiting: until it begins, by what jobs took before; negative: it can't be told */
    double seconds_left;   /* running: until all its pictures are there; negative: it can't be told */
    double created, started, finished; /* Unix time; 0: not yet */
    int previews;                      /* that there were so far: lt_queue_preview has the last one */
    uint64_t change;                   /* differs from the snapshot's before wherever something does */
    char notes[1024]; /* what the drawing told of it, such as a LoRA that isn't there: lines; cut where it is long */
    char error[512];  /* of a failed one */
    lt_status status; /* likewise: its kind */
} lt_job_snapshot;

/* false: there is no such job. */
bool lt_queue_snapshot(lt_queue *queue, const char *id, lt_job_snapshot *snapshot);
/* Waits until the job differs from the snapshot (whose change may be 0: returns at once), at most some seconds, and
 * brings it up to date. false: there is no such job. An ended one is returned at once. */
bool lt_queue_wait(lt_queue *queue, const char *id, double seconds, lt_job_snapshot *snapshot);
static inline bool lt_job_ended(const lt_job_snapshot *job) { return job->state >= LT_JOB_DONE; }

/* The last preview as a PNG, which the caller frees (free); NULL: there is none. number, which may be NULL: which it
 * is. */
void *lt_queue_preview(lt_queue *queue, const char *id, size_t *size, int *number);

/* What waits and runs, in the order in which it is drawn: an array of count, the caller's: free it. */
lt_job_snapshot *lt_queue_list(lt_queue *queue, size_t *count);
/* The job as it was submitted, with its seed chosen: the caller's. NULL: there is none. */
json_t *lt_queue_job(lt_queue *queue, const char *id);

typedef struct lt_job_picture {
    int number;  /* from 0; one may have been forgotten */
    void *bytes; /* of the file, as the job's format has it: a PNG's are those of `latent txt2img` */
    size_t size;
    char *parameters; /* text of the web UIs; NULL: none */
    uint64_t seed;
    int width, height;
} lt_job_picture;
typedef struct lt_job_result {
    lt_job_picture *pictures; /* [count], as far as they are finished */
    int count;
} lt_job_result;
/* Pictures from number first on. false: there is no such job, or they can't be read. */
bool lt_queue_result(lt_queue *queue, const char *id, int first, lt_job_result *result);
void lt_job_result_free(lt_job_result *result); /* and empties it */

/* How it stands, for /metrics and for APIs that tell it. */
typedef struct lt_queue_state {
    int waiting, running, limit;
    uint64_t accepted, done, failed, cancelled, refused; /* since the start */
    double drawing_seconds;                              /* of all jobs */
} lt_queue_state;
void lt_queue_describe(lt_queue *queue, lt_queue_state *state);

/* ---- Its life (server.c) ---- */

/* Takes up what the store has, and begins to draw. All three stay open as long. */
lt_status lt_queue_open(const lt_server_options *options, struct lt_store *store, struct lt_models *models,
                        lt_queue **queue);
/* No more jobs; waits some seconds for those that are drawn, and stops what then still is. */
void lt_queue_drain(lt_queue *queue, double seconds);
bool lt_queue_closing(const lt_queue *queue);
void lt_queue_close(lt_queue *queue); /* NULL is fine */

#endif
