/* Jobs and pictures in SQLite. */
#include "store.h"

#include "picture_file.h"
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct lt_store {
    pthread_mutex_t turn;
    sqlite3 *db;
    char *folder;
    int lock; /* a file that one server has */
};

/* WAL with a full sync: a commit is on the disk when it returns. Pages that were read stay in memory up to 1 MiB, which
 * a day's jobs fill. settings is the job without the pictures that were sent, which may be long. */
static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;"
    "PRAGMA cache_size = -1024;"
    "CREATE TABLE IF NOT EXISTS jobs (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " client TEXT NOT NULL, state INTEGER NOT NULL, pictures INTEGER NOT NULL, created REAL NOT NULL,"
    " started REAL NOT NULL DEFAULT 0, finished REAL NOT NULL DEFAULT 0, status INTEGER NOT NULL DEFAULT 0,"
    " error TEXT, notes TEXT, job TEXT NOT NULL, settings TEXT GENERATED ALWAYS AS"
    " (json_remove(job, '$.image', '$.mask', '$.controls', '$.image_prompts', '$.regions')) STORED) STRICT;"
    "CREATE INDEX IF NOT EXISTS unfinished ON jobs (state) WHERE state = 0;"
    "CREATE TABLE IF NOT EXISTS pictures (job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,"
    " number INTEGER NOT NULL, file TEXT NOT NULL, seed INTEGER NOT NULL, width INTEGER NOT NULL,"
    " height INTEGER NOT NULL, parameters TEXT, PRIMARY KEY (job, number)) STRICT;";

static lt_status fail(lt_store *s) {
    const int code = sqlite3_errcode(s->db);
    const lt_status status = code == SQLITE_NOMEM ? LT_ERROR_MEMORY : LT_ERROR_FILE;
    return lt_fail(status, "%s/latent.db: %s", s->folder, sqlite3_errmsg(s->db));
}

/* ---- One statement: prepared, its values bound one by one, stepped ---- */

typedef struct query {
    lt_store *store;
    sqlite3_stmt *statement;
    int bound;
} query;

/* The store is this thread's until query_end. */
static query query_begin(lt_store *s, const char *sql) {
    query q = {.store = s};
    pthread_mutex_lock(&s->turn);
    sqlite3_prepare_v2(s->db, sql, -1, &q.statement, NULL);
    return q;
}

/* Of NULL all these do nothing, and query_next tells why it is. */
static void bind_text(query *q, const char *text) {
    sqlite3_bind_text(q->statement, ++q->bound, text, -1, SQLITE_STATIC);
}
static void bind_integer(query *q, int64_t value) { sqlite3_bind_int64(q->statement, ++q->bound, value); }
static void bind_real(query *q, double value) { sqlite3_bind_double(q->statement, ++q->bound, value); }

/* row: whether there is another. */
static lt_status query_next(query *q, bool *row) {
    const int code = q->statement ? sqlite3_step(q->statement) : SQLITE_ERROR;
    *row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? LT_OK : fail(q->store);
}

static void query_end(query *q) {
    sqlite3_finalize(q->statement);
    pthread_mutex_unlock(&q->store->turn);
}

/* Of a statement without rows. */
static lt_status query_run(query *q) {
    bool row;
    const lt_status status = query_next(q, &row);
    query_end(q);
    return status;
}

static char *text_of(query *q, int column) {
    return tool_strdup((const char *)sqlite3_column_text(q->statement, column));
}

/* ---- Opening ---- */

/* With those in which it lies. */
static bool make_folder(char *path) {
    for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        mkdir(path, 0700); /* where it can't be, the last one says why */
        *slash = '/';
    }
    return !mkdir(path, 0700) || errno == EEXIST;
}

