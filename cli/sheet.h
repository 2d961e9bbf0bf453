/* Contact sheets: many pictures of one size on one, with their captions below them. */
#ifndef LT_CLI_SHEET_H
#define LT_CLI_SHEET_H

#include "plot_canvas.h"

typedef struct lt_sheet {
    plot_canvas canvas;
    int columns, width, height; /* width, height: of a picture */
    int lines;                  /* of a caption */
} lt_sheet;

/* Lines that a caption takes below a picture of that width, no more than a few: what is longer is cut. */
int lt_sheet_lines(const char *caption, int width);

/* For count pictures. lines: the most that any caption takes. */
lt_status lt_sheet_open(lt_sheet *sheet, size_t count, int columns, int width, int height, int lines);
/* Puts picture i where it belongs, from the left, then down. */
void lt_sheet_put(lt_sheet *sheet, size_t i, const lt_image *image, const char *caption);
lt_status lt_sheet_save(lt_sheet *sheet, const char *path);
void lt_sheet_close(lt_sheet *sheet); /* a zeroed one is fine */

#endif
