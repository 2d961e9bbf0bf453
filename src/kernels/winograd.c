/* 3x3 convolutions with a quarter of the multiplications: Winograd's F(4x4, 3x3), Lavin & Gray 2016.
 *
 * Output tiles of 4x4 pixels go through three steps, some hundred tiles (a block) at a time:
 *   1. inputs: each tile's 6x6 pixels are transformed to 36 values a channel: V [channel block][36][tile][channel]
 *   2. products: 36 matrix products over the channels, M[xi] = V[xi] U[xi]: M [36][tile][column]
 *   3. outputs: 36 values a tile and column are transformed to 4x4 pixels, then the epilogue
 * Steps 2 and 3 are done panel by panel of output channels by one thread, in its cache. U = G g G' is not stored:
 * transforming a panel's weights costs about as much as eight tiles' products, and so weights stay as small as they are
 * packed, of 16 bits where the checkpoint is: 1 GB for Stable Diffusion 1.x's U-Net, whose U would take 8.3 GB.
 *
 * V, U and their products are float32 or, for narrow products, pairs of integers (winograd_pairs.h). */
#include "kernels/winograd_pairs.h"

#include <stdio.h>
#include <string.h>

enum {
    BLOCK_C = 64,        /* U of one panel: 36*64*32 floats, 288 KB; as pairs, of twice as many */
    BLOCK_V = 8 << 20,   /* bytes of V that should stay in the last-level cache, */
    THREADS_V = 1 << 20, /* which has at least so many for each core */
    MIN_TILES = 64,      /* in a block, to repay the weights' transform */
    MAX_TILES = 128,     /* M of one panel: 576 KB */
    LINE = 16,           /* floats of a cache line */
    TILES = LT_WINOGRAD_TILE,
    IN = LT_WINOGRAD_IN,
    OUT = LT_WINOGRAD_OUT
};

typedef struct winograd {
    const lt_gemm_simd *gemm;
    const lt_winograd_simd *simd;
    const lt_product *pairs; /* who multiplies them; NULL: floats are multiplied */
    size_t h, w, c, tiles_x, tiles_y, tiles, panels;
    size_t block_c, blocks_c, block_tiles, job_tiles;
    size_t lda; /* words, which are floats or pairs, from one tile of V to the next */
    /* Floats of scratch that all threads share: zeros, for pixels beyond the border; V; of pairs, its scales. */
    size_t zero_size, v_size, scales_size;
    size_t u_size, m_size, y_size; /* floats of scratch for each thread */
    size_t panel_size;             /* bytes */
} winograd;

const lt_winograd_simd *lt_winograd_simd_get(lt_isa limit) {
#if defined(__x86_64__)
    switch (lt_isa_vectors(limit)) {
    case LT_ISA_AVX512: return &lt_winograd_simd_avx512;
    case LT_ISA_AVX2: return &lt_winograd_simd_avx2;
    default: break;
    }
#elif defined(__aarch64__)
    if (lt_isa_has(LT_ISA_NEON, limit)) return &lt_winograd_simd_neon;
#else
    (void)limit;
#endif
    return NULL;
}

/* ---- Choosing ---- */

/* Of one sample, so that a sample is computed alike alone and in a batch: products of the tiles and their weights'
 * transform, in units of a product with one row, against nine rows a pixel. */
static bool worth_it(const lt_conv_desc *d) {
    const size_t tiles = lt_count_parts((size_t)d->h, OUT) * lt_count_parts((size_t)d->w, OUT);
    return TILES * tiles + 150 < 9 * (size_t)d->h * (size_t)d->w;
}

bool lt_winograd_takes(const lt_conv_desc *d) {
    const lt_winograd_simd *simd = lt_winograd_simd_get(d->isa);
    return simd && d->kernel == 3 && d->stride == 1 && d->pad_begin == 1 && d->pad_end == 1 && d->act != LT_ACT_GEGLU &&
           (size_t)d->c[0] % simd->channels == 0 && (size_t)d->c[1] % simd->channels == 0 && worth_it(d);
}

