/* AMX's tiles: see amx.h. Compiled for AMX-BF16 and AVX512-BF16 alone. */
#include "kernels/amx.h"

#include <immintrin.h>
#include <string.h>

enum { LINE = LT_AMX_SIDE * sizeof(uint32_t) };

void lt_amx_set_shape(const lt_amx_shape *shape) {
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    memcpy(config.bytes, shape->bytes, sizeof shape->bytes);
    memcpy(config.rows, shape->rows, sizeof shape->rows);
    __asm__ volatile("" : : "r"(&config) : "memory"); /* GCC's intrinsic says nothing of what it reads */
    _tile_loadconfig(&config);
}

void lt_amx_begin(void) {
    lt_amx_shape whole;
    for (int i = 0; i < 8; i++) {
        whole.rows[i] = LT_AMX_SIDE;
        whole.bytes[i] = LINE;
    }
    lt_amx_set_shape(&whole);
}

void lt_amx_end(void) { _tile_release(); }

/* Sums in tiles 0 to 3, a in 4 and 5, b in 6 and 7. */
static void multiply_2x2(const lt_amx_product *p) {
    for (size_t t = 0; t < p->tiles; t++) {
        _tile_loadd(4, p->a[0] + t * LT_AMX_TILE, LINE);
        _tile_loadd(6, p->b[0] + t * LT_AMX_TILE, LINE);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, p->b[1] + t * LT_AMX_TILE, LINE);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, p->a[1] + t * LT_AMX_TILE, LINE);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
}

static void multiply_less(const lt_amx_product *p) {
    for (size_t t = 0; t < p->tiles; t++) {
        _tile_loadd(4, p->a[0] + t * LT_AMX_TILE, LINE);
        _tile_loadd(6, p->b[0] + t * LT_AMX_TILE, LINE);
        _tile_dpbf16ps(0, 4, 6);
        if (p->b[1]) {
            _tile_loadd(7, p->b[1] + t * LT_AMX_TILE, LINE);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (p->a[1]) {
            _tile_loadd(5, p->a[1] + t * LT_AMX_TILE, LINE);
            _tile_dpbf16ps(2, 5, 6);
        }
    }
}

void lt_amx_multiply(const lt_amx_product *p) {
    const bool a = p->a[1], b = p->b[1];
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (p->add) {
        _tile_loadd(0, p->sums[0][0], LINE);
        if (b) _tile_loadd(1, p->sums[0][1], LINE);
        if (a) _tile_loadd(2, p->sums[1][0], LINE);
        if (a && b) _tile_loadd(3, p->sums[1][1], LINE);
    }
    if (a && b)
        multiply_2x2(p);
    else
        multiply_less(p);
    _tile_stored(0, p->sums[0][0], LINE);
    if (b) _tile_stored(1, p->sums[0][1], LINE);
    if (a) _tile_stored(2, p->sums[1][0], LINE);
    if (a && b) _tile_stored(3, p->sums[1][1], LINE);
}

/* Channels [at, at + 16) of a pixel. */
static inline __m512 load(const lt_amx_pixel *p, size_t at) {
    if (p->from <= at && at + LT_AMX_SIDE <= p->to) return _mm512_loadu_ps(p->x + (at - p->from));
    const size_t first = lt_max(p->from, at), last = lt_min(p->to, at + LT_AMX_SIDE);
    if (first >= last) return _mm512_setzero_ps();
    const __mmask16 there = (__mmask16)(((1u << (last - first)) - 1) << (first - at));
    return _mm512_maskz_expandloadu_ps(there, p->x + (first - p->from));
}

static inline __m512i interleave(__m512 a, __m512 b) {
    const __m512i alternate = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                                               6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(alternate, (__m512i)_mm512_cvtne2ps_pbh(b, a));
}

void lt_amx_pack_pair(const lt_amx_pixel pixels[2], size_t channels, uint32_t *out, size_t next, float *sums) {
    for (size_t i = 0; i < channels; i += LT_AMX_SIDE, out += next) {
        const __m512 a = load(&pixels[0], i), b = load(&pixels[1], i);
        _mm512_storeu_si512(out, interleave(a, b));
        if (sums) _mm512_storeu_ps(sums + i, _mm512_add_ps(_mm512_loadu_ps(sums + i), _mm512_add_ps(a, b)));
    }
}

void lt_amx_transpose(uint32_t *tile) {
    __m512i r[16], s[16];
    for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_si512(tile + i * LT_AMX_SIDE);
    for (int i = 0; i < 16; i += 2) {
        s[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        s[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(s[i], s[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(s[i], s[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(s[i + 1], s[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(s[i + 1], s[i + 3]);
    }
    /* now r[4*i + j] holds, in its quarter q, column 4*q + j of rows 4*i to 4*i + 3 */
    for (int i = 0; i < 16; i += 8)
        for (int j = 0; j < 4; j++) {
            s[i + j] = _mm512_shuffle_i32x4(r[i + j], r[i + 4 + j], 0x88);
            s[i + 4 + j] = _mm512_shuffle_i32x4(r[i + j], r[i + 4 + j], 0xdd);
        }
    for (int j = 0; j < 4; j++) {
        r[j] = _mm512_shuffle_i32x4(s[j], s[8 + j], 0x88);
        r[8 + j] = _mm512_shuffle_i32x4(s[j], s[8 + j], 0xdd);
        r[4 + j] = _mm512_shuffle_i32x4(s[4 + j], s[12 + j], 0x88);
        r[12 + j] = _mm512_shuffle_i32x4(s[4 + j], s[12 + j], 0xdd);
    }
    for (int i = 0; i < 16; i++) _mm512_storeu_si512(tile + i * LT_AMX_SIDE, r[i]);
}
