/* What the tiles of attention (attention.c, where the method is described) and of its backward half have in common. */
#ifndef LT_ATTENTION_TILE_H
#define LT_ATTENTION_TILE_H

#include "kernels/heads.h"
#include "kernels/narrow.h"
#include "kernels/simd/words.h"

#include <float.h>
#include <math.h>

enum {
    PANEL = 8,                   /* rows of a packed panel */
    WIDTH = LT_VEC == 4 ? 4 : 3, /* vectors of queries in a tile, eight queries at a time or more */
    QUERIES = WIDTH * LT_VEC,
    ROWS = LT_VEC == 16
               ? 8
               : 4, /* of a panel at a time: ROWS * WIDTH sums, WIDTH vectors and a factor just fit the registers */
    KEYS = 128      /* keys in a block: their scores stay in the first-level cache */
};

/* What is multiplied: float32 or, where a file is compiled for it, numbers of 16 bits, of which a word holds two: of d
 * channels, or of two keys. bf16 in both products; or integers in the first, rows of k and q by a scale each, and
 * floats in the second: weights are of too many magnitudes. */
#if defined(__AVX512BF16__)
#define PRECISION     LT_PRECISION_BF16
#define SCORE_NUMBERS NUMBERS_BF16
#define VALUE_NUMBERS NUMBERS_BF16
enum { CHANNELS = 2, VALUES = 2 };
LT_INLINE v8 join_8(v8 a, v8 b) { return v8_join(a, b); }
LT_INLINE v8 join_channels(v8 a, v8 b) { return v8_join(a, b); }
LT_INLINE vf join(vf a, vf b) { return vf_join(a, b); }
#else
#define VALUE_NUMBERS NUMBERS_F32
enum { VALUES = 1 };
LT_INLINE v8 join_8(v8 a, v8 b) { return (void)b, a; }
LT_INLINE vf join(vf a, vf b) { return (void)b, a; }
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define PRECISION     LT_PRECISION_INT8
#define SCORE_NUMBERS NUMBERS_PAIRS
enum { CHANNELS = 2 };
LT_INLINE v8 join_channels(v8 a, v8 b) { return v8_join_rounded(a, b); }
#else
#define PRECISION     LT_PRECISION_F32
#define SCORE_NUMBERS NUMBERS_F32
enum { CHANNELS = 1 };
LT_INLINE v8 join_channels(v8 a, v8 b) { return (void)b, a; }
#endif
#endif

/* Rows of a panel of keys that hold its keys' scales: before the others. */
enum { SCALES = SCORE_NUMBERS == NUMBERS_PAIRS };

/* Words of so many values, or channels. */
static inline size_t words(size_t values) { return (values + VALUES - 1) / VALUES; }
static inline size_t channel_words(size_t d) { return (d + CHANNELS - 1) / CHANNELS; }
/* Rows of a panel of keys. */
static inline size_t key_rows(size_t d) { return SCALES + channel_words(d); }

/* Where tile `index` of `count` begins, in vectors of queries: as even a split as there is, so that none is left with a
 * narrow rest. */
static inline size_t tile_begin(size_t vectors, size_t count, size_t index) { return vectors * index / count; }

/* ---- Packing ---- */

/* Up to eight numbers of values, of n that are there, from number `at` on. */
LT_INLINE v8 load_8(const void *values, size_t at, size_t n, const bool bf16) {
    const void *p = vf_at(values, at, bf16);
    if (!bf16) return n >= 8 ? v8_load(p) : v8_load_part(p, n);
    uint16_t part[8] = {0};
    if (n < 8) memcpy(part, p, n * sizeof *part);
    return v8_load_bf16(n < 8 ? part : p);
}

/* Eight columns, of which `columns` are there, of eight rows, of which `rows` are there. */
LT_INLINE void load_transposed(const void *from, size_t at, size_t stride, size_t rows, size_t columns, const bool bf16,
                               v8 r[8]) {
    if (rows >= 8 && columns >= 8)
        for (size_t i = 0; i < 8; i++) r[i] = load_8(from, at + i * stride, 8, bf16);
    else
        for (size_t i = 0; i < 8; i++) r[i] = i < rows ? load_8(from, at + i * stride, columns, bf16) : (v8){0};
    v8_transpose(r);
}

/* ---- Scales of rows, eight in a vector ---- */

/* The greatest integer of which d products with itself make no sum that overflows. */
static inline float most_of(size_t d) { return fminf(INT16_MAX - 1, floorf(sqrtf((float)INT32_MAX / (float)(d + 1)))); }

/* The greatest magnitudes of eight rows, of which `rows` are there; what is no number is above them all. */
LT_INLINE v8 greatest_8(const void *from, size_t at, size_t stride, size_t rows, size_t d, const bool bf16) {
    v8u most = {0};
    for (size_t i = 0; i < d; i += 8) {
        v8 r[8];
        load_transposed(from, at + i, stride, rows, d - i, bf16, r);
        for (size_t column = 0; column < 8; column++) {
            const v8u bits = (v8u)r[column] & INT32_MAX, above = (v8u)(bits > most);
            most = (bits & above) | (most & ~above);
        }
    }
    return (v8)most;
}