static size_t block_end(const winograd *g, const lt_conv_desc *d, size_t c) {
    if (g->pairs) return lt_pairs_block_end(d, c);
    return lt_min(c + lt_round_up(lt_part(g->c, BLOCK_C), g->simd->channels), g->c);
}

static size_t words(const winograd *g, size_t channels) { return g->pairs ? channels / 2 : channels; }

/* Tiles of a block: as many as give every thread two jobs. The sums are the same in blocks of any size. */
static size_t choose_tiles(const winograd *g, size_t threads) {
    const size_t bytes = TILES * g->blocks_c * g->lda * sizeof(float);
    const size_t fit = lt_max(BLOCK_V, threads * THREADS_V) / bytes;
    const size_t most = lt_max(MAX_TILES, lt_count_parts(2 * threads, g->panels) * MIN_TILES);
    return lt_part(g->tiles, lt_min(lt_max(fit, MIN_TILES), most));
}

/* What a block costs when it is cut into jobs of so many tiles, in products of a tile: the threads' rounds, in each of
 * which a job transforms its weights. */
static size_t cost_of(const winograd *g, size_t job, size_t threads) {
    enum { WEIGHTS = 8 };
    return lt_count_parts(g->panels * lt_count_parts(g->block_tiles, job), threads) * (job + WEIGHTS);
}

static void plan_blocks(winograd *g, const lt_conv_desc *d) {
    const size_t threads = (size_t)d->threads;
    for (size_t c = 0, end; c < g->c; c = end) {
        end = block_end(g, d, c);
        g->block_c = lt_max(g->block_c, end - c);
        g->blocks_c++;
    }
    g->lda = lt_round_up(words(g, g->block_c), 16);
    g->block_tiles = choose_tiles(g, threads);
    g->job_tiles = lt_part(g->block_tiles, MAX_TILES);
    for (size_t job = g->job_tiles; job > 1; job--)
        if (cost_of(g, job, threads) < cost_of(g, g->job_tiles, threads)) g->job_tiles = job;
}

/* Floats from one xi to the next: one cache line more than needed, so that the 36 don't share sets. */
static size_t v_stride(const winograd *g) { return g->block_tiles * g->lda + 16; }
static size_t u_stride(const winograd *g) { return words(g, g->block_c) * g->gemm->columns + 16; }
static size_t m_stride(const winograd *g) { return g->job_tiles * g->gemm->columns + 16; }

static lt_status winograd_create(lt_conv *conv) {
    const lt_conv_desc *d = &conv->desc;
    const bool narrow = lt_conv_precision(d) != LT_PRECISION_F32;
    const lt_product *pairs = lt_winograd_pairs(d);
    const bool reads = pairs || (d->source_type[0] == LT_VALUE_F32 && d->source_type[1] == LT_VALUE_F32);
    if (!lt_winograd_takes(d) || narrow != (pairs != NULL) || !reads)
        return lt_fail(LT_ERROR_UNSUPPORTED, "Winograd convolution: not for this shape, or these values");
    winograd *g = lt_calloc(1, sizeof *g);
    if (!g) return LT_ERROR_MEMORY;
    g->gemm = lt_gemm_simd_get(d->isa);
    g->simd = lt_winograd_simd_get(d->isa);
    g->pairs = pairs;
    g->h = (size_t)d->h;
    g->w = (size_t)d->w;
    g->c = (size_t)(d->c[0] + d->c[1]);
    g->tiles_x = lt_count_parts(g->w, OUT);
    g->tiles_y = lt_count_parts(g->h, OUT);
    g->tiles = (size_t)d->n * g->tiles_x * g->tiles_y;
    g->panels = lt_panels(d, g->gemm);
    plan_blocks(g, d);
    g->zero_size = lt_round_up((size_t)(d->c[0] > d->c[1] ? d->c[0] : d->c[1]), 16);
    g->v_size = g->blocks_c * TILES * v_stride(g);
    g->scales_size = pairs ? lt_round_up(g->blocks_c * TILES * g->block_tiles, LINE) : 0;
    g->u_size = TILES * u_stride(g);
    g->m_size = TILES * m_stride(g);
    g->y_size = OUT * OUT * g->gemm->columns;
    conv->state = g;
    conv->pieces = g->panels * lt_count_parts(g->block_tiles, g->job_tiles);
    const size_t shared = g->zero_size + g->v_size + g->scales_size, own = g->u_size + g->m_size + g->y_size;
    conv->scratch_size = (shared + own * (size_t)d->threads) * sizeof(float);
    (pairs ? lt_pairs_describe : lt_panels_describe)(conv, g->gemm);
    g->panel_size = conv->packed_size / g->panels;
    snprintf(conv->name, sizeof conv->name, "%s:winograd4x4", lt_isa_name(pairs ? pairs->needs : g->gemm->isa));
    return LT_OK;
}

