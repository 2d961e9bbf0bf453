/* Attention, in tiles, with a running maximum and sum (Milakov & Gimelshein 2018; Dao et al. 2022).
 *
 * A vector's lanes are queries. A tile holds QUERIES of one head, transposed: q^T [d, QUERIES]. For each block of KEYS
 * keys it computes s^T = k q^T [keys, QUERIES], then p^T = exp(s^T - max), whose maxima and sums run down the rows and
 * so need no horizontal step, then adds v^T p^T to o^T [d, QUERIES]. In both products the vectors come from the tile
 * and the other factor is broadcast, so d needs no padding to a vector (SD 1.x has d = 40) and the inner loop has two
 * shapes only.
 *
 * k and v are first packed in panels of PANEL rows, in the order of their use, for as many heads at a time as fit a
 * budget:
 * - k: [tokens_k / PANEL][d][PANEL keys]
 * - v: [tokens_k / KEYS][d / PANEL][KEYS][PANEL channels]
 * - with zeros where a panel ends early. */
#include "kernels/simd/simd.h"

#include <float.h>
#include <math.h>
#if defined(_OPENMP)
#include <omp.h>
#endif

enum {
    PANEL = 8, /* rows of a packed panel */
    WIDTH = 3, /* vectors of queries in a tile */
    QUERIES = WIDTH * LT_VEC,
    ROWS = LT_VEC / 2, /* of a panel at a time: ROWS * WIDTH sums, WIDTH vectors and a factor just fit the registers */
    KEYS = 128,        /* keys in a block: their scores stay in the first-level cache */
    PACKED_BUDGET = 8 << 20, /* bytes of packed k and v at a time; one head may take more */
    NEAR_BUDGET = 512 << 10, /* bytes of them that stay in a core's own cache */
    SERIAL = 2 << 20         /* fewer multiplications in a product are not worth waking threads for */
};

/* ---- Layout ---- */

static size_t packed_k_size(const lt_attention_args *a) {
    return lt_round_up((size_t)a->tokens_k, PANEL) * (size_t)a->d;
}

static size_t packed_size(const lt_attention_args *a) { /* floats, one head */
    const size_t v_size = lt_round_up((size_t)a->tokens_k, KEYS) * lt_round_up((size_t)a->d, PANEL);
    return lt_round_up(packed_k_size(a) + v_size, 16);
}

/* Heads, of all samples, that are packed at a time. */
static size_t group_size(const lt_attention_args *a) {
    const size_t fit = PACKED_BUDGET / (packed_size(a) * sizeof(float));
    return lt_max(1, lt_min(fit, (size_t)a->n * (size_t)a->heads));
}

/* A thread's own: q^T [d][QUERIES], s^T [KEYS][QUERIES], o^T [d][QUERIES]. */
static size_t tile_size(const lt_attention_args *a) { return (lt_round_up((size_t)a->d, PANEL) * 2 + KEYS) * QUERIES; }

size_t LT_SIMD_NAME(lt_attention_scratch)(const lt_attention_args *a, int threads) {
    return group_size(a) * packed_size(a) + (size_t)threads * tile_size(a);
}

static size_t keys_of(const lt_attention_args *a, size_t sample) {
    return a->lengths ? (size_t)a->lengths[sample] : (size_t)a->tokens_k;
}

/* ---- Packing ---- */

/* Eight columns, of which `columns` are there, of eight rows, of which `rows` are there. */
LT_INLINE void load_transposed(const float *from, size_t stride, size_t rows, size_t columns, v8 r[8]) {
    if (rows >= 8 && columns >= 8)
        for (size_t i = 0; i < 8; i++) r[i] = v8_load(from + i * stride);
    else
        for (size_t i = 0; i < 8; i++) r[i] = i < rows ? v8_load_part(from + i * stride, lt_min(columns, 8)) : (v8){0};
    v8_transpose(r);
}

/* Keys [begin, end) of a head into panels; begin is a multiple of PANEL. k: the head's first row. */
static void pack_k(const float *k, size_t stride, size_t d, size_t begin, size_t end, float *packed) {
    for (size_t j = begin; j < end; j += PANEL)
        for (size_t i = 0; i < d; i += 8) {
            v8 r[8];
            load_transposed(k + j * stride + i, stride, end - j, d - i, r);
            for (size_t column = 0; column < lt_min(d - i, 8); column++)
                v8_store(packed + j * d + (i + column) * PANEL, r[column]);
        }
}

