/* Attention in bf16 with AMX's tiles: tiled over keys as in attention.c, in squares of 32 x 32 numbers, four tiles
 * each. For 32 queries, and 32 keys (a group) at a time:
 *
 *     s = q k^T                      float32, over squares of channels
 *     p = 2^(factor s + offset)      bf16, by vectors, row by row; an offset for each query
 *     o = o + p v                    float32, a square for each 32 channels, over the GROUPS groups of a block
 *
 * A last channel of v is all ones, so that its o is the sum of a query's weights.
 *
 * Tiles multiply while vectors weigh: scores are LAG groups ahead, values a block behind, and two rows are weighed
 * after each instruction that multiplies. Sums wait in their tiles until the next square needs these, since storing
 * what is just being added up halts the others. All that a thread writes has to stay in the first-level cache, so that
 * blocks are short, and k and v are read past it.
 *
 * Offsets are minus the maximum of the first group's scores, for good: bf16 has room for weights of up to 2^64, and a
 * tile of queries of which one has more is computed again, with a running maximum (attend_carefully). So are those
 * whose scores may be no numbers or above what the quick exponential takes.
 *
 * k and v are packed as AMX wants its right operand, by pairs: of channels [16 pairs][16 keys] and of keys
 * [16 pairs][16 channels]. Past the last key that is there it is repeated, with a v of zeros, its one included. */
#include "kernels/heads.h"
#include "kernels/simd/attention_squares.h"

#include <float.h>
#include <math.h>

enum {
    GROUPS = 2, /* of keys, in a block */
    LAG = 2,
    STRIP = 8,               /* tiles of queries that go through keys and values together, at most */
    CHUNK_BYTES = 512 << 10, /* of them at a time */
};

/* ---- Layout ---- */

/* Of one head, packed: [blocks] greatest magnitudes of k, k [blocks * GROUPS][depth], v [blocks][width][GROUPS],
 * squares of bf16. */
typedef struct layout {
    size_t depth, width, blocks; /* squares of channels of q and k, of v and o; blocks of keys */
    size_t k, v, size;           /* words */
} layout;

static layout layout_of(const lt_attention_args *a) {
    const size_t d = (size_t)a->d, block = GROUPS * WIDE;
    layout l = {.depth = (d + WIDE - 1) / WIDE, .width = d / WIDE + 1};
    l.blocks = ((size_t)a->tokens_k + block - 1) / block;
    l.k = lt_round_up(l.blocks, SIDE);
    l.v = l.k + l.blocks * GROUPS * l.depth * NARROW;
    l.size = l.v + l.blocks * GROUPS * l.width * NARROW;
    return l;
}

static size_t packed_size(const lt_attention_args *a) { return layout_of(a).size; }

/* Of a tile of queries: q, o, offsets; and of a thread, whose tiles share s and p: see tile. */
static size_t tile_size(const layout *l) { return l->depth * NARROW + l->width * SQUARE + WIDE; }
static size_t own_size(const lt_attention_args *a) {
    const layout l = layout_of(a);
    return (LAG + 1) * SQUARE + 2 * GROUPS * NARROW + STRIP * tile_size(&l);
}

/* Groups of keys that stay in the second-level cache while a strip's tiles go through them. */
static size_t chunk_of(const layout *l) {
    const size_t words = (l->depth + l->width) * NARROW, fit = CHUNK_BYTES / (words * sizeof(uint32_t));
    return lt_max(1, fit / GROUPS) * GROUPS;
}

/* ---- Reading rows ---- */

/* One head of q, k or v. */
typedef struct rows {
    const void *x;
    size_t first, stride, count, d; /* the number that is first */
    bool bf16;
} rows;

static rows rows_of(const void *x, lt_value_type_id type, size_t first, size_t stride, size_t count, int d) {
    return (rows){x, first, stride, count, (size_t)d, type == LT_VALUE_BF16};
}

/* The first n of 32, or of 16. */
static inline __mmask32 first_of(size_t n) { return n < WIDE ? (1u << n) - 1 : UINT32_MAX; }

