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
 * - k: [tokens_k / PANEL][d][PANEL keys], after a row of the keys' scales where they are integers
 * - v: [tokens_k / KEYS][d / PANEL][KEYS][PANEL channels]
 * - with zeros where a panel ends early.
 *
 * Compiled for AVX512-BF16, too: all four factors are then rounded to bf16, and words of two take the place of floats
 * (attention_tile.h); scores, sums and maxima stay float32. And for VNNI: q and k are then integers of 16 bits. */
#include "kernels/simd/attention_tile.h"
#include "kernels/simd/simd.h"

/* ---- Layout ---- */

static size_t packed_k_size(const lt_attention_args *a) {
    return lt_round_up((size_t)a->tokens_k, PANEL) * key_rows((size_t)a->d);
}

static size_t packed_size(const lt_attention_args *a) { /* floats, one head */
    const size_t v_size = words(lt_round_up((size_t)a->tokens_k, KEYS)) * lt_round_up((size_t)a->d, PANEL);
    return lt_round_up(packed_k_size(a) + v_size, 16);
}

/* A thread's own: q^T [d][QUERIES], s^T [KEYS][QUERIES], o^T [d][QUERIES], scales [QUERIES]. */
static size_t tile_size(const lt_attention_args *a) {
    return (lt_round_up((size_t)a->d, PANEL) * 2 + KEYS + 1) * QUERIES;
}

/* ---- Packing ---- */

static void pack_block(const lt_attention_args *a, size_t pair, size_t block, float *packed) {
    const size_t d = (size_t)a->d, tokens = (size_t)a->tokens_k;
    const size_t sample = pair / (size_t)a->heads, head = pair % (size_t)a->heads;
    const size_t begin = block * KEYS, end = lt_min(begin + KEYS, lt_heads_keys(a, sample));
    const bool bf16[2] = {a->k_type == LT_VALUE_BF16, a->v_type == LT_VALUE_BF16};
    const void *k = vf_at(a->k, sample * tokens * a->stride_k + head * d, bf16[0]);
    const void *v = vf_at(a->v, sample * tokens * a->stride_v + head * d, bf16[1]);
    pack_k(k, a->stride_k, d, begin, end, packed, bf16[0]);
    pack_v(v, a->stride_v, d, begin, end, packed + packed_k_size(a), bf16[1]);
}

/* ---- One tile ---- */

LT_INLINE vf power_of_two(vf x) { return VALUES > 1 ? vf_exp2_roughly(x) : vf_exp2(x); }

/* Scores become weights 2^(score * factor - max). Updates the running maximum (times factor) and sum of each query, and
 * gives what everything summed so far must be multiplied with. */
LT_INLINE void softmax_block(const tile *t, size_t count, size_t width, vf max[WIDTH], vf sum[WIDTH],
                             vf correction[WIDTH]) {
    const vf factor = vf_set(t->factor);
    vf top[WIDTH], total[WIDTH] = {0};
#pragma GCC unroll 4
    for (size_t v = 0; v < width; v++) top[v] = vf_load(t->s + v * LT_VEC);
    for (size_t row = 1; row < count; row++)
#pragma GCC unroll 4
        for (size_t v = 0; v < width; v++) top[v] = vf_max(top[v], vf_load(t->s + row * QUERIES + v * LT_VEC));
#pragma GCC unroll 4
    for (size_t v = 0; v < width; v++) {
        top[v] = vf_max(max[v], top[v] * factor);
        correction[v] = vf_exp2(max[v] - top[v]);
        max[v] = top[v];
    }
    for (size_t row = 0; row < count; row += VALUES)
#pragma GCC unroll 4
        for (size_t v = 0; v < width; v++) {
            const float *s = t->s + row * QUERIES + v * LT_VEC;
            vf weight[VALUES] = {0};
#pragma GCC unroll 2
            for (size_t i = 0; i < lt_min(VALUES, count - row); i++) {
                weight[i] = power_of_two(vf_fma(vf_load(s + i * QUERIES), factor, -max[v]));
                total[v] += weight[i];
            }
            vf_store(t->s + words(row) * QUERIES + v * LT_VEC, join(weight[0], weight[VALUES - 1]));
        }
#pragma GCC unroll 4
    for (size_t v = 0; v < width; v++) sum[v] = sum[v] * correction[v] + total[v];
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
static void attend_4(const tile *t, float *sums) { attend(t, WIDTH, sums); }

/* ---- All tiles ---- */

static void run_tile(const lt_attention_args *a, size_t pair, size_t index, size_t tiles, const float *packed,
                     float *own) {
    static void (*const attend_width[])(const tile *, float *) = {NULL, attend_1, attend_2, attend_3, attend_4};
    const size_t d = (size_t)a->d, heads = (size_t)a->heads, tokens_q = (size_t)a->tokens_q;
    const size_t sample = pair / heads, head = pair % heads, vectors = (tokens_q + LT_VEC - 1) / LT_VEC;
    const size_t begin = tile_begin(vectors, tiles, index), width = tile_begin(vectors, tiles, index + 1) - begin;
    const size_t first = begin * LT_VEC, rows = lt_round_up(d, PANEL) * QUERIES;
    tile t = {
        .d = d,
        .first = first,
        .queries = lt_min(width * LT_VEC, tokens_q - first),
        .keys = lt_heads_keys(a, sample),
        .causal = a->causal,
        .factor = exponent_factor(a->scale),
        .k = packed,
        .v = packed + packed_k_size(a),
        .q = own,
        .s = own + rows,
        .o = own + rows + KEYS * QUERIES,
        .q_scale = own + rows * 2 + KEYS * QUERIES,
    };
    if (a->causal) t.keys = lt_min(t.keys, first + t.queries);
    float sums[QUERIES], sign[QUERIES];
    for (size_t i = 0; i < QUERIES; i++) sign[i] = a->scale < 0 ? -1.0f : 1.0f;
    const bool q_bf16 = a->q_type == LT_VALUE_BF16;
    const void *q = vf_at(a->q, (sample * tokens_q + first) * a->stride_q + head * d, q_bf16);
    load_queries(&t, q, a->stride_q, sign, width, t.q, q_bf16);
    attend_width[width](&t, sums);
    store_queries(&t, sums, a->out, ((sample * tokens_q + first) * heads + head) * d, heads * d,
                  a->out_type == LT_VALUE_BF16);
}

/* Tiles of a head: as wide as they can be, or narrower where there are more threads than that. Each query is computed
 * alike in any. */
static size_t count_tiles(const lt_attention_args *a, size_t pairs, int threads) {
    const size_t team = threads == 1 ? 1 : (size_t)lt_thread_count();
    const size_t vectors = ((size_t)a->tokens_q + LT_VEC - 1) / LT_VEC;
    return lt_min(vectors, lt_max((vectors + WIDTH - 1) / WIDTH, (team + pairs - 1) / pairs));
}

static const lt_heads method = {KEYS, packed_size, tile_size, count_tiles, pack_block, run_tile};

static size_t scratch_size(const lt_attention_args *a, int threads) { return lt_heads_scratch(&method, a, threads); }
static void attention(const lt_attention_args *a) { lt_heads_run(&method, a); }

const lt_attention_kernel LT_SIMD_NAME(lt_attention) = {LT_SIMD_SET, PRECISION, scratch_size, attention};
