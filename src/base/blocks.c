/* Reading numbers in blocks: see blocks.h. Codes come without branches, so that compilers make vectors of the loops. */
#include "base/blocks.h"

#include <string.h>

static uint32_t word_at(const uint8_t *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* ---- Blocks of 32: a scale, perhaps an offset, then codes of 4, 5 or 8 bits ---- */

enum { SMALL = 32, HALF = SMALL / 2 };

/* What is added where there is no offset: the one number that leaves every other as it is, -0 too. */
static const float NOTHING = -0.0f;

static void scales_alone(const uint8_t *block, float *scale, float *offset) {
    *scale = lt_f16_at(block);
    *offset = NOTHING;
}

static void scales_and_offset(const uint8_t *block, float *scale, float *offset) {
    *scale = lt_f16_at(block);
    *offset = lt_f16_at(block + 2);
}

/* Two codes a byte: the lower half of the block, then the upper one. */
static void nibbles(const uint8_t *from, int less, int8_t *codes) {
    for (size_t i = 0; i < HALF; i++) {
        codes[i] = (int8_t)((from[i] & 15) - less);
        codes[i + HALF] = (int8_t)((from[i] >> 4) - less);
    }
}

static void codes_q4_0(const uint8_t *block, int8_t *codes) { nibbles(block + 2, 8, codes); }
static void codes_q4_1(const uint8_t *block, int8_t *codes) { nibbles(block + 4, 0, codes); }

/* The fifth bit of each lies apart. */
static void fifths(const uint8_t *high, const uint8_t *low, int less, int8_t *codes) {
    const uint32_t bits = word_at(high);
    nibbles(low, less, codes);
    for (size_t i = 0; i < SMALL; i++) codes[i] = (int8_t)(codes[i] + (int)(bits >> i & 1) * 16);
}

static void codes_q5_0(const uint8_t *block, int8_t *codes) { fifths(block + 2, block + 6, 16, codes); }
static void codes_q5_1(const uint8_t *block, int8_t *codes) { fifths(block + 4, block + 8, 0, codes); }
static void codes_q8_0(const uint8_t *block, int8_t *codes) { memcpy(codes, block + 2, SMALL); }

/* Codes that are not evenly spaced. */
const int8_t lt_iq4_nl_codes[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static void codes_iq4_nl(const uint8_t *block, int8_t *codes) {
    nibbles(block + 2, 0, codes);
    for (size_t i = 0; i < SMALL; i++) codes[i] = lt_iq4_nl_codes[codes[i]];
}

/* ---- Blocks of 256: scales of 16 or 32 values, themselves rounded, under one or two of the block ---- */

/* Pairs of bits: of each run of 32 bytes the lowest of all of them, then the next. */
static void pairs(const uint8_t *from, int8_t *codes) {
    for (size_t i = 0; i < LT_BLOCK_MOST; i++) codes[i] = (int8_t)(from[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3);
}

static void codes_q2_k(const uint8_t *block, int8_t *codes) { pairs(block + 16, codes); }

static void scales_q2_k(const uint8_t *block, float *scale, float *offset) {
    const float d = lt_f16_at(block + 80), least = lt_f16_at(block + 82);
    for (size_t i = 0; i < 16; i++) {
        scale[i] = d * (float)(block[i] & 15);
        offset[i] = -(least * (float)(block[i] >> 4));
    }
}

static void codes_q3_k(const uint8_t *block, int8_t *codes) {
    pairs(block + 32, codes);
    for (size_t i = 0; i < LT_BLOCK_MOST; i++) codes[i] = (int8_t)(codes[i] - (block[i % 32] >> i / 32 & 1 ? 0 : 4));
}

/* Sixteen scales of 6 bits in 12 bytes: four bits of each, then two. */
static void scales_q3_k(const uint8_t *block, float *scale, float *offset) {
    const uint8_t *low = block + 96, *high = low + 8;
    const float d = lt_f16_at(block + 108);
    for (size_t i = 0; i < 16; i++) {
        const int bits = (low[i % 8] >> i / 8 * 4 & 15) | (high[i % 4] >> i / 4 * 2 & 3) << 4;
        scale[i] = d * (float)(bits - 32);
        offset[i] = NOTHING;
    }
}

/* Eight scales and eight offsets of 6 bits in 12 bytes. */
static void scales_of_6_bits(const uint8_t *block, float *scale, float *offset) {
    const uint8_t *s = block + 4;
    const float d = lt_f16_at(block), least = lt_f16_at(block + 2);
    for (size_t i = 0; i < 8; i++) {
        const int by = i < 4 ? s[i] & 63 : (s[i + 4] & 15) | s[i - 4] >> 6 << 4;
        const int less = i < 4 ? s[i + 4] & 63 : s[i + 4] >> 4 | s[i] >> 6 << 4;
        scale[i] = d * (float)by;
        offset[i] = -(least * (float)less);
    }
}

/* Of each run of 32 bytes the lower halves of all, then the upper ones. */
static void codes_q4_k(const uint8_t *block, int8_t *codes) {
    for (size_t i = 0; i < LT_BLOCK_MOST; i++)
        codes[i] = (int8_t)(block[16 + i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15);
}

static void codes_q5_k(const uint8_t *block, int8_t *codes) {
    for (size_t i = 0; i < LT_BLOCK_MOST; i++)
        codes[i] = (int8_t)((block[48 + i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15) |
                            (block[16 + i % 32] >> i / 32 & 1) << 4);
}

static void codes_q6_k(const uint8_t *block, int8_t *codes) {
    for (size_t i = 0; i < LT_BLOCK_MOST; i++) {
        const int low = block[i / 128 * 64 + i % 64] >> i % 128 / 64 * 4 & 15;
        const int high = block[128 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
        codes[i] = (int8_t)((low | high << 4) - 32);
    }
}

static void scales_q6_k(const uint8_t *block, float *scale, float *offset) {
    const float d = lt_f16_at(block + 208);
    for (size_t i = 0; i < 16; i++) {
        scale[i] = d * (float)(int8_t)block[192 + i];
        offset[i] = NOTHING;
    }
}

/* ---- The table ---- */

static const lt_block_format formats[LT_DTYPE_COUNT] = {
    [LT_Q4_0] = {32, 18, 32, codes_q4_0, scales_alone},       [LT_Q4_1] = {32, 20, 32, codes_q4_1, scales_and_offset},
    [LT_Q5_0] = {32, 22, 32, codes_q5_0, scales_alone},       [LT_Q5_1] = {32, 24, 32, codes_q5_1, scales_and_offset},
    [LT_Q8_0] = {32, 34, 32, codes_q8_0, scales_alone},       [LT_IQ4_NL] = {32, 18, 32, codes_iq4_nl, scales_alone},
    [LT_Q2_K] = {256, 84, 16, codes_q2_k, scales_q2_k},       [LT_Q3_K] = {256, 110, 16, codes_q3_k, scales_q3_k},
    [LT_Q4_K] = {256, 144, 32, codes_q4_k, scales_of_6_bits}, [LT_Q5_K] = {256, 176, 32, codes_q5_k, scales_of_6_bits},
    [LT_Q6_K] = {256, 210, 16, codes_q6_k, scales_q6_k},
};

const lt_block_format *lt_block_format_of(lt_dtype type) { return formats[type].values ? &formats[type] : NULL; }

/* ---- Reading ---- */

static void read_group(const int8_t *restrict codes, size_t n, float scale, float offset, float *restrict values) {
    for (size_t i = 0; i < n; i++) values[i] = scale * (float)codes[i] + offset;
}

static void read_block(const lt_block_format *f, const uint8_t *block, float *values) {
    int8_t codes[LT_BLOCK_MOST];
    float scale[LT_GROUPS_MOST], offset[LT_GROUPS_MOST];
    f->codes(block, codes);
    f->scales(block, scale, offset);
    for (size_t g = 0; g < f->values / f->group; g++)
        read_group(codes + g * f->group, f->group, scale[g], offset[g], values + g * f->group);
}

void lt_blocks_read(const lt_block_format *f, const void *blocks, size_t count, float *values) {
    for (size_t i = 0; i < count; i++) read_block(f, (const uint8_t *)blocks + i * f->bytes, values + i * f->values);
}

void lt_blocks_read_part(const lt_block_format *f, const void *blocks, size_t first, size_t n, float *values) {
    const uint8_t *at = (const uint8_t *)blocks + first / f->values * f->bytes;
    size_t within = first % f->values;
    while (n) {
        float block[LT_BLOCK_MOST];
        const size_t whole = within ? 0 : n / f->values, taken = whole ? 0 : lt_min(n, f->values - within);
        lt_blocks_read(f, at, whole ? whole : 1, whole ? values : block);
        if (taken) memcpy(values, block + within, taken * sizeof *values);
        at += (whole ? whole : 1) * f->bytes;
        values += whole * f->values + taken;
        n -= whole * f->values + taken;
        within = 0;
    }
}

void lt_blocks_parts(const lt_block_format *f, const void *blocks, size_t first, size_t n, int8_t *codes, float *scale,
                     float *offset) {
    for (size_t within = first % f->values, taken; n; n -= taken, within = 0) {
        const uint8_t *block = (const uint8_t *)blocks + first / f->values * f->bytes;
        int8_t all[LT_BLOCK_MOST];
        float scales[LT_GROUPS_MOST], offsets[LT_GROUPS_MOST];
        taken = lt_min(n, f->values - within);
        f->codes(block, all);
        f->scales(block, scales, offsets);
        memcpy(codes, all + within, taken);
        memcpy(scale, scales + within / f->group, taken / f->group * sizeof *scale);
        memcpy(offset, offsets + within / f->group, taken / f->group * sizeof *offset);
        first += taken;
        codes += taken;
        scale += taken / f->group;
        offset += taken / f->group;
    }
}