static lt_status lock_folder(lt_store *s) {
    if (!make_folder(s->folder)) return lt_fail(LT_ERROR_FILE, "%s: can't be made: %s", s->folder, strerror(errno));
    char *path = tool_format("%s/lock", s->folder);
    s->lock = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    free(path);
    if (s->lock < 0) return lt_fail(LT_ERROR_FILE, "%s: can't write there: %s", s->folder, strerror(errno));
    if (flock(s->lock, LOCK_EX | LOCK_NB)) return lt_fail(LT_ERROR_FILE, "%s: another server has it", s->folder);
    return LT_OK;
}

static lt_status open_database(lt_store *s) {
    char *path = tool_format("%s/latent.db", s->folder);
    if (!path) return LT_ERROR_MEMORY;
    const int opened = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    free(path);
    return opened || sqlite3_exec(s->db, schema, NULL, NULL, NULL) ? fail(s) : LT_OK;
}

lt_status lt_store_open(const char *folder, lt_store **out) {
    *out = NULL;
    lt_store *s = tool_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    pthread_mutex_init(&s->turn, NULL);
    s->lock = -1;
    s->folder = tool_strdup(folder);
    lt_status status = s->folder ? lock_folder(s) : LT_ERROR_MEMORY;
    if (!status) status = lt_picture_folder_make(folder);
    if (!status) status = open_database(s);
    if (status)
        lt_store_close(s);
    else
        *out = s;
    return status;
}

void lt_store_close(lt_store *s) {
    if (!s) return;
    sqlite3_close(s->db);
    if (s->lock >= 0) close(s->lock);
    pthread_mutex_destroy(&s->turn);
    free(s->folder);
    free(s);
}

double lt_store_memory(void) { return (double)sqlite3_memory_used(); }

/* ---- Jobs ---- */

lt_status lt_store_add(lt_store *s, lt_stored_job *job) {
    query q = query_begin(s, "INSERT INTO jobs (id, client, state, pictures, created, job) VALUES (?, ?, ?, ?, ?, ?)");
    bind_text(&q, job->id);
    bind_text(&q, job->client);
    bind_integer(&q, LT_JOB_WAITING);
    bind_integer(&q, job->pictures);
    bind_real(&q, job->created);
    bind_text(&q, job->job);
    bool row;
    const lt_status status = query_next(&q, &row);
    job->number = sqlite3_last_insert_rowid(s->db);
    query_end(&q);
    return status;
}

lt_status lt_store_ended(lt_store *s, const lt_stored_job *job) {
    query q = query_begin(
        s, "UPDATE jobs SET state = ?, started = ?, finished = ?, status = ?, error = ?, notes = ? WHERE id = ?");
    bind_integer(&q, job->state);
    bind_real(&q, job->started);
    bind_real(&q, job->finished);
    bind_integer(&q, job->status);
    bind_text(&q, job->error);
    bind_text(&q, job->notes);
    bind_text(&q, job->id);
    return query_run(&q);
}

/* ---- Looking jobs up ---- */

/* In the order in which job_of_row reads them; the last may be left out. */
#define LT_JOB_COLUMNS                                                                                                 \
    "id, number, state, pictures, created, started, finished, status, client, error,"                                  \
    " (SELECT ifnull(max(pictures.number) + 1, 0) FROM pictures WHERE pictures.job = jobs.id), notes"

static lt_status job_of_row(query *q, lt_stored_job *job) {
    sqlite3_stmt *row = q->statement;
    *job = (lt_stored_job){
        .number = sqlite3_column_int64(row, 1),
        .state = (lt_job_state)sqlite3_column_int(row, 2),
        .pictures = sqlite3_column_int(row, 3),
        .created = sqlite3_column_double(row, 4),
        .started = sqlite3_column_double(row, 5),
        .finished = sqlite3_column_double(row, 6),
        .status = (lt_status)sqlite3_column_int(row, 7),
        .client = text_of(q, 8),
        .error = text_of(q, 9),
        .finished_pictures = sqlite3_column_int(row, 10),
        .notes = text_of(q, 11),
        .job = text_of(q, 12),
    };
    snprintf(job->id, sizeof job->id, "%s", (const char *)sqlite3_column_text(row, 0));
    return job->client ? LT_OK : LT_ERROR_MEMORY;
}

