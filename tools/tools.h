/* What every program in C needs and the library keeps for itself: memory that says when there is none, a clock. */
#ifndef LT_TOOLS_H
#define LT_TOOLS_H

#include "latent.h"

#define LT_COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* The end of a noun that n counts: "%d step%s". */
#define LT_S(n) ((n) == 1 ? "" : "s")

/* Leaves the function when expr fails. Use it only where there is nothing to clean up. */
#define LT_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        const lt_status lt_try_status_ = (expr);                                                                       \
        if (lt_try_status_) return lt_try_status_;                                                                     \
    } while (0)

/* Of the C library, with a message where they fail, which is LT_ERROR_MEMORY; free() what they return. */
void *tool_alloc(size_t size);
void *tool_calloc(size_t count, size_t size);
char *tool_strdup(const char *text); /* NULL of NULL, without a message */
char *tool_strndup(const char *text, size_t size);
char *tool_format(const char *format, ...) LT_PRINTF(1, 2);
/* text, of malloc or NULL; from now on it stays until the program ends. */
char *tool_kept(char *text);

static inline size_t tool_least(size_t a, size_t b) { return a < b ? a : b; }

/* Seconds on a clock that only goes forward. */
double tool_now(void);

#endif
