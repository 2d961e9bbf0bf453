/* What plots are drawn with. */
#include "plot_canvas.h"

#include "plot_font.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

lt_status plot_canvas_open(int width, int height, plot_canvas *c) {
    *c = (plot_canvas){0};
    LT_TRY(lt_image_alloc(width, height, &c->image));
    const size_t pixels = (size_t)width * (size_t)height;
    memset(c->image.pixels, 255, 3 * pixels);
    plot_clip(c, 0, 0, width, height);
    c->mask = tool_calloc(pixels, 1);
    if (c->mask) return LT_OK;
    lt_image_free(&c->image);
    return LT_ERROR_MEMORY;
}

void plot_canvas_close(plot_canvas *c) {
    free(c->mask);
    lt_image_free(&c->image);
    *c = (plot_canvas){0};
}

void plot_clip(plot_canvas *c, int left, int top, int right, int bottom) {
    c->left = left < 0 ? 0 : left;
    c->top = top < 0 ? 0 : top;
    c->right = right > c->image.width ? c->image.width : right;
    c->bottom = bottom > c->image.height ? c->image.height : bottom;
}

/* v as a whole number from low to high, however far away it is. */
static int within(float v, int low, int high) { return v > (float)low ? (v < (float)high ? (int)v : high) : low; }

/* A pixel is covered by how far its centre is inside the line's edge, from half a pixel out to half a pixel in. */
void plot_line(plot_canvas *c, float x0, float y0, float x1, float y1, float width) {
    const float reach = width / 2 + 0.5F, dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
    const int left = within(fminf(x0, x1) - reach, c->left, c->right);
    const int right = within(fmaxf(x0, x1) + reach + 1, c->left, c->right);
    const int top = within(fminf(y0, y1) - reach, c->top, c->bottom);
    const int bottom = within(fmaxf(y0, y1) + reach + 1, c->top, c->bottom);
    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++) {
            const float px = (float)x - x0, py = (float)y - y0;
            const float along = length2 > 0 ? fminf(fmaxf((px * dx + py * dy) / length2, 0), 1) : 0;
            const float inside = reach - hypotf(px - along * dx, py - along * dy);
            if (inside <= 0) continue;
            uint8_t *mask = &c->mask[(size_t)y * (size_t)c->image.width + (size_t)x];
            const uint8_t cover = (uint8_t)(255 * fminf(inside, 1));
            if (cover > *mask) *mask = cover;
        }
}

static bool lit(const uint8_t *glyph, int row, int column) {
    if (row < 0 || row >= PLOT_FONT_HEIGHT || column < 0 || column >= PLOT_FONT_WIDTH) return false;
    return glyph[row] >> (PLOT_FONT_WIDTH - 1 - column) & 1;
}

/* A letter as strokes from each of its points to its neighbours; diagonally only where there is no way round. */
static void draw_letter(plot_canvas *c, float x, float y, float size, const uint8_t *glyph) {
    static const int steps[][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, -1}}; /* down, right */
    for (int row = 0; row < PLOT_FONT_HEIGHT; row++)
        for (int column = 0; column < PLOT_FONT_WIDTH; column++)
            for (size_t i = 0; i < LT_COUNT(steps) && lit(glyph, row, column); i++) {
                const int down = row + steps[i][0], across = column + steps[i][1];
                const bool diagonal = steps[i][0] && steps[i][1];
                if (!lit(glyph, down, across)) continue;
                if (diagonal && (lit(glyph, down, column) || lit(glyph, row, across))) continue;
                plot_line(c, x + size * ((float)column + 0.5F), y + size * ((float)row + 0.5F),
                          x + size * ((float)across + 0.5F), y + size * ((float)down + 0.5F), 0.85F * size);
            }
}

/* A character of UTF-8 goes on in bytes 10xxxxxx. */
static bool begins_character(char c) { return ((unsigned char)c & 0xC0) != 0x80; }

void plot_text(plot_canvas *c, float x, float y, float size, const char *text) {
    for (; *text; text++) {
        if (!begins_character(*text)) continue;
        const bool known = *text >= PLOT_FONT_FIRST && *text <= PLOT_FONT_LAST;
        const float lower = known && strchr(plot_font_low, *text) ? 2 * size : 0;
        draw_letter(c, x, y + lower, size, plot_font[(known ? *text : '?') - PLOT_FONT_FIRST]);
        x += size * (PLOT_FONT_WIDTH + 1);
    }
}

float plot_text_width(float size, const char *text) {
    float width = 0;
    for (; *text; text++)
        if (begins_character(*text)) width += size * (PLOT_FONT_WIDTH + 1);
    return width > 0 ? width - size : 0;
}

void plot_ink(plot_canvas *c, uint32_t colour, float opacity) {
    const size_t pixels = (size_t)c->image.width * (size_t)c->image.height;
    const float rgb[3] = {(float)(colour >> 16 & 255), (float)(colour >> 8 & 255), (float)(colour & 255)};
    for (size_t i = 0; i < pixels; i++) {
        if (!c->mask[i]) continue;
        const float share = opacity * (float)c->mask[i] / 255;
        for (size_t k = 0; k < 3; k++) {
            uint8_t *p = &c->image.pixels[3 * i + k];
            *p = (uint8_t)lrintf((float)*p + share * (rgb[k] - (float)*p));
        }
        c->mask[i] = 0;
    }
}
