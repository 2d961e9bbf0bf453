/* Words of several parts with colons between them. */
#include "colons.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Numbers ---- */

double lt_decimal(const char *text, char **end) {
    const size_t size = strspn(text, " +-.0123456789eE");
    const double number = strtod(text, end);
    if (*end > text + size) *end = (char *)(uintptr_t)text;
    return number;
}

/* Where the last ":NUMBER" of text begins, and the number; NULL: it ends in none. */
static char *last_number(char *text, double *number) {
    char *colon = strrchr(text, ':'), *end;
    if (!colon || colon == text) return NULL;
    const double found = lt_decimal(colon + 1, &end);
    if (end == colon + 1 || *end) return NULL;
    *number = found;
    return colon;
}

int lt_numbers_take(char *text, int most, double *numbers) {
    int count = 0;
    for (char *at; count < most && (at = last_number(text, &numbers[count])); count++) *at = '\0';
    return count;
}

static bool is_file(const char *path) { return *path && !access(path, F_OK); }

/* ".safetensors", but not ".5". */
static bool has_ending(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && isalpha((unsigned char)dot[1]);
}

const char *lt_number_meant(const char *text) {
    const char *colon = strrchr(text, ':'), *last = colon ? colon + 1 : NULL;
    const bool named = !last || is_file(text) || is_file(last) || strchr(last, '/') || has_ending(last);
    return named ? NULL : last;
}

/* ---- Files ---- */

/* Whether there is a file called as the first size bytes of text. */
static bool begins_with_file(const char *text, size_t size) {
    char *path = size ? tool_strndup(text, size) : NULL;
    const bool there = path && is_file(path);
    free(path);
    return there;
}

char *lt_colon_between(char *text) {
    char *behind = NULL, *last = NULL;
    for (char *colon = text; (colon = strchr(colon, ':')); colon++) {
        if (colon == text || !colon[1]) continue;
        const bool there = is_file(colon + 1);
        if (there && begins_with_file(text, (size_t)(colon - text))) return colon;
        if (there && !behind) behind = colon;
        last = colon;
    }
    return behind ? behind : last;
}

const char *lt_colon_behind(const char *text) {
    const char *first = strchr(text, ':');
    for (const char *colon = first; colon; colon = strchr(colon + 1, ':'))
        if (begins_with_file(text, (size_t)(colon - text))) return colon;
    return first == text ? NULL : first;
}