/* Keys [begin, end) of a head, one block of KEYS or less, into that block. */
static void pack_v(const float *v, size_t stride, size_t d, size_t begin, size_t end, float *packed) {
    float *block = packed + begin * lt_round_up(d, PANEL);
    for (size_t i = 0; i < d; i += PANEL)
        for (size_t j = begin; j < end; j++) {
            const float *from = v + j * stride + i;
            v8_store(block + i * KEYS + (j - begin) * PANEL, i + 8 <= d ? v8_load(from) : v8_load_part(from, d - i));
        }
}

/* Packs block `block` of head `pair` (of all samples' heads) into place `slot`. */
static void pack_block(const lt_attention_args *a, size_t pair, size_t slot, size_t block) {
    const size_t d = (size_t)a->d, tokens = (size_t)a->tokens_k;
    const size_t sample = pair / (size_t)a->heads, head = pair % (size_t)a->heads;
    const size_t begin = block * KEYS, end = lt_min(begin + KEYS, keys_of(a, sample));
    float *packed = a->scratch + slot * packed_size(a);
    pack_k(a->k + sample * tokens * a->stride_k + head * d, a->stride_k, d, begin, end, packed);
    pack_v(a->v + sample * tokens * a->stride_v + head * d, a->stride_v, d, begin, end, packed + packed_k_size(a));
}

/* ---- One tile ---- */

typedef struct tile {
    size_t d, first, queries; /* queries [first, first + queries) of the head */
    size_t keys;              /* that some query sees */
    bool causal;
    float factor;       /* scale / ln 2: the exponential is a power of two */
    const float *k, *v; /* packed */
    float *q, *s, *o;   /* transposed */
} tile;

/* q^T from rows of q, negated for a negative scale so that the factor is positive. Lanes past the last query are 0. */
static void load_queries(const tile *t, const float *q, size_t stride, float sign, size_t lanes) {
    for (size_t j = 0; j < lanes; j += 8)
        for (size_t i = 0; i < t->d; i += 8) {
            v8 r[8];
            load_transposed(q + j * stride + i, stride, j < t->queries ? t->queries - j : 0, t->d - i, r);
            for (size_t row = 0; row < lt_min(t->d - i, 8); row++)
                v8_store(t->q + (i + row) * QUERIES + j, r[row] * sign);
        }
}

/* Rows of out from o^T / sum. */
static void store_queries(const tile *t, const float *sum, float *out, size_t stride) {
    for (size_t j = 0; j < t->queries; j += 8) {
        const v8 inverse = 1.0f / v8_load(sum + j);
        for (size_t i = 0; i < t->d; i += 8) {
            v8 r[8];
            for (size_t row = 0; row < 8; row++) r[row] = v8_load(t->o + (i + row) * QUERIES + j) * inverse;
            v8_transpose(r);
            float *to = out + j * stride + i;
            if (t->queries - j >= 8 && t->d - i >= 8) /* partial stores are slow on some processors */
                for (size_t query = 0; query < 8; query++) v8_store(to + query * stride, r[query]);
            else
                for (size_t query = 0; query < lt_min(t->queries - j, 8); query++)
                    v8_store_part(to + query * stride, r[query], lt_min(t->d - i, 8));
        }
    }
}

/* sum[ROWS][width] += panel^T x: panel [depth][PANEL], of which the first ROWS columns; x [depth][QUERIES]. */
LT_INLINE void multiply(size_t depth, const float *restrict panel, const float *restrict x, size_t width,
                        vf sum[ROWS][WIDTH]) {
    for (size_t i = 0; i < depth; i++, panel += PANEL, x += QUERIES) {
        vf xs[WIDTH];
#pragma GCC unroll 3
        for (size_t v = 0; v < width; v++) xs[v] = vf_load(x + v * LT_VEC);
#pragma GCC unroll 8
        for (size_t row = 0; row < ROWS; row++) {
            const vf factor = vf_set(panel[row]);
#pragma GCC unroll 3
            for (size_t v = 0; v < width; v++) sum[row][v] += factor * xs[v];
        }
    }
}

