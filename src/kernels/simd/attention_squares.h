/* What attention with AMX (attention_amx.c, where the method is described) does in its inner loop: products of squares
 * of 32 x 32 numbers, four tiles each, and between their instructions scores that become weights. */
#ifndef LT_ATTENTION_SQUARES_H
#define LT_ATTENTION_SQUARES_H

#include "kernels/amx.h"
#include "kernels/simd/vec.h"

enum {
    SIDE = LT_AMX_SIDE,
    TILE = LT_AMX_TILE, /* words */
    WIDE = 2 * SIDE,    /* the side of a square */
    SQUARE = 4 * TILE,  /* floats, [WIDE][WIDE] */
    NARROW = 2 * TILE,  /* words of a square of bf16: two tiles, which as left operands are rows, [WIDE][SIDE] */
    LINE = SIDE * sizeof(uint32_t)
};

/* ---- Weights ---- */

/* Scores of one group that become weights, a row at a time. */
typedef struct weighing {
    const float *s, *offset, *end; /* the next row's, and where its offset ends */
    uint32_t *p;
    __m512 factor;
    __m512i bend;
} weighing;

/* The bits of a bf16, read as an integer, are 128 (127 + log2 of it), but for what its mantissa bends: f + 1 - 2^f,
 * where f is the logarithm's fraction. Here in units of 1/256, for the first six bits of f; found by trying, for the
 * least error of what is then cut to 7 bits: 0.19 % (root of mean square), where rounding alone makes 0.17 %. */
static const uint8_t bend[64] = {
    0,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 14, 15, 16, 16, 17, 18, 18, 19,
    19, 20, 20, 20, 21, 21, 21, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 21, 21, 21, 21, 20,
    20, 19, 19, 18, 17, 17, 16, 15, 14, 13, 12, 11, 10, 9,  8,  7,  5,  4,  3,  1,
};

/* Offsets of quick weights: 256 (127 - top). */
static inline float quick_offset(float top) { return 256.0f * (127.0f - top); }

/* 256 (127 + x) by 16 bits, of which too small a one becomes 0, and with it 2^x, and too great a one no number. */
LT_INLINE void weigh_row(weighing *w) {
    const __mmask64 low_bytes = 0x5555555555555555;
    const __m512 offset = _mm512_set1_ps(*w->offset++);
    const __m512 a = _mm512_fmadd_ps(_mm512_loadu_ps(w->s), w->factor, offset);
    const __m512 b = _mm512_fmadd_ps(_mm512_loadu_ps(w->s + SIDE), w->factor, offset);
    const __m512i x = _mm512_packus_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b));
    const __m512i less = _mm512_maskz_permutexvar_epi8(low_bytes, _mm512_srli_epi16(x, 2), w->bend);
    _mm512_storeu_si512(w->p, _mm512_srli_epi16(_mm512_sub_epi16(x, less), 1));
    w->s += WIDE;
    w->p += SIDE;
}

/* Two rows, if there are more: as many as vectors weigh while tiles do one multiplication. */
LT_INLINE void weigh_two(weighing *w) {
    if (w->offset == w->end) return;
    weigh_row(w);
    weigh_row(w);
}

LT_INLINE void weigh_rest(weighing *w) {
    while (w->offset < w->end) weigh_row(w);
}

/* ---- Products of squares ---- */

/* c = or += a b, over `depth` squares of each. */
typedef struct product {
    const uint32_t *a, *b;
    float *c;
    size_t depth;
    bool add;
} product;

/* Where the sums in tiles 0 to 3 belong. */
typedef struct waiting {
    float *to; /* NULL: there are none */
    bool whole;
} waiting;

/* Tile i of a square: of its rows' half i % 2 and its columns' half i / 2. */
LT_INLINE float *quarter(float *square, int i) { return square + i % 2 * SIDE * WIDE + i / 2 * SIDE; }

LT_INLINE void store_tile(int i, float *square) {
    float *to = quarter(square, i);
    switch (i) {
    case 0: _tile_stored(0, to, 2 * LINE); break;
    case 1: _tile_stored(1, to, 2 * LINE); break;
    case 2: _tile_stored(2, to, 2 * LINE); break;
    default: _tile_stored(3, to, 2 * LINE);
    }
}

LT_INLINE void load_tile(int i, float *square) {
    const float *from = quarter(square, i);
    switch (i) {
    case 0: _tile_loadd(0, from, 2 * LINE); break;
    case 1: _tile_loadd(1, from, 2 * LINE); break;
    case 2: _tile_loadd(2, from, 2 * LINE); break;
    default: _tile_loadd(3, from, 2 * LINE);
    }
}

LT_INLINE void clear_tile(int i) {
    switch (i) {
    case 0: _tile_zero(0); break;
    case 1: _tile_zero(1); break;
    case 2: _tile_zero(2); break;
    default: _tile_zero(3);
    }
}

LT_INLINE void store_waiting(int i, const waiting *last) {
    if (last->to && (i < 2 || last->whole)) store_tile(i, last->to);
}

LT_INLINE void flush(waiting *last) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) store_waiting(i, last);
    last->to = NULL;
}

/* Adds a's tile i % 2 times b's tile i / 2, in this order. What comes from memory but once is read past the first-level
 * cache. */
LT_INLINE void multiply_tile(int i, const uint32_t *a, const uint32_t *b) {
    switch (i) {
    case 0:
        _tile_loadd(4, a, LINE);
        _tile_stream_loadd(6, b, LINE);
        _tile_dpbf16ps(0, 4, 6);
        break;
    case 1:
        _tile_loadd(5, a + TILE, LINE);
        _tile_dpbf16ps(1, 5, 6);
        break;
    case 2:
        _tile_stream_loadd(7, b + TILE, LINE);
        _tile_dpbf16ps(2, 4, 7);
        break;
    default: _tile_dpbf16ps(3, 5, 7);
    }
}

LT_INLINE void begin_tile(int i, const product *p) {
    if (p->add)
        load_tile(i, p->c);
    else
        clear_tile(i);
}

/* whole: all of b's columns are there, not only the first 16. The sums then wait in their tiles; those that waited are
 * stored. GCC's intrinsics do not say that they read memory: the fence does. */
LT_INLINE void multiply(const product *p, const bool whole, waiting *last, weighing *w) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        store_waiting(i, last);
        if (i >= 2 && !whole) continue;
        begin_tile(i, p);
        multiply_tile(i, p->a, p->b);
        weigh_two(w);
    }
    for (size_t j = 1; j < p->depth; j++)
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            if (i >= 2 && !whole) continue;
            multiply_tile(i, p->a + j * NARROW, p->b + j * NARROW);
            weigh_two(w);
        }
    *last = (waiting){p->c, whole};
}

#endif
