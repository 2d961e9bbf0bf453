/* AMX's tiles, as the weight's gradient uses them (backward_weights_amx.c): sums of products of pixels.
 *
 * Numbers are bf16, two pixels of a channel side by side in a word:
 *     by pixel pairs  [pair][16 channels]   what AMX takes as its right operand
 *     by channels     [16 channels][16 pairs], a tile: its left operand */
#ifndef LT_AMX_H
#define LT_AMX_H

#include "base/base.h"

enum { LT_AMX_SIDE = 16, LT_AMX_TILE = LT_AMX_SIDE * LT_AMX_SIDE, LT_AMX_PIXELS = 2 * LT_AMX_SIDE };

/* Channels [from, to) of a pixel, at x; the others are 0. */
typedef struct lt_amx_pixel {
    const float *x;
    size_t from, to;
} lt_amx_pixel;

/* sums[i][j] (16x16 each, i of a, j of b) = or += a[i] b[j] over so many tiles. NULL in a[1] or b[1]: there is none. */
typedef struct lt_amx_product {
    const uint32_t *a[2]; /* [tiles][16 channels][16 pairs] */
    const uint32_t *b[2]; /* [tiles*16 pairs][16 channels] */
    float *sums[2][2];
    size_t tiles;
    bool add;
} lt_amx_product;

/* How large the calling thread's eight tiles are. From lt_amx_begin to lt_amx_end they are of 16 rows of 64 bytes. */
typedef struct lt_amx_shape {
    uint8_t rows[8];
    uint16_t bytes[8]; /* of a row; no rows, no bytes: there is no such tile */
} lt_amx_shape;

void lt_amx_begin(void);
void lt_amx_set_shape(const lt_amx_shape *shape);
void lt_amx_end(void);
void lt_amx_multiply(const lt_amx_product *p);

/* Two pixels, rounded and interleaved: channel i to out[i / 16 * next + i % 16], zeros up to a multiple of 16. Unless
 * sums is NULL, both are added to it as they are: a multiple of 16 floats. */
void lt_amx_pack_pair(const lt_amx_pixel pixels[2], size_t channels, uint32_t *out, size_t next, float *sums);
/* In place: [16 pairs][16 channels] to [16 channels][16 pairs]. */
void lt_amx_transpose(uint32_t *tile);

#endif
