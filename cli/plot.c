/* plot: the curves of training logs as a picture. */
#include "cli.h"
#include "plot_canvas.h"
#include "plot_curve.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *output, *fields;
    int width, height, smooth;
    bool logarithmic;
} o = {.fields = "loss", .width = 1000, .height = 600};

static const lt_option options[] = {
    {"output", 'o', LT_OPTION_FILE, "PNG", "the picture; - is standard output", &o.output},
    {"field", 'f', LT_OPTION_TEXT, "NAME,...", "numbers of the rows, a curve each; default loss", &o.fields},
    {"log", 0, LT_OPTION_FLAG, NULL, "a logarithmic scale of values", &o.logarithmic},
    {"smooth", 0, LT_OPTION_INT, "N", "rows that a curve's mean goes over; default: by the number of rows", &o.smooth,
     1, 1000000},
    {"width", 'W', LT_OPTION_INT, "W", "default 1000", &o.width, 200, 8192},
    {"height", 'H', LT_OPTION_INT, "H", "default 600", &o.height, 150, 8192},
    {0},
};

enum { INK = 0x333333, FRAME = 0x999999, GRID = 0xE4E4E4 };
static const uint32_t colours[] = {0x1F77B4, 0xE6650A, 0x2A9D3A, 0xC92A2A, 0x7B4FB5, 0x8A5A44, 0xD1499B, 0x16A2B8};

/* ---- Curves: one for each log and field ---- */

typedef struct plot {
    plot_curve *curves;
    char **labels; /* what tells a curve from the others; NULL for a single one */
    size_t count;
} plot;

static void plot_free(plot *p) {
    for (size_t i = 0; i < p->count; i++) {
        plot_curve_free(&p->curves[i]);
        free(p->labels[i]);
    }
    free(p->curves);
    free(p->labels);
}