/* s^T of `count` keys from `key` on, in t->s. */
LT_INLINE void score_block(const tile *t, size_t key, size_t count, size_t width) {
    for (size_t row = 0; row < count; row += ROWS) {
        const size_t panel = (key + row) / PANEL * PANEL;
        vf sum[ROWS][WIDTH] = {0};
        multiply(t->d, t->k + panel * t->d + (key + row - panel), t->q, width, sum);
#pragma GCC unroll 8
        for (size_t i = 0; i < ROWS; i++)
#pragma GCC unroll 3
            for (size_t v = 0; v < width; v++) vf_store(t->s + (row + i) * QUERIES + v * LT_VEC, sum[i][v]);
    }
}

/* Scores of keys that come after their query become minus infinity. */
static void mask_block(const tile *t, size_t key, size_t count) {
    for (size_t row = key > t->first ? 0 : t->first - key; row < count; row++)
        for (size_t lane = 0; lane < lt_min(key + row - t->first, QUERIES); lane++)
            t->s[row * QUERIES + lane] = -INFINITY;
}

/* Scores become weights 2^(score * factor - max). Updates the running maximum (times factor) and sum of each query, and
 * gives what everything summed so far must be multiplied with. */
LT_INLINE void softmax_block(const tile *t, size_t count, size_t width, vf max[WIDTH], vf sum[WIDTH],
                             vf correction[WIDTH]) {
    const vf factor = vf_set(t->factor);
    vf top[WIDTH], total[WIDTH] = {0};
#pragma GCC unroll 3
    for (size_t v = 0; v < width; v++) top[v] = vf_load(t->s + v * LT_VEC);
    for (size_t row = 1; row < count; row++)
#pragma GCC unroll 3
        for (size_t v = 0; v < width; v++) top[v] = vf_max(top[v], vf_load(t->s + row * QUERIES + v * LT_VEC));
#pragma GCC unroll 3
    for (size_t v = 0; v < width; v++) {
        top[v] = vf_max(max[v], top[v] * factor);
        correction[v] = vf_exp2(max[v] - top[v]);
        max[v] = top[v];
    }
    for (size_t row = 0; row < count; row++)
#pragma GCC unroll 3
        for (size_t v = 0; v < width; v++) {
            float *s = t->s + row * QUERIES + v * LT_VEC;
            const vf weight = vf_exp2(vf_fma(vf_load(s), factor, -max[v]));
            total[v] += weight;
            vf_store(s, weight);
        }
#pragma GCC unroll 3
    for (size_t v = 0; v < width; v++) sum[v] = sum[v] * correction[v] + total[v];
}

/* o^T = o^T * correction + v^T p^T over `count` keys from `key` on. */
LT_INLINE void value_block(const tile *t, size_t key, size_t count, size_t width, const vf correction[WIDTH]) {
    const float *block = t->v + key * lt_round_up(t->d, PANEL);
    for (size_t i = 0; i < t->d; i += ROWS) {
        const size_t panel = i / PANEL * PANEL;
        float *o = t->o + i * QUERIES;
        vf sum[ROWS][WIDTH];
#pragma GCC unroll 8
        for (size_t row = 0; row < ROWS; row++)
#pragma GCC unroll 3
            for (size_t v = 0; v < width; v++) sum[row][v] = vf_load(o + row * QUERIES + v * LT_VEC) * correction[v];
        multiply(count, block + panel * KEYS + (i - panel), t->s, width, sum);
#pragma GCC unroll 8
        for (size_t row = 0; row < ROWS; row++)
#pragma GCC unroll 3
            for (size_t v = 0; v < width; v++) vf_store(o + row * QUERIES + v * LT_VEC, sum[row][v]);
    }
}

/* o^T and the sums of the weights, for `width` vectors of queries. */
LT_INLINE void attend(const tile *t, size_t width, float *sums) {
    vf max[WIDTH], sum[WIDTH] = {0}, correction[WIDTH];
    for (size_t v = 0; v < WIDTH; v++) max[v] = vf_set(-FLT_MAX);
    memset(t->o, 0, lt_round_up(t->d, PANEL) * QUERIES * sizeof(float));
    for (size_t key = 0; key < t->keys; key += KEYS) {
        const size_t count = lt_min(KEYS, t->keys - key);
        score_block(t, key, count, width);
        if (t->causal && key + count > t->first + 1) mask_block(t, key, count);
        softmax_block(t, count, width, max, sum, correction);
        value_block(t, key, count, width, correction);
    }
    for (size_t v = 0; v < width; v++) vf_store(sums + v * LT_VEC, sum[v]);
}

