/* Trainings that somebody else runs, looked on: the logs and samples that `latent train` leaves beside its model, in
 * the folder that --train-log names. What is asked for is found among what lies there, never by a path; what is no
 * file of a training is passed over, and so is a link, which may lead out. */
#include "jobs_api.h"
#include "tools.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char ending[] = ".jsonl", beginning[] = "{\"step\":"; /* of a log's name, and of each of its rows */

/* Of a training called NAME there are NAME.jsonl and NAME-STEP.png; its name is its model's. */
typedef struct place {
    char *folder;
    char *only; /* the one log's file; NULL: all in the folder */
} place;

/* ---- Where ---- */

/* The folder of a file's path. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return tool_strdup(".");
    return slash == path ? tool_strdup("/") : tool_strndup(path, (size_t)(slash - path));
}

static lt_status find_place(const lt_http_request *r, place *p) {
    const char *told = lt_server_options_of(lt_http_server(r))->train_log;
    struct stat info;
    *p = (place){0};
    if (!told) return LT_OK;
    const bool whole = !stat(told, &info) && S_ISDIR(info.st_mode);
    const char *slash = strrchr(told, '/');
    p->folder = whole ? tool_strdup(told) : folder_of(told);
    p->only = whole ? NULL : tool_strdup(slash ? slash + 1 : told);
    return p->folder && (whole || p->only) ? LT_OK : LT_ERROR_MEMORY;
}

static void place_free(place *p) {
    free(p->folder);
    free(p->only);
    *p = (place){0};
}

/* ---- Files ---- */

static bool is_log_name(const place *p, const char *file) {
    const size_t size = strlen(file), end = strlen(ending);
    return size > end && !strcmp(file + size - end, ending) && (!p->only || !strcmp(p->only, file));
}

/* Of NAME-STEP.png; -1: it is no sample of that training. */
static long step_of(const char *file, const char *name) {
    const size_t size = strlen(name);
    char *end;
    if (strncmp(file, name, size) || file[size] != '-' || file[size + 1] < '0' || file[size + 1] > '9') return -1;
    const long step = strtol(file + size + 1, &end, 10);
    return !strcmp(end, ".png") ? step : -1;
}

static bool is_plain(int folder, const char *file, struct stat *info) {
    return !fstatat(folder, file, info, AT_SYMLINK_NOFOLLOW) && S_ISREG(info->st_mode);
}

static double time_of(const struct stat *info) {
    return (double)info->st_mtim.tv_sec + 1e-9 * (double)info->st_mtim.tv_nsec;
}

