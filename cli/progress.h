/* How far a picture is, and how far work is that is counted. */
#ifndef LT_CLI_PROGRESS_H
#define LT_CLI_PROGRESS_H

#include "line.h"
#include "signals.h"

typedef struct lt_progress_line {
    bool quiet;
    const char *preview; /* file that each step's small picture is written to, or NULL */
    lt_line line;
} lt_progress_line;

/* For lt_request.progress, with an lt_progress_line as user: one line that overwrites itself on a terminal, a few lines
 * elsewhere. */
bool lt_progress_show(void *user, const lt_progress *progress);
/* Ends the line that lt_progress_show left open, so that a message can follow. */
void lt_progress_end(lt_progress_line *line);

/* The line of work that is counted: "drawing 37/400, 0:12 left". Zero it and set what is known. */
typedef struct lt_count_line {
    bool quiet;
    const char *what;
    double started, shown, done; /* when, when, and how much was done then */
    lt_line line;
} lt_count_line;

/* Ends the line if it is open, and begins to count something else. */
void lt_count_begin(lt_count_line *line, const char *what);
/* done of count, which may be in the midst of one: shown a few times a second on a terminal and now and then elsewhere.
 * False if a stop was asked for. */
bool lt_count_show(lt_count_line *line, double done, size_t count);
/* The same for whole things, as lt_watch has it; user: the line. */
bool lt_count_show_whole(void *user, size_t done, size_t count);
void lt_count_end(lt_count_line *line);

#endif