static void winograd_free(lt_conv *conv) { lt_free(conv->state); }

/* ---- Running ---- */

/* One run: a block of tiles at a time. */
typedef struct run {
    const lt_conv_desc *d;
    const winograd *g;
    const lt_conv_io *io;
    float *zero, *v, *scales, *own; /* own: the threads' */
    size_t tile, tiles;             /* the block's first, and how many */
} run;

/* Where a tile's outputs start. */
static void locate(const winograd *g, size_t tile, size_t *sample, size_t *y, size_t *x) {
    *x = tile % g->tiles_x * OUT;
    *y = tile / g->tiles_x % g->tiles_y * OUT;
    *sample = tile / g->tiles_x / g->tiles_y;
}

/* at: before 0 it has wrapped round to huge. Beyond the first pixel outside nothing is needed. */
static ptrdiff_t find(const lt_conv_desc *d, lt_seamless axis, size_t at, size_t size) {
    return lt_conv_find((ptrdiff_t)at, (ptrdiff_t)size, (d->wraps & axis) && (ptrdiff_t)at <= (ptrdiff_t)size);
}

void lt_winograd_pixels(const lt_conv_desc *d, const void *x, size_t bytes, size_t tile, size_t side, size_t before,
                        const void *zero, const void **pixels) {
    const size_t h = (size_t)d->h, w = (size_t)d->w, tiles_x = lt_count_parts(w, OUT), tiles_y = lt_count_parts(h, OUT);
    const size_t x0 = tile % tiles_x * OUT, y0 = tile / tiles_x % tiles_y * OUT, sample = tile / tiles_x / tiles_y;
    for (size_t i = 0; i < side * side; i++) {
        const ptrdiff_t row = find(d, LT_SEAMLESS_Y, y0 + i / side - before, h);
        const ptrdiff_t column = find(d, LT_SEAMLESS_X, x0 + i % side - before, w);
        const bool inside = row >= 0 && column >= 0;
        pixels[i] = inside ? (const char *)x + ((sample * h + (size_t)row) * w + (size_t)column) * bytes : zero;
    }
}

/* Channels [c, end), a block, of a tile whose pixels these are of both sources: to v. */
static void transform_floats(const run *r, const void *pixels[2][TILES], size_t c, size_t end, float *v) {
    size_t start = 0, after;
    for (int source = 0; source < 2; source++, start = after) {
        after = start + (size_t)r->d->c[source];
        const size_t first = lt_max(c, start), last = lt_min(end, after);
        if (first < last) r->g->simd->input(pixels[source], first - start, last - first, v + first - c, v_stride(r->g));
    }
}

/* The same of pairs, whose blocks are of one source, and their scales, block_tiles from one of 36 to the next. */
static void transform_pairs(const run *r, const void *pixels[2][TILES], size_t c, size_t end, float *v, float *scales) {
    const size_t first = (size_t)r->d->c[0], source = c >= first;
    r->g->simd->input_pairs(pixels[source], r->d->source_type[source] == LT_VALUE_BF16, c - (source ? first : 0),
                            end - c, (uint32_t *)v, v_stride(r->g), scales, r->g->block_tiles);
}

