/* Reading taps. */
#include "taps_request.h"

#include "request.h"
#include "tools.h"
#include "tools/base64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {"step", "activation", "attention", "heat", NULL}; /* as lt_tap_kind */
static const char *const as_what[] = {"values", "picture", "components", "mean", NULL};

/* clang-format off */
#define AT(member) .offset = offsetof(lt_taps_wanted, member)
static const lt_field fields[] = {
    {.name = "kind", AT(tap.kind), .kind = LT_FIELD_ENUM, .choices = kinds},
    {.name = "name", AT(tap.name), .kind = LT_FIELD_TEXT, .optional = true},
    {.name = "first", AT(tap.first), .kind = LT_FIELD_INT, .high = 10000},
    {.name = "last", AT(tap.last), .kind = LT_FIELD_INT, .high = 10000},
    {.name = "every", AT(tap.every), .kind = LT_FIELD_INT, .high = 10000},
    {.name = "heads", AT(tap.heads), .kind = LT_FIELD_BOOL},
    {.name = "as", AT(as), .kind = LT_FIELD_ENUM, .choices = as_what},
    {.name = "side", AT(side), .kind = LT_FIELD_INT, .high = LT_TAPS_MOST_SIDE},
    {.name = "branches", AT(branches), .kind = LT_FIELD_BOOL},
    {0},
};
#undef AT
/* clang-format on */

static lt_status read_field(const char *name, const json_t *value, lt_taps_wanted *wanted) {
    const lt_field *field = lt_fields_find(fields, name);
    lt_nearest nearest = {.word = name};
    if (field) return lt_job_field_read(field, value, wanted);
    for (const lt_field *f = fields; f->name; f++) lt_nearest_try(&nearest, f->name, f->name);
    return lt_fail(LT_ERROR_ARGUMENT, "%.100s: there is no such key%s%s", name, nearest.name ? "; did you mean " : "",
                   nearest.name ? nearest.name : "");
}

static lt_status check_as(const lt_taps_wanted *w) {
    const bool step = w->tap.kind == LT_TAP_STEP, heat = w->tap.kind == LT_TAP_HEAT;
    if (w->as == LT_TAPS_PICTURE && !step) return lt_fail(LT_ERROR_ARGUMENT, "as: picture is of latents: of step");
    if (w->as == LT_TAPS_COMPONENTS && w->tap.kind != LT_TAP_ACTIVATION)
        return lt_fail(LT_ERROR_ARGUMENT, "as: components is of activation");
    if (w->as == LT_TAPS_MEAN && (step || heat))
        return lt_fail(LT_ERROR_ARGUMENT, "as: mean is of activation and attention");
    return LT_OK;
}

static lt_status read_tap(const json_t *item, lt_taps_wanted *wanted) {
    const char *name;
    json_t *value;
    if (!json_is_object(item) || !json_object_get(item, "kind"))
        return lt_fail(LT_ERROR_ARGUMENT, "{kind, name, first, last, every, heads, as, side, branches} is wanted");
    json_object_foreach((json_t *)(uintptr_t)item, name, value) LT_TRY(read_field(name, value, wanted));
    return check_as(wanted);
}

static lt_status read_taps(const json_t *list, lt_taps_request *r) {
    if (list && !json_is_array(list)) return lt_fail(LT_ERROR_ARGUMENT, "taps: a list is wanted");
    if (json_array_size(list) > LT_TAPS_MOST) return lt_fail(LT_ERROR_UNSUPPORTED, "taps: %d at most", LT_TAPS_MOST);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const lt_status status = read_tap(json_array_get(list, i), &r->wanted[i]);
        if (status) return lt_fail_in(status, "taps[%zu]", i);
        r->taps[r->count++] = r->wanted[i].tap;
    }
    return LT_OK;
}

/* ---- Numbers ---- */

float *lt_floats_read(const json_t *text, size_t *count) {
    size_t size = 0;
    float *numbers = json_is_string(text) ? lt_base64_read(json_string_value(text), &size) : NULL;
    bool finite = numbers && size % sizeof *numbers == 0;
    *count = size / sizeof *numbers;
    for (size_t i = 0; finite && i < *count; i++) finite = isfinite(numbers[i]);
    if (finite) return numbers;
    free(numbers);
    return NULL;
}

static lt_status read_noise(const json_t *text, lt_taps_request *r) {
    if (!text || json_is_null(text)) return LT_OK;
    r->noise = lt_floats_read(text, &r->noise_count);
    return r->noise ? LT_OK : lt_fail(LT_ERROR_ARGUMENT, "noise: float32 numbers in base64 are wanted");
}

/* ---- All of it ---- */

static lt_status read_all(const json_t *body, lt_taps_request *r) {
    const json_t *count = json_object_get(body, "count");
    if (count && json_integer_value(count) != 1)
        return lt_fail(LT_ERROR_ARGUMENT, "count: 1 is wanted: taps are of one picture");
    LT_TRY(read_taps(json_object_get(body, "taps"), r));
    LT_TRY(read_noise(json_object_get(body, "noise"), r));
    r->job = json_copy((json_t *)(uintptr_t)body);
    if (!r->job) return lt_fail(LT_ERROR_MEMORY, "out of memory");
    json_object_del(r->job, "taps");
    json_object_del(r->job, "noise");
    return LT_OK;
}

lt_status lt_taps_request_read(const json_t *body, lt_taps_request *request) {
    *request = (lt_taps_request){0};
    if (!json_is_object(body)) return lt_fail(LT_ERROR_ARGUMENT, "a job is a JSON object");
    const lt_status status = read_all(body, request);
    if (status) lt_taps_request_free(request);
    return status;
}

void lt_taps_request_free(lt_taps_request *request) {
    json_decref(request->job);
    free(request->noise);
    *request = (lt_taps_request){0};
}
