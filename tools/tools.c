/* Memory and time. */
#include "tools.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void *told(void *memory) {
    if (!memory) lt_fail(LT_ERROR_MEMORY, "out of memory");
    return memory;
}

void *tool_alloc(size_t size) { return told(malloc(size ? size : 1)); }
void *tool_calloc(size_t count, size_t size) { return told(calloc(count ? count : 1, size)); }
char *tool_strdup(const char *text) { return text ? told(strdup(text)) : NULL; }
char *tool_strndup(const char *text, size_t size) { return told(strndup(text, size)); }

char *tool_format(const char *format, ...) {
    char *text;
    va_list args;
    va_start(args, format);
    const int size = vasprintf(&text, format, args);
    va_end(args);
    return told(size < 0 ? NULL : text);
}

char *tool_kept(char *text) {
    static struct kept {
        char *text;
        struct kept *next;
    } * all;
    struct kept *one = text ? tool_alloc(sizeof *one) : NULL;
    if (!one) {
        free(text);
        return NULL;
    }
    *one = (struct kept){text, all};
    all = one;
    return text;
}

double tool_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