/* Whether a file begins as a log does: what else is called .jsonl, such as a data set's texts, is none. */
static bool begins_well(int folder, const char *file) {
    char begun[sizeof beginning] = "";
    const int opened = openat(folder, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    const bool read_it = opened >= 0 && read(opened, begun, sizeof beginning - 1) == sizeof beginning - 1;
    if (opened >= 0) close(opened);
    return read_it && !strcmp(begun, beginning);
}

/* Calls of with each file of the place. */
static void go_through(const place *p, void (*of)(int folder, const char *file, void *user), void *user) {
    DIR *folder = p->folder ? opendir(p->folder) : NULL;
    for (const struct dirent *entry; folder && (entry = readdir(folder));) of(dirfd(folder), entry->d_name, user);
    if (folder) closedir(folder);
}

/* ---- What there is ---- */

typedef struct listing {
    const place *place;
    json_t *logs;
} listing;

static void list_log(int folder, const char *file, void *user) {
    const listing *l = user;
    struct stat info;
    if (!is_log_name(l->place, file) || !is_plain(folder, file, &info) || !begins_well(folder, file)) return;
    const double changed = time_of(&info);
    json_t *name = json_stringn(file, strlen(file) - strlen(ending));
    if (name)
        json_array_append_new(
            l->logs, json_pack("{s:o, s:f, s:f}", "name", name, "changed", changed, "age", server_time() - changed));
}

/* {"followed", "logs": [{"name", "changed", "age"}]} */
static void get_trainings(lt_http_request *r) {
    place p;
    listing l = {&p, json_array()};
    const lt_status status = find_place(r, &p);
    if (!status) go_through(&p, list_log, &l);
    if (status)
        lt_http_fail(r, 503, "%s", lt_error_message());
    else
        lt_http_answer_json(r, 200, json_pack("{s:b, s:O}", "followed", p.folder != NULL, "logs", l.logs));
    json_decref(l.logs);
    place_free(&p);
}

/* ---- One of them ---- */

typedef struct training {
    place place;
    const char *name;
    bool found;
    json_t *samples; /* [{"step", "changed"}], as they lie there */
    long wanted;     /* of a sample; its file: */
    char *sample;
} training;

static void find_files(int folder, const char *file, void *user) {
    training *t = user;
    struct stat info;
    const size_t size = strlen(t->name);
    const bool log = is_log_name(&t->place, file) && !strncmp(file, t->name, size) && !strcmp(file + size, ending);
    const long step = step_of(file, t->name);
    if ((!log && step < 0) || !is_plain(folder, file, &info)) return;
    t->found |= log && begins_well(folder, file);
    if (step >= 0)
        json_array_append_new(t->samples, json_pack("{s:I, s:f}", "step", (json_int_t)step, "changed", time_of(&info)));
    if (step >= 0 && step == t->wanted && !t->sample) t->sample = tool_format("%s/%s", t->place.folder, file);
}

/* false: it has been answered. training_free is due. */
static bool find_training(lt_http_request *r, training *t) {
    *t = (training){.name = lt_http_part(r, 0), .samples = json_array(), .wanted = -1};
    const char *step = lt_http_part(r, 1);
    if (*step && strspn(step, "0123456789") == strlen(step)) t->wanted = strtol(step, NULL, 10);
    const lt_status status = find_place(r, &t->place);
    if (!status) go_through(&t->place, find_files, t);
    if (status)
        lt_http_fail(r, 503, "%s", lt_error_message());
    else if (!t->found)
        lt_http_fail(r, 404, "%.100s: no training of that name is followed", t->name);
    return !status && t->found;
}

static void training_free(training *t) {
    json_decref(t->samples);
    free(t->sample);
    place_free(&t->place);
}

static json_t *numbers_json(const double *numbers, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, json_real(numbers[i]));
    return list;
}

static void answer_rows(lt_http_request *r, const training *t, const char *path) {
    const char *at_text = lt_http_query(r, "at"), *field = lt_http_query(r, "field");
    uint64_t at = at_text ? strtoull(at_text, NULL, 10) : 0;
    lt_curve curve;
    if (lt_curve_follow(path, field ? field : "loss", &at, &curve)) {
        lt_http_fail(r, 422, "%s", lt_error_message());
        return;
    }
    lt_http_answer_json(r, 200,
                        json_pack("{s:I, s:o, s:o, s:O}", "at", (json_int_t)at, "steps",
                                  numbers_json(curve.steps, curve.count), "values",
                                  numbers_json(curve.values, curve.count), "samples", t->samples));
    lt_curve_free(&curve);
}

/* ?at=BYTE&field=loss: {"at": what to ask for next, "steps", "values", "samples": [{"step", "changed"}] of pictures} */
static void get_training(lt_http_request *r) {
    training t;
    char *path = NULL;
    if (find_training(r, &t)) {
        path = tool_format("%s/%s%s", t.place.folder, t.name, ending);
        if (path)
            answer_rows(r, &t, path);
        else
            lt_http_fail(r, 503, "out of memory");
    }
    free(path);
    training_free(&t);
}

static void get_sample(lt_http_request *r) {
    training t;
    if (find_training(r, &t)) {
        if (t.sample)
            lt_http_answer_file(r, "image/png", t.sample);
        else
            lt_http_fail(r, 404, "%.100s: it has no sample of that step", t.name);
    }
    training_free(&t);
}

static const lt_http_route routes[] = {
    {"GET", "/latent/v1/training", get_trainings, 0},
    {"GET", "/latent/v1/training/{}", get_training, 0},
    {"GET", "/latent/v1/training/{}/samples/{}", get_sample, 0},
    {0},
};
const lt_http_api lt_logs_api = {"/latent/v1", routes, NULL};
