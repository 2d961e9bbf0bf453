/* JSON as other programs' clients send it. */
#include "json_lax.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

json_t *lt_lax_get(const json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

/* All of a text as a number. */
static bool number_in(const char *text, double *out) {
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out);
}

bool lt_lax_number(const json_t *value, double *out) {
    if (json_is_string(value)) return number_in(json_string_value(value), out);
    if (!json_is_number(value)) return false;
    *out = json_number_value(value);
    return true;
}

/* As far as doubles go, a whole number is exact. */
static bool whole(double number, json_int_t *out) {
    if (number != floor(number) || fabs(number) > 9007199254740992.0) return false;
    *out = (json_int_t)number;
    return true;
}

static bool int_in(const char *text, json_int_t *out) {
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return end != text && !*end && !errno;
}

bool lt_lax_int(const json_t *value, json_int_t *out) {
    double number;
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    if (json_is_string(value) && int_in(json_string_value(value), out)) return true;
    return lt_lax_number(value, &number) && whole(number, out);
}

/* As pydantic takes it. */
static bool flag_in(const char *text, bool *out) {
    static const char *const yes[] = {"true", "on", "yes", "y", "t", "1", NULL};
    static const char *const no[] = {"false", "off", "no", "n", "f", "0", NULL};
    for (const char *const *word = yes; *word; word++)
        if (!strcasecmp(*word, text)) return *out = true;
    for (const char *const *word = no; *word; word++)
        if (!strcasecmp(*word, text)) {
            *out = false;
            return true;
        }
    return false;
}

bool lt_lax_flag(const json_t *value, bool *out) {
    double number;
    if (json_is_string(value)) return flag_in(json_string_value(value), out);
    if (json_is_boolean(value)) {
        *out = json_is_true(value);
        return true;
    }
    if (!lt_lax_number(value, &number) || (number != 0 && number != 1)) return false;
    *out = number == 1;
    return true;
}

const char *lt_lax_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

json_t *lt_lax_of_text(const char *text) {
    double number;
    json_int_t integer;
    if (int_in(text, &integer)) return json_integer(integer);
    return number_in(text, &number) ? json_real(number) : json_string(text);
}
