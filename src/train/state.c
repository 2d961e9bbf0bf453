/* The state of a training run as one safetensors file. One list, of every tensor that the file holds, serves both ways:
 * saving writes it, loading compares it with what is there and fills it. */
#include "train/state.h"

#include "formats/arena.h"
#include "formats/formats.h"
#include "formats/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char run_key[] = "latent.run", settings_key[] = "settings";

/* ---- The list ---- */

typedef struct content {
    lt_tensor *tensors; /* sorted by name; data is the parameters' arrays */
    size_t count;
    lt_arena names;
} content;

static lt_status add_tensor(content *c, const char *prefix, const lt_parameter *p, const float *data) {
    if (!data) return LT_OK;
    char *name = lt_format("%s%s", prefix, p->name);
    char *kept = name ? lt_arena_strndup(&c->names, name, strlen(name)) : NULL;
    lt_free(name);
    if (!kept) return LT_ERROR_MEMORY;
    lt_tensor *t = &c->tensors[c->count++];
    *t = (lt_tensor){.name = kept, .dtype = LT_F32, .rank = 1, .shape = {p->count}, .data = data};
    lt_tensor_set_contiguous(t);
    return LT_OK;
}

static lt_status add_parameter(content *c, const lt_parameter *p) {
    LT_TRY(add_tensor(c, "", p, p->value));
    LT_TRY(add_tensor(c, "adamw.m.", p, p->m));
    LT_TRY(add_tensor(c, "adamw.v.", p, p->v));
    return add_tensor(c, "ema.", p, p->ema);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const lt_tensor *)a)->name, ((const lt_tensor *)b)->name);
}

static void content_free(content *c) {
    lt_free(c->tensors);
    lt_arena_free(&c->names);
}

static lt_status content_of(const lt_optimizer *optimizer, content *c) {
    *c = (content){.tensors = lt_calloc(optimizer->count, 4 * sizeof *c->tensors)};
    lt_status status = c->tensors ? LT_OK : LT_ERROR_MEMORY;
    for (size_t i = 0; i < optimizer->count && !status; i++) status = add_parameter(c, &optimizer->parameters[i]);
    if (!status && c->count) qsort(c->tensors, c->count, sizeof *c->tensors, compare_names);
    for (size_t i = 1; i < c->count && !status; i++)
        if (compare_names(&c->tensors[i - 1], &c->tensors[i]) == 0)
            status =
                lt_fail(LT_ERROR_ARGUMENT, "two tensors are called %s: a state can't hold both", c->tensors[i].name);
    if (status) content_free(c);
    return status;
}

/* ---- The numbers ---- */

/* JSON has no infinities or NaN: null stands for them. */
static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

