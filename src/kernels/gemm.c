/* Our matrix product: linear layers and, implicitly, convolutions of any kernel and stride.
 *
 *     dst[rows, oc] = act(A[rows, k] W[k, oc] + bias) + residual       rows = n*oh*ow, k = kernel*kernel*c
 *
 * A row of A is the window of one output pixel: kernel*kernel pixels of channels, zeros outside. It exists only in
 * blocks, copied for a few rows and a part of k just before they are used; a 1x1 convolution is read where it is. The
 * work is cut into jobs of some rows by some panels of columns. Every sum runs over the same blocks of k in the same
 * order whatever the jobs and threads are, so the bytes are the same for any number of threads, and for a sample alone
 * or in a batch. Blocking: Goto & van de Geijn 2008. */
#include "kernels/jobs.h"
#include "kernels/narrow.h"
#include "kernels/windows.h"

#include <stdio.h>
#include <string.h>

enum {
    LONG_BLOCK_K = 2304, /* of strided windows with AVX-512: 3x3 of 256 channels are one sum */
    ALIASING = 4096      /* rows of A this many bytes (or a multiple) apart share their sets of the first-level cache */
};

typedef struct gemm {
    const lt_gemm_simd *simd;
    const lt_product *product; /* of narrow numbers; NULL: of floats */
    lt_conv_desc words;        /* the convolution in words of four bytes: its channels are a source's words */
    lt_windows windows;        /* of words */
    lt_jobs jobs;
    size_t k, tile_rows, block_k;
    size_t panel_size; /* bytes */
    size_t lda;        /* of the copied rows */
    const lt_weight_format *format;
    lt_widen_loop *widen; /* of a job, before it multiplies; NULL: tile does */
    void (*tile)(const lt_tile *t);
    /* Floats of scratch: the sources in words and their scales, which all threads share; then for each thread. */
    size_t words_size[2], scales_size[2], a_size, b_size, c_size;
} gemm;

/* The panels of one job, the block of k that is being worked on, and where this thread's scratch is. */
typedef struct job {
    lt_job part;
    size_t k, k_end;
    size_t at;                /* of narrow numbers: the row of a panel where the block begins */
    const float *src[2];      /* floats or words */
    const float *of_pixel[2]; /* int8: the sources' scales */
    float *a, *scale, *b, *sums;
} job;

/* Whether tiles take whole rows of words alone: what is missing of them costs as much as what is there. */
static bool is_whole(const gemm *g) { return g->product && g->product->words > 1; }
static bool is_int8(const gemm *g) { return g->product && g->product->numbers == LT_PRECISION_INT8; }

/* ---- Choosing ---- */

const lt_gemm_simd *lt_gemm_simd_get(lt_isa limit) {
#if defined(__x86_64__)
    switch (lt_isa_vectors(limit)) {
    case LT_ISA_AVX512: return &lt_gemm_simd_avx512;
    case LT_ISA_AVX2: return &lt_gemm_simd_avx2;
    default: break;
    }
#elif defined(__aarch64__)
    if (lt_isa_has(LT_ISA_NEON, limit)) return &lt_gemm_simd_neon;
#else
    (void)limit;
#endif
    return NULL;
}

static bool is_there(lt_isa set, lt_isa limit) {
    return set == LT_ISA_AMX ? lt_isa_has_amx(limit) : lt_isa_has(set, limit);
}

const lt_product *lt_product_get(lt_precision numbers, lt_isa limit) {
#if defined(__x86_64__)
    static const lt_product *const products[] = {&lt_product_amx_bf16,   &lt_product_amx_int8, &lt_product_avx512bf16,
                                                 &lt_product_avx512vnni, &lt_product_avx512,   &lt_product_avxvnni,
                                                 &lt_product_avx2};
#elif defined(__aarch64__)
    static const lt_product *const products[] = {&lt_product_neondot, &lt_product_neon};
#else
    static const lt_product *const products[] = {NULL};
#endif
    for (size_t i = 0; i < LT_COUNT(products); i++)
        if (products[i] && products[i]->numbers == numbers && is_there(products[i]->needs, limit)) return products[i];
    return NULL;
}

/* Windows that are strided, or of few channels, are cut later, if at all: so oneDNN summed them, which ran them once,
 * and a sum that is cut elsewhere is rounded elsewhere. The same pictures come out. */
static size_t longest_block(const lt_conv_desc *d, const gemm *g) {
    if (g->product) return g->product->block;
    enum { FEW = 16 };
    const bool strided = d->kernel > 1 && (d->stride > 1 || d->c[0] + d->c[1] < FEW);
    return strided && d->weight_type == LT_F32 && g->simd->isa == LT_ISA_AVX512 ? LONG_BLOCK_K : LT_BLOCK_K;
}