/* Step 1 for tile `index` of the block. */
static void transform_input(const run *r, size_t index) {
    const winograd *g = r->g;
    const void *pixels[2][TILES];
    for (int source = 0; source < 2 && r->d->c[source]; source++) {
        const size_t bytes = lt_conv_src_pitch(r->d, source) * lt_value_types[r->d->source_type[source]].bytes;
        lt_winograd_pixels(r->d, r->io->src[source], bytes, r->tile + index, IN, 1, r->zero, pixels[source]);
    }
    for (size_t block = 0, c = 0, end; c < g->c; block++, c = end) {
        float *v = r->v + block * TILES * v_stride(g) + index * g->lda;
        end = block_end(g, r->d, c);
        if (g->pairs)
            transform_pairs(r, pixels, c, end, v, r->scales + block * TILES * g->block_tiles + index);
        else
            transform_floats(r, pixels, c, end, v);
    }
}

/* A panel's two rows of floats where it is for pairs. */
static const float *panel_head(const run *r, size_t panel) {
    return (const float *)((const char *)r->io->weight + panel * r->g->panel_size);
}

/* U of channels [c, c + channels) of a panel. */
static void transform_weights(const run *r, size_t panel, size_t c, size_t channels, float *u) {
    const winograd *g = r->g;
    const size_t at = c * g->gemm->columns;
    const lt_weight_format_id format = lt_conv_weight_format(r->d);
    const float *head = panel_head(r, panel);
    if (g->pairs) {
        const char *weights = (const char *)(head + LT_PAIRS_HEAD * g->gemm->columns);
        const bool bytes = r->d->precision == LT_PRECISION_INT8;
        g->simd->weights_pairs[bytes ? LT_WEIGHT_FORMATS : format](weights + lt_pairs_bytes(r->d, at), g->c, channels,
                                                                   head, (uint32_t *)u, u_stride(g));
    } else {
        const char *weights = (const char *)head + lt_weight_bytes(&lt_weight_formats[format], at);
        g->simd->weights[format](weights, g->c, channels, u, u_stride(g));
    }
}

/* The product of tiles [first, first + count) of the block with channels [c, end) and U of those: m
 * [36][count][columns] becomes it, or grows by it where c is not the first channel. */
static void multiply_block(const run *r, size_t block, size_t c, size_t end, size_t first, size_t count, const float *u,
                           float *m) {
    const winograd *g = r->g;
    const size_t columns = g->gemm->columns, step = lt_part(count, g->gemm->rows);
    void (*const tile)(const lt_tile *t) = g->pairs ? g->pairs->pairs : g->gemm->tile[LT_WEIGHT_F32];
    for (size_t xi = 0; xi < TILES; xi++) {
        const float *v = r->v + (block * TILES + xi) * v_stride(g) + first * g->lda;
        for (size_t i = 0; i < count; i += step) {
            const lt_tile t = {.rows = lt_min(step, count - i),
                               .k = words(g, end - c),
                               .a = v + i * g->lda,
                               .next = i + step < count ? v + (i + step) * g->lda : v + v_stride(g),
                               .ahead = LINE,
                               .lda = g->lda,
                               .ldc = columns,
                               .b = u + xi * u_stride(g),
                               .c = m + xi * m_stride(g) + i * columns,
                               .add = c > 0,
                               .scale =
                                   g->pairs ? r->scales + (block * TILES + xi) * g->block_tiles + first + i : NULL};
            tile(&t);
        }
    }
}

/* Step 2 for one panel and tiles [first, first + count) of the block: m [36][count][columns]. */
static void multiply(const run *r, size_t panel, size_t first, size_t count, float *u, float *m) {
    for (size_t block = 0, c = 0, end; c < r->g->c; block++, c = end) {
        end = block_end(r->g, r->d, c);
        transform_weights(r, panel, c, end - c, u);
        multiply_block(r, block, c, end, first, count, u, m);
    }
}