/* The object as text, to be freed by free(), or NULL. */
static char *write_run(const lt_run_state *state) {
    char place[24];
    snprintf(place, sizeof place, "%llu", (unsigned long long)state->place);
    json_t *run = json_pack("{s:I, s:s, s:o, s:o}", "step", (json_int_t)state->step, "place", place, "seconds",
                            number(state->seconds), "loss", number(state->loss));
    char *text = run ? json_dumps(run, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(run);
    if (!text) lt_fail(LT_ERROR_MEMORY, "out of memory: the state's numbers can't be written");
    return text;
}

static bool read_place(const json_t *value, uint64_t *place) {
    const char *text = json_string_value(value);
    if (!text || text[0] < '0' || text[0] > '9') return false; /* strtoull takes signs and white space */
    char *end;
    errno = 0;
    *place = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool read_number(const json_t *value, double *number_out) {
    *number_out = json_is_null(value) ? (double)NAN : json_number_value(value);
    return json_is_null(value) || json_is_number(value);
}

static lt_status read_run(const char *text, lt_run_state *state) {
    if (!text) return lt_fail(LT_ERROR_FORMAT, "not a training state: its metadata have no %s", run_key);
    json_t *run;
    if (lt_json_read(text, strlen(text), 0, &run) == LT_ERROR_MEMORY) return LT_ERROR_MEMORY;
    const json_t *step = json_object_get(run, "step");
    state->step = (long)json_integer_value(step);
    const char *broken = NULL;
    if (!json_is_integer(step) || json_integer_value(step) < 0 || json_integer_value(step) > LONG_MAX)
        broken = "step";
    else if (!read_place(json_object_get(run, "place"), &state->place))
        broken = "place";
    else if (!read_number(json_object_get(run, "seconds"), &state->seconds))
        broken = "seconds";
    else if (!read_number(json_object_get(run, "loss"), &state->loss))
        broken = "loss";
    json_decref(run);
    if (!broken) return LT_OK;
    return lt_fail(LT_ERROR_FORMAT, "the training state's metadata are broken: %s says no valid %s", run_key, broken);
}

/* ---- Saving ---- */

/* Makes the rename that put a file there survive a loss of power. Some file systems can't (EINVAL) and need not. */
static lt_status sync_folder_of(const char *path) {
    char *target;
    LT_TRY(lt_link_target(path, &target));
    char *folder = lt_folder_of(target);
    lt_free(target);
    if (!folder) return LT_ERROR_MEMORY;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lt_free(folder);
    const bool synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    const int reason = errno;
    if (fd >= 0) close(fd);
    return synced ? LT_OK : lt_fail(LT_ERROR_FILE, "%s: its folder can't be synchronised: %s", path, strerror(reason));
}

/* Metadata [pair_count + 1]: the numbers first, then the pairs. */
static lt_status list_metadata(const char *run, const char *const *pairs, size_t pair_count, lt_metadata *metadata) {
    metadata[0] = (lt_metadata){run_key, run};
    for (size_t i = 0; i < pair_count; i++) {
        metadata[i + 1] = (lt_metadata){pairs[2 * i], pairs[2 * i + 1]};
        for (size_t k = 0; k <= i; k++)
            if (strcmp(metadata[k].key, pairs[2 * i]) == 0)
                return lt_fail(LT_ERROR_ARGUMENT, "two of the state's metadata are called %s", pairs[2 * i]);
    }
    return LT_OK;
}

static lt_status write_state(const char *path, const lt_optimizer *optimizer, const lt_run_state *state,
                             const char *const *pairs, size_t pair_count) {
    content c;
    LT_TRY(content_of(optimizer, &c));
    char *run = write_run(state);
    lt_metadata *metadata = lt_calloc(pair_count + 1, sizeof *metadata);
    lt_status status = run && metadata ? list_metadata(run, pairs, pair_count, metadata) : LT_ERROR_MEMORY;
    if (!status) status = lt_safetensors_write(path, c.tensors, c.count, metadata, pair_count + 1, NULL, NULL, NULL);
    lt_free(metadata);
    free(run);
    content_free(&c);
    return status;
}

lt_status lt_state_save(const char *path, const lt_optimizer *optimizer, const lt_run_state *state,
                        const char *const *pairs, size_t pair_count) {
    if (state->step != optimizer->step)
        return lt_fail(LT_ERROR_ARGUMENT, "the run is at step %ld, but its optimiser at step %ld", state->step,
                       optimizer->step);
    const lt_status status = write_state(path, optimizer, state, pairs, pair_count);
    if (!status) return sync_folder_of(path);
    return lt_fail_in(status, "the state of step %ld was not saved%s", state->step,
                      access(path, F_OK) ? "" : "; the last one that was is untouched");
}

/* ---- Loading ---- */

static lt_status compare_tensor(const lt_tensor *found, const lt_tensor *expected) {
    if (found->dtype == expected->dtype && lt_tensor_has_shape(found, expected->rank, expected->shape) &&
        lt_tensor_contiguous(found))
        return LT_OK;
    char there[128], here[128];
    lt_tensor_shape_text(found, there, sizeof there);
    lt_tensor_shape_text(expected, here, sizeof here);
    return lt_fail(LT_ERROR_MODEL, "tensor %s is %s %s in the state, but %s %s in this run", expected->name,
                   lt_tensor_type(found), there, lt_dtype_name(expected->dtype), here);
}

/* Both lists are sorted: the first place where they differ is the first difference. */
static lt_status compare_tensors(const lt_checkpoint *file, const content *c) {
    static const char why[] = "it is another model's state, or of a run with other options";
    for (size_t i = 0; i < file->count || i < c->count; i++) {
        const lt_tensor *found = i < file->count ? &file->tensors[i] : NULL;
        const lt_tensor *expected = i < c->count ? &c->tensors[i] : NULL;
        const int order = !found ? 1 : !expected ? -1 : compare_names(found, expected);
        if (order > 0) return lt_fail(LT_ERROR_MODEL, "the state has no tensor %s: %s", expected->name, why);
        if (order < 0)
            return lt_fail(LT_ERROR_MODEL, "the state's tensor %s is none of this run: %s", found->name, why);
        LT_TRY(compare_tensor(found, expected));
    }
    return LT_OK;
}

/* Everything that can fail comes first, so that a failure leaves the optimiser as it was; but a file may be cut short
 * while it is read. */
static lt_status read_state(const lt_checkpoint *file, const content *c, lt_run_state *state, char **settings) {
    lt_run_state run;
    LT_TRY(read_run(lt_checkpoint_metadata(file, run_key), &run));
    const char *text = lt_checkpoint_metadata(file, settings_key);
    *settings = text ? lt_strdup(text) : NULL;
    if (text && !*settings) return LT_ERROR_MEMORY;
    LT_TRY(compare_tensors(file, c));
    for (size_t i = 0; i < c->count; i++) {
        const size_t bytes = c->tensors[i].shape[0] * sizeof(float);
        if (bytes) memcpy((void *)(uintptr_t)c->tensors[i].data, file->tensors[i].data, bytes);
        LT_TRY(lt_map_check(file->tensors[i].data, LT_OK));
        lt_map_release(file->tensors[i].data, bytes);
    }
    *state = run;
    return LT_OK;
}

bool lt_state_recognise(const lt_checkpoint *file) { return lt_checkpoint_metadata(file, run_key) != NULL; }

lt_status lt_state_load(const char *path, lt_optimizer *optimizer, lt_run_state *state, char **settings) {
    content c;
    lt_checkpoint file;
    *settings = NULL;
    LT_TRY(content_of(optimizer, &c));
    lt_status status = lt_checkpoint_open(path, &file);
    if (!status) {
        status = read_state(&file, &c, state, settings);
        if (!status)
            optimizer->step = state->step;
        else
            lt_fail_in(status, "%s", path);
        lt_checkpoint_close(&file);
    }
    content_free(&c);
    return status;
}
