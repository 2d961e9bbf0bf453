/* backward_weights: the gradient by the weight of a 3x3 convolution, with a quarter of the multiplications: F(4x4, 3x3)
 * as winograd.c has it, turned round. From U = G g G' and Y = A' [U * V] A follows, summed over all tiles,
 *
 *     dU = (A dY A') * V        dg = G' dU G
 *
 * so that dU is 36 matrix products over the tiles, [outputs, tiles] by [tiles, channels]. Some hundred tiles (a block)
 * are transformed at a time. A product's sums belong to one job whoever runs it, so the bytes are the same for any
 * number of threads. */
#include "kernels/columns.h"
#include "kernels/gemm.h"

#include <stdio.h>
#include <string.h>

enum {
    BLOCK_BYTES = 3 << 19, /* of a block's transformed tiles, in the second-level cache */
    MIN_TILES = 64,        /* in a block, to repay reading and writing dU, and at most: */
    MAX_TILES = 512,
    SUMS_BYTES = 64 << 20, /* dU takes at most this much */
    LINE = 16,             /* floats of a cache line */
    TILES = LT_WINOGRAD_TILE,
    IN = LT_WINOGRAD_IN,
    OUT = LT_WINOGRAD_OUT
};

typedef struct gradient {
    const lt_gemm_simd *gemm;
    const lt_winograd_simd *simd;
    size_t c, oc, tiles, block;
    size_t ldv, ldm, ldu;    /* floats from one tile, or output, to the next */
    size_t v_xi, m_xi, u_xi; /* from one xi to the next */
    size_t v_at, m_at, u_at; /* floats of scratch; zeros for pixels beyond the border come first */
    size_t columns_at;       /* bytes: for the bias */
    size_t job_rows, jobs_a_xi;
} gradient;

static size_t odd_lines(size_t floats) { return (lt_round_up(floats, LINE) / LINE | 1) * LINE; }

static lt_status gradient_create(lt_conv_pass *pass) {
    const lt_conv_desc *d = &pass->desc;
    const lt_gemm_simd *gemm = lt_gemm_simd_get(d->isa);
    const size_t c = (size_t)(d->c[0] + d->c[1]), oc = (size_t)d->oc;
    if (!pass->wanted.weight || !lt_winograd_takes(d) || oc % lt_winograd_simd_get(d->isa)->channels ||
        TILES * oc * lt_round_up(c, gemm->columns) * sizeof(float) > SUMS_BYTES)
        return lt_fail(LT_ERROR_UNSUPPORTED, "Winograd gradient: not for this shape");
    gradient *g = lt_calloc(1, sizeof *g);
    if (!g) return LT_ERROR_MEMORY;
    g->gemm = gemm;
    g->simd = lt_winograd_simd_get(d->isa);
    g->c = c;
    g->oc = oc;
    g->tiles = (size_t)d->n * lt_count_parts((size_t)d->h, OUT) * lt_count_parts((size_t)d->w, OUT);
    const size_t fit = BLOCK_BYTES / (TILES * (c + oc) * sizeof(float));
    g->block = lt_part(g->tiles, lt_min(lt_max(fit, MIN_TILES), MAX_TILES));
    g->ldv = odd_lines(c);
    g->ldm = odd_lines(oc);
    g->ldu = lt_round_up(c, gemm->columns);
    g->v_xi = g->block * g->ldv + gemm->columns; /* a panel of columns may reach behind the last tile's channels */
    g->m_xi = g->block * g->ldm + LINE;
    g->u_xi = oc * g->ldu + LINE;
    g->v_at = lt_round_up(lt_max(c, oc), LINE);
    g->m_at = g->v_at + TILES * g->v_xi;
    g->u_at = g->m_at + TILES * g->m_xi;
    g->columns_at = (g->u_at + TILES * g->u_xi) * sizeof(float);
    g->jobs_a_xi = lt_count_parts(4 * (size_t)d->threads, TILES);
    g->job_rows = lt_part(oc, lt_count_parts(oc, g->jobs_a_xi));
    g->jobs_a_xi = lt_count_parts(oc, g->job_rows);
    pass->state = g;
    pass->scratch_size = g->columns_at + (d->bias ? lt_column_sums_scratch(lt_conv_rows(d), oc) : 0);
    snprintf(pass->name, sizeof pass->name, "%s:winograd4x4", lt_isa_name(gemm->isa));
    return LT_OK;
}

static void gradient_free(lt_conv_pass *pass) { lt_free(pass->state); }