/* Step 3 for one tile. */
static void transform_output(const run *r, size_t panel, size_t tile, const float *m, float *y) {
    const winograd *g = r->g;
    const size_t columns = g->gemm->columns, oc = (size_t)r->d->oc, first = panel * columns;
    const size_t pitch = lt_conv_dst_pitch(r->d), residual_pitch = lt_conv_residual_pitch(r->d);
    size_t sample, y0, x0;
    locate(g, tile, &sample, &y0, &x0);
    g->simd->output(m, m_stride(g), y);
    for (size_t i = 0; i < lt_min(OUT, g->h - y0); i++) {
        const size_t pixel = (sample * g->h + y0 + i) * g->w + x0, at = pixel * pitch + first;
        const lt_epilogue e = {.act = r->d->act,
                               .alpha = lt_conv_alpha(r->d),
                               .columns = lt_min(columns, oc - first),
                               .stride = pitch,
                               .residual_stride = residual_pitch,
                               .scale = g->pairs ? panel_head(r, panel) + columns : NULL,
                               .bias = r->io->bias ? r->io->bias + first : NULL,
                               .residual = r->io->residual ? r->io->residual + pixel * residual_pitch + first : NULL,
                               .dst = (char *)r->io->dst + at * lt_value_types[r->d->dst_type].bytes,
                               .type = r->d->dst_type};
        g->gemm->finish(&e, lt_min(OUT, g->w - x0), y + i * OUT * columns, columns);
    }
}

/* Steps 2 and 3 of one job: a panel and some of the block's tiles. */
static void run_job(const run *r, size_t index, float *scratch) {
    const winograd *g = r->g;
    const size_t parts = lt_count_parts(r->tiles, g->job_tiles), panel = index / parts;
    const size_t first = index % parts * g->job_tiles, count = lt_min(g->job_tiles, r->tiles - first);
    float *u = scratch, *m = u + g->u_size, *y = m + g->m_size;
    multiply(r, panel, first, count, u, m);
    for (size_t i = 0; i < count; i++) transform_output(r, panel, r->tile + first + i, m + i * g->gemm->columns, y);
}

static void input_body(const void *context, size_t index, int thread) {
    (void)thread;
    transform_input(context, index);
}

static void job_body(const void *context, size_t index, int thread) {
    const run *r = context;
    run_job(r, index, r->own + (size_t)thread * (r->g->u_size + r->g->m_size + r->g->y_size));
}

static lt_status winograd_run(const lt_conv *conv, const lt_conv_io *io) {
    const lt_conv_desc *d = &conv->desc;
    const winograd *g = conv->state;
    float *zero = io->scratch, *v = zero + g->zero_size, *scales = v + g->v_size, *own = scales + g->scales_size;
    memset(zero, 0, g->zero_size * sizeof *zero);
    run r = {.d = d, .g = g, .io = io, .zero = zero, .v = v, .scales = scales, .own = own};
    for (; r.tile < g->tiles; r.tile += r.tiles) {
        r.tiles = lt_min(g->block_tiles, g->tiles - r.tile);
        lt_parallel(d->threads, r.tiles, lt_max(1, lt_min(4, r.tiles / (size_t)d->threads)), input_body, &r);
        lt_parallel(d->threads, g->panels * lt_count_parts(r.tiles, g->job_tiles), 1, job_body, &r);
    }
    return LT_OK;
}

static lt_status winograd_pack(const lt_conv *conv, const lt_weight_source *weight, void *packed) {
    const winograd *g = conv->state;
    return (g->pairs ? lt_pairs_pack : lt_panels_pack)(conv, g->gemm, weight, packed);
}

const lt_conv_impl lt_conv_winograd = {.create = winograd_create,
                                       .pack = winograd_pack,
                                       .run = winograd_run,
                                       .free = winograd_free,
                                       .serves = {[LT_PRECISION_F32] = LT_WIDENED_FORMATS,
                                                  [LT_PRECISION_BF16] = LT_WIDENED_FORMATS,
                                                  [LT_PRECISION_INT8] = LT_EVERY_FORMAT},
                                       .reads_bf16 = true,
                                       .makes_bf16 = true};
