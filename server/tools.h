/* What every file of the server needs: memory that says when there is none, clocks, names, lines of the log. */
#ifndef LT_SERVER_TOOLS_H
#define LT_SERVER_TOOLS_H

#include "latent.h"

#define LT_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LT_S(n)         ((n) == 1 ? "" : "s")

/* Leaves the function when expr fails. Use it only where there is nothing to clean up. */
#define LT_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        const lt_status lt_try_status_ = (expr);                                                                       \
        if (lt_try_status_) return lt_try_status_;                                                                     \
    } while (0)

/* Of the C library, with a message where they fail, which is LT_ERROR_MEMORY; free() what they return. */
void *server_calloc(size_t count, size_t size);
char *server_strdup(const char *text); /* NULL of NULL, without a message */
char *server_format(const char *format, ...) LT_PRINTF(1, 2);

/* A message may quote bytes that are no UTF-8, which JSON can't hold: then '?' stands for all that are no ASCII. */
void server_make_utf8(char *text);

double server_now(void);  /* seconds on a clock that only goes forward */
double server_time(void); /* Unix time */
/* text [2 * bytes + 1]: so many random bytes of the operating system in hexadecimal. */
void server_random_name(char *text, size_t bytes);

/* One line of the log on standard error, at once: time, id, and what is said, with '?' for control characters, for a
 * stranger's text may be in it. id: of a request or a job; NULL: of neither. */
void server_log(const char *id, const char *format, ...) LT_PRINTF(2, 3);

#endif
