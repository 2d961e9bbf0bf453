/* What every program in C needs and the library keeps for itself: memory that says when there is none, a clock. */
#ifndef LT_CLI_TOOLS_H
#define LT_CLI_TOOLS_H

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
void *cli_alloc(size_t size);
void *cli_calloc(size_t count, size_t size);
char *cli_strdup(const char *text);
char *cli_strndup(const char *text, size_t size);
char *cli_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* text, of malloc or NULL; from now on it stays until the program ends. */
char *cli_kept(char *text);

static inline size_t cli_least(size_t a, size_t b) { return a < b ? a : b; }

/* Seconds on a clock that only goes forward. */
double cli_now(void);

#endif
