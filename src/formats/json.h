/* JSON from strangers: read by jansson, within bounds. */
#ifndef LT_JSON_H
#define LT_JSON_H

#include "base/base.h"

#include <jansson.h>

enum {
    LT_JSON_MAX_SIGNS = 1 << 21, /* { [ : and , outside of strings */
    LT_JSON_MAX_DEPTH = 64,
    LT_JSON_SIGN_BYTES = 128 /* of jansson's memory at most, for each; and two for each byte of text */
};

/* Parses text [size] with jansson's flags; free *root with json_decref. LT_ERROR_FORMAT says where it is broken, or
 * that it holds more than any checkpoint does; *root is NULL then. */
lt_status lt_json_read(const char *text, size_t size, size_t flags, json_t **root);
/* The same of what Python's json module writes: where JSON has no such value (NaN, Infinity, numbers that no double or
 * 64 bits hold) an empty object is read, and U+FFFD for half a surrogate pair. Keys that are read must be checked for
 * what they hold; all others may hold anything. */
lt_status lt_json_read_lenient(const char *text, size_t size, size_t flags, json_t **root);

#endif