/* Channels [from, from + 32) of a row, zeros past the last. */
LT_INLINE __m512i load_32(const rows *r, size_t row, size_t from) {
    const __mmask32 there = first_of(r->d - from);
    const void *p = vf_at(r->x, r->first + row * r->stride + from, r->bf16);
    if (r->bf16) return _mm512_maskz_loadu_epi16(there, p);
    const __m512 low = _mm512_maskz_loadu_ps((__mmask16)there, p);
    const __m512 high = _mm512_maskz_loadu_ps((__mmask16)(there >> SIDE), (const float *)p + SIDE);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* The same of 16. */
LT_INLINE __m256i load_16(const rows *r, size_t row, size_t from) {
    const __mmask16 there = (__mmask16)first_of(r->d - from);
    const void *p = vf_at(r->x, r->first + row * r->stride + from, r->bf16);
    if (r->bf16) return _mm256_maskz_loadu_epi16(there, p);
    return (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(there, p));
}

/* ---- Packing ---- */

/* The greatest magnitude so far of either half of each word; what is no number is above them all. */
LT_INLINE __m512i greater(__m512i most, __m512i x) {
    return _mm512_max_epu16(most, _mm512_and_si512(x, _mm512_set1_epi16(INT16_MAX)));
}

static float greatest(__m512i most) {
    const __m512i low = _mm512_slli_epi32(most, 16), high = _mm512_andnot_si512(_mm512_set1_epi32(UINT16_MAX), most);
    const int bits = (int)_mm512_reduce_max_epu32(_mm512_max_epu32(low, high));
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The key in column `column` of tile `half` of a group: that which packing to 16 bits (weigh_row) puts in order. */
static inline size_t key_of(size_t half, size_t column) { return column / 4 * 8 + half * 4 + column % 4; }

/* Tile `half` of a group's keys, from key `first` on, in one square of channels. */
LT_INLINE __m512i pack_keys(const rows *k, size_t first, size_t half, size_t channel, uint32_t *tile, __m512i most) {
    for (size_t i = 0; i < SIDE; i++) {
        const __m512i row = load_32(k, lt_min(first + key_of(half, i), k->count - 1), channel);
        most = greater(most, row);
        _mm512_storeu_si512(tile + i * SIDE, row);
    }
    lt_amx_transpose(tile);
    return most;
}

/* Channels [from, from + 16) of a key's values. */
LT_INLINE __m256i load_value(const rows *v, size_t key, size_t from) {
    if (key >= v->count) return _mm256_setzero_si256();
    const __mmask16 one = (__mmask16)(v->d - from < SIDE ? 1u << (v->d - from) : 0);
    return _mm256_mask_set1_epi16(load_16(v, key, from), one, 0x3F80);
}

/* A group's values, from key `first` on, and a tile of channels. */
static void pack_values(const rows *v, size_t first, size_t channel, uint32_t *tile) {
    const __m512i alternate = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                                               6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (size_t i = 0; i < SIDE; i++) {
        const size_t key = first + 2 * i;
        const __m512i pair =
            _mm512_inserti64x4(_mm512_castsi256_si512(load_value(v, key, channel)), load_value(v, key + 1, channel), 1);
        _mm512_storeu_si512(tile + i * SIDE, _mm512_permutexvar_epi16(alternate, pair));
    }
}

/* Whether the second tile of channels of o's square c has a channel. */
static inline bool is_whole(size_t d, size_t c) { return c * WIDE + SIDE <= d; }

static void pack_group(const layout *l, const rows *k, const rows *v, size_t group, uint32_t *packed, __m512i *most) {
    uint32_t *keys = packed + l->k + group * l->depth * NARROW;
    uint32_t *values = packed + l->v + (group / GROUPS * l->width * GROUPS + group % GROUPS) * NARROW;
    for (size_t i = 0; i < l->depth * 2; i++)
        *most = pack_keys(k, group * WIDE, i % 2, i / 2 * WIDE, keys + i * TILE, *most);
    for (size_t i = 0; i < l->width * 2; i++)
        if (i % 2 == 0 || is_whole(v->d, i / 2))
            pack_values(v, group * WIDE, i * SIDE, values + i / 2 * GROUPS * NARROW + i % 2 * TILE);
}

static void pack_block(const lt_attention_args *a, size_t pair, size_t block, float *packed) {
    const layout l = layout_of(a);
    const size_t heads = (size_t)a->heads, sample = pair / heads, channel = pair % heads * (size_t)a->d;
    const size_t keys = lt_heads_keys(a, sample), first = sample * (size_t)a->tokens_k;
    const rows k = rows_of(a->k, a->k_type, first * a->stride_k + channel, a->stride_k, keys, a->d);
    const rows v = rows_of(a->v, a->v_type, first * a->stride_v + channel, a->stride_v, keys, a->d);
    __m512i most = _mm512_setzero_si512();
    for (size_t i = block * GROUPS; i < (block + 1) * GROUPS && i * WIDE < keys; i++)
        pack_group(&l, &k, &v, i, (uint32_t *)packed, &most);
    packed[block] = greatest(most);
}

/* ---- A tile of queries ---- */

typedef struct tile {
    size_t d, depth, width, groups; /* squares of channels; groups of keys that some query sees */
    size_t first, queries;          /* queries [first, first + queries) of the head */
    bool causal;
    float factor; /* scale / ln 2: the exponential is a power of two */
    const float *most;
    const uint32_t *k, *v; /* packed */
    uint32_t *q;           /* [depth] squares of bf16 */
    float *s;              /* [LAG + 1] squares */
    uint32_t *p;           /* [2 * GROUPS] squares of bf16 */
    float *o;              /* [width] squares */
    float *offset;         /* [WIDE] */
} tile;

static float *scores_of(const tile *t, size_t group) { return t->s + group % (LAG + 1) * SQUARE; }
static uint32_t *weights_of(const tile *t, size_t group) { return t->p + group % (2 * GROUPS) * NARROW; }
static float sum_of(const tile *t, size_t row) { return t->o[t->d / WIDE * SQUARE + row * WIDE + t->d % WIDE]; }

/* ---- Keys and values ---- */

/* What is on its way: sums that wait in tiles; squares of o, from `next` on, that lack the block that begins with
 * `group`. */
typedef struct flow {
    waiting last;
    size_t group, next;
} flow;

/* s of a group. */
LT_INLINE void score(const tile *t, size_t group, flow *f, weighing *w) {
    const product p = {t->q, t->k + group * t->depth * NARROW, scores_of(t, group), t->depth, .add = false};
    multiply(&p, true, &f->last, w);
}

/* Square c of o, of `count` groups from `group` on, of one block. */
LT_INLINE void add_square(const tile *t, size_t group, size_t count, size_t c, flow *f, weighing *w) {
    const uint32_t *v = t->v + ((group / GROUPS * t->width + c) * GROUPS + group % GROUPS) * NARROW;
    const product p = {weights_of(t, group), v, t->o + c * SQUARE, count, .add = group > 0};
    if (is_whole(t->d, c))
        multiply(&p, true, &f->last, w);
    else
        multiply(&p, false, &f->last, w);
}

LT_INLINE void add_some(const tile *t, size_t squares, flow *f, weighing *w) {
    for (; squares && f->next < t->width; squares--)
        add_square(t, f->group, lt_min(GROUPS, t->groups - f->group), f->next++, f, w);
}

/* ---- Scores by vectors ---- */

/* Scores of keys that come after their query become minus infinity: in the group that is on the diagonal. */
static void mask(const tile *t, size_t group) {
    if (!t->causal || group * WIDE < t->first) return;
    for (size_t row = 0; row < WIDE; row++)
        for (size_t column = 0; column < WIDE; column++)
            if (key_of(column / SIDE, column % SIDE) > row) scores_of(t, group)[row * WIDE + column] = -INFINITY;
}

/* The maximum of a row's scores in a group, times the factor. */
static inline float top_of(const tile *t, size_t group, size_t row) {
    const float *s = scores_of(t, group) + row * WIDE;
    return t->factor * _mm512_reduce_max_ps(_mm512_max_ps(_mm512_loadu_ps(s), _mm512_loadu_ps(s + SIDE)));
}

/* ---- The quick way ---- */

static void begin_offsets(const tile *t) {
    for (size_t row = 0; row < WIDE; row++) t->offset[row] = quick_offset(top_of(t, 0, row));
}

static weighing begin_weighing(const tile *t, size_t group) {
    return (weighing){.s = scores_of(t, group),
                      .offset = t->offset,
                      .end = t->offset + WIDE,
                      .p = weights_of(t, group),
                      .factor = _mm512_set1_ps(256.0f * t->factor),
                      .bend = _mm512_loadu_si512(bend)};
}

/* The weights of a group; meanwhile scores of one ahead, if there is one, and some of the block before. */
LT_INLINE void attend_group(const tile *t, size_t group, bool ahead, flow *f) {
    mask(t, group);
    if (group == 0) begin_offsets(t);
    weighing w = begin_weighing(t, group);
    if (ahead)
        score(t, group + LAG, f, &w);
    else
        flush(&f->last);
    add_some(t, (t->width + GROUPS - 1) / GROUPS, f, &w);
    weigh_rest(&w);
    if ((group + 1) % GROUPS == 0) f->group = group + 1 - GROUPS, f->next = 0;
}

/* Groups [from, to), from a block's beginning on. */
static void attend(const tile *t, size_t from, size_t to) {
    flow f = {.next = t->width};
    weighing none = {0};
    for (size_t i = from; i < lt_min(from + LAG, to); i++) score(t, i, &f, &none);
    flush(&f.last);
    for (size_t i = from; i < to; i++) attend_group(t, i, i + LAG < to, &f);
    add_some(t, t->width, &f, &none);
    f.group = to - to % GROUPS;
    f.next = to % GROUPS ? 0 : t->width;
    add_some(t, t->width, &f, &none);
    flush(&f.last);
}

/* Whether no weight was too great. */
static bool went_well(const tile *t) {
    for (size_t row = 0; row < WIDE; row++)
        if (!(sum_of(t, row) < 0x1p64f)) return false;
    return true;
}

/* ---- The careful way ---- */

/* 2^x, relative error under 8e-5 (polynomial of the fraction: Remez). */
static inline __m512 power_of_two(__m512 x) {
    const __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF);
    __m512 p = _mm512_set1_ps(0.078024544f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.226067123f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.695833553f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.999925218f));
    return _mm512_scalef_ps(p, x);
}

