/* What every file of the server needs besides: the time, names, lines of the log. */
#ifndef LT_SERVER_TOOLS_H
#define LT_SERVER_TOOLS_H

#include "tools/tools.h"

/* A message may quote bytes that are no UTF-8, which JSON can't hold: then '?' stands for all that are no ASCII. */
void server_make_utf8(char *text);

double server_time(void); /* Unix time */
/* text [2 * bytes + 1]: so many random bytes of the operating system in hexadecimal. */
void server_random_name(char *text, size_t bytes);

/* One line of the log on standard error, at once: time, id, and what is said, with '?' for control characters, for a
 * stranger's text may be in it. id: of a request or a job; NULL: of neither. */
void server_log(const char *id, const char *format, ...) LT_PRINTF(2, 3);

#endif
