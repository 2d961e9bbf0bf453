/* Convolutions in bf16 by AMX, stride 1, that copy no windows: what a tap of the kernel multiplies for 16 pixels of dst
 * are 16 pixels of the source that lie side by side, wherever the tap is.
 *
 * For that the sources are laid out in planes of 32 channels, 16 words, with their borders: [plane][sample][h + pads]
 * [w + pads][16 words]; not all of a source at a time but a band of it, which stays in cache. Of a job's rows and
 * panels (jobs.h) one plane after the other is multiplied, all its taps while the sums stay in tiles; meanwhile the
 * sums are in scratch memory. Weights lie in panels as the matrix product's do, in the order of their use:
 * [panel][plane][tap][16 words][columns]. */
#include "kernels/bf16.h"
#include "kernels/jobs.h"
#include "kernels/narrow.h"

#include <stdio.h>
#include <string.h>

enum {
    WORDS = 16, /* of a pixel in a plane */
    CHANNELS = 2 * WORDS,
    SIDE = 16,             /* pixels of a tile, in one line of dst */
    BAND_BUDGET = 2 << 20, /* words of a band's planes, unless a line takes more */
    CACHE_LINE = 64        /* bytes */
};

/* Samples and lines of dst that are multiplied at a time: whole samples, or some lines of one. */
typedef struct band {
    size_t sample, samples, line, lines;
} band;

typedef struct direct {
    const lt_product *product;
    lt_jobs jobs; /* of a band */
    band most;
    size_t planes[2], both;  /* of each source, of both */
    size_t ph, pw, oh, ow;   /* of a band's planes, of dst */
    size_t plane_size;       /* words, of a band */
    size_t step, panel_size; /* bytes of a panel: of one tap of a plane, of all */
    lt_tile_steps taps;
    size_t own_size; /* floats of a thread: sums, or a line in bf16 */
} direct;

/* ---- Choosing ---- */

static bool takes(const lt_conv_desc *d) {
    return d->kernel > 1 && d->kernel * d->kernel <= LT_MOST_STEPS && d->stride == 1 && d->c[0] % CHANNELS == 0 &&
           d->c[1] % CHANNELS == 0 && lt_conv_out_size(d, d->w) % SIDE == 0 && d->act != LT_ACT_GEGLU &&
           lt_conv_is_plain(d);
}

static band widest_band(const direct *s, const lt_conv_desc *d) {
    const size_t line = s->pw * s->both * WORDS, sample = line * (s->oh + (size_t)d->kernel - 1);
    if (sample <= BAND_BUDGET) return (band){.samples = lt_part((size_t)d->n, BAND_BUDGET / sample), .lines = s->oh};
    const size_t fit = BAND_BUDGET / line, halo = (size_t)d->kernel - 1;
    return (band){.samples = 1, .lines = lt_part(s->oh, fit > 2 * halo ? fit - halo : 1 + halo)};
}

static void plan(direct *s, const lt_conv_desc *d) {
    const size_t kernel = (size_t)d->kernel, columns = s->product->simd->columns;
    s->oh = (size_t)lt_conv_out_size(d, d->h);
    s->ow = (size_t)lt_conv_out_size(d, d->w);
    s->pw = s->ow + kernel - 1;
    for (int i = 0; i < 2; i++) s->planes[i] = (size_t)d->c[i] / CHANNELS;
    s->both = s->planes[0] + s->planes[1];
    s->most = widest_band(s, d);
    s->ph = s->most.lines + kernel - 1;
    s->plane_size = s->most.samples * s->ph * s->pw * WORDS;
    for (size_t tap = 0; tap < kernel * kernel; tap++)
        s->taps.a[s->taps.count++] = (tap / kernel * s->pw + tap % kernel) * WORDS;
    s->jobs = lt_jobs_plan(d, s->product->simd, s->most.samples * s->most.lines * s->ow, s->product->rows,
                           s->product->job_rows, true);
    s->step = WORDS * columns * sizeof(uint32_t);
    s->own_size = lt_max(lt_round_up((size_t)d->w * (size_t)lt_max(d->c[0], d->c[1]) / 2, 16),
                         s->jobs.job_rows * s->jobs.job_panels * columns);
}