/* In each lane the bits of a weight in bf16. */
static inline __m512i weigh_carefully(const float *s, __m512 factor, __m512 offset) {
    const __m512 weight = power_of_two(_mm512_fmadd_ps(_mm512_loadu_ps(s), factor, offset));
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(weight));
}

/* A row's offset becomes minus its running maximum, and its o follows. */
static void raise_top(const tile *t, size_t group, size_t row) {
    const float before = group ? -t->offset[row] : -FLT_MAX, top = fmaxf(before, top_of(t, group, row));
    const __m512 correction = power_of_two(_mm512_set1_ps(before - top));
    t->offset[row] = -top;
    for (size_t i = 0; group && i < t->width * 2; i++) {
        float *o = t->o + i / 2 * SQUARE + row * WIDE + i % 2 * SIDE;
        _mm512_storeu_ps(o, _mm512_mul_ps(_mm512_loadu_ps(o), correction));
    }
}

static void weigh_group_carefully(const tile *t, size_t group) {
    const __m512 factor = _mm512_set1_ps(t->factor);
    for (size_t row = 0; row < WIDE; row++) {
        raise_top(t, group, row);
        const __m512 offset = _mm512_set1_ps(t->offset[row]);
        const float *s = scores_of(t, group) + row * WIDE;
        const __m512i a = weigh_carefully(s, factor, offset), b = weigh_carefully(s + SIDE, factor, offset);
        _mm512_storeu_si512(weights_of(t, group) + row * SIDE, _mm512_packus_epi32(a, b));
    }
}

