/* The time, names, the log. */
#include "tools.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

void server_make_utf8(char *text) {
    json_t *string = json_string(text);
    for (char *c = text; !string && *c; c++)
        if ((unsigned char)*c >= 128) *c = '?';
    json_decref(string);
}

double server_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Up to 256 bytes come at once and whole, once the system has any randomness (getrandom(2)). */
void server_random_name(char *text, size_t bytes) {
    unsigned char random[32];
    if (bytes > sizeof random || getrandom(random, bytes, 0) != (ssize_t)bytes) abort();
    for (size_t i = 0; i < bytes; i++) snprintf(text + 2 * i, 3, "%02x", random[i]);
}

/* ---- The log ---- */

enum { LINE = 1024 };

static size_t begin_line(char line[LINE], const char *id) {
    struct timespec t;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &parts);
    const size_t size = strftime(line, LINE, "%FT%T", &parts);
    return size + (size_t)snprintf(line + size, LINE - size, ".%03ldZ %s ", t.tv_nsec / 1000000, id ? id : "-");
}

void server_log(const char *id, const char *format, ...) {
    char line[LINE + 1];
    const size_t begun = begin_line(line, id);
    va_list values;
    va_start(values, format);
    const int said = vsnprintf(line + begun, LINE - begun, format, values);
    va_end(values);
    size_t size = said < 0 ? begun : begun + (size_t)said;
    if (size > LINE - 1) size = LINE - 1;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 127) line[i] = '?';
    line[size] = '\n';
    if (write(STDERR_FILENO, line, size + 1) < 0) return; /* whom should that be told? */
}
