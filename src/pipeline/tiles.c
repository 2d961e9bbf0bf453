/* A module run over a picture in tiles. */
#include "pipeline/tiles.h"

#include <math.h>
#include <string.h>

/* One run. */
typedef struct tiling {
    const lt_tiles *t;
    int h, w;                /* of a tile, in units */
    bool around_h, around_w; /* tiles go on over the picture's end, at its beginning */
    float *row, *total;      /* a row of a tile's output; a number for each pixel of the whole one: the sum of shares */
    lt_port input, output;
} tiling;

static int step_of(const lt_tiles *t) { return t->side - t->overlap; }

static int tile_count(const lt_tiles *t, int size, int tile, bool around) {
    if (around) return (size + step_of(t) - 1) / step_of(t);
    return size <= tile ? 1 : 1 + (size - tile + step_of(t) - 1) / step_of(t);
}

/* The last tile ends where the picture does. */
static int tile_start(const lt_tiles *t, int i, int size, int tile, bool around) {
    const int start = i * step_of(t);
    return around ? start : (int)lt_min((size_t)start, (size_t)(size - tile));
}

/* How far pixel i of those from an edge that has a neighbour counts: not in the margin, then rising linearly. */
static float rise(const lt_tiles *t, int i) {
    const float margin = (float)(t->margin * t->out_unit), ramp = (float)((t->overlap - 2 * t->margin) * t->out_unit);
    const float place = (float)i + 0.5f - margin;
    return place < 0 ? 0 : ramp > 0 ? fminf(place / ramp, 1) : 1;
}

/* Share of a tile's value at place i of n. */
static float share(const lt_tiles *t, int i, int n, bool before, bool after) {
    const float begin = before ? rise(t, i) : 1, end = after ? rise(t, n - 1 - i) : 1;
    return fminf(begin, end);
}

/* Numbers of a row of a tile. */
static size_t row_of(const tiling *g, int unit, int channels) { return (size_t)g->w * (size_t)unit * (size_t)channels; }

static void write_tile(const tiling *g, const float *whole, int y, int x) {
    const lt_tiles *t = g->t;
    const size_t unit = (size_t)t->in_unit, c = (size_t)t->in_channels, row = row_of(g, t->in_unit, t->in_channels);
    const size_t across = (size_t)t->w * unit * c, first = (size_t)x * unit * c, before = lt_min(row, across - first);
    for (size_t r = 0; r < (size_t)g->h * unit; r++) {
        const float *from = whole + ((size_t)y * unit + r) % ((size_t)t->h * unit) * across;
        lt_port_write(g->input, r * row, from + first, before);
        if (before < row) lt_port_write(g->input, r * row + before, from, row - before);
    }
}

/* Adds a row of a tile times its shares to sum, and the shares to total. */
static void add_row(const tiling *g, int r, int y, int x, float *sum) {
    const lt_tiles *t = g->t;
    const int unit = t->out_unit, c = t->out_channels, columns = g->w * unit;
    const bool above = y > 0 || g->around_h, below = y + g->h < t->h || g->around_h;
    const bool left = x > 0 || g->around_w, right = x + g->w < t->w || g->around_w;
    const float down = share(t, r, g->h * unit, above, below), *value = g->row;
    for (int k = 0; k < columns; k++) {
        const float s = down * share(t, k, columns, left, right);
        const int to_y = (y * unit + r) % (t->h * unit), to_x = (x * unit + k) % (t->w * unit);
        const size_t at = (size_t)to_y * (size_t)(t->w * unit) + (size_t)to_x;
        for (int i = 0; i < c; i++) sum[at * (size_t)c + (size_t)i] += s * *value++;
        g->total[at] += s;
    }
}

static void add_tile(const tiling *g, int y, int x, float *sum) {
    const size_t each = row_of(g, g->t->out_unit, g->t->out_channels);
    for (int r = 0; r < g->h * g->t->out_unit; r++) {
        lt_port_read(g->output, (size_t)r * each, g->row, each);
        add_row(g, r, y, x, sum);
    }
}

static lt_status tell(const lt_tiles *t, int done, int count) {
    const bool go_on = !t->progress || t->progress(t->user, (size_t)done, (size_t)count);
    return go_on ? LT_OK : lt_fail(LT_ERROR_CANCELLED, "stopped after tile %d of %d", done, count);
}

static lt_status run_tile(lt_session *session, tiling *g, lt_plan *plan, int i, const float *in, float *sum) {
    const lt_tiles *t = g->t;
    const int across = tile_count(t, t->w, g->w, g->around_w);
    const int y = tile_start(t, i / across, t->h, g->h, g->around_h);
    const int x = tile_start(t, i % across, t->w, g->w, g->around_w);
    write_tile(g, in, y, x);
    LT_TRY(lt_module_run(session, plan, LT_RATE_PROMPT));
    add_tile(g, y, x, sum);
    return LT_OK;
}

static lt_status run_tiles(lt_session *session, tiling *g, const float *in, float *out) {
    const lt_tiles *t = g->t;
    const lt_module_size size = {.n = 1, .h = g->h * t->in_unit, .w = g->w * t->in_unit};
    const int count = tile_count(t, t->h, g->h, g->around_h) * tile_count(t, t->w, g->w, g->around_w);
    const size_t pixels = (size_t)t->h * (size_t)t->w * (size_t)t->out_unit * (size_t)t->out_unit;
    const size_t c = (size_t)t->out_channels;
    lt_plan *plan;
    memset(out, 0, pixels * c * sizeof(float));
    memset(g->total, 0, pixels * sizeof(float));
    LT_TRY(lt_module_plan(session, t->module, &size, &plan));
    g->input = lt_plan_port(plan, t->input);
    g->output = lt_plan_port(plan, t->output);
    const lt_shape made = {1, g->h * t->out_unit, g->w * t->out_unit, t->out_channels};
    LT_TRY(lt_module_expect(t->module, g->output, made));
    LT_TRY(tell(t, 0, count));
    for (int i = 0; i < count; i++) {
        LT_TRY(run_tile(session, g, plan, i, in, out));
        LT_TRY(tell(t, i + 1, count));
    }
    for (size_t p = 0; p < pixels; p++)
        for (size_t k = 0; k < c; k++) out[p * c + k] /= g->total[p];
    return LT_OK;
}

lt_status lt_tiles_run(lt_session *session, const lt_tiles *t, const float *in, float *out) {
    tiling g = {
        .t = t, .h = t->side && t->h > t->side ? t->side : t->h, .w = t->side && t->w > t->side ? t->side : t->w};
    const size_t pixels = (size_t)t->h * (size_t)t->w * (size_t)t->out_unit * (size_t)t->out_unit;
    g.total = lt_alloc(pixels * sizeof(float));
    g.row = lt_alloc(row_of(&g, t->out_unit, t->out_channels) * sizeof(float));
    const lt_seamless wraps = session->wraps;
    g.around_h = g.h < t->h && (wraps & LT_SEAMLESS_Y);
    g.around_w = g.w < t->w && (wraps & LT_SEAMLESS_X);
    /* a tile's sides are one only where they are the picture's */
    session->wraps &= (g.around_h ? LT_SEAMLESS_X : LT_SEAMLESS_BOTH) & (g.around_w ? LT_SEAMLESS_Y : LT_SEAMLESS_BOTH);
    const lt_status status = g.total && g.row ? run_tiles(session, &g, in, out) : LT_ERROR_MEMORY;
    session->wraps = wraps;
    lt_free(g.total);
    lt_free(g.row);
    return status;
}
