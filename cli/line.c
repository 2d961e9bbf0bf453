/* A line that tells how far something is. */
#include "line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool lt_line_watched(void) {
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && !(terminal && !strcmp(terminal, "dumb"));
}

/* Asked each time: windows are resized. One column is left for the cursor, which would go on to the next row. */
size_t lt_line_room(void) {
    struct winsize window = {0};
    const char *columns = getenv("COLUMNS");
    long wide = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 ? window.ws_col : 0;
    if (wide <= 0 && columns) wide = strtol(columns, NULL, 10);
    return wide > 0 ? (size_t)wide - 1 : 79;
}

void lt_line_show(lt_line *line, const char *text) {
    line->open = lt_line_watched();
    if (line->open)
        fprintf(stderr, "\r%.*s\033[K", (int)lt_line_room(), text); /* and what is left of a longer one goes */
    else
        fprintf(stderr, "%s\n", text);
}

void lt_line_end(lt_line *line) {
    if (line->open) fputc('\n', stderr);
    line->open = false;
}

void lt_line_clear(lt_line *line) {
    if (line->open) fprintf(stderr, "\r\033[K");
    line->open = false;
}