/* Few rows are multiplied sooner than their weights are widened in memory. */
static void choose_widening(gemm *g, const lt_conv_desc *d) {
    const lt_weight_format_id id = lt_conv_weight_format(d);
    const bool few = g->jobs.job_rows <= 2 * g->simd->rows,
               as_packed = g->simd->tile[id] && (few || id == LT_WEIGHT_F32);
    g->widen = as_packed ? NULL : g->format->widen[g->simd->isa];
    g->tile = g->simd->tile[as_packed ? id : LT_WEIGHT_F32];
}

/* Whether a source's values are words as they lie in memory. */
static bool are_words(const lt_conv_desc *d, int source) {
    return d->precision == LT_PRECISION_BF16 && d->source_type[source] == LT_VALUE_BF16;
}

/* Whether a source's values can't be multiplied: bf16 by floats, and where a row of them ends within a word. */
static bool is_unread(const lt_conv_desc *d, int source) {
    if (d->source_type[source] == LT_VALUE_F32) return false;
    return lt_conv_precision(d) == LT_PRECISION_F32 || (are_words(d, source) && d->c[source] % 2);
}

/* Who multiplies: LT_ERROR_UNSUPPORTED where nobody does. */
static lt_status choose_product(gemm *g, const lt_conv_desc *d) {
    const bool narrow = lt_conv_precision(d) != LT_PRECISION_F32;
    if (narrow && !lt_conv_is_plain(d)) return lt_fail(LT_ERROR_UNSUPPORTED, "matrix product: no narrow numbers apart");
    if (lt_conv_is_onednns(d)) return lt_fail(LT_ERROR_UNSUPPORTED, "matrix product: oneDNN is faster in training");
    if (is_unread(d, 0) || is_unread(d, 1)) return lt_fail(LT_ERROR_UNSUPPORTED, "matrix product: no such values");
    g->product = narrow ? lt_product_get(d->precision, d->isa) : NULL;
    g->simd = narrow ? g->product ? g->product->simd : NULL : lt_gemm_simd_get(d->isa);
    if (!g->simd) return lt_fail(LT_ERROR_UNSUPPORTED, "matrix product: not on this processor");
    g->tile_rows = narrow ? g->product->rows : g->simd->rows;
    g->words = *d;
    for (int i = 0; i < 2; i++) g->words.c[i] = (int)lt_narrow_words(lt_conv_precision(d), (size_t)d->c[i]);
    return LT_OK;
}

static void plan_scratch(gemm *g, const lt_conv_desc *d) {
    const size_t columns = g->simd->columns;
    for (int i = 0; i < 2 && g->product; i++) {
        g->words_size[i] = are_words(d, i) ? 0 : lt_round_up(lt_conv_pixels(d) * (size_t)g->words.c[i], 16);
        g->scales_size[i] = is_int8(g) ? lt_round_up(lt_conv_pixels(d), 16) : 0;
    }
    g->a_size = g->tile_rows * g->lda;
    g->b_size = g->widen ? g->jobs.job_panels * lt_round_up(g->block_k * columns, 16) : 0;
    g->c_size = (g->k > g->block_k ? g->jobs.job_rows : g->tile_rows) * g->jobs.job_panels * columns;
}

static size_t shared_size(const gemm *g) {
    return g->words_size[0] + g->words_size[1] + g->scales_size[0] + g->scales_size[1];
}
/* The rows' scales and the columns'. */
static size_t scale_size(const gemm *g) {
    return is_int8(g) ? lt_round_up(g->tile_rows, 16) + g->jobs.job_panels * g->simd->columns : 0;
}
static float *words_at(const gemm *g, float *shared, int i) { return shared + (i ? g->words_size[0] : 0); }
static float *scales_at(const gemm *g, float *shared, int i) {
    return shared + g->words_size[0] + g->words_size[1] + (i ? g->scales_size[0] : 0);
}
static float *columns_scales(const gemm *g, const job *j) { return j->scale + lt_round_up(g->tile_rows, 16); }
static size_t own_size(const gemm *g) { return g->a_size + scale_size(g) + g->b_size + g->c_size; }

/* Words of the longest block of k. */
static size_t block_size(const gemm *g, const lt_conv_desc *d) {
    size_t most = 0;
    for (size_t k = 0, end; is_int8(g) && k < g->k; k = end) most = lt_max(most, (end = lt_narrow_block(d, k)) - k);
    if (most) return most;
    return lt_round_up(lt_part(g->k, longest_block(d, g)), g->product ? g->product->words : g->format->block);
}

