/* backward_weights: the gradient by the weight as a matrix product over the output pixels, any shape:
 *
 *     dW[o, k] = sum over rows r of ddst[r, o] A[r, k]        A: the windows of the sources (windows.h)
 *
 * dW is cut into jobs of some outputs by some columns k, whose sums stay near the core; where those are few, each is
 * cut again into parts of the rows, whose sums are added up in their order. Jobs and parts do not depend on the number
 * of threads, so the bytes don't either. */
#include "kernels/columns.h"
#include "kernels/gemm.h"
#include "kernels/windows.h"

#include <stdio.h>
#include <string.h>

enum {
    BLOCK_ROWS = 128,  /* multiplied at a time: what a tile reads of them stays in the first-level cache */
    JOB_COLUMNS = 256, /* of k, and outputs, of a job */
    JOB_OUTPUTS = 320,
    MIN_PIECES = 32,       /* jobs and parts, for threads to share, */
    MIN_PART = 1024,       /* of no fewer rows, */
    SUMS_BYTES = 64 << 20, /* and no more memory for their sums */
    LINE = 16,
    ALIASING = 512 /* bytes: rows that far apart share an eighth of the sets of the first-level cache, or fewer */
};

typedef struct gradient {
    const lt_gemm_simd *simd;
    lt_windows windows;
    size_t rows, k, oc;
    size_t job_k, job_o, jobs_k, jobs_o, parts, part_rows;
    bool copies_a, copies_b; /* ddst's rows would share sets; so would the sources', or their windows are no matrix */
    size_t lda, ldb;
    size_t a_size, b_size;      /* floats of a thread's scratch */
    size_t sums_size;           /* of one job's part */
    size_t sums_at, columns_at; /* floats, bytes into scratch; the threads' come first */
} gradient;

static size_t odd_lines(size_t floats) { return (lt_round_up(floats, LINE) / LINE | 1) * LINE; }

static void plan_jobs(gradient *g) {
    g->job_k = lt_part(lt_round_up(g->k, g->simd->columns), JOB_COLUMNS);
    g->job_k = lt_round_up(g->job_k, g->simd->columns);
    g->job_o = lt_part(g->oc, JOB_OUTPUTS);
    g->jobs_k = lt_count_parts(g->k, g->job_k);
    g->jobs_o = lt_count_parts(g->oc, g->job_o);
    g->sums_size = g->job_o * g->job_k;
    const size_t jobs = g->jobs_k * g->jobs_o, fit = SUMS_BYTES / (jobs * g->sums_size * sizeof(float));
    g->parts = lt_min(lt_count_parts(MIN_PIECES, jobs), lt_max(1, g->rows / MIN_PART));
    g->parts = lt_max(1, lt_min(g->parts, fit));
    g->part_rows = lt_part(g->rows, lt_count_parts(g->rows, g->parts));
    g->parts = lt_count_parts(g->rows, g->part_rows);
}

/* Whether the sources lie in memory as the matrix of their windows. */
static bool is_matrix(const lt_conv_desc *d) {
    return d->kernel == 1 && d->stride == 1 && d->pad_begin == 0 && d->pad_end == 0 && d->c[1] == 0;
}

static lt_status gradient_create(lt_conv_pass *pass) {
    const lt_conv_desc *d = &pass->desc;
    const lt_gemm_simd *simd = lt_gemm_simd_get(d->isa);
    if (!pass->wanted.weight || !simd) return lt_fail(LT_ERROR_UNSUPPORTED, "matrix product: no such gradient");
    gradient *g = lt_calloc(1, sizeof *g);
    if (!g) return LT_ERROR_MEMORY;
    g->simd = simd;
    g->windows = lt_windows_of(d);
    g->rows = lt_conv_rows(d);
    g->k = lt_panel_k(d);
    g->oc = (size_t)d->oc;
    plan_jobs(g);
    g->copies_a = g->oc * sizeof(float) % ALIASING == 0;
    g->copies_b = !is_matrix(d) || g->k % simd->columns || g->k * sizeof(float) % ALIASING == 0;
    g->lda = g->copies_a ? odd_lines(g->job_o) : g->oc;
    g->ldb = g->copies_b ? odd_lines(g->job_k) : g->k;
    g->a_size = g->copies_a ? BLOCK_ROWS * g->lda : 0;
    g->b_size = g->copies_b ? BLOCK_ROWS * g->ldb : 0;
    g->sums_at = (g->a_size + g->b_size) * (size_t)d->threads;
    g->columns_at = (g->sums_at + g->jobs_k * g->jobs_o * g->parts * g->sums_size) * sizeof(float);
    pass->state = g;
    pass->scratch_size = g->columns_at + (d->bias ? lt_column_sums_scratch(g->rows, g->oc) : 0);
    snprintf(pass->name, sizeof pass->name, "%s:gemm", lt_isa_name(simd->isa));
    return LT_OK;
}