/* What rows of these magnitudes are multiplied by, to become integers of at most that. */
LT_INLINE v8 inverse_8(v8 greatest, float most) {
    const v8 least = (v8){0} + LT_NARROW_LEAST, finite = (v8){0} + FLT_MAX;
    return (v8)((v8u)(most / greatest) & (v8u)(greatest >= least) & (v8u)(greatest <= finite));
}

/* ---- Panels ---- */

/* The keys of one panel, of which `rows` are there. */
LT_INLINE void pack_panel(const void *k, size_t at, size_t stride, size_t rows, size_t d, float *panel,
                          const bool bf16) {
    v8 by = (v8){0} + 1.0f;
    if (SCALES) {
        const v8 greatest = greatest_8(k, at, stride, rows, d, bf16);
        by = inverse_8(greatest, most_of(d));
        v8_store(panel, greatest / most_of(d));
    }
    for (size_t i = 0; i < d; i += 8) {
        v8 r[8];
        load_transposed(k, at + i, stride, rows, d - i, bf16, r);
        for (size_t column = 0; column < lt_min(d - i, 8); column += CHANNELS)
            v8_store(panel + (SCALES + (i + column) / CHANNELS) * PANEL,
                     SCALES ? join_channels(r[column] * by, r[column + CHANNELS - 1] * by)
                            : join_channels(r[column], r[column + CHANNELS - 1]));
    }
}

/* Keys [begin, end) of a head into panels; begin is a multiple of PANEL. k: the head's first row. */
static inline void pack_k(const void *k, size_t stride, size_t d, size_t begin, size_t end, float *packed, bool bf16) {
    for (size_t j = begin; j < end; j += PANEL)
        pack_panel(k, j * stride, stride, end - j, d, packed + j * key_rows(d), bf16);
}

/* Keys [begin, end) of a head, one block of KEYS or less, into that block. */
static inline void pack_v(const void *v, size_t stride, size_t d, size_t begin, size_t end, float *packed, bool bf16) {
    float *block = packed + words(begin) * lt_round_up(d, PANEL);
    for (size_t i = 0; i < d; i += PANEL)
        for (size_t j = begin; j < end; j += VALUES) {
            const size_t at = j * stride + i;
            const v8 first = load_8(v, at, d - i, bf16);
            const v8 second = j + VALUES - 1 < end ? load_8(v, at + (VALUES - 1) * stride, d - i, bf16) : (v8){0};
            v8_store(block + i * words(KEYS) + words(j - begin) * PANEL, join_8(first, second));
        }
}

/* ---- One tile ---- */

typedef struct tile {
    size_t d, first, queries; /* queries [first, first + queries) of the head */
    size_t keys;              /* that some query sees */
    bool causal;
    float factor;       /* scale / ln 2: the exponential is a power of two */
    const float *k, *v; /* packed */
    float *q, *s, *o;   /* transposed */
    float *q_scale;     /* [QUERIES], of integers */
} tile;

/* The exponential is a power of two. Not 0, which times minus infinity is no number. A negative scale is left to q. */
static inline float exponent_factor(float scale) { return fmaxf(fabsf(scale) * (float)M_LOG2E, FLT_MIN); }

/* x^T from rows of x, each times its query's factor: [d][QUERIES] in `to`, `width` vectors of it. Lanes past the last
 * query are 0. */
static inline void load_queries(const tile *t, const void *x, size_t stride, const float *factor, size_t width,
                                float *to, const bool bf16) {
    for (size_t j = 0; j < width * LT_VEC; j += 8) {
        const size_t rows = j < t->queries ? t->queries - j : 0;
        v8 factors = v8_load(factor + j);
        if (SCALES) {
            const v8 greatest = greatest_8(x, j * stride, stride, rows, t->d, bf16);
            factors *= inverse_8(greatest, most_of(t->d));
            v8_store(t->q_scale + j, greatest / most_of(t->d));
        }
        for (size_t i = 0; i < t->d; i += 8) {
            v8 r[8];
            load_transposed(x, j * stride + i, stride, rows, t->d - i, bf16, r);
            for (size_t row = 0; row < lt_min(t->d - i, 8); row += CHANNELS)
                v8_store(to + (i + row) / CHANNELS * QUERIES + j,
                         join_channels(r[row] * factors, r[row + CHANNELS - 1] * factors));
        }
    }
}