/* V and M of tile `tile`, the block's number `index`. */
static void transform(const lt_conv_pass *pass, const lt_conv_backward_io *io, size_t tile, size_t index) {
    const lt_conv_desc *d = &pass->desc;
    const gradient *g = pass->state;
    float *scratch = io->scratch;
    const void *pixels[TILES];
    size_t before = 0;
    for (int source = 0; source < 2 && d->c[source]; source++) {
        const size_t c = (size_t)d->c[source];
        lt_winograd_pixels(d, io->src[source], c * sizeof(float), tile, IN, 1, scratch, pixels);
        g->simd->input(pixels, 0, c, scratch + g->v_at + index * g->ldv + before, g->v_xi);
        before += c;
    }
    lt_winograd_pixels(d, io->ddst, g->oc * sizeof(float), tile, OUT, 0, scratch, pixels);
    g->simd->gradient(pixels, g->oc, scratch + g->m_at + index * g->ldm, g->m_xi);
}

/* Some rows of one xi's dU (+)= M' V. */
static void multiply(const gradient *g, float *scratch, size_t job, size_t tiles, bool add) {
    const size_t xi = job / g->jobs_a_xi, first = job % g->jobs_a_xi * g->job_rows;
    const size_t last = lt_min(first + g->job_rows, g->oc);
    const float *v = scratch + g->v_at + xi * g->v_xi, *m = scratch + g->m_at + xi * g->m_xi;
    float *u = scratch + g->u_at + xi * g->u_xi;
    const lt_tile all = {.rows = last - first,
                         .k = tiles,
                         .a = m + first,
                         .lda = g->ldm,
                         .b = v,
                         .ldb = g->ldv,
                         .c = u + first * g->ldu,
                         .ldc = g->ldu,
                         .add = add};
    lt_gemm_outer(g->gemm, &all, g->c);
}

/* Output channel o of dU, transformed and added to dweight. */
static void add_taps(const gradient *g, const float *scratch, size_t o, float *dweight) {
    enum { MOST_COLUMNS = 32, TAPS = 9 };
    const size_t columns = g->gemm->columns;
    for (size_t column = 0; column < g->c; column += columns) {
        float taps[TAPS * MOST_COLUMNS];
        g->simd->taps(scratch + g->u_at + o * g->ldu + column, g->u_xi, taps);
        float *to = dweight + (o * g->c + column) * TAPS;
        for (size_t i = 0; i < lt_min(columns, g->c - column); i++)
            for (size_t tap = 0; tap < TAPS; tap++) to[i * TAPS + tap] += taps[tap * columns + i];
    }
}

typedef struct run {
    const lt_conv_pass *pass;
    const lt_conv_backward_io *io;
    size_t first, tiles; /* the block's */
} run;

static void transform_body(const void *context, size_t index, int thread) {
    (void)thread;
    const run *r = context;
    transform(r->pass, r->io, r->first + index, index);
}

static void multiply_body(const void *context, size_t job, int thread) {
    (void)thread;
    const run *r = context;
    multiply(r->pass->state, r->io->scratch, job, r->tiles, r->first > 0);
}

static void taps_body(const void *context, size_t o, int thread) {
    (void)thread;
    const run *r = context;
    add_taps(r->pass->state, r->io->scratch, o, r->io->dweight);
}

static lt_status gradient_run(const lt_conv_pass *pass, const lt_conv_backward_io *io) {
    const lt_conv_desc *d = &pass->desc;
    const gradient *g = pass->state;
    memset(io->scratch, 0, g->v_at * sizeof(float));
    run r = {.pass = pass, .io = io};
    for (; r.first < g->tiles; r.first += g->block) {
        r.tiles = lt_min(g->block, g->tiles - r.first);
        lt_parallel(d->threads, r.tiles, 4, transform_body, &r);
        lt_parallel(d->threads, TILES * g->jobs_a_xi, 1, multiply_body, &r);
    }
    lt_parallel(d->threads, g->oc, LT_EVENLY, taps_body, &r);
    if (d->bias)
        lt_column_sums(d->isa, io->ddst, lt_conv_rows(d), g->oc, io->dbias, (char *)io->scratch + g->columns_at,
                       d->threads);
    return LT_OK;
}

const lt_conv_pass_impl lt_backward_weights_winograd = {.create = gradient_create,
                                                        .run = gradient_run,
                                                        .free = gradient_free,
                                                        .serves = {[LT_PRECISION_F32] = LT_EVERY_FORMAT}};
