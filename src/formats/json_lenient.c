/* JSON as Python's json module writes and reads it: with NaN, Infinity, numbers of any size, and halves of surrogate
 * pairs. What nobody asks for must not refuse a whole file, so that such a value becomes another of the same length,
 * of which whoever does ask can make nothing: an empty object, or U+FFFD within a string. */
#include "formats/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Strings ---- */

enum { ESCAPE = 6 /* bytes of "\uXXXX" */ };

/* The UTF-16 unit that "\uXXXX" at text stands for, or 0 for anything else. */
static long unit_of(const char *text) {
    char digits[5] = "";
    if (text[0] != '\\' || text[1] != 'u' || strspn(text + 2, "0123456789abcdefABCDEF") < 4) return 0;
    memcpy(digits, text + 2, 4);
    return strtol(digits, NULL, 16);
}

static bool is_high(long unit) { return unit >= 0xD800 && unit < 0xDC00; }
static bool is_low(long unit) { return unit >= 0xDC00 && unit < 0xE000; }

/* What stands at text, within a string. Returns how many bytes have been seen to. */
static size_t mend_character(char *text) {
    if (*text != '\\') return 1;
    const long unit = unit_of(text);
    if (is_high(unit) && is_low(unit_of(text + ESCAPE))) return 2 * ESCAPE;
    if (is_high(unit) || is_low(unit)) memcpy(text, "\\ufffd", ESCAPE);
    return text[1] ? 2 : 1;
}

/* ---- Numbers ---- */

/* The bytes of the JSON number that text begins with, 0 if none does. */
static size_t number_size(const char *text, bool *whole) {
    static const char digits[] = "0123456789";
    const char *at = text + (*text == '-');
    const size_t before = *at == '0' ? 1 : strspn(at, digits);
    if (!before) return 0;
    const char *end = at += before;
    const size_t behind = *at == '.' ? strspn(at + 1, digits) : 0;
    if (behind) at += 1 + behind;
    const size_t sign = (*at == 'e' || *at == 'E') && (at[1] == '-' || at[1] == '+');
    const size_t exponent = *at == 'e' || *at == 'E' ? strspn(at + 1 + sign, digits) : 0;
    if (exponent) at += 1 + sign + exponent;
    *whole = at == end;
    return (size_t)(at - text);
}

static bool is_too_large(const char *number, bool whole) {
    if (!whole) return isinf(strtod(number, NULL));
    errno = 0;
    strtoll(number, NULL, 10);
    return errno == ERANGE;
}

/* The bytes of Python's NaN, Infinity or -Infinity, 0 if it is none. */
static size_t word_size(const char *text) {
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    for (size_t i = 0; i < LT_COUNT(words); i++)
        if (!strncmp(text, words[i], strlen(words[i]))) return strlen(words[i]);
    return 0;
}

/* The same outside of strings. */
static size_t mend_value(char *text) {
    bool whole;
    const size_t word = word_size(text), size = word ? word : number_size(text, &whole);
    if (!word && (!size || !is_too_large(text, whole))) return lt_max(size, 1);
    memset(text, ' ', size);
    memcpy(text, "{}", 2);
    return size;
}

/* ---- All of it ---- */

/* text ends with a NUL. */
static void mend(char *text, size_t size) {
    bool quoted = false;
    for (size_t i = 0; i < size;) {
        if (text[i] == '"') quoted = !quoted;
        i += quoted ? mend_character(text + i) : mend_value(text + i);
    }
}

lt_status lt_json_read_lenient(const char *text, size_t size, size_t flags, json_t **root) {
    *root = NULL;
    char *copy = lt_strndup(size ? text : "", size);
    if (!copy) return LT_ERROR_MEMORY;
    mend(copy, size);
    const lt_status status = lt_json_read(copy, size, flags, root);
    lt_free(copy);
    return status;
}
