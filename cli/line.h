/* A line of standard error that tells how far something is: on a terminal it overwrites itself and is never wider,
 * elsewhere each is a line of its own. */
#ifndef LT_CLI_LINE_H
#define LT_CLI_LINE_H

#include "cli.h"

typedef struct lt_line {
    bool open; /* the cursor is behind a line that is not ended */
} lt_line;

/* Whether somebody watches: a terminal, and none that can't move its cursor. */
bool lt_line_watched(void);
/* Characters that fit into it, as wide as the terminal is now. */
size_t lt_line_room(void);
void lt_line_show(lt_line *line, const char *text);
/* Ends an open line, so that a message can follow; or wipes it out. */
void lt_line_end(lt_line *line);
void lt_line_clear(lt_line *line);

#endif
