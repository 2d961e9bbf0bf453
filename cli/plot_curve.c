/* Curves from training logs. */
#include "plot_curve.h"

#include "base/file.h"
#include "formats/json.h"

#include <math.h>
#include <string.h>

/* ---- Reading ---- */

/* Numbers beyond are no losses, and their ranges could not be computed. */
static const double largest = 1e100;

static bool is_plain(const json_t *value) { return json_is_number(value) && fabs(json_number_value(value)) <= largest; }

/* Adds a row, if it has the number. */
static void add_row(const json_t *row, const char *field, bool logarithmic, plot_curve *curve) {
    const json_t *step = json_object_get(row, "step"), *value = json_object_get(row, field);
    if (!is_plain(step) || !is_plain(value)) return;
    const double y = json_number_value(value);
    if (logarithmic && y <= 0) return;
    curve->x[curve->count] = json_number_value(step);
    curve->y[curve->count++] = logarithmic ? log10(y) : y;
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
static lt_status complain_about(json_t *row, const char *field, bool logarithmic) {
    lt_buffer names = {0};
    lt_status status = list_numbers(row, &names);
    if (!status)
        status = lt_fail(LT_ERROR_FORMAT, "no row has a step and a number \"%s\"%s; numbers of the last row: %s", field,
                         logarithmic ? " above 0" : "", names.data ? names.data : "none");
    lt_buffer_free(&names);
    return status;
}

static size_t count_lines(const char *text, size_t size) {
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += text[i] == '\n';
    return count;
}

static lt_status read_rows(const char *text, size_t size, const char *field, bool logarithmic, plot_curve *curve) {
    json_t *last = NULL;
    const char *end;
    size_t line = 1;
    lt_status status = LT_OK;
    for (size_t at = 0; at < size && (end = memchr(text + at, '\n', size - at)); line++) {
        json_t *row;
        status = lt_json_read_lenient(text + at, (size_t)(end - text) - at, 0, &row);
        at = (size_t)(end + 1 - text);
        json_decref(last);
        last = row;
        if (status == LT_ERROR_MEMORY) break;
        if (status || !json_is_object(row)) {
            status = lt_fail(LT_ERROR_FORMAT, "line %zu is no row of a training log: a JSON object", line);
            break;
        }
        add_row(row, field, logarithmic, curve);
    }
    if (!status && curve->count == 0) status = complain_about(last, field, logarithmic);
    json_decref(last);
    return status;
}

lt_status plot_curve_read(const char *path, const char *field, bool logarithmic, plot_curve *curve) {
    lt_map map;
    *curve = (plot_curve){0};
    LT_TRY(lt_map_open(path, &map));
    const char *text = (const char *)map.data;
    const size_t lines = count_lines(text, map.size);
    curve->x = lt_calloc(lines, sizeof *curve->x);
    curve->y = lt_calloc(lines, sizeof *curve->y);
    lt_status status = LT_ERROR_MEMORY;
    if (curve->x && curve->y) status = read_rows(text, map.size, field, logarithmic, curve);
    status = lt_map_finish(&map, status);
    if (!status) return LT_OK;
    plot_curve_free(curve);
    return lt_fail_in(status, "%s", path);
}

void plot_curve_free(plot_curve *curve) {
    lt_free(curve->x);
    lt_free(curve->y);
    lt_free(curve->smooth);
    *curve = (plot_curve){0};
}

/* ---- Smoothing ---- */

/* out[i] is the mean of in from reach rows before i to reach rows behind it. Near the beginning, where losses fall
 * steeply, it looks ahead no further than back; at the end it looks back only. sums [count + 1]. */
static void average(const double *in, double *out, size_t count, size_t reach, double *sums) {
    sums[0] = 0;
    for (size_t i = 0; i < count; i++) sums[i + 1] = sums[i] + in[i];
    for (size_t i = 0; i < count; i++) {
        const size_t back = lt_min(reach, i), ahead = lt_min(back, count - 1 - i);
        out[i] = (sums[i + ahead + 1] - sums[i - back]) / (double)(back + ahead + 1);
    }
}

/* Twice a flat window: once would leave corners. */
lt_status plot_curve_smooth(plot_curve *curve, size_t window) {
    const size_t n = curve->count;
    if (!window) window = lt_max(n / 50, lt_min(n / 10, 5));
    curve->smooth = lt_calloc(n, sizeof *curve->smooth);
    double *sums = lt_calloc(n + 1, sizeof *sums);
    if (curve->smooth && sums) {
        average(curve->y, curve->smooth, n, window / 2, sums);
        average(curve->smooth, curve->smooth, n, window / 2, sums);
    }
    const lt_status status = curve->smooth && sums ? LT_OK : LT_ERROR_MEMORY;
    lt_free(sums);
    return status;
}
