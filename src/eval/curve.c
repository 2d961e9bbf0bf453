/* Training logs: one number of their rows. */
#include "base/door.h"
#include "base/map.h"
#include "formats/json.h"

#include <math.h>
#include <string.h>

/* Numbers beyond are no losses, and their ranges could not be computed. */
static const double largest = 1e100;

static bool is_plain(const json_t *value) { return json_is_number(value) && fabs(json_number_value(value)) <= largest; }

/* Adds a row, if it has the number. */
static void add_row(const json_t *row, const char *field, lt_curve *curve) {
    const json_t *step = json_object_get(row, "step"), *value = json_object_get(row, field);
    if (!is_plain(step) || !is_plain(value)) return;
    curve->steps[curve->count] = json_number_value(step);
    curve->values[curve->count++] = json_number_value(value);
}

/* The names of a row's numbers, with commas between. */
static lt_status list_numbers(json_t *row, lt_buffer *names) {
    const char *key;
    json_t *value;
    json_object_foreach(row, key, value) {
        if (!json_is_number(value)) continue;
        if (names->size) LT_TRY(lt_buffer_append(names, ", ", 2));
        LT_TRY(lt_buffer_append(names, key, strlen(key)));
    }
    return LT_OK;
}

/* Nothing was found: says what is there, by the last row. */
static lt_status complain_about(json_t *row, const char *field) {
    lt_buffer names = {0};
    lt_status status = list_numbers(row, &names);
    if (!status)
        status = lt_fail(LT_ERROR_FORMAT, "no row has a step and a number \"%s\"; numbers of the last row: %s", field,
                         names.data ? names.data : "none");
    lt_buffer_free(&names);
    return status;
}

static lt_status read_row(lt_bytes line, size_t number, json_t **row) {
    const lt_status status = lt_json_read_lenient((const char *)line.data, line.size, 0, row);
    if (status == LT_ERROR_MEMORY || (!status && json_is_object(*row))) return status;
    return lt_fail(LT_ERROR_FORMAT, "line %zu is no row of a training log: a JSON object", number);
}

/* Whole lines of text; *text moves behind them. */
static bool next_line(lt_bytes *text, lt_bytes *line) {
    const uint8_t *end = text->size ? memchr(text->data, '\n', text->size) : NULL;
    if (!end) return false;
    *line = (lt_bytes){text->data, (size_t)(end - text->data)};
    *text = (lt_bytes){end + 1, text->size - line->size - 1};
    return true;
}

/* any: at least one row must have the number. */
static lt_status read_rows(lt_bytes text, const char *field, bool any, lt_curve *curve) {
    json_t *last = NULL;
    lt_bytes line;
    lt_status status = LT_OK;
    for (size_t number = 1; !status && next_line(&text, &line); number++) {
        json_t *row = NULL;
        status = read_row(line, number, &row);
        json_decref(last);
        last = row;
        if (!status) add_row(row, field, curve);
    }
    if (!status && any && !curve->count) status = complain_about(last, field);
    json_decref(last);
    return status;
}

static size_t count_lines(lt_bytes text) {
    lt_bytes line;
    size_t count = 0;
    while (next_line(&text, &line)) count++;
    return count;
}

static lt_status read_text(lt_bytes text, const char *field, bool any, lt_curve *curve) {
    const size_t lines = count_lines(text);
    curve->steps = lt_calloc(lines, sizeof *curve->steps);
    curve->values = lt_calloc(lines, sizeof *curve->values);
    return curve->steps && curve->values ? read_rows(text, field, any, curve) : LT_ERROR_MEMORY;
}

static lt_status read_log(const char *path, const char *field, lt_curve *curve) {
    lt_map map;
    LT_TRY(lt_map_open(path, &map));
    const lt_status status = lt_map_finish(&map, read_text((lt_bytes){map.data, map.size}, field, true, curve));
    return status ? lt_fail_in(status, "%s", path) : LT_OK;
}

/* The whole rows from byte `at` on, or all of them. */
static lt_bytes rows_from(const lt_map *map, uint64_t at) {
    const bool grown = at && at <= map->size && map->data[at - 1] == '\n';
    const size_t begin = grown ? (size_t)at : 0;
    size_t end = map->size;
    while (end > begin && map->data[end - 1] != '\n') end--;
    return (lt_bytes){map->data ? map->data + begin : NULL, end - begin};
}

static lt_status follow_log(const char *path, const char *field, uint64_t *at, lt_curve *curve) {
    lt_map map;
    LT_TRY(lt_map_open(path, &map));
    const lt_bytes text = rows_from(&map, *at);
    const uint64_t end = text.data ? (uint64_t)(text.data - map.data) + text.size : 0;
    const lt_status status = lt_map_finish(&map, read_text(text, field, false, curve));
    if (!status) *at = end;
    return status ? lt_fail_in(status, "%s", path) : LT_OK;
}

lt_status lt_curve_read(const char *path, const char *field, lt_curve *curve) {
    const lt_argument arguments[] = {
        LT_PATH_ARGUMENT(path), {"field", field}, {"curve", .out = curve, .size = sizeof *curve}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = read_log(path, field, curve);
    if (status) lt_curve_free(curve);
    return lt_leave(&door, status);
}

lt_status lt_curve_follow(const char *path, const char *field, uint64_t *at, lt_curve *curve) {
    const lt_argument arguments[] = {
        LT_PATH_ARGUMENT(path), {"field", field}, {"at", at}, {"curve", .out = curve, .size = sizeof *curve}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = follow_log(path, field, at, curve);
    if (status) lt_curve_free(curve);
    return lt_leave(&door, status);
}

void lt_curve_free(lt_curve *curve) {
    if (!curve) return;
    lt_free(curve->steps);
    lt_free(curve->values);
    *curve = (lt_curve){0};
}
