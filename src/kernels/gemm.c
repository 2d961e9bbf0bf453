/* Our matrix product: linear layers and, implicitly, convolutions of any kernel and stride.
 *
 *     dst[rows, oc] = act(A[rows, k] W[k, oc] + bias) + residual       rows = n*oh*ow, k = kernel*kernel*c
 *
 * A row of A is the window of one output pixel: kernel*kernel pixels of channels, zeros outside. It exists only in
 * blocks, copied for a few rows and a part of k just before they are used; a 1x1 convolution is read where it is. The
 * work is cut into jobs of some rows by some panels of columns. Every sum runs over the same blocks of k in the same
 * order whatever the jobs and threads are, so the bytes are the same for any number of threads, and for a sample alone
 * or in a batch. Blocking: Goto & van de Geijn 2008. */
#include "kernels/gemm.h"

#include "kernels/windows.h"

#include <stdio.h>
#include <string.h>

enum {
    BLOCK_K = 384,        /* a panel's part, 384*32 floats, and the rows that meet it stay near the core */
    LONG_BLOCK_K = 2304,  /* of strided windows with AVX-512: 3x3 of 256 channels are one sum */
    JOB_COLUMNS = 320,    /* with BLOCK_K: 480 KB of weights, half of a 1 MB second-level cache */
    JOB_ROWS = 224,       /* with JOB_COLUMNS: 280 KB of sums */
    MIN_JOB_COLUMNS = 96, /* jobs are not made narrower as long as they can be made shorter */
    JOBS_A_THREAD = 4,
    ALIASING = 4096 /* rows of A this many bytes (or a multiple) apart share their sets of the first-level cache */
};

typedef struct gemm {
    const lt_gemm_simd *simd;
    lt_windows windows;
    size_t rows, k, panels;
    size_t block_k, job_rows, job_panels;
    size_t lda; /* of the copied rows */
    const lt_weight_format *format;
    lt_widen_loop *widen; /* of a job, before it multiplies; NULL: tile does */
    void (*tile)(const lt_tile *t);
    size_t a_size, b_size, c_size; /* floats of scratch for each thread */
} gemm;

/* The panels of one job, the block of k that is being worked on, and where this thread's scratch is. */
typedef struct job {
    size_t row, row_end, panel, panels;
    size_t k, k_end;
    float *a, *b, *sums;
} job;

/* ---- Choosing ---- */

const lt_gemm_simd *lt_gemm_simd_get(lt_isa limit) {
#if defined(__x86_64__)
    switch (lt_isa_vectors(limit)) {
    case LT_ISA_AVX512: return &lt_gemm_simd_avx512;
    case LT_ISA_AVX2: return &lt_gemm_simd_avx2;
    default: break;
    }
#else
    (void)limit;
#endif
    return NULL;
}

/* Windows that are strided, or of few channels, are cut later, if at all: so oneDNN summed them, which ran them once,
 * and a sum that is cut elsewhere is rounded elsewhere. The same pictures come out. */
static size_t longest_block(const lt_conv_desc *d, const lt_gemm_simd *simd) {
    enum { FEW = 16 };
    const bool strided = d->kernel > 1 && (d->stride > 1 || d->c[0] + d->c[1] < FEW);
    return strided && d->weight_type == LT_F32 && simd->isa == LT_ISA_AVX512 ? LONG_BLOCK_K : BLOCK_K;
}

static void plan_jobs(gemm *g, const lt_conv_desc *d) {
    const size_t unit = d->act == LT_ACT_GEGLU ? 2 : 1, columns = g->simd->columns; /* values and gates stay together */
    size_t panels = lt_part(g->panels / unit, JOB_COLUMNS / columns / unit), rows = lt_part(g->rows, JOB_ROWS);
    const size_t wanted = (size_t)JOBS_A_THREAD * (size_t)d->threads;
    while (lt_count_parts(g->panels / unit, panels) * lt_count_parts(g->rows, rows) < wanted) {
        if (panels > 1 && (panels * unit * columns > MIN_JOB_COLUMNS || rows <= g->simd->rows))
            panels = (panels + 1) / 2;
        else if (rows > g->simd->rows)
            rows = lt_round_up((rows + 1) / 2, g->simd->rows);
        else
            break;
    }
    g->job_panels = panels * unit;
    g->job_rows = rows;
}

