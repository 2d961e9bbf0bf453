/* The backward half of attention, in tiles (Dao et al. 2022, algorithm 4). With p = softmax(s), s = scale q k^T, and
 * dp = dout v^T:
 *
 *     ds = scale p (dp - delta), delta = the row sums of dout * out;  dq = ds k,  dk = ds^T q,  dv = p^T dout
 *
 * A tile holds QUERIES of one head, transposed, as in attention.c. The forward pass keeps no row sums of its softmax,
 * so a tile's scores against all keys are computed first, into a strip s^T [tokens_k, QUERIES], which is as much memory
 * as the keys and not a score matrix: five products then do, where block by block would take six. In s^T = k q^T, dp^T
 * = v dout^T and dq^T = k^T ds^T the vectors are queries, in dk and dv they are channels:
 *
 *     dv[key] += sum over queries p^T[key][query] dout[query]
 *
 * The division by the softmax's sum is left to dout, whose rows are fewer.
 *
 * Tiles of a head are gone through by one thread, for they add to the same dk and dv; where there are too few heads for
 * that to keep threads busy, in CHUNKS with sums of their own, added up at the end in their order. */
#include "kernels/simd/attention_tile.h"
#include "kernels/simd/simd.h"

enum {
    PIECES = 64,            /* as many heads and chunks as that are enough for threads to share */
    CHUNK_TILES = 4,        /* fewer are not worth sums of their own */
    CHUNK_BUDGET = 64 << 20 /* bytes of such sums */
};

/* ---- Layout ---- */

/* Sizes in floats. */
typedef struct layout {
    size_t vectors, padded; /* of a row of channels, and its floats */
    size_t tiles, chunks;   /* of a head's queries */
    size_t panels;          /* of k or v packed as keys */
    size_t blocks;          /* of k packed as values */
    size_t strip, row_sums; /* s^T; dk or dv */
    size_t own;             /* a thread's */
} layout;

static layout lay_out(const lt_attention_args *f) {
    const size_t d = (size_t)f->d, tokens_k = (size_t)f->tokens_k, pairs = (size_t)f->n * (size_t)f->heads;
    const size_t vectors_q = ((size_t)f->tokens_q + LT_VEC - 1) / LT_VEC, d8 = lt_round_up(d, PANEL);
    layout l = {.vectors = (d + LT_VEC - 1) / LT_VEC, .tiles = (vectors_q + WIDTH - 1) / WIDTH};
    l.padded = l.vectors * LT_VEC;
    l.panels = lt_round_up(tokens_k, PANEL) * d8;
    l.blocks = lt_round_up(tokens_k, KEYS) * d8;
    l.strip = lt_round_up(tokens_k, KEYS) * QUERIES;
    l.row_sums = lt_round_up(tokens_k, PANEL) * l.padded;
    const size_t fit = CHUNK_BUDGET / (pairs * 2 * l.row_sums * sizeof(float));
    l.chunks = lt_max(1, lt_min(lt_min(PIECES / pairs, l.tiles / CHUNK_TILES), fit));
    l.own = 2 * l.panels + l.blocks + l.strip + KEYS * QUERIES + 3 * d8 * QUERIES + 2 * QUERIES * l.padded;
    if (l.chunks == 1) l.own += 2 * l.row_sums;
    l.own = lt_round_up(l.own, 16);
    return l;
}

size_t LT_SIMD_NAME(lt_attention_backward_scratch)(const lt_attention_backward_args *a, int threads) {
    const layout l = lay_out(&a->forward);
    const size_t pairs = (size_t)a->forward.n * (size_t)a->forward.heads;
    return (size_t)threads * l.own + (l.chunks > 1 ? pairs * l.chunks * 2 * l.row_sums : 0);
}

/* One head of one sample: where its arrays begin. */
typedef struct head {
    size_t d, stride_out, keys;
    size_t q, k, v, out; /* offsets */
} head;

static head locate_head(const lt_attention_args *f, size_t pair) {
    const size_t d = (size_t)f->d, heads = (size_t)f->heads, sample = pair / heads, channel = pair % heads * d;
    return (head){
        .d = d,
        .stride_out = heads * d,
        .keys = lt_heads_keys(f, sample),
        .q = sample * (size_t)f->tokens_q * f->stride_q + channel,
        .k = sample * (size_t)f->tokens_k * f->stride_k + channel,
        .v = sample * (size_t)f->tokens_k * f->stride_v + channel,
        .out = sample * (size_t)f->tokens_q * heads * d + channel,
    };
}