static lt_status make_label(const char *path, const char *field, bool logs, bool fields, char **label) {
    if (!logs && !fields) return LT_OK;
    *label = logs && fields ? tool_format("%s: %s", path, field) : tool_strdup(logs ? path : field);
    return *label ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status add_curve(plot *p, const char *path, const char *field, bool logs, bool fields) {
    plot_curve *curve = &p->curves[p->count];
    char **label = &p->labels[p->count++];
    LT_TRY(plot_curve_read(path, field, o.logarithmic, curve));
    LT_TRY(plot_curve_smooth(curve, (size_t)o.smooth));
    return make_label(path, field, logs, fields, label);
}

static size_t count_fields(void) {
    size_t count = 1;
    for (const char *s = o.fields; *s; s++) count += *s == ',';
    return count;
}

static lt_status read_curves(int logs, char **paths, plot *p) {
    const size_t fields = count_fields(), count = fields * (size_t)logs;
    *p = (plot){.curves = tool_calloc(count, sizeof *p->curves), .labels = tool_calloc(count, sizeof *p->labels)};
    char *names = tool_strdup(o.fields);
    lt_status status = p->curves && p->labels && names ? LT_OK : LT_ERROR_MEMORY;
    for (char *field = names, *next; field && !status; field = next) {
        next = strchr(field, ',');
        if (next) *next++ = '\0';
        for (int i = 0; i < logs && !status; i++) status = add_curve(p, paths[i], field, logs > 1, fields > 1);
    }
    free(names);
    return status;
}

/* ---- Axes ---- */

enum { MAX_TICKS = 24 };

typedef struct axis {
    double low, high; /* log10 of values where logarithmic */
    double finest;    /* distance of ticks at least: steps are whole numbers */
    bool logarithmic;
    float from, to; /* their places on the canvas */
    double ticks[MAX_TICKS];
    int tick_count;
} axis;

static float place(const axis *a, double v) {
    return a->from + (a->to - a->from) * (float)((v - a->low) / (a->high - a->low));
}

/* Room around what is shown; a single value gets some to lie in. */
static void widen(axis *a, double share) {
    const double span = a->high - a->low, size = fmax(fabs(a->low), fabs(a->high));
    const double tiny = 1e-300; /* below, shares of it would be 0 */
    double room = share * span;
    if (span <= fmax(1e-9 * size, tiny)) room = size > tiny ? 0.1 * size : 1;
    a->low -= room;
    a->high += room;
}

static int compare_numbers(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Values of a curve that the y axis must show: all of the smooth line, and of the points all but the outermost of many,
 * which would squeeze the rest. */
static lt_status include_curve(const plot_curve *c, axis *y) {
    double *sorted = tool_calloc(c->log.count, sizeof *sorted);
    if (!sorted) return LT_ERROR_MEMORY;
    memcpy(sorted, c->log.values, c->log.count * sizeof *sorted);
    qsort(sorted, c->log.count, sizeof *sorted, compare_numbers);
    const size_t outer = c->log.count / 200;
    y->low = fmin(y->low, sorted[outer]);
    y->high = fmax(y->high, sorted[c->log.count - 1 - outer]);
    free(sorted);
    for (size_t i = 0; i < c->log.count; i++) {
        y->low = fmin(y->low, c->smooth[i]);
        y->high = fmax(y->high, c->smooth[i]);
    }
    return LT_OK;
}

static lt_status make_ranges(const plot *p, axis *x, axis *y) {
    *x = *y = (axis){.low = INFINITY, .high = -INFINITY};
    x->finest = 1;
    y->logarithmic = o.logarithmic;
    for (size_t i = 0; i < p->count; i++) {
        const plot_curve *c = &p->curves[i];
        LT_TRY(include_curve(c, y));
        for (size_t k = 0; k < c->log.count; k++) {
            x->low = fmin(x->low, c->log.steps[k]);
            x->high = fmax(x->high, c->log.steps[k]);
        }
    }
    widen(x, 0.01);
    widen(y, 0.05);
    return LT_OK;
}

static void add_tick(axis *a, double at) {
    if (at >= a->low && at <= a->high && a->tick_count < MAX_TICKS) a->ticks[a->tick_count++] = at;
}

/* About `wanted` values from low to high, by steps of 1, 2 or 5 times a power of ten; of values, not logarithms. */
static void linear_ticks(axis *a, double low, double high, int wanted) {
    const double rough = (high - low) / wanted, power = pow(10, floor(log10(rough))), digit = rough / power;
    const double step = fmax(a->finest, power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10));
    const double first = ceil(low / step);
    for (int i = 0; i <= 2 * wanted; i++) {
        const double value = (first + i) * step;
        if (!a->logarithmic)
            add_tick(a, value);
        else if (value > 0)
            add_tick(a, log10(value));
    }
}

/* Powers of ten, each n-th where they are many; with 2 and 5 of each, or all digits, where they are few. */
static void logarithmic_ticks(axis *a, int wanted) {
    static const char *const digits[] = {"1", "125", "123456789"};
    const int stride = 1 + (int)((a->high - a->low) / wanted);
    for (size_t i = 0; i < LT_COUNT(digits); i++) {
        a->tick_count = 0;
        for (int power = (int)floor(a->low); power <= (int)ceil(a->high); power++)
            for (const char *d = digits[i]; *d && power % stride == 0; d++) add_tick(a, power + log10(*d - '0'));
        if (a->tick_count >= 3) return;
    }
    a->tick_count = 0;
    linear_ticks(a, pow(10, a->low), pow(10, a->high), wanted);
}

static void make_ticks(axis *a, int wanted) {
    if (a->logarithmic)
        logarithmic_ticks(a, wanted);
    else
        linear_ticks(a, a->low, a->high, wanted);
}

/* "0.05", "20k", "3M", "1e-5". */
static void label_tick(const axis *a, int i, char text[32]) {
    const double v = a->logarithmic ? pow(10, a->ticks[i]) : a->ticks[i], size = fabs(v);
    const char *unit = "";
    double shown = v;
    if (size >= 1e6 && size < 1e9) {
        shown = v / 1e6;
        unit = "M";
    } else if (size >= 1e4 && size < 1e6) {
        shown = v / 1e3;
        unit = "k";
    }
    snprintf(text, 32, "%.10g%s", shown, unit);
    char *zero = strstr(text, "e-0");
    if (zero) memmove(zero + 2, zero + 3, strlen(zero + 3) + 1);
    if (!a->logarithmic && size < 1e-9 * fmax(fabs(a->low), fabs(a->high)))
        snprintf(text, 32, "0"); /* what rounding left of it */
}

/* ---- Drawing ---- */

typedef struct frame {
    plot_canvas canvas;
    axis x, y;
    float letter; /* size of text: a seventh of a letter's height */
} frame;

/* Where the axes lie, so that labels fit around them. */
static void lay_out(frame *f) {
    char text[32];
    float widest = 0;
    f->letter = fmaxf(1.1F, fminf((float)o.width / 625, (float)o.height / 375));
    make_ticks(&f->x, (int)fmaxf(2, (float)o.width / (70 * f->letter)));
    make_ticks(&f->y, (int)fmaxf(2, (float)o.height / (45 * f->letter)));
    for (int i = 0; i < f->y.tick_count; i++) {
        label_tick(&f->y, i, text);
        widest = fmaxf(widest, plot_text_width(f->letter, text));
    }
    f->x.from = roundf(widest + 14 * f->letter);
    f->x.to = roundf((float)o.width - 14 * f->letter);
    f->y.from = roundf((float)o.height - 28 * f->letter);
    f->y.to = roundf(20 * f->letter);
}

static void draw_grid(frame *f) {
    for (int i = 0; i < f->x.tick_count; i++) {
        const float x = roundf(place(&f->x, f->x.ticks[i]));
        plot_line(&f->canvas, x, f->y.from, x, f->y.to, 1);
    }
    for (int i = 0; i < f->y.tick_count; i++) {
        const float y = roundf(place(&f->y, f->y.ticks[i]));
        plot_line(&f->canvas, f->x.from, y, f->x.to, y, 1);
    }
    plot_ink(&f->canvas, GRID, 1);
    plot_line(&f->canvas, f->x.from, f->y.from, f->x.to, f->y.from, 1);
    plot_line(&f->canvas, f->x.from, f->y.from, f->x.from, f->y.to, 1);
    plot_ink(&f->canvas, FRAME, 1);
}

static void draw_labels(frame *f) {
    const float s = f->letter;
    char text[32];
    for (int i = 0; i < f->x.tick_count; i++) {
        label_tick(&f->x, i, text);
        const float width = plot_text_width(s, text), x = place(&f->x, f->x.ticks[i]) - width / 2;
        plot_text(&f->canvas, fminf(x, (float)o.width - width - s), f->y.from + 4 * s, s, text);
    }
    for (int i = 0; i < f->y.tick_count; i++) {
        label_tick(&f->y, i, text);
        plot_text(&f->canvas, f->x.from - 5 * s - plot_text_width(s, text), place(&f->y, f->y.ticks[i]) - 3.5F * s, s,
                  text);
    }
    plot_text(&f->canvas, (f->x.from + f->x.to - plot_text_width(s, "step")) / 2, f->y.from + 16 * s, s, "step");
    if (!strchr(o.fields, ',')) plot_text(&f->canvas, f->x.from, 7 * s, s, o.fields); /* the legend names several */
    plot_ink(&f->canvas, INK, 1);
}

/* The more there are, the smaller. */
static void draw_points(frame *f, const plot_curve *c, uint32_t colour) {
    const float size = f->letter * fminf(fmaxf(40 / sqrtf((float)c->log.count), 1.3F), 3);
    for (size_t i = 0; i < c->log.count; i++) {
        const float x = place(&f->x, c->log.steps[i]), y = place(&f->y, c->log.values[i]);
        plot_line(&f->canvas, x, y, x, y, size);
    }
    plot_ink(&f->canvas, colour, 0.33F);
}

/* One corner for each half pixel, the mean of the rows there: a million rows take no longer than they should. */
static void draw_curve(frame *f, const plot_curve *c, uint32_t colour) {
    float last_x = 0, last_y = 0;
    for (size_t i = 0, n; i < c->log.count; i += n) {
        const float x = place(&f->x, c->log.steps[i]);
        double sum = 0;
        for (n = 0; i + n < c->log.count && fabsf(place(&f->x, c->log.steps[i + n]) - x) < 0.5F; n++)
            sum += c->smooth[i + n];
        const float y = place(&f->y, sum / (double)n);
        if (i == 0) plot_line(&f->canvas, x, y, x, y, 1.25F * f->letter);
        if (i) plot_line(&f->canvas, last_x, last_y, x, y, 1.25F * f->letter);
        last_x = x;
        last_y = y;
    }
    plot_ink(&f->canvas, colour, 1);
}

static void draw_legend(frame *f, const plot *p) {
    const float s = f->letter;
    float widest = 0, y = f->y.to + 6 * s;
    for (size_t i = 0; i < p->count; i++)
        if (p->labels[i]) widest = fmaxf(widest, plot_text_width(s, p->labels[i]));
    const float left = fmaxf(f->x.to - 6 * s - widest, f->x.from + 22 * s);
    for (size_t i = 0; i < p->count && p->labels[i] && y + 7 * s < f->y.from; i++, y += 12 * s) {
        plot_line(&f->canvas, left - 14 * s, y + 3.5F * s, f->x.to - 4 * s, y + 3.5F * s, 13 * s);
        plot_ink(&f->canvas, 0xFFFFFF, 0.75F); /* a paler ground */
        plot_line(&f->canvas, left - 14 * s, y + 3.5F * s, left - 5 * s, y + 3.5F * s, 2 * s);
        plot_ink(&f->canvas, colours[i % LT_COUNT(colours)], 1);
        plot_text(&f->canvas, left, y, s, p->labels[i]);
        plot_ink(&f->canvas, INK, 1);
    }
}

static lt_status draw(const plot *p, frame *f) {
    LT_TRY(make_ranges(p, &f->x, &f->y));
    LT_TRY(plot_canvas_open(o.width, o.height, &f->canvas));
    lay_out(f);
    draw_grid(f);
    draw_labels(f);
    plot_clip(&f->canvas, (int)f->x.from + 1, (int)f->y.to, (int)f->x.to + 1, (int)f->y.from);
    for (size_t i = 0; i < p->count; i++) draw_points(f, &p->curves[i], colours[i % LT_COUNT(colours)]);
    for (size_t i = 0; i < p->count; i++) draw_curve(f, &p->curves[i], colours[i % LT_COUNT(colours)]);
    draw_legend(f, p);
    return LT_OK;
}

static int run(int count, char **words) {
    if (!count || !o.output) return lt_complain(LT_EXIT_USAGE, "a LOG and -o PNG are needed; see `latent plot --help`");
    int blocked = lt_check_drawing(o.output);
    for (int i = 0; i < count && !blocked; i++) blocked = lt_check_apart("-o", o.output, words[i]);
    if (blocked) return blocked;
    plot p;
    frame f = {0};
    lt_status status = read_curves(count, words, &p);
    if (!status) status = draw(&p, &f);
    if (!status) status = lt_write_drawing(o.output, &f.canvas.image);
    plot_canvas_close(&f.canvas);
    plot_free(&p);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_plot = {
    "plot",
    "draw the curves of training logs",
    "LOG... [--field NAME,...] [--log] -o PNG",
    "A log has one JSON object a line, with a number \"step\". Faint points are the rows, the line is their moving "
    "mean;\n"
    "each log and number gets a colour. Of many points the outermost percent may lie outside.",
    "  latent plot vae.safetensors.jsonl -o loss.png\n"
    "  latent plot vae.safetensors.jsonl unet.safetensors.jsonl --log -o both.png\n"
    "  latent plot unet.safetensors.jsonl --field gradient_norm -o norm.png\n",
    options,
    run,
};