/* Few rows are multiplied sooner than their weights are widened in memory. */
static void choose_widening(gemm *g, const lt_conv_desc *d) {
    const lt_weight_format_id id = lt_conv_weight_format(d);
    const bool few = g->job_rows <= 2 * g->simd->rows, as_packed = g->simd->tile[id] && (few || id == LT_WEIGHT_F32);
    g->widen = as_packed ? NULL : g->format->widen[g->simd->isa];
    g->tile = g->simd->tile[as_packed ? id : LT_WEIGHT_F32];
}

static lt_status gemm_create(lt_conv *conv) {
    const lt_conv_desc *d = &conv->desc;
    const lt_gemm_simd *simd = lt_gemm_simd_get(d->isa);
    if (!simd) return lt_fail(LT_ERROR_UNSUPPORTED, "matrix product: this processor has no AVX2");
    gemm *g = lt_calloc(1, sizeof *g);
    if (!g) return LT_ERROR_MEMORY;
    g->simd = simd;
    g->windows = lt_windows_of(d);
    g->rows = lt_conv_rows(d);
    g->k = lt_panel_k(d);
    g->panels = lt_panels(d, simd);
    g->format = &lt_weight_formats[lt_conv_weight_format(d)];
    g->block_k = lt_round_up(lt_part(g->k, longest_block(d, simd)), g->format->block);
    /* an odd number of cache lines, so that rows don't share sets */
    g->lda = (lt_round_up(g->block_k, 16) / 16 | 1) * 16;
    plan_jobs(g, d);
    choose_widening(g, d);
    g->a_size = simd->rows * g->lda;
    g->b_size = g->widen ? g->job_panels * lt_round_up(g->block_k * simd->columns, 16) : 0;
    g->c_size = (g->k > g->block_k ? g->job_rows : simd->rows) * g->job_panels * simd->columns;
    conv->state = g;
    conv->scratch_size = (g->a_size + g->b_size + g->c_size) * sizeof(float) * (size_t)d->threads;
    lt_panels_describe(conv, simd);
    snprintf(conv->name, sizeof conv->name, "%s:gemm", lt_isa_name(simd->isa));
    return LT_OK;
}

static void gemm_free(lt_conv *conv) { lt_free(conv->state); }

/* ---- Running ---- */

/* Rows [row, row + rows) of A, k from j->k to j->k_end: in place if they lie in memory as a matrix that caches well,
 * else copied. */
static const float *a_rows(const lt_conv_desc *d, const gemm *g, const lt_conv_io *io, const job *j, size_t row,
                           size_t rows, size_t *lda) {
    const size_t c0 = (size_t)d->c[0];
    const int second = j->k >= c0;
    const size_t c = (size_t)d->c[second];
    if (d->kernel == 1 && d->stride == 1 && d->pad_begin == 0 && d->pad_end == 0 && (second || j->k_end <= c0) &&
        c * sizeof(float) % ALIASING != 0) {
        *lda = c;
        return io->src[second] + row * c + j->k - (second ? c0 : 0);
    }
    *lda = g->lda;
    for (size_t i = 0; i < rows; i++)
        lt_windows_copy(&g->windows, io->src, row + i, j->k, j->k_end - j->k, j->a + i * g->lda);
    return j->a;
}

static lt_epilogue epilogue(const lt_conv_desc *d, const gemm *g, const lt_conv_io *io, const job *j, size_t row) {
    const bool geglu = d->act == LT_ACT_GEGLU;
    const size_t oc = (size_t)d->oc, first = j->panel * g->simd->columns / (geglu ? 2 : 1);
    const size_t columns = j->panels * g->simd->columns / (geglu ? 2 : 1);
    return (lt_epilogue){.act = d->act,
                         .columns = lt_min(columns, oc - first),
                         .stride = oc,
                         .bias = io->bias ? io->bias + first : NULL,
                         .gate_bias = io->bias && geglu ? io->bias + oc + first : NULL,
                         .residual = io->residual ? io->residual + row * oc + first : NULL,
                         .dst = io->dst + row * oc + first};
}

