/* One field of a struct of options from a JSON value, as the library's table describes it. */
#include "request.h"

#include "tools.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static lt_status refuse(const lt_field *f, const char *wanted) {
    return lt_fail(LT_ERROR_ARGUMENT, "%s: %s is wanted", f->name, wanted);
}

static lt_status refuse_number(const lt_field *f, const char *kind) {
    return lt_fail(LT_ERROR_ARGUMENT, "%s: %s %s %g up to %g is wanted", f->name, kind, f->above ? "above" : "from",
                   f->low, f->high);
}

/* ---- Numbers ---- */

static bool within(const lt_field *f, double v) { return (f->above ? v > f->low : v >= f->low) && v <= f->high; }

static lt_status read_whole(const lt_field *f, const json_t *value, void *at) {
    const json_int_t v = json_integer_value(value);
    if (!json_is_integer(value) || !within(f, (double)v)) return refuse_number(f, "a whole number");
    if (f->kind == LT_FIELD_INT)
        memcpy(at, &(int){(int)v}, sizeof(int));
    else
        memcpy(at, &(long){(long)v}, sizeof(long));
    return LT_OK;
}

static lt_status read_real(const lt_field *f, const json_t *value, void *at) {
    const double v = json_number_value(value);
    if (!json_is_number(value) || !within(f, v)) return refuse_number(f, "a number");
    if (f->kind == LT_FIELD_FLOAT)
        memcpy(at, &(float){(float)v}, sizeof(float));
    else
        memcpy(at, &v, sizeof v);
    return LT_OK;
}

/* Numbers over 2^63 come as text. */
static lt_status read_seed(const lt_field *f, const json_t *value, void *at) {
    char *end = NULL;
    const char *text = json_string_value(value);
    uint64_t seed = text ? strtoull(text, &end, 10) : (uint64_t)json_integer_value(value);
    const bool digits = text && *text >= '0' && *text <= '9' && !*end;
    if (!digits && !json_is_integer(value))
        return refuse(f, "a whole number, -1 for a random one, or its digits as text");
    if (json_integer_value(value) < -1) return refuse(f, "a number from 0, or -1 for a random one");
    if (json_integer_value(value) == -1) seed = lt_random_seed();
    memcpy(at, &seed, sizeof seed);
    return LT_OK;
}

/* [low, high]; null for no end. */
static lt_status read_range(const lt_field *f, const json_t *value, void *at) {
    const json_t *low = json_array_get(value, 0), *high = json_array_get(value, 1);
    const double a = json_number_value(low), b = json_number_value(high);
    const bool two = json_array_size(value) == 2 && json_is_number(low) && (json_is_number(high) || json_is_null(high));
    if (!two || !within(f, a) || !within(f, b) || (b <= a && b != 0)) return refuse(f, "[low, high]");
    memcpy(at, (float[]){(float)a, (float)b}, sizeof(float[2]));
    return LT_OK;
}

/* ---- Words ---- */

static int index_of(const char *const *choices, const char *word) {
    for (int i = 0; word && choices && choices[i]; i++)
        if (!strcmp(choices[i], word)) return i;
    return -1;
}

static lt_status refuse_word(const lt_field *f, const char *word) {
    const char *const *choices = lt_field_choices(f);
    lt_nearest nearest = {.word = word};
    char all[512] = "";
    for (size_t i = 0; choices && choices[i]; i++) {
        lt_nearest_try(&nearest, choices[i], choices[i]);
        if (strlen(all) + strlen(choices[i]) + 3 < sizeof all) strcat(strcat(all, i ? ", " : ""), choices[i]);
    }
    return lt_fail(LT_ERROR_ARGUMENT, "%s: %.100s is none of %s%s%s", f->name, word, all,
                   nearest.name ? "; did you mean " : "", nearest.name ? nearest.name : "");
}

static lt_status read_enum(const lt_field *f, const json_t *value, void *at) {
    const char *word = json_string_value(value);
    const char *const *choices = lt_field_choices(f);
    if (!word) return refuse(f, "a word");
    const char *ours = index_of(choices, word) < 0 && f->by_name ? f->by_name(word) : word;
    const int i = index_of(choices, ours);
    if (i < 0) return refuse_word(f, word);
    memcpy(at, &i, sizeof i);
    return LT_OK;
}

static lt_status read_text(const lt_field *f, const json_t *value, void *at) {
    const char *text = json_string_value(value);
    const char *const *choices = lt_field_choices(f);
    if (!text && !(f->optional && json_is_null(value))) return refuse(f, f->optional ? "a text or null" : "a text");
    if (text && strlen(text) > LT_JOB_TEXT)
        return lt_fail(LT_ERROR_UNSUPPORTED, "%s: longer than %d bytes", f->name, LT_JOB_TEXT);
    const bool known = !text || !choices || index_of(choices, text) >= 0 || (f->by_name && f->by_name(text));
    if (!known) return refuse_word(f, text);
    memcpy(at, &text, sizeof text);
    return LT_OK;
}

static lt_status read_bool(const lt_field *f, const json_t *value, void *at) {
    if (!json_is_boolean(value)) return refuse(f, "true or false");
    memcpy(at, &(bool){json_is_true(value)}, sizeof(bool));
    return LT_OK;
}

lt_status lt_job_field_read(const lt_field *field, const json_t *value, void *options) {
    void *at = (char *)options + field->offset;
    switch (field->kind) {
    case LT_FIELD_BOOL: return read_bool(field, value, at);
    case LT_FIELD_INT:
    case LT_FIELD_LONG: return read_whole(field, value, at);
    case LT_FIELD_FLOAT:
    case LT_FIELD_DOUBLE: return read_real(field, value, at);
    case LT_FIELD_SEED: return read_seed(field, value, at);
    case LT_FIELD_RANGE: return read_range(field, value, at);
    case LT_FIELD_ENUM: return read_enum(field, value, at);
    case LT_FIELD_TEXT:
    case LT_FIELD_CHOICE: return read_text(field, value, at);
    case LT_FIELD_LIST:
    case LT_FIELD_SIZE:
    case LT_FIELD_FILE:
    case LT_FIELD_RESERVED: break;
    }
    return lt_fail(LT_ERROR_ARGUMENT, "%s: it can't be set here", field->name);
}