/* What a thread works on. Rows of channels are kept a vector of them at a time, [vectors][rows][LT_VEC], which the
 * products go through in order. */
typedef struct work {
    tile t;         /* k packed as keys, v: k packed as values; q^T; s: the strip; o: dq^T */
    size_t vectors; /* of channels */
    size_t rows;    /* keys up to a whole panel */
    bool want_dq, want_dk, want_dv;
    float *k, *k_values, *v;            /* packed as keys, as values, as keys */
    float *dp;                          /* dp^T, then ds^T, of a block: [KEYS][QUERIES] */
    float *dout;                        /* dout^T scale / sum: [d][QUERIES] */
    float *q_rows, *dout_rows;          /* [vectors][QUERIES][LT_VEC]; dout / sum */
    float *dk, *dv;                     /* [vectors][rows][LT_VEC] */
    float sum[QUERIES], delta[QUERIES]; /* of the softmax; delta scale / sum */
} work;

/* sums: memory for dk and dv, or NULL: the thread's own. */
static void begin_work(const lt_attention_backward_args *a, const layout *l, float *own, float *sums, work *w) {
    const lt_attention_args *f = &a->forward;
    const size_t d8 = lt_round_up((size_t)f->d, PANEL);
    *w = (work){.vectors = l->vectors, .want_dq = a->dq, .want_dk = a->dk, .want_dv = a->dv};
    w->rows = lt_round_up((size_t)f->tokens_k, PANEL);
    w->k = own;
    w->k_values = w->k + l->panels;
    w->v = w->k_values + l->blocks;
    w->dp = w->v + l->panels;
    w->t = (tile){.d = (size_t)f->d, .causal = f->causal, .factor = exponent_factor(f->scale)};
    w->t.k = w->k;
    w->t.v = w->k_values;
    w->t.s = w->dp + KEYS * QUERIES;
    w->t.q = w->t.s + l->strip;
    w->t.o = w->t.q + d8 * QUERIES;
    w->dout = w->t.o + d8 * QUERIES;
    w->q_rows = w->dout + d8 * QUERIES;
    w->dout_rows = w->q_rows + QUERIES * l->padded;
    w->dk = sums ? sums : w->dout_rows + QUERIES * l->padded;
    w->dv = w->dk + l->row_sums;
    memset(w->dk, 0, 2 * l->row_sums * sizeof(float));
}

/* ---- The softmax, over all keys ---- */

LT_INLINE void score_keys(const tile *t, size_t width) {
    tile block = *t;
    for (size_t key = 0; key < t->keys; key += KEYS, block.s += KEYS * QUERIES) {
        const size_t count = lt_min(KEYS, t->keys - key);
        score_block(&block, key, count, width);
        if (t->causal && key + count > t->first + 1) mask_block(&block, key, count);
    }
}

/* Scores become weights: p, but for the division. Those under 2^-64 of the greatest become 0, for a product with a
 * smaller one would be subnormal, and slow; so do rows after the last key, up to ROWS, for the products go over them.
 */
LT_INLINE void weigh_keys(const tile *t, float *sums, size_t width) {
    const vf factor = vf_set(t->factor);
    vf top[WIDTH], total[WIDTH] = {0};
#pragma GCC unroll 4
    for (size_t v = 0; v < width; v++) top[v] = vf_set(-FLT_MAX);
    for (size_t row = 0; row < t->keys; row++)
#pragma GCC unroll 4
        for (size_t v = 0; v < width; v++) top[v] = vf_max(top[v], vf_load(t->s + row * QUERIES + v * LT_VEC));
#pragma GCC unroll 4
    for (size_t v = 0; v < width; v++) top[v] *= factor;
    for (size_t row = 0; row < t->keys; row++)
#pragma GCC unroll 4
        for (size_t v = 0; v < width; v++) {
            float *s = t->s + row * QUERIES + v * LT_VEC;
            const vf power = vf_fma(vf_load(s), factor, -top[v]);
            const vf weight = vf_select(power < -64.0f, (vf){0}, vf_exp2(power));
            total[v] += weight;
            vf_store(s, weight);
        }
#pragma GCC unroll 4
    for (size_t v = 0; v < width; v++) vf_store(sums + v * LT_VEC, total[v]);
    memset(t->s + t->keys * QUERIES, 0, (lt_round_up(t->keys, ROWS) - t->keys) * QUERIES * sizeof(float));
}