void lt_stored_job_free(lt_stored_job *job) {
    free(job->client);
    free(job->error);
    free(job->notes);
    free(job->job);
    *job = (lt_stored_job){0};
}

void lt_stored_jobs_free(lt_stored_jobs *jobs) {
    for (size_t i = 0; i < jobs->count; i++) lt_stored_job_free(&jobs->items[i]);
    free(jobs->items);
    *jobs = (lt_stored_jobs){0};
}

lt_status lt_store_find(lt_store *s, const char *id, bool whole, bool *found, lt_stored_job *job) {
    *job = (lt_stored_job){0};
    query q = query_begin(s, whole ? "SELECT " LT_JOB_COLUMNS ", job FROM jobs WHERE id = ?"
                                   : "SELECT " LT_JOB_COLUMNS " FROM jobs WHERE id = ?");
    bind_text(&q, id);
    lt_status status = query_next(&q, found);
    if (!status && *found) status = job_of_row(&q, job);
    query_end(&q);
    if (status) lt_stored_job_free(job);
    *found &= !status;
    return status;
}

static lt_status add_row(query *q, lt_stored_jobs *jobs) {
    lt_stored_job *items = realloc(jobs->items, (jobs->count + 1) * sizeof *items);
    if (!items) return lt_fail(LT_ERROR_MEMORY, "out of memory for a list of jobs");
    jobs->items = items;
    return job_of_row(q, &items[jobs->count++]);
}

/* Ends the query. */
static lt_status collect(query *q, lt_stored_jobs *jobs) {
    bool row = true;
    lt_status status = LT_OK;
    *jobs = (lt_stored_jobs){0};
    while (!status && row) {
        status = query_next(q, &row);
        if (!status && row) status = add_row(q, jobs);
    }
    query_end(q);
    if (status) lt_stored_jobs_free(jobs);
    return status;
}

lt_status lt_store_unfinished(lt_store *s, lt_stored_jobs *jobs) {
    query q = query_begin(s, "SELECT " LT_JOB_COLUMNS ", settings FROM jobs WHERE state = 0 ORDER BY number");
    return collect(&q, jobs);
}

lt_status lt_store_history(lt_store *s, int64_t before, int limit, const char *words, lt_stored_jobs *jobs) {
    query q = query_begin(
        s, "SELECT " LT_JOB_COLUMNS ", settings FROM jobs WHERE (?1 = 0 OR number < ?1) AND (?3 IS NULL"
           " OR instr(lower(json_extract(settings, '$.prompt')), lower(?3)) OR EXISTS (SELECT 1 FROM pictures WHERE"
           " pictures.job = jobs.id AND instr(lower(parameters), lower(?3)))) ORDER BY number DESC LIMIT ?2");
    bind_integer(&q, before);
    bind_integer(&q, limit);
    bind_text(&q, words);
    return collect(&q, jobs);
}

static lt_status delete_job(lt_store *s, const char *id) {
    query q = query_begin(s, "DELETE FROM jobs WHERE id = ?");
    bind_text(&q, id);
    return query_run(&q);
}

static void unlink_all(const lt_stored_pictures *pictures) {
    for (size_t i = 0; i < pictures->count; i++) unlink(pictures->items[i].path);
}

/* The row first: pictures without one are found by nobody. A full disk has no room to write that down until they are
 * gone. */
lt_status lt_store_forget(lt_store *s, const char *id) {
    lt_stored_pictures pictures;
    LT_TRY(lt_store_pictures(s, id, &pictures));
    lt_status status = delete_job(s, id);
    unlink_all(&pictures);
    if (status && pictures.count) status = delete_job(s, id);
    lt_stored_pictures_free(&pictures);
    return status;
}

/* ---- Pictures ---- */

