/* Jobs in memory. Clients take turns (start-time fair queueing): each job has a round, that of what is drawn now, or
 * the one after its client's last; rounds are drawn in their order, and within one who came first. */
#include "job.h"

#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENDED = 256 }; /* jobs that are kept, for who asks often; all others are in the store */

/* ---- One job ---- */

static double number_of(const json_t *job, const char *key, double usual) {
    const double value = json_number_value(json_object_get(job, key));
    return value > 0 ? value : usual;
}

static double cost_of(const json_t *job) {
    const double pixels = number_of(job, "width", 512) * number_of(job, "height", 512) / (512 * 512);
    return number_of(job, "steps", 20) * number_of(job, "count", 1) * pixels;
}

static void begin_waiting_on(pthread_cond_t *changed) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

lt_job *lt_job_new(const char *id, const char *client, int64_t number, const json_t *job) {
    lt_job *j = tool_calloc(1, sizeof *j);
    char *whose = j ? tool_strdup(client) : NULL;
    if (!whose) return free(j), NULL;
    j->client = whose;
    j->number = number;
    j->cost = cost_of(job);
    j->is.pictures = (int)number_of(job, "count", 1);
    j->is.seconds_left = -1;
    snprintf(j->is.id, sizeof j->is.id, "%s", id);
    begin_waiting_on(&j->changed);
    return j;
}

static void job_free(lt_job *job) {
    pthread_cond_destroy(&job->changed);
    free(job->preview);
    free(job->client);
    free(job);
}

/* ---- All of them ---- */

static bool is_over(const lt_job *job) { return lt_job_ended(&job->is); }

/* It has a place in its round, or had one. */
static bool has_turn(const lt_job *job) { return !is_over(job) || job->begun > 0; }

void lt_jobs_add(lt_jobs *jobs, lt_job *job) {
    lt_job **link = &jobs->first;
    job->round = jobs->round;
    for (; *link; link = &(*link)->next)
        if (has_turn(*link) && !strcmp((*link)->client, job->client) && (*link)->round >= job->round)
            job->round = (*link)->round + 1;
    *link = job;
    lt_jobs_touch(jobs, job);
}

void lt_jobs_free(lt_jobs *jobs) {
    for (lt_job *job = jobs->first, *next; job; job = next) {
        next = job->next;
        job_free(job);
    }
}

lt_job *lt_jobs_find(const lt_jobs *jobs, const char *id) {
    lt_job *job = jobs->first;
    while (job && strcmp(job->is.id, id)) job = job->next;
    return job;
}

static bool is_before(const lt_job *a, const lt_job *b) {
    return a->round < b->round || (a->round == b->round && a->number < b->number);
}

lt_job *lt_jobs_next(const lt_jobs *jobs) {
    lt_job *next = NULL;
    for (lt_job *job = jobs->first; job; job = job->next)
        if (job->is.state == LT_JOB_WAITING && (!next || is_before(job, next))) next = job;
    return next;
}

int lt_jobs_count(const lt_jobs *jobs, lt_job_state state) {
    int count = 0;
    for (const lt_job *job = jobs->first; job; job = job->next) count += job->is.state == state;
    return count;
}

bool lt_jobs_waiting_of(const lt_jobs *jobs, const char *client) {
    bool waits = false;
    for (const lt_job *job = jobs->first; job && !waits; job = job->next)
        waits = job->is.state == LT_JOB_WAITING && !strcmp(job->client, client);
    return waits;
}

void lt_jobs_touch(lt_jobs *jobs, lt_job *job) {
    job->is.change = ++jobs->change;
    pthread_cond_broadcast(&job->changed);
}

void lt_jobs_touch_all(lt_jobs *jobs) {
    for (lt_job *job = jobs->first; job; job = job->next)
        if (job->is.state == LT_JOB_WAITING) lt_jobs_touch(jobs, job);
}

/* ---- Time ---- */