static void attend_carefully(const tile *t) {
    flow f = {0};
    weighing none = {0};
    for (size_t i = 0; i < t->groups; i++) {
        score(t, i, &f, &none);
        flush(&f.last);
        mask(t, i);
        weigh_group_carefully(t, i);
        for (size_t c = 0; c < t->width; c++) add_square(t, i, 1, c, &f, &none);
        flush(&f.last);
    }
}

/* ---- All tiles ---- */

/* Whether products of these magnitudes keep the quick exponential's integers within 32 bits. */
static bool is_calm(const tile *t, float most_q) {
    float most = 0;
    for (size_t i = 0; i * GROUPS < t->groups; i++) most = t->most[i] <= most ? most : t->most[i];
    return (float)t->d * most_q * most * t->factor < 0x1p22f;
}

/* Rows of q in one square of channels, those past the last again. */
LT_INLINE __m512i load_square(const rows *q, size_t from, __m512i sign, uint32_t *to, __m512i most) {
    for (size_t row = 0; row < WIDE; row++) {
        const __m512i x = load_32(q, lt_min(row, q->count - 1), from);
        most = greater(most, x);
        _mm512_storeu_si512(to + row * SIDE, _mm512_xor_si512(x, sign));
    }
    return most;
}

/* The greatest magnitude among them. */
static float load_queries(const tile *t, const rows *q, bool negative) {
    const __m512i sign = _mm512_set1_epi16(negative ? INT16_MIN : 0);
    __m512i most = _mm512_setzero_si512();
    for (size_t i = 0; i < t->depth; i++) most = load_square(q, i * WIDE, sign, t->q + i * NARROW, most);
    return greatest(most);
}

static void store_queries(const tile *t, void *out, size_t at, size_t stride, const bool bf16) {
    for (size_t row = 0; row < t->queries; row++) {
        const __m512 inverse = _mm512_set1_ps(1.0f / sum_of(t, row));
        for (size_t i = 0; i < t->d; i += SIDE) {
            const float *o = t->o + i / WIDE * SQUARE + row * WIDE + i % WIDE;
            const __m512 x = _mm512_mul_ps(_mm512_loadu_ps(o), inverse);
            void *to = (void *)(uintptr_t)vf_at(out, at + row * stride + i, bf16);
            if (bf16)
                _mm256_mask_storeu_epi16(to, (__mmask16)first_of(t->d - i), (__m256i)_mm512_cvtneps_pbh(x));
            else
                _mm512_mask_storeu_ps(to, (__mmask16)first_of(t->d - i), x);
        }
    }
}