/* seed's bits, for SQLite's integers have a sign. */
static lt_status add_picture(lt_store *s, const char *id, const char *name, const lt_stored_picture *picture) {
    query q = query_begin(s, "INSERT OR REPLACE INTO pictures (job, number, file, seed, width, height, parameters)"
                             " VALUES (?, ?, ?, ?, ?, ?, ?)");
    bind_text(&q, id);
    bind_integer(&q, picture->number);
    bind_text(&q, name);
    bind_integer(&q, (int64_t)picture->seed);
    bind_integer(&q, picture->width);
    bind_integer(&q, picture->height);
    bind_text(&q, picture->parameters);
    return query_run(&q);
}

lt_status lt_store_picture(lt_store *s, const char *id, const char *ending, const lt_stored_picture *picture,
                           const void *bytes, size_t size) {
    char *name;
    LT_TRY(lt_picture_file_write(s->folder, id, picture->number, ending, bytes, size, &name));
    const lt_status status = add_picture(s, id, name, picture);
    free(name);
    return status;
}

static lt_status picture_of_row(query *q, lt_stored_picture *picture) {
    *picture = (lt_stored_picture){
        .number = sqlite3_column_int(q->statement, 0),
        .path = tool_format("%s/%s", q->store->folder, (const char *)sqlite3_column_text(q->statement, 1)),
        .seed = (uint64_t)sqlite3_column_int64(q->statement, 2),
        .width = sqlite3_column_int(q->statement, 3),
        .height = sqlite3_column_int(q->statement, 4),
        .parameters = text_of(q, 5),
    };
    return picture->path ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status add_picture_row(query *q, lt_stored_pictures *pictures) {
    lt_stored_picture *items = realloc(pictures->items, (pictures->count + 1) * sizeof *items);
    if (!items) return lt_fail(LT_ERROR_MEMORY, "out of memory for a list of pictures");
    pictures->items = items;
    return picture_of_row(q, &items[pictures->count++]);
}

lt_status lt_store_pictures(lt_store *s, const char *id, lt_stored_pictures *pictures) {
    bool row = true;
    lt_status status = LT_OK;
    *pictures = (lt_stored_pictures){0};
    query q = query_begin(s, "SELECT number, file, seed, width, height, parameters FROM pictures WHERE job = ?"
                             " ORDER BY number");
    bind_text(&q, id);
    while (!status && row) {
        status = query_next(&q, &row);
        if (!status && row) status = add_picture_row(&q, pictures);
    }
    query_end(&q);
    if (status) lt_stored_pictures_free(pictures);
    return status;
}

static lt_status delete_row(lt_store *s, const char *id, const lt_stored_picture *picture) {
    query q = query_begin(s, "DELETE FROM pictures WHERE job = ? AND number = ?");
    bind_text(&q, id);
    bind_integer(&q, picture->number);
    return query_run(&q);
}

/* As lt_store_forget. */
static lt_status delete_picture(lt_store *s, const char *id, const lt_stored_picture *picture) {
    const lt_status status = delete_row(s, id, picture);
    unlink(picture->path);
    return status ? delete_row(s, id, picture) : LT_OK;
}

lt_status lt_store_forget_picture(lt_store *s, const char *id, int number, bool *found) {
    lt_stored_pictures pictures;
    lt_status status = LT_OK;
    *found = false;
    LT_TRY(lt_store_pictures(s, id, &pictures));
    for (size_t i = 0; i < pictures.count && !*found; i++) {
        *found = pictures.items[i].number == number;
        if (*found) status = delete_picture(s, id, &pictures.items[i]);
    }
    lt_stored_pictures_free(&pictures);
    return status;
}

void lt_stored_pictures_free(lt_stored_pictures *pictures) {
    for (size_t i = 0; i < pictures->count; i++) {
        free(pictures->items[i].path);
        free(pictures->items[i].parameters);
    }
    free(pictures->items);
    *pictures = (lt_stored_pictures){0};
}