LT_INLINE void store_8(void *values, size_t at, v8 v, size_t n, const bool bf16) {
    void *p = (void *)(uintptr_t)vf_at(values, at, bf16);
    if (bf16) {
        const h8 narrow = v8_to_bf16(v);
        memcpy(p, &narrow, n < 8 ? n * sizeof(uint16_t) : sizeof narrow);
    } else if (n >= 8) { /* partial stores are slow on some processors */
        v8_store(p, v);
    } else {
        v8_store_part(p, v, n);
    }
}

/* Rows of out, from number `at` on, from t->o / sum. */
static inline void store_queries(const tile *t, const float *sum, void *out, size_t at, size_t stride,
                                 const bool bf16) {
    for (size_t j = 0; j < t->queries; j += 8) {
        const v8 inverse = 1.0f / v8_load(sum + j);
        for (size_t i = 0; i < t->d; i += 8) {
            v8 r[8];
            for (size_t row = 0; row < 8; row++) r[row] = v8_load(t->o + (i + row) * QUERIES + j) * inverse;
            v8_transpose(r);
            const size_t first = at + j * stride + i;
            if (t->queries - j >= 8 && t->d - i >= 8)
                for (size_t query = 0; query < 8; query++) store_8(out, first + query * stride, r[query], 8, bf16);
            else
                for (size_t query = 0; query < lt_min(t->queries - j, 8); query++)
                    store_8(out, first + query * stride, r[query], t->d - i, bf16);
        }
    }
}

/* sum[ROWS][width] += panel^T x: panel [depth][PANEL] words, of which the first ROWS columns; x [depth][QUERIES]. */
LT_INLINE void multiply(const numbers_kind of, size_t depth, const float *restrict panel, const float *restrict x,
                        size_t width, vf sum[ROWS][WIDTH]) {
    for (size_t i = 0; i < depth; i++, panel += PANEL, x += QUERIES) {
        vf xs[WIDTH];
#pragma GCC unroll 4
        for (size_t v = 0; v < width; v++) xs[v] = vf_load(x + v * LT_VEC);
#pragma GCC unroll 8
        for (size_t row = 0; row < ROWS; row++) {
            const vf factor = broadcast(of, panel + row);
#pragma GCC unroll 4
            for (size_t v = 0; v < width; v++) sum[row][v] = add_words(of, sum[row][v], factor, xs[v]);
        }
    }
}

/* A sum, times its key's scale and its queries'. */
LT_INLINE vf score(const tile *t, vf sum, const float *key_scale, size_t v) {
    if (!SCALES) return sum;
    return __builtin_convertvector((vi)sum, vf) * (vf_set(*key_scale) * vf_load(t->q_scale + v * LT_VEC));
}

/* s^T of `count` keys from `key` on, in t->s. */
LT_INLINE void score_block(const tile *t, size_t key, size_t count, size_t width) {
    for (size_t row = 0; row < count; row += ROWS) {
        const size_t first = (key + row) / PANEL * PANEL, within = key + row - first;
        const float *panel = t->k + first * key_rows(t->d);
        vf sum[ROWS][WIDTH] = {0};
        multiply(SCORE_NUMBERS, channel_words(t->d), panel + SCALES * PANEL + within, t->q, width, sum);
#pragma GCC unroll 8
        for (size_t i = 0; i < ROWS; i++)
#pragma GCC unroll 4
            for (size_t v = 0; v < width; v++)
                vf_store(t->s + (row + i) * QUERIES + v * LT_VEC, score(t, sum[i][v], panel + within + i, v));
    }
}

/* Scores of keys that come after their query become minus infinity. */
static inline void mask_block(const tile *t, size_t key, size_t count) {
    for (size_t row = key > t->first ? 0 : t->first - key; row < count; row++)
        for (size_t lane = 0; lane < lt_min(key + row - t->first, QUERIES); lane++)
            t->s[row * QUERIES + lane] = -INFINITY;
}

/* o^T = o^T * correction + v^T p^T over `count` keys from `key` on. */
LT_INLINE void value_block(const tile *t, size_t key, size_t count, size_t width, const vf correction[WIDTH]) {
    const float *block = t->v + words(key) * lt_round_up(t->d, PANEL);
    for (size_t i = 0; i < t->d; i += ROWS) {
        const size_t panel = i / PANEL * PANEL;
        float *o = t->o + i * QUERIES;
        vf sum[ROWS][WIDTH];
#pragma GCC unroll 8
        for (size_t row = 0; row < ROWS; row++)
#pragma GCC unroll 4
            for (size_t v = 0; v < width; v++) sum[row][v] = vf_load(o + row * QUERIES + v * LT_VEC) * correction[v];
        multiply(VALUE_NUMBERS, words(count), block + panel * words(KEYS) + (i - panel), t->s, width, sum);
#pragma GCC unroll 8
        for (size_t row = 0; row < ROWS; row++)
#pragma GCC unroll 4
            for (size_t v = 0; v < width; v++) vf_store(o + row * QUERIES + v * LT_VEC, sum[row][v]);
    }
}

#endif
