/* The log of a training run: one JSON object a line, which goes on where the state does. */
#include "train/state.h"

#include "base/file.h"
#include "formats/json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct lt_log_file {
    int descriptor;
    off_t size; /* of whole rows */
    char *path;
};

/* ---- Opening ---- */

static const char beginning[] = "{\"step\":"; /* of every row that we write */

/* *step is the row's, or -1 for a line that is no row. */
static lt_status step_of(const char *line, size_t size, json_int_t *step) {
    json_t *row;
    *step = -1;
    if (lt_json_read(line, size, 0, &row) == LT_ERROR_MEMORY) return LT_ERROR_MEMORY;
    const json_t *value = json_object_get(row, "step");
    if (json_is_integer(value)) *step = json_integer_value(value);
    json_decref(row);
    return LT_OK;
}

/* Can the rest of a file, which has no line end, be a row of ours that was torn? Zeros are what a loss of power leaves.
 */
static bool is_torn_row(const char *rest, size_t size) {
    return rest[0] == '\0' || memcmp(rest, beginning, lt_min(size, sizeof beginning - 1)) == 0;
}

/* *keep is how many bytes the rows up to step take. A file that is no log is refused: it would be cut. */
static lt_status find_end(const char *path, const char *text, size_t size, long step, size_t *keep) {
    for (*keep = 0; *keep < size;) {
        const char *line = text + *keep, *end = memchr(line, '\n', size - *keep);
        json_int_t row = -1;
        if (end) LT_TRY(step_of(line, (size_t)(end - line), &row));
        if (row > step || (!end && is_torn_row(line, size - *keep))) return LT_OK;
        if (row < 0)
            return lt_fail(LT_ERROR_FORMAT, "%s: byte %zu begins no row of a training log: name another file", path,
                           *keep);
        *keep = (size_t)(end + 1 - text);
    }
    return LT_OK;
}

/* Cuts the file at path, if there is one, behind the rows up to step. */
static lt_status cut(const char *path, long step, off_t *size) {
    struct stat info;
    lt_map map;
    size_t keep;
    *size = 0;
    if (stat(path, &info) != 0 && errno == ENOENT) return LT_OK;
    LT_TRY(lt_map_open(path, &map));
    const size_t before = map.size;
    LT_TRY(lt_map_finish(&map, find_end(path, (const char *)map.data, before, step, &keep)));
    const bool whole = keep == before;
    *size = (off_t)keep;
    if (!whole && truncate(path, *size) != 0)
        return lt_fail(LT_ERROR_FILE, "%s: can't be cut to its rows up to step %ld: %s", path, step, strerror(errno));
    return LT_OK;
}

lt_status lt_log_open(const char *path, long step, lt_log *log) {
    *log = (lt_log){0};
    off_t size;
    LT_TRY(cut(path, step, &size));
    struct lt_log_file *file = lt_calloc(1, sizeof *file);
    if (!file) return LT_ERROR_MEMORY;
    *file = (struct lt_log_file){-1, size, lt_strdup(path)};
    lt_status status = file->path ? LT_OK : LT_ERROR_MEMORY;
    if (!status) {
        file->descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (file->descriptor < 0) status = lt_fail(LT_ERROR_FILE, "%s: can't be written: %s", path, strerror(errno));
    }
    log->file = file;
    if (status) lt_log_close(log);
    return status;
}

void lt_log_close(lt_log *log) {
    if (!log->file) return;
    if (log->file->descriptor >= 0) close(log->file->descriptor);
    lt_free(log->file->path);
    lt_free(log->file);
    *log = (lt_log){0};
}

/* ---- Writing ---- */

/* Adds a number to a row; JSON has no infinities or NaN: null stands for them. */
static bool add(json_t *row, const char *name, double value) {
    return json_object_set_new(row, name, isfinite(value) ? json_real(value) : json_null()) == 0;
}

/* The line, its end included, to be freed by free(), or NULL. */
static char *make_line(const lt_log_row *r, size_t *size) {
    json_t *row = json_pack("{s:I}", "step", (json_int_t)r->step);
    bool ok = add(row, "seconds", r->seconds) && add(row, "loss", r->loss) && add(row, "rate", r->rate) &&
              add(row, "gradient_norm", r->gradient_norm) && add(row, "samples_per_second", r->samples_per_second);
    for (size_t i = 0; i < LT_COUNT(r->name) && ok; i++)
        if (r->name[i]) ok = add(row, r->name[i], r->value[i]);
    char *text = ok ? json_dumps(row, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(row);
    if (!text) {
        lt_fail(LT_ERROR_MEMORY, "out of memory: a row of the log can't be written");
        return NULL;
    }
    *size = strlen(text) + 1;
    text[*size - 1] = '\n'; /* the size goes with it: it needs no NUL */
    return text;
}

lt_status lt_log_write(lt_log *log, const lt_log_row *row) {
    struct lt_log_file *file = log->file;
    size_t size, done = 0;
    char *line = make_line(row, &size);
    if (!line) return LT_ERROR_MEMORY;
    lt_status status = LT_OK;
    while (done < size && !status) {
        const ssize_t n = write(file->descriptor, line + done, size - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            status = lt_fail(LT_ERROR_FILE, "%s: can't be written: %s", file->path, strerror(errno));
    }
    free(line);
    if (!status)
        file->size += (off_t)size;
    else if (done && ftruncate(file->descriptor, file->size) != 0) /* half a row would spoil the next one */
        lt_fail_in(status, "the log ends in half a row");
    return status;
}
