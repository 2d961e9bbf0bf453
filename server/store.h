/* What outlives the process: jobs and their pictures, in SQLite and in files. A job that was added, and a picture that
 * was, is there after a crash. Any thread may call; calls take turns. */
#ifndef LT_STORE_H
#define LT_STORE_H

#include "queue.h"

typedef struct lt_store lt_store;

/* Of a folder, which is made where it isn't there. LT_ERROR_FILE where another server has it, or it can't be written.
 */
lt_status lt_store_open(const char *folder, lt_store **store);
void lt_store_close(lt_store *store); /* NULL is fine */

typedef struct lt_stored_job {
    char id[LT_JOB_ID];
    int64_t number; /* in the order of their coming */
    lt_job_state state;
    int pictures;                      /* that are wanted */
    int finished_pictures;             /* with those that were forgotten before the last one */
    double created, started, finished; /* Unix time; 0: not yet */
    lt_status status;
    char *client, *error, *notes; /* error, notes: NULL: none */
    char *job; /* JSON; NULL where it was not asked for; in lists without the pictures that were sent */
} lt_stored_job;
void lt_stored_job_free(lt_stored_job *job); /* what it owns */

/* Its state is waiting; number is set. */
lt_status lt_store_add(lt_store *store, lt_stored_job *job);
/* state, started, finished, status, error and notes of job are what it ended with. */
lt_status lt_store_ended(lt_store *store, const lt_stored_job *job);

/* found: whether there is one. whole: with its JSON. */
lt_status lt_store_find(lt_store *store, const char *id, bool whole, bool *found, lt_stored_job *job);
/* The job and its pictures, for good. */
lt_status lt_store_forget(lt_store *store, const char *id);
/* One picture of it, likewise; found: whether there was one. */
lt_status lt_store_forget_picture(lt_store *store, const char *id, int number, bool *found);

typedef struct lt_stored_jobs {
    lt_stored_job *items; /* [count] */
    size_t count;
} lt_stored_jobs;
void lt_stored_jobs_free(lt_stored_jobs *jobs);
/* Those that had not ended, in the order of their coming. */
lt_status lt_store_unfinished(lt_store *store, lt_stored_jobs *jobs);
/* The latest before number `before` (0: all), at most limit, of which words, if not NULL, are in the prompt or
 * in the parameters of a picture. */
lt_status lt_store_history(lt_store *store, int64_t before, int limit, const char *words, lt_stored_jobs *jobs);

typedef struct lt_stored_picture {
    int number; /* in its job, from 0 */
    char *path, *parameters;
    uint64_t seed;
    int width, height;
} lt_stored_picture;
typedef struct lt_stored_pictures {
    lt_stored_picture *items; /* [count] */
    size_t count;
} lt_stored_pictures;
void lt_stored_pictures_free(lt_stored_pictures *pictures);

/* Writes bytes [size] as a file with that ending, beside and renamed, then the row. One that is there is replaced by
 * it: after a crash a job is drawn again, to the same bytes. path, and what else picture owns, stay the caller's. */
lt_status lt_store_picture(lt_store *store, const char *id, const char *ending, const lt_stored_picture *picture,
                           const void *bytes, size_t size);
lt_status lt_store_pictures(lt_store *store, const char *id, lt_stored_pictures *pictures);

/* Bytes that the database holds in memory. */
double lt_store_memory(void);

#endif
