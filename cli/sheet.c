/* Contact sheets. */
#include "sheet.h"

#include <stdio.h>
#include <string.h>

enum { GAP = 4, LINE = 11, MAX_LINES = 3, MAX_LETTERS = 1024 }; /* pixels; a line's letters are 7 high, some 9 */

/* The first line of a caption: as many words as fit into width, at least one. text moves behind it and its spaces. */
static void take_line(const char **text, int width, char line[MAX_LETTERS]) {
    size_t fits = 0, end = 0;
    do {
        end += strspn(*text + end, " ");
        end += strcspn(*text + end, " ");
        snprintf(line, MAX_LETTERS, "%.*s", (int)tool_least(end, MAX_LETTERS), *text);
        if (fits && plot_text_width(1, line) > (float)width) break;
        fits = end;
    } while ((*text)[end]);
    snprintf(line, MAX_LETTERS, "%.*s", (int)tool_least(fits, MAX_LETTERS), *text);
    *text += fits;
    *text += strspn(*text, " ");
}

int lt_sheet_lines(const char *caption, int width) {
    char line[MAX_LETTERS];
    int lines = 0;
    while (*caption && lines < MAX_LINES) {
        take_line(&caption, width, line);
        lines++;
    }
    return lines;
}

static int cell_height(const lt_sheet *s) { return s->height + s->lines * LINE + GAP; }

lt_status lt_sheet_open(lt_sheet *s, size_t count, int columns, int width, int height, int lines) {
    *s = (lt_sheet){
        .columns = (int)tool_least((size_t)columns, count), .width = width, .height = height, .lines = lines};
    const size_t rows = (count + (size_t)s->columns - 1) / (size_t)s->columns;
    const size_t w = (size_t)s->columns * (size_t)(width + GAP) + GAP, h = rows * (size_t)cell_height(s) + GAP;
    if (w > LT_IMAGE_MAX_SIDE || h > LT_IMAGE_MAX_SIDE)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "a sheet of %zu pictures in %d columns would have %zux%zu pixels; a side may have %d: ask for "
                       "fewer pictures or other columns",
                       count, s->columns, w, h, LT_IMAGE_MAX_SIDE);
    return plot_canvas_open((int)w, (int)h, &s->canvas);
}

void lt_sheet_put(lt_sheet *s, size_t i, const lt_image *image, const char *caption) {
    const int left = GAP + (int)(i % (size_t)s->columns) * (s->width + GAP);
    const int top = GAP + (int)(i / (size_t)s->columns) * cell_height(s);
    const size_t row = 3 * tool_least((size_t)image->width, (size_t)s->width),
                 stride = 3 * (size_t)s->canvas.image.width;
    for (size_t y = 0; y < tool_least((size_t)image->height, (size_t)s->height); y++)
        memcpy(s->canvas.image.pixels + ((size_t)top + y) * stride + 3 * (size_t)left,
               image->pixels + y * 3 * (size_t)image->width, row);
    plot_clip(&s->canvas, left, top, left + s->width, top + cell_height(s));
    for (int k = 0; k < s->lines && *caption; k++) {
        char line[MAX_LETTERS];
        take_line(&caption, s->width, line);
        plot_text(&s->canvas, (float)left, (float)(top + s->height + 2 + k * LINE), 1, line);
    }
}

lt_status lt_sheet_save(lt_sheet *s, const char *path) {
    plot_ink(&s->canvas, 0x202020, 1);
    return lt_image_save(path, &s->canvas.image, NULL);
}

void lt_sheet_close(lt_sheet *s) {
    plot_canvas_close(&s->canvas);
    *s = (lt_sheet){0};
}