/* ---- The gradients ---- */

/* sum[ROWS][width] += factors x: factors [ROWS][QUERIES], of which the first `depth` columns; x
 * [width][QUERIES][LT_VEC]. */
LT_INLINE void multiply_rows(size_t depth, const float *restrict factors, const float *restrict x, size_t width,
                             vf sum[ROWS][WIDTH]) {
    for (size_t i = 0; i < depth; i++, factors++, x += LT_VEC) {
        vf xs[WIDTH];
#pragma GCC unroll 4
        for (size_t v = 0; v < width; v++) xs[v] = vf_load(x + v * QUERIES * LT_VEC);
#pragma GCC unroll 8
        for (size_t row = 0; row < ROWS; row++) {
            const vf factor = vf_set(factors[row * QUERIES]);
#pragma GCC unroll 4
            for (size_t v = 0; v < width; v++) sum[row][v] += factor * xs[v];
        }
    }
}

/* y += factors x for `count` keys and `width` vectors of channels: factors [count][QUERIES], x as above, y
 * [width][rows][LT_VEC]. */
LT_INLINE void add_channels(const float *factors, size_t count, size_t queries, const float *x, float *y, size_t rows,
                            size_t width) {
    for (size_t key = 0; key < count; key += ROWS) {
        float *to = y + key * LT_VEC;
        vf sum[ROWS][WIDTH];
#pragma GCC unroll 8
        for (size_t row = 0; row < ROWS; row++)
#pragma GCC unroll 4
            for (size_t v = 0; v < width; v++) sum[row][v] = vf_load(to + (v * rows + row) * LT_VEC);
        multiply_rows(queries, factors + key * QUERIES, x, width, sum);
#pragma GCC unroll 8
        for (size_t row = 0; row < ROWS; row++)
#pragma GCC unroll 4
            for (size_t v = 0; v < width; v++) vf_store(to + (v * rows + row) * LT_VEC, sum[row][v]);
    }
}

/* The same for all channels: x [vectors][QUERIES][LT_VEC], y the first key's in [vectors][rows][LT_VEC]. */
static void add_product(const work *w, const float *factors, size_t count, size_t queries, const float *x, float *y) {
    const size_t parts = (w->vectors + WIDTH - 1) / WIDTH;
    for (size_t part = 0; part < parts; part++) {
        const size_t begin = tile_begin(w->vectors, parts, part),
                     width = tile_begin(w->vectors, parts, part + 1) - begin;
        const float *from = x + begin * QUERIES * LT_VEC;
        float *to = y + begin * w->rows * LT_VEC;
        switch (width) {
        case 1: add_channels(factors, count, queries, from, to, w->rows, 1); break;
        case 2: add_channels(factors, count, queries, from, to, w->rows, 2); break;
        case 3: add_channels(factors, count, queries, from, to, w->rows, 3); break;
        default: add_channels(factors, count, queries, from, to, w->rows, WIDTH); break;
        }
    }
}

/* ds^T of a block, in w->dp, from its p^T. */
LT_INLINE void score_gradients(const work *w, const float *p, size_t key, size_t count, size_t width) {
    tile block = w->t;
    block.k = w->v;
    block.q = w->dout;
    block.s = w->dp;
    score_block(&block, key, count, width);
    vf delta[WIDTH];
#pragma GCC unroll 4
    for (size_t v = 0; v < width; v++) delta[v] = vf_load(w->delta + v * LT_VEC);
    for (size_t row = 0; row < lt_round_up(count, ROWS); row++)
#pragma GCC unroll 4
        for (size_t v = 0; v < width; v++) {
            float *dp = w->dp + row * QUERIES + v * LT_VEC;
            vf_store(dp, vf_load(p + row * QUERIES + v * LT_VEC) * (vf_load(dp) - delta[v]));
        }
}

/* dq^T, dk and dv: what a tile's queries add to them. */
LT_INLINE void add_gradients(const work *w, size_t width) {
    tile block = w->t; /* of dq^T += k^T ds^T */
    block.s = w->dp;
    vf one[WIDTH];
    for (size_t v = 0; v < WIDTH; v++) one[v] = vf_set(1.0f);
    for (size_t key = 0; key < w->t.keys; key += KEYS) {
        const size_t count = lt_min(KEYS, w->t.keys - key), queries = w->t.queries;
        const float *p = w->t.s + key * QUERIES;
        if (w->want_dv) add_product(w, p, count, queries, w->dout_rows, w->dv + key * LT_VEC);
        if (!w->want_dq && !w->want_dk) continue;
        score_gradients(w, p, key, count, width);
        if (w->want_dk) add_product(w, w->dp, count, queries, w->q_rows, w->dk + key * LT_VEC);
        if (w->want_dq) value_block(&block, key, count, width, one);
    }
}