static lt_status plan(gemm *g, const lt_conv_desc *d) {
    LT_TRY(choose_product(g, d));
    g->windows = lt_windows_of(&g->words);
    g->k = lt_panel_k(&g->words);
    g->format = &lt_weight_formats[lt_conv_weight_format(d)];
    g->block_k = block_size(g, d);
    /* an odd number of cache lines, so that rows don't share sets */
    g->lda = (lt_round_up(g->block_k, 16) / 16 | 1) * 16;
    g->jobs = lt_jobs_plan(d, g->simd, lt_conv_rows(d), g->tile_rows, g->product ? g->product->job_rows : LT_JOB_ROWS,
                           is_whole(g));
    if (g->product)
        g->tile = g->product->tile;
    else
        choose_widening(g, d);
    plan_scratch(g, d);
    return LT_OK;
}

static lt_status gemm_create(lt_conv *conv) {
    const lt_conv_desc *d = &conv->desc;
    gemm *g = lt_calloc(1, sizeof *g);
    if (!g) return LT_ERROR_MEMORY;
    const lt_status status = plan(g, d);
    if (status) {
        lt_free(g);
        return status;
    }
    conv->state = g;
    conv->scratch_size = (shared_size(g) + own_size(g) * (size_t)d->threads) * sizeof(float);
    conv->pieces = lt_jobs_count(&g->jobs);
    lt_panels_describe(conv, g->simd);
    g->panel_size = conv->packed_size / g->jobs.panels;
    snprintf(conv->name, sizeof conv->name, "%s:gemm", lt_isa_name(g->product ? g->product->needs : g->simd->isa));
    return LT_OK;
}

static void gemm_free(lt_conv *conv) { lt_free(conv->state); }

/* ---- Running ---- */

/* Rows [row, row + rows) of A, k from j->k to j->k_end, and of int8 their scales: in place if they lie in memory as a
 * matrix that caches well, else copied. */
static const float *a_rows(const gemm *g, const job *j, size_t row, size_t rows, lt_tile *t) {
    const lt_conv_desc *d = &g->words;
    const size_t c0 = (size_t)d->c[0];
    const int second = j->k >= c0;
    const size_t c = lt_conv_src_pitch(d, second);
    if (d->kernel == 1 && d->stride == 1 && d->pad_begin == 0 && d->pad_end == 0 && (second || j->k_end <= c0) &&
        c * sizeof(float) % ALIASING != 0) {
        t->lda = c;
        t->scale = is_int8(g) ? j->of_pixel[second] + row : NULL;
        return j->src[second] + row * c + j->k - (second ? c0 : 0);
    }
    t->lda = g->lda;
    t->scale = j->scale;
    if (is_int8(g)) {
        const lt_windows_block b = lt_windows_block_of(&g->windows, j->k, j->k_end - j->k);
        lt_windows_copy_block(&g->windows, &b, j->src[b.source], j->of_pixel[b.source], row, rows, j->a, g->lda,
                              j->scale);
        return j->a;
    }
    for (size_t i = 0; i < rows; i++)
        lt_windows_copy(&g->windows, j->src, row + i, j->k, j->k_end - j->k, j->a + i * g->lda);
    return j->a;
}

/* The panels of one job and block of k, as its tiles read them. */
typedef struct panels {
    const char *first;
    size_t next; /* bytes from one to the next */
} panels;

static panels prepare_panels(const gemm *g, const lt_conv_io *io, const job *j) {
    const size_t columns = g->simd->columns, length = j->k_end - j->k;
    if (g->product) {
        const size_t row = columns * sizeof(uint32_t);
        return (panels){(const char *)io->weight + j->part.panel * g->panel_size + j->at * row, g->panel_size};
    }
    const char *packed =
        (const char *)io->weight + j->part.panel * g->panel_size + lt_weight_bytes(g->format, j->k * columns);
    if (!g->widen) return (panels){packed, g->panel_size};
    for (size_t p = 0; p < j->part.panels; p++)
        g->widen(packed + p * g->panel_size, j->b + p * length * columns, length, columns);
    return (panels){(const char *)j->b, length * columns * sizeof(float)};
}

/* A panel's next block follows this one: tile `index` of so many has its share of it fetched. */
static void fetch_soon(lt_tile *t, size_t columns, size_t index, size_t tiles) {
    enum { CACHE_LINE = 64 };
    const size_t block = t->k * columns * sizeof(uint32_t);
    t->soon_lines = lt_count_parts(block / CACHE_LINE, tiles);
    t->soon = (const char *)t->b + block + index * t->soon_lines * CACHE_LINE;
}