static lt_status direct_create(lt_conv *conv) {
    const lt_conv_desc *d = &conv->desc;
    const lt_product *product = lt_product_get(LT_PRECISION_BF16, d->isa);
    if (!takes(d) || !product || !product->steps)
        return lt_fail(LT_ERROR_UNSUPPORTED, "direct convolution: not of this shape, or without AMX");
    direct *s = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    s->product = product;
    plan(s, d);
    conv->state = s;
    conv->scratch_size = (s->both * s->plane_size + s->own_size * (size_t)d->threads) * sizeof(float);
    conv->pieces = lt_jobs_count(&s->jobs);
    lt_panels_describe(conv, product->simd);
    s->panel_size = conv->packed_size / s->jobs.panels;
    strncat(conv->layout, ":planes", sizeof conv->layout - strlen(conv->layout) - 1);
    snprintf(conv->name, sizeof conv->name, "%s:direct", lt_isa_name(product->needs));
    return LT_OK;
}

static void direct_free(lt_conv *conv) { lt_free(conv->state); }

/* ---- Packing ---- */

/* The matrix product's panel, [tap][plane][16 words][columns], in the order of use. lines: room for it after its own.
 */
static void pack_panel(const lt_conv_desc *d, const lt_gemm_simd *simd, const lt_weight_source *weight, size_t p,
                       float *lines, void *panel) {
    const size_t taps = (size_t)(d->kernel * d->kernel), both = (size_t)(d->c[0] + d->c[1]) / CHANNELS;
    const size_t step = WORDS * simd->columns * sizeof(uint32_t);
    char *ordered = (char *)(lines + (simd->columns + 1) * lt_narrow_line(d)), *to = panel;
    lt_narrow_panel(d, weight, p, simd->columns, lines, (uint32_t *)(void *)ordered);
    for (size_t plane = 0; plane < both; plane++)
        for (size_t tap = 0; tap < taps; tap++, to += step) memcpy(to, ordered + (tap * both + plane) * step, step);
}

static lt_status direct_pack(const lt_conv *conv, const lt_weight_source *weight, void *packed) {
    const direct *s = conv->state;
    const size_t lines = (s->product->simd->columns + 1) * lt_narrow_line(&conv->desc);
    return lt_panels_pack_by(conv, s->product->simd, weight, lines + s->panel_size / sizeof(float), pack_panel, packed);
}

/* ---- Laying sources out ---- */

typedef struct run {
    const lt_conv *conv;
    const lt_conv_io *io;
    band band;
    lt_jobs jobs;        /* of this band */
    float *planes, *own; /* the threads' own */
} run;

/* A line of a source as bf16: itself, or rounded into `rounded`. */
static const uint16_t *line_of(const lt_conv_desc *d, const lt_conv_io *io, int source, size_t line, void *rounded) {
    const size_t count = (size_t)d->w * (size_t)d->c[source];
    if (d->source_type[source] == LT_VALUE_BF16) return (const uint16_t *)io->src[source] + line * count;
    lt_to_bf16_loop((const float *)io->src[source] + line * count, rounded, count);
    return rounded;
}

/* A line of a plane, from pixels of c channels each. */
static void lay_line(const lt_conv_desc *d, const uint16_t *from, size_t c, size_t width, uint16_t *to) {
    for (size_t x = 0; x < width; x++, to += CHANNELS) {
        const ptrdiff_t at = lt_conv_find((ptrdiff_t)x - d->pad_begin, d->w, d->wraps & LT_SEAMLESS_X);
        if (at >= 0)
            memcpy(to, from + (size_t)at * c, CHANNELS * sizeof *to);
        else
            memset(to, 0, CHANNELS * sizeof *to);
    }
}

/* Line number `piece` of the band's planes. */
static void lay_piece(const void *context, size_t piece, int thread) {
    const run *r = context;
    const lt_conv_desc *d = &r->conv->desc;
    const direct *s = r->conv->state;
    const size_t sample = r->band.sample + piece / s->ph;
    const ptrdiff_t line = (ptrdiff_t)(r->band.line + piece % s->ph) - d->pad_begin;
    const ptrdiff_t y = lt_conv_find(line, d->h, d->wraps & LT_SEAMLESS_Y);
    float *rounded = r->own + (size_t)thread * s->own_size, *to = r->planes + piece * s->pw * WORDS;
    for (int i = 0; i < 2 && d->c[i]; i++) {
        const uint16_t *from = y < 0 ? NULL : line_of(d, r->io, i, sample * (size_t)d->h + (size_t)y, rounded);
        for (size_t plane = 0; plane < s->planes[i]; plane++, to += s->plane_size)
            if (from)
                lay_line(d, from + plane * CHANNELS, (size_t)d->c[i], s->pw, (uint16_t *)(void *)to);
            else
                memset(to, 0, s->pw * WORDS * sizeof *to);
    }
}

/* ---- Multiplying ---- */

