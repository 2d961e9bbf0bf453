/* What plots are drawn with: smooth lines and letters on a white picture. Shapes first add to a mask, where those that
 * overlap count once, and are then inked in one colour. Pixel (0, 0) is the top left one's centre. */
#ifndef PLOT_CANVAS_H
#define PLOT_CANVAS_H

#include "tools/tools.h"

typedef struct plot_canvas {
    lt_image image;
    uint8_t *mask;                /* [height, width] */
    int left, top, right, bottom; /* the mask takes nothing from outside; right and bottom are beyond it */
} plot_canvas;

lt_status plot_canvas_open(int width, int height, plot_canvas *c);
void plot_canvas_close(plot_canvas *c); /* a zeroed one is fine */

void plot_clip(plot_canvas *c, int left, int top, int right, int bottom);
/* Round ends; a line without length is a dot. */
void plot_line(plot_canvas *c, float x0, float y0, float x1, float y1, float width);
/* x, y is the top left of a text whose letters are 7 * size high, some 2 * size lower; beyond ASCII there are question
 * marks. */
void plot_text(plot_canvas *c, float x, float y, float size, const char *text);
float plot_text_width(float size, const char *text);
/* Lays the mask over the picture in a colour 0xRRGGBB, then clears it. */
void plot_ink(plot_canvas *c, uint32_t colour, float opacity);

#endif