/* The latest jobs count most. */
void lt_jobs_learn(lt_jobs *jobs, const lt_job *job, double seconds) {
    const double rate = seconds / job->cost;
    jobs->rate = jobs->rate > 0 ? 0.7 * jobs->rate + 0.3 * rate : rate;
}

static double seconds_of(const lt_jobs *jobs, const lt_job *job) {
    return job->is.state == LT_JOB_RUNNING && job->is.seconds_left >= 0 ? job->is.seconds_left : jobs->rate * job->cost;
}

/* Until what takes so many seconds is drawn, shared by the workers. */
static double wait_of(const lt_jobs *jobs, double seconds) { return jobs->rate > 0 ? seconds / jobs->workers : -1; }

/* What is drawn before it. */
static void look_ahead(const lt_jobs *jobs, const lt_job *job, lt_job_snapshot *snapshot) {
    double seconds = 0;
    for (const lt_job *other = jobs->first; other; other = other->next) {
        const bool ahead = other->is.state == LT_JOB_WAITING && is_before(other, job);
        if (ahead || other->is.state == LT_JOB_RUNNING) seconds += seconds_of(jobs, other);
        snapshot->place += ahead;
    }
    snapshot->wait_seconds = wait_of(jobs, seconds);
}

void lt_jobs_snapshot(const lt_jobs *jobs, const lt_job *job, lt_job_snapshot *snapshot) {
    *snapshot = job->is;
    snapshot->place = 0;
    snapshot->wait_seconds = 0;
    if (job->is.state == LT_JOB_WAITING) look_ahead(jobs, job, snapshot);
}

/* ---- Lists ---- */

void lt_jobs_trim(lt_jobs *jobs) {
    int ended = 0;
    for (const lt_job *job = jobs->first; job; job = job->next) ended += is_over(job);
    for (lt_job **link = &jobs->first; *link && ended > ENDED;) {
        lt_job *job = *link;
        const bool goes = is_over(job) && !job->users;
        if (goes)
            *link = job->next, job_free(job), ended--;
        else
            link = &job->next;
    }
}

static int compare(const void *a, const void *b) {
    const lt_job *const *first = a, *const *second = b;
    const bool running = (*first)->is.state == LT_JOB_RUNNING, other = (*second)->is.state == LT_JOB_RUNNING;
    if (running != other) return running ? -1 : 1;
    return is_before(*first, *second) ? -1 : 1;
}

/* What waits and is drawn, in the order of drawing: an array of count, free it; NULL: no memory. */
static const lt_job **sort(const lt_jobs *jobs, size_t *count) {
    size_t room = 0;
    for (const lt_job *job = jobs->first; job; job = job->next) room++;
    const lt_job **all = tool_calloc(room, sizeof *all);
    *count = 0;
    for (const lt_job *job = jobs->first; all && job; job = job->next)
        if (!is_over(job)) all[(*count)++] = job;
    if (all) qsort(all, *count, sizeof *all, compare);
    return all;
}

/* Each place follows from the one before: of a thousand jobs, a thousand looks and not a million. */
static void take_snapshots(const lt_jobs *jobs, const lt_job *const *all, size_t count, lt_job_snapshot *snapshots) {
    double seconds = 0;
    int place = 0;
    for (size_t i = 0; i < count; i++) {
        const bool waits = all[i]->is.state == LT_JOB_WAITING;
        snapshots[i] = all[i]->is;
        snapshots[i].place = waits ? place++ : 0;
        snapshots[i].wait_seconds = waits ? wait_of(jobs, seconds) : 0;
        seconds += seconds_of(jobs, all[i]);
    }
}

lt_job_snapshot *lt_jobs_snapshots(const lt_jobs *jobs, size_t *count) {
    const lt_job **all = sort(jobs, count);
    lt_job_snapshot *snapshots = all ? tool_calloc(*count, sizeof *snapshots) : NULL;
    if (snapshots) take_snapshots(jobs, all, *count, snapshots);
    if (!snapshots) *count = 0;
    free(all);
    return snapshots;
}