/* The panels of one job and block of k, as its tiles read them. */
typedef struct panels {
    const char *first;
    size_t next; /* bytes from one to the next */
} panels;

static panels prepare_panels(const gemm *g, const lt_conv_io *io, const job *j) {
    const size_t columns = g->simd->columns, length = j->k_end - j->k,
                 next = lt_weight_bytes(g->format, g->k * columns);
    const char *packed = (const char *)io->weight + j->panel * next + lt_weight_bytes(g->format, j->k * columns);
    if (!g->widen) return (panels){packed, next};
    for (size_t p = 0; p < j->panels; p++) g->widen(packed + p * next, j->b + p * length * columns, length, columns);
    return (panels){(const char *)j->b, length * columns * sizeof(float)};
}

/* All rows of a job with one block of k. */
static void run_block(const lt_conv_desc *d, const gemm *g, const lt_conv_io *io, const job *j) {
    const lt_gemm_simd *simd = g->simd;
    const size_t columns = simd->columns, length = j->k_end - j->k, ldc = j->panels * columns;
    const panels b = prepare_panels(g, io, j);
    const bool last = j->k_end == g->k;
    const size_t step = lt_part(j->row_end - j->row, simd->rows);
    for (size_t row = j->row; row < j->row_end; row += step) {
        const size_t rows = lt_min(step, j->row_end - row);
        lt_tile t = {.rows = rows, .k = length, .ldc = ldc, .add = j->k > 0};
        t.a = t.next = a_rows(d, g, io, j, row, rows, &t.lda);
        float *sums = g->k > g->block_k ? j->sums + (row - j->row) * ldc : j->sums;
        for (size_t p = 0; p < j->panels; p++) {
            t.c = sums + p * columns;
            t.b = b.first + p * b.next;
            g->tile(&t);
        }
        if (last) {
            const lt_epilogue e = epilogue(d, g, io, j, row);
            simd->finish(&e, rows, sums, ldc);
        }
    }
}

/* Jobs are numbered down the rows first: threads beside each other read the same weights. */
static void run_job(const lt_conv_desc *d, const gemm *g, const lt_conv_io *io, size_t index, float *scratch) {
    const size_t down = lt_count_parts(g->rows, g->job_rows);
    const size_t row = index % down * g->job_rows, panel = index / down * g->job_panels;
    job j = {.row = row,
             .row_end = lt_min(row + g->job_rows, g->rows),
             .panel = panel,
             .panels = lt_min(g->job_panels, g->panels - panel),
             .a = scratch,
             .b = scratch + g->a_size,
             .sums = scratch + g->a_size + g->b_size};
    for (; j.k < g->k; j.k = j.k_end) {
        j.k_end = lt_min(j.k + g->block_k, g->k);
        run_block(d, g, io, &j);
    }
}

typedef struct gemm_loop {
    const lt_conv *conv;
    const lt_conv_io *io;
} gemm_loop;

static void job_body(const void *context, size_t index, int thread) {
    const gemm_loop *l = context;
    const gemm *g = l->conv->state;
    const size_t own = g->a_size + g->b_size + g->c_size;
    run_job(&l->conv->desc, g, l->io, index, (float *)l->io->scratch + (size_t)thread * own);
}

static lt_status gemm_run(const lt_conv *conv, const lt_conv_io *io) {
    const gemm *g = conv->state;
    const gemm_loop loop = {conv, io};
    const size_t jobs = lt_count_parts(g->rows, g->job_rows) * lt_count_parts(g->panels, g->job_panels);
    lt_parallel(conv->desc.threads, jobs, 1, job_body, &loop);
    return LT_OK;
}

static lt_status gemm_pack(const lt_conv *conv, const lt_weight_source *weight, void *packed) {
    const gemm *g = conv->state;
    return lt_panels_pack(conv, g->simd, weight, packed);
}

const lt_conv_impl lt_conv_gemm = {.create = gemm_create,
                                   .pack = gemm_pack,
                                   .run = gemm_run,
                                   .free = gemm_free,
                                   .serves = {[LT_PRECISION_F32] = LT_WIDENED_FORMATS}};