LT_INLINE void softmax(work *w, size_t width) {
    score_keys(&w->t, width);
    weigh_keys(&w->t, w->sum, width);
}

static void softmax_1(work *w) { softmax(w, 1); }
static void softmax_2(work *w) { softmax(w, 2); }
static void softmax_3(work *w) { softmax(w, 3); }
static void softmax_4(work *w) { softmax(w, WIDTH); }
static void add_gradients_1(const work *w) { add_gradients(w, 1); }
static void add_gradients_2(const work *w) { add_gradients(w, 2); }
static void add_gradients_3(const work *w) { add_gradients(w, 3); }
static void add_gradients_4(const work *w) { add_gradients(w, WIDTH); }

/* ---- Tiles, between the caller's rows and ours ---- */

/* Rows times their factors, a vector of channels at a time, with zeros after the last channel. */
static void load_rows(const float *from, size_t stride, size_t rows, size_t d, const float *factor, float *to) {
    for (size_t i = 0; i < d; i += LT_VEC, to += QUERIES * LT_VEC)
        for (size_t row = 0; row < rows; row++)
            vf_store(to + row * LT_VEC, vf_load_part(from + row * stride + i, lt_min(d - i, LT_VEC)) * factor[row]);
}

static float row_product(const float *x, const float *y, size_t d) {
    vf sum = {0};
    for (size_t i = 0; i < d; i += LT_VEC)
        sum += vf_load_part(x + i, lt_min(d - i, LT_VEC)) * vf_load_part(y + i, lt_min(d - i, LT_VEC));
    return vf_sum(sum);
}

/* dout's rows for the two products they are in, each divided by its softmax's sum, and delta. */
static void load_dout(work *w, size_t width, const head *h, const float *dout, const float *out, float scale) {
    float inverse[QUERIES], scaled[QUERIES];
    for (size_t i = 0; i < width * LT_VEC; i++) {
        inverse[i] = 1.0f / w->sum[i];
        scaled[i] = scale * inverse[i];
        w->delta[i] = 0;
        if (i < w->t.queries)
            w->delta[i] = scaled[i] * row_product(dout + i * h->stride_out, out + i * h->stride_out, h->d);
    }
    load_rows(dout, h->stride_out, w->t.queries, h->d, inverse, w->dout_rows);
    load_queries(&w->t, dout, h->stride_out, scaled, width, w->dout, false);
}

static void run_tile(const lt_attention_backward_args *a, const head *h, size_t index, size_t tiles, work *w) {
    static void (*const softmax_width[])(work *) = {NULL, softmax_1, softmax_2, softmax_3, softmax_4};
    static void (*const gradients_width[])(const work *) = {NULL, add_gradients_1, add_gradients_2, add_gradients_3,
                                                            add_gradients_4};
    const lt_attention_args *f = &a->forward;
    const size_t tokens = (size_t)f->tokens_q, vectors = (tokens + LT_VEC - 1) / LT_VEC;
    const size_t begin = tile_begin(vectors, tiles, index), width = tile_begin(vectors, tiles, index + 1) - begin;
    const size_t first = begin * LT_VEC, q = h->q + first * f->stride_q, out = h->out + first * h->stride_out;
    float sign[QUERIES], one[QUERIES];
    for (size_t i = 0; i < QUERIES; i++) {
        one[i] = 1;
        sign[i] = f->scale < 0 ? -1.0f : 1.0f;
    }
    w->t.first = first;
    w->t.queries = lt_min(width * LT_VEC, tokens - first);
    w->t.keys = f->causal ? lt_min(h->keys, first + w->t.queries) : h->keys;
    load_queries(&w->t, (const float *)f->q + q, f->stride_q, sign, width, w->t.q, false);
    load_rows((const float *)f->q + q, f->stride_q, w->t.queries, h->d, one, w->q_rows);
    memset(w->t.o, 0, lt_round_up(h->d, PANEL) * QUERIES * sizeof(float));
    softmax_width[width](w);
    load_dout(w, width, h, a->dout + out, (const float *)f->out + out, f->scale);
    gradients_width[width](w);
    if (a->dq) store_queries(&w->t, one, a->dq, q, f->stride_q, false);
}