static tile tile_of(const lt_attention_args *a, size_t sample, size_t first, const float *packed, float *shared,
                    float *own) {
    const layout l = layout_of(a);
    tile t = {.d = (size_t)a->d, .depth = l.depth, .width = l.width, .first = first, .causal = a->causal};
    t.queries = lt_min(WIDE, (size_t)a->tokens_q - first);
    t.groups = (lt_heads_keys(a, sample) + WIDE - 1) / WIDE;
    if (a->causal) t.groups = lt_min(t.groups, first / WIDE + 1);
    t.factor = fmaxf(fabsf(a->scale) * (float)M_LOG2E, FLT_MIN); /* not 0, which times minus infinity is no number */
    t.most = packed;
    t.k = (const uint32_t *)packed + l.k;
    t.v = (const uint32_t *)packed + l.v;
    t.s = shared;
    t.p = (uint32_t *)shared + (LAG + 1) * SQUARE;
    t.q = (uint32_t *)own;
    t.o = own + l.depth * NARROW;
    t.offset = t.o + l.width * SQUARE;
    return t;
}

static void attend_all(const tile *tiles, const bool *calm, size_t count, size_t chunk) {
    lt_amx_begin();
    for (size_t from = 0; from < tiles[count - 1].groups; from += chunk)
        for (size_t i = 0; i < count; i++)
            if (calm[i] && from < tiles[i].groups) attend(&tiles[i], from, lt_min(from + chunk, tiles[i].groups));
    for (size_t i = 0; i < count; i++)
        if (!calm[i] || !went_well(&tiles[i])) attend_carefully(&tiles[i]);
    lt_amx_end();
}

static size_t count_tiles(const lt_attention_args *a) { return ((size_t)a->tokens_q + WIDE - 1) / WIDE; }

/* Strip `index` of a head's `strips`: some tiles of queries. */
static void run_strip(const lt_attention_args *a, size_t pair, size_t index, size_t strips, const float *packed,
                      float *own) {
    const layout l = layout_of(a);
    const size_t heads = (size_t)a->heads, sample = pair / heads, channel = pair % heads * (size_t)a->d;
    const size_t begin = count_tiles(a) * index / strips, count = count_tiles(a) * (index + 1) / strips - begin;
    const size_t row = sample * (size_t)a->tokens_q;
    tile tiles[STRIP];
    bool calm[STRIP];
    for (size_t i = 0; i < count; i++) {
        float *tiles_own = own + own_size(a) - (STRIP - i) * tile_size(&l);
        tile *t = &tiles[i];
        *t = tile_of(a, sample, (begin + i) * WIDE, packed, own, tiles_own);
        const size_t first = (row + t->first) * a->stride_q + channel;
        const rows q = rows_of(a->q, a->q_type, first, a->stride_q, t->queries, a->d);
        calm[i] = is_calm(t, load_queries(t, &q, a->scale < 0));
    }
    attend_all(tiles, calm, count, chunk_of(&l));
    for (size_t i = 0; i < count; i++)
        store_queries(&tiles[i], a->out, (row + tiles[i].first) * heads * tiles[i].d + channel, heads * tiles[i].d,
                      a->out_type == LT_VALUE_BF16);
}

/* Strips of each head's queries: as long as they can be, or shorter where there are more threads than that. Each query
 * is computed alike in any. */
static size_t count_strips(const lt_attention_args *a, size_t heads, int threads) {
    enum { PIECES = 4 }; /* for a thread, or some would wait for others */
    const size_t team = threads == 1 ? 1 : PIECES * (size_t)lt_thread_count(), tiles = count_tiles(a);
    return lt_min(tiles, lt_max((tiles + STRIP - 1) / STRIP, (team + heads - 1) / heads));
}

static const lt_heads method = {GROUPS * WIDE, packed_size, own_size, count_strips, pack_block, run_strip};

static size_t scratch_size(const lt_attention_args *a, int threads) { return lt_heads_scratch(&method, a, threads); }
static void attention(const lt_attention_args *a) { lt_heads_run(&method, a); }

const lt_attention_kernel lt_attention_amx = {LT_ISA_AMX, LT_PRECISION_BF16, scratch_size, attention};