/* Where the first tap of the band's pixel `row` is in a plane, in words. */
static size_t pixel_at(const direct *s, const band *b, size_t row) {
    const size_t x = row % s->ow, y = row / s->ow % b->lines, sample = row / s->ow / b->lines;
    return ((sample * s->ph + y) * s->pw + x) * WORDS;
}

static const char *weights_at(const run *r, size_t panel, size_t plane) {
    const direct *s = r->conv->state;
    return (const char *)r->io->weight + panel * s->panel_size + plane * s->taps.count * s->step;
}

/* What a job's pass over a plane with panel p will be followed by; NULL: nothing. */
static const char *weights_after(const run *r, const lt_job *j, size_t p, size_t plane) {
    const direct *s = r->conv->state;
    if (p + 1 < j->panels) return weights_at(r, j->panel + p + 1, plane);
    return plane + 1 < s->both ? weights_at(r, j->panel, plane + 1) : NULL;
}

static void finish_tile(const run *r, size_t row, size_t panel, const lt_tile *t) {
    const direct *s = r->conv->state;
    const lt_gemm_simd *simd = s->product->simd;
    const size_t first = (r->band.sample * s->oh + r->band.line) * s->ow;
    const lt_epilogue e = lt_job_epilogue(&r->conv->desc, simd, r->io, first + row, panel, 1);
    simd->finish(&e, t->rows, t->c, t->ldc);
}

/* One panel of a job with one plane. */
static void run_panel(const run *r, const lt_job *j, size_t p, size_t plane, float *sums) {
    const direct *s = r->conv->state;
    const size_t columns = s->product->simd->columns, tile_rows = s->product->rows, panel = j->panel + p;
    const float *pixels = r->planes + plane * s->plane_size;
    lt_tile t = {.c = sums, .ldc = columns, .add = plane > 0, .steps = &s->taps, .b = weights_at(r, panel, plane)};
    t.soon = weights_after(r, j, p, plane);
    t.soon_lines = t.soon ? lt_count_parts(s->step / CACHE_LINE, lt_count_parts(j->row_end - j->row, tile_rows)) : 0;
    for (size_t row = j->row; row < j->row_end; row += t.rows, t.c = (float *)t.next) {
        t.rows = lt_min(tile_rows, j->row_end - row);
        t.a = pixels + pixel_at(s, &r->band, row);
        t.lower = pixel_at(s, &r->band, row + SIDE) - pixel_at(s, &r->band, row);
        t.next = t.c + t.rows * columns;
        s->product->steps(&t);
        if (t.soon) t.soon += s->taps.count * t.soon_lines * CACHE_LINE;
        if (plane + 1 == s->both) finish_tile(r, row, panel, &t);
    }
}

static void job_piece(const void *context, size_t index, int thread) {
    const run *r = context;
    const direct *s = r->conv->state;
    const lt_job j = lt_job_at(&r->jobs, index);
    float *sums = r->own + (size_t)thread * s->own_size;
    const size_t panel_sums = s->jobs.job_rows * s->product->simd->columns;
    lt_product_begin(s->product);
    for (size_t plane = 0; plane < s->both; plane++)
        for (size_t p = 0; p < j.panels; p++) run_panel(r, &j, p, plane, sums + p * panel_sums);
    lt_product_end(s->product);
}

static void run_band(run *r) {
    const direct *s = r->conv->state;
    const int threads = r->conv->desc.threads;
    r->jobs = s->jobs;
    r->jobs.rows = r->band.samples * r->band.lines * s->ow;
    lt_parallel(threads, r->band.samples * s->ph, LT_EVENLY, lay_piece, r);
    lt_parallel(threads, lt_jobs_count(&r->jobs), 1, job_piece, r);
}

static lt_status direct_run(const lt_conv *conv, const lt_conv_io *io) {
    const direct *s = conv->state;
    const size_t n = (size_t)conv->desc.n;
    run r = {.conv = conv, .io = io, .planes = io->scratch};
    r.own = r.planes + s->both * s->plane_size;
    for (size_t sample = 0; sample < n; sample += s->most.samples)
        for (size_t line = 0; line < s->oh; line += s->most.lines) {
            r.band = (band){sample, lt_min(s->most.samples, n - sample), line, lt_min(s->most.lines, s->oh - line)};
            run_band(&r);
        }
    return LT_OK;
}

const lt_conv_impl lt_conv_direct = {.create = direct_create,
                                     .pack = direct_pack,
                                     .run = direct_run,
                                     .free = direct_free,
                                     .serves = {[LT_PRECISION_BF16] = LT_EVERY_FORMAT},
                                     .reads_bf16 = true,
                                     .makes_bf16 = true};