static void gradient_free(lt_conv_pass *pass) { lt_free(pass->state); }

/* ---- Running ---- */

typedef struct run {
    const gradient *g;
    const lt_conv_backward_io *io;
} run;

/* Where a job's columns and outputs begin, and how many there are. */
typedef struct job {
    size_t k, columns, o, outputs;
} job;

static job locate(const gradient *g, size_t index) {
    const size_t k = index % g->jobs_k * g->job_k, o = index / g->jobs_k * g->job_o;
    return (job){k, lt_min(g->job_k, g->k - k), o, lt_min(g->job_o, g->oc - o)};
}

static void copy_block(const run *r, const job *j, size_t row, size_t rows, float *a, float *b) {
    const gradient *g = r->g;
    const size_t padded = lt_round_up(j->columns, g->simd->columns);
    for (size_t i = 0; i < rows && g->copies_b; i++) {
        lt_windows_copy(&g->windows, r->io->src, row + i, j->k, j->columns, b + i * g->ldb);
        memset(b + i * g->ldb + j->columns, 0, (padded - j->columns) * sizeof *b);
    }
    for (size_t i = 0; i < rows && g->copies_a; i++)
        memcpy(a + i * g->lda, r->io->ddst + (row + i) * g->oc + j->o, j->outputs * sizeof *a);
}

/* sums [outputs, job_k] = or += a' b */
static void multiply(const gradient *g, const job *j, size_t rows, const float *a, const float *b, float *sums,
                     bool add) {
    const lt_tile all = {.rows = j->outputs,
                         .k = rows,
                         .a = a,
                         .lda = g->lda,
                         .b = b,
                         .ldb = g->ldb,
                         .c = sums,
                         .ldc = g->job_k,
                         .add = add};
    lt_gemm_outer(g->simd, &all, j->columns);
}

static float *sums_of(const run *r, size_t index, size_t part) {
    return (float *)r->io->scratch + r->g->sums_at + (index * r->g->parts + part) * r->g->sums_size;
}

/* One job's part: its sums over some of the rows. */
static void part_body(const void *context, size_t piece, int thread) {
    const run *r = context;
    const gradient *g = r->g;
    const size_t index = piece / g->parts, part = piece % g->parts;
    const size_t first = part * g->part_rows, end = lt_min(first + g->part_rows, g->rows);
    const job j = locate(g, index);
    float *a = (float *)r->io->scratch + (size_t)thread * (g->a_size + g->b_size), *b = a + g->a_size;
    for (size_t row = first; row < end; row += BLOCK_ROWS) {
        const size_t rows = lt_min(BLOCK_ROWS, end - row);
        copy_block(r, &j, row, rows, a, b);
        multiply(g, &j, rows, g->copies_a ? a : r->io->ddst + row * g->oc + j.o,
                 g->copies_b ? b : r->io->src[0] + row * g->k + j.k, sums_of(r, index, part), row > first);
    }
}

/* Adds the parts' sums of some columns k of output channel o to dweight [oc, c, taps]. */
static void add_columns(const gradient *g, float *sums, size_t k, size_t count, float *to) {
    const size_t c = g->windows.both, taps = g->k / c;
    for (size_t part = 1; part < g->parts; part++)
        for (size_t i = 0; i < count; i++) sums[i] += sums[part * g->sums_size + i];
    if (taps == 1)
        for (size_t i = 0; i < count; i++) to[k + i] += sums[i];
    else
        for (size_t i = 0; i < count; i++) to[(k + i) % c * taps + (k + i) / c] += sums[i];
}

static void add_body(const void *context, size_t o, int thread) {
    (void)thread;
    const run *r = context;
    const gradient *g = r->g;
    for (size_t i = 0; i < g->jobs_k; i++) {
        const size_t k = i * g->job_k, row = o % g->job_o * g->job_k;
        add_columns(g, sums_of(r, o / g->job_o * g->jobs_k + i, 0) + row, k, lt_min(g->job_k, g->k - k),
                    r->io->dweight + o * g->k);
    }
}

static lt_status gradient_run(const lt_conv_pass *pass, const lt_conv_backward_io *io) {
    const lt_conv_desc *d = &pass->desc;
    const gradient *g = pass->state;
    const run r = {g, io};
    lt_parallel(d->threads, g->jobs_k * g->jobs_o * g->parts, 1, part_body, &r);
    lt_parallel(d->threads, g->oc, LT_EVENLY, add_body, &r);
    if (d->bias)
        lt_column_sums(d->isa, io->ddst, g->rows, g->oc, io->dbias, (char *)io->scratch + g->columns_at, d->threads);
    return LT_OK;
}

const lt_conv_pass_impl lt_backward_weights_gemm = {.create = gradient_create,
                                                    .run = gradient_run,
                                                    .free = gradient_free,
                                                    .serves = {[LT_PRECISION_F32] = LT_EVERY_FORMAT}};