static void attend_1(const tile *t, float *sums) { attend(t, 1, sums); }
static void attend_2(const tile *t, float *sums) { attend(t, 2, sums); }
static void attend_3(const tile *t, float *sums) { attend(t, 3, sums); }

/* ---- All tiles ---- */

/* Where tile `index` of `count` begins, in vectors of queries: as even a split as there is, so that none is left with a
 * narrow rest. */
static size_t tile_begin(size_t vectors, size_t count, size_t index) { return vectors * index / count; }

static void run_tile(const lt_attention_args *a, size_t slot, size_t pair, size_t index, size_t tiles, float *own) {
    static void (*const attend_width[])(const tile *, float *) = {NULL, attend_1, attend_2, attend_3};
    const size_t d = (size_t)a->d, heads = (size_t)a->heads, tokens_q = (size_t)a->tokens_q;
    const size_t sample = pair / heads, head = pair % heads, vectors = (tokens_q + LT_VEC - 1) / LT_VEC;
    const size_t begin = tile_begin(vectors, tiles, index), width = tile_begin(vectors, tiles, index + 1) - begin;
    const size_t first = begin * LT_VEC, rows = lt_round_up(d, PANEL) * QUERIES;
    const float *packed = a->scratch + slot * packed_size(a);
    tile t = {
        .d = d,
        .first = first,
        .queries = lt_min(width * LT_VEC, tokens_q - first),
        .keys = keys_of(a, sample),
        .causal = a->causal,
        .factor = fmaxf(fabsf(a->scale) * (float)M_LOG2E, FLT_MIN), /* not 0, which times minus infinity is no number */
        .k = packed,
        .v = packed + packed_k_size(a),
        .q = own,
        .s = own + rows,
        .o = own + rows + KEYS * QUERIES,
    };
    if (a->causal) t.keys = lt_min(t.keys, first + t.queries);
    float sums[QUERIES];
    load_queries(&t, a->q + (sample * tokens_q + first) * a->stride_q + head * d, a->stride_q,
                 a->scale < 0 ? -1.0f : 1.0f, width * LT_VEC);
    attend_width[width](&t, sums);
    store_queries(&t, sums, a->out + ((sample * tokens_q + first) * heads + head) * d, heads * d);
}

static size_t thread_index(void) {
#if defined(_OPENMP)
    return (size_t)omp_get_thread_num();
#else
    return 0;
#endif
}

/* The heads' tiles are gone through head by head, so that its keys and values stay in cache; or, where those of all of
 * them do, tile by tile, so that the queries' rows are read whole. */
void LT_SIMD_NAME(lt_attention)(const lt_attention_args *a) {
    const size_t pairs = (size_t)a->n * (size_t)a->heads, group = group_size(a);
    const size_t vectors = ((size_t)a->tokens_q + LT_VEC - 1) / LT_VEC, tiles = (vectors + WIDTH - 1) / WIDTH;
    const size_t blocks = ((size_t)a->tokens_k + KEYS - 1) / KEYS;
    const bool near = group * packed_size(a) * sizeof(float) <= NEAR_BUDGET;
    float *tile_scratch = a->scratch + group * packed_size(a);
#pragma omp parallel if (pairs * (size_t)a->tokens_q * (size_t)a->tokens_k * (size_t)a->d >= SERIAL)
    for (size_t first = 0; first < pairs; first += group) {
        const size_t count = lt_min(group, pairs - first);
#pragma omp for schedule(static)
        for (size_t piece = 0; piece < count * blocks; piece++)
            pack_block(a, first + piece / blocks, piece / blocks, piece % blocks);
#pragma omp for schedule(dynamic)
        for (size_t piece = 0; piece < count * tiles; piece++) {
            const size_t slot = near ? piece % count : piece / tiles, index = near ? piece / count : piece % tiles;
            run_tile(a, slot, first + slot, index, tiles, tile_scratch + thread_index() * tile_size(a));
        }
    }
}