/* All rows of a job with one block of k. */
static void run_block(const lt_conv_desc *d, const gemm *g, const lt_conv_io *io, const job *j) {
    const lt_gemm_simd *simd = g->simd;
    const size_t columns = simd->columns, length = j->k_end - j->k, ldc = j->part.panels * columns;
    const panels b = prepare_panels(g, io, j);
    const bool last = j->k_end == g->k;
    const size_t step = is_whole(g) ? g->tile_rows : lt_part(j->part.row_end - j->part.row, g->tile_rows);
    const size_t tiles = lt_count_parts(j->part.row_end - j->part.row, step);
    for (size_t row = j->part.row; row < j->part.row_end; row += step) {
        const size_t rows = lt_min(step, j->part.row_end - row);
        lt_tile t = {.rows = rows, .k = length, .ldc = ldc, .add = j->k > 0};
        t.a = t.next = a_rows(g, j, row, rows, &t);
        float *sums = g->k > g->block_k ? j->sums + (row - j->part.row) * ldc : j->sums;
        for (size_t p = 0; p < j->part.panels; p++) {
            t.c = sums + p * columns;
            t.b = b.first + p * b.next;
            if (!last) fetch_soon(&t, columns, (row - j->part.row) / step, tiles);
            g->tile(&t);
        }
        if (last) {
            lt_epilogue e = lt_job_epilogue(d, simd, io, row, j->part.panel, j->part.panels);
            if (is_int8(g)) e.scale = columns_scales(g, j);
            simd->finish(&e, rows, sums, ldc);
        }
    }
}

/* What the job's columns are multiplied by: the first row of each of its panels. */
static void read_scales(const gemm *g, const lt_conv_io *io, const job *j) {
    const size_t columns = g->simd->columns;
    for (size_t p = 0; p < j->part.panels; p++)
        memcpy(columns_scales(g, j) + p * columns, (const char *)io->weight + (j->part.panel + p) * g->panel_size,
               columns * sizeof(float));
}

static void run_job(const lt_conv_desc *d, const gemm *g, const lt_conv_io *io, size_t index, float *shared,
                    int thread) {
    const size_t own_row = is_int8(g);
    float *own = shared + shared_size(g) + (size_t)thread * own_size(g);
    job j = {.part = lt_job_at(&g->jobs, index),
             .at = own_row,
             .src = {io->src[0], io->src[1]},
             .a = own,
             .scale = own + g->a_size,
             .b = own + g->a_size + scale_size(g),
             .sums = own + g->a_size + scale_size(g) + g->b_size};
    for (int i = 0; i < 2 && g->product; i++) {
        if (!are_words(d, i)) j.src[i] = words_at(g, shared, i);
        j.of_pixel[i] = scales_at(g, shared, i);
    }
    if (is_int8(g)) read_scales(g, io, &j);
    lt_product_begin(g->product);
    for (; j.k < g->k; j.at += j.k_end - j.k + own_row, j.k = j.k_end) {
        j.k_end = is_int8(g) ? lt_narrow_block(d, j.k) : lt_min(j.k + g->block_k, g->k);
        run_block(d, g, io, &j);
    }
    lt_product_end(g->product);
}

typedef struct gemm_loop {
    const lt_conv *conv;
    const lt_conv_io *io;
} gemm_loop;

static void job_body(const void *context, size_t index, int thread) {
    const gemm_loop *l = context;
    run_job(&l->conv->desc, l->conv->state, l->io, index, l->io->scratch, thread);
}

static lt_status gemm_run(const lt_conv *conv, const lt_conv_io *io) {
    const gemm *g = conv->state;
    const lt_conv_desc *d = &conv->desc;
    const gemm_loop loop = {conv, io};
    for (int i = 0; i < 2 && g->product && d->c[i]; i++)
        if (!are_words(d, i))
            lt_narrow_rows(d->precision, d->isa, d->source_type[i], io->src[i], lt_conv_pixels(d), (size_t)d->c[i],
                           words_at(g, io->scratch, i), scales_at(g, io->scratch, i), d->threads);
    lt_parallel(d->threads, lt_jobs_count(&g->jobs), 1, job_body, &loop);
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
                                   .serves = {[LT_PRECISION_F32] = LT_WIDENED_FORMATS | LT_CODES_FORMATS,
                                              [LT_PRECISION_BF16] = LT_EVERY_FORMAT,
                                              [LT_PRECISION_INT8] = LT_EVERY_FORMAT},
                                   .reads_bf16 = true,
                                   .makes_bf16 = true};
