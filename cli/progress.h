/* The progress line, and the signals that end a run cleanly. */
#ifndef LT_CLI_PROGRESS_H
#define LT_CLI_PROGRESS_H

#include "cli.h"

typedef struct lt_progress_line {
    bool quiet;
    const char *preview;   /* file that each step's small picture is written to, or NULL */
    int picture, pictures; /* of those that the command makes, counted from 0 */
    bool open;             /* the cursor is behind a line that is not ended */
} lt_progress_line;

/* For lt_request.progress, with an lt_progress_line as user: one line that overwrites itself on a terminal, a few lines
 * elsewhere. */
bool lt_progress_show(void *user, const lt_progress *progress);
/* Ends the line that lt_progress_show left open, so that a message can follow. */
void lt_progress_end(lt_progress_line *line);

/* From now on SIGINT, SIGTERM and SIGHUP make lt_stop_asked true; a second one ends the program at once. */
void lt_stop_on_signals(void);
/* For lt_request.cancelled. */
bool lt_stop_asked(void *user);

#endif