/* ---- All tiles ---- */

static void pack_head(const lt_attention_args *f, const head *h, work *w) {
    pack_k((const float *)f->k + h->k, f->stride_k, h->d, 0, h->keys, w->k, false);
    pack_k((const float *)f->v + h->v, f->stride_v, h->d, 0, h->keys, w->v, false);
    for (size_t begin = 0; begin < h->keys; begin += KEYS)
        pack_v((const float *)f->k + h->k, f->stride_k, h->d, begin, lt_min(begin + KEYS, h->keys), w->k_values, false);
}

/* Rows of dk or dv from the sums of each chunk, 2 * row_sums apart; tokens [begin, end). */
static void store_sums(const layout *l, const float *sums, size_t begin, size_t end, size_t d, float *to,
                       size_t stride) {
    const size_t rows = l->row_sums / l->padded;
    for (size_t row = begin; row < end; row++)
        for (size_t i = 0; i < d; i += LT_VEC) {
            vf sum = {0};
            for (size_t chunk = 0; chunk < l->chunks; chunk++)
                sum += vf_load(sums + chunk * 2 * l->row_sums + i * rows + row * LT_VEC);
            vf_store_rest(to + row * stride + i, sum, i + LT_VEC <= d ? 0 : d - i);
        }
}

static void store_head(const lt_attention_backward_args *a, const layout *l, size_t pair, const float *sums,
                       size_t begin, size_t end) {
    const lt_attention_args *f = &a->forward;
    const head h = locate_head(f, pair);
    if (a->dk) store_sums(l, sums, begin, end, h.d, a->dk + h.k, f->stride_k);
    if (a->dv) store_sums(l, sums + l->row_sums, begin, end, h.d, a->dv + h.v, f->stride_v);
}

/* One chunk of one head's tiles. sums: where dk and dv are summed, or NULL: in the thread's own memory, and stored. */
static void run_chunk(const lt_attention_backward_args *a, const layout *l, size_t pair, size_t chunk, float *own,
                      float *sums) {
    const head h = locate_head(&a->forward, pair);
    work w;
    begin_work(a, l, own, sums, &w);
    pack_head(&a->forward, &h, &w);
    for (size_t i = l->tiles * chunk / l->chunks; i < l->tiles * (chunk + 1) / l->chunks; i++)
        run_tile(a, &h, i, l->tiles, &w);
    if (!sums) store_head(a, l, pair, w.dk, 0, (size_t)a->forward.tokens_k);
}

typedef struct all_tiles {
    const lt_attention_backward_args *a;
    layout l;
    size_t size, blocks; /* floats of a chunk's sums, or 0; of KEYS keys */
    float *sums, *own;   /* the chunks', the threads' */
} all_tiles;

static void chunk_piece(const void *context, size_t piece, int thread) {
    const all_tiles *t = context;
    const layout *l = &t->l;
    run_chunk(t->a, l, piece / l->chunks, piece % l->chunks, t->own + (size_t)thread * l->own,
              t->size ? t->sums + piece * t->size : NULL);
}

static void store_piece(const void *context, size_t piece, int thread) {
    (void)thread;
    const all_tiles *t = context;
    const size_t pair = piece / t->blocks, begin = piece % t->blocks * KEYS;
    store_head(t->a, &t->l, pair, t->sums + pair * t->l.chunks * t->size, begin,
               lt_min(begin + KEYS, (size_t)t->a->forward.tokens_k));
}

void LT_SIMD_NAME(lt_attention_backward)(const lt_attention_backward_args *a) {
    const lt_attention_args *f = &a->forward;
    const size_t pairs = (size_t)f->n * (size_t)f->heads;
    const int threads = lt_heads_threads(f);
    all_tiles t = {.a = a, .l = lay_out(f), .blocks = ((size_t)f->tokens_k + KEYS - 1) / KEYS, .sums = a->scratch};
    t.size = t.l.chunks > 1 ? 2 * t.l.row_sums : 0;
    t.own = t.sums + pairs * t.l.chunks * t.size;
    lt_parallel(threads, pairs * t.l.chunks, 1, chunk_piece, &t);
    if (t.size) lt_parallel(threads, pairs * t.blocks, LT_EVENLY, store_piece, &t);
}
