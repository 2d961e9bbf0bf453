/* Rounding numbers to blocks. Those of 32 are rounded as ggml's reference does, to the same bytes. For those of 256,
 * each group takes the scale, and offset, of least squared error among a few, and is rounded again under what is left
 * of these in their few bits. */
#include "base/blocks_write.h"

#include <math.h>
#include <string.h>

static void put_half(float value, uint8_t *to) {
    const uint16_t half = lt_f32_to_f16(value);
    memcpy(to, &half, sizeof half);
}

/* 0 of what has none as float32. */
static float inverse_of(float x) { return fabsf(x) < 0x1p-126f ? 0.0f : 1 / x; }

static int within(int x, int least, int most) { return x < least ? least : x > most ? most : x; }

/* The nearest whole number, halves away from zero: roundf, which is slow. Of what is far below 2^31. */
static int nearest(float x) {
    const float magnitude = fabsf(x);
    const int whole = (int)magnitude, rounded = whole + (magnitude - (float)whole >= 0.5f);
    return x < 0 ? -rounded : rounded;
}

/* The first of values [n] that is largest without its sign. */
static float extreme(const float *values, size_t n) {
    float most = 0;
    for (size_t i = 0; i < n; i++)
        if (fabsf(values[i]) > fabsf(most)) most = values[i];
    return most;
}

static void find_range(const float *values, size_t n, float *least, float *most) {
    *least = *most = values[0];
    for (size_t i = 1; i < n; i++) {
        *least = fminf(*least, values[i]);
        *most = fmaxf(*most, values[i]);
    }
}

/* ---- Blocks of 32 ---- */

enum { SMALL = 32, HALF = SMALL / 2 };

/* The extreme is the least code. */
static void round_signed(const float *values, int least, uint8_t *scale, int *codes) {
    const float d = extreme(values, SMALL) / (float)least, inverse = inverse_of(d);
    for (size_t i = 0; i < SMALL; i++)
        codes[i] = within((int)(values[i] * inverse + ((float)-least + 0.5f)), 0, -2 * least - 1);
    put_half(d, scale);
}

static void round_range(const float *values, int most, uint8_t *scale, int *codes) {
    float low, high;
    find_range(values, SMALL, &low, &high);
    const float d = (high - low) / (float)most, inverse = inverse_of(d);
    for (size_t i = 0; i < SMALL; i++) codes[i] = within((int)((values[i] - low) * inverse + 0.5f), 0, most);
    put_half(d, scale);
    put_half(low, scale + 2);
}

static void put_nibbles(const int *codes, uint8_t *to) {
    for (size_t i = 0; i < HALF; i++) to[i] = (uint8_t)((codes[i] & 15) | (codes[i + HALF] & 15) << 4);
}

static void put_fifths(const int *codes, uint8_t *high, uint8_t *low) {
    uint32_t bits = 0;
    for (size_t i = 0; i < SMALL; i++) bits |= (uint32_t)(codes[i] >> 4 & 1) << i;
    memcpy(high, &bits, sizeof bits);
    put_nibbles(codes, low);
}

static void write_q4_0(const float *values, uint8_t *block) {
    int codes[SMALL];
    round_signed(values, -8, block, codes);
    put_nibbles(codes, block + 2);
}

static void write_q4_1(const float *values, uint8_t *block) {
    int codes[SMALL];
    round_range(values, 15, block, codes);
    put_nibbles(codes, block + 4);
}

static void write_q5_0(const float *values, uint8_t *block) {
    int codes[SMALL];
    round_signed(values, -16, block, codes);
    put_fifths(codes, block + 2, block + 6);
}

static void write_q5_1(const float *values, uint8_t *block) {
    int codes[SMALL];
    round_range(values, 31, block, codes);
    put_fifths(codes, block + 4, block + 8);
}

static void write_q8_0(const float *values, uint8_t *block) {
    const float d = fabsf(extreme(values, SMALL)) / 127, inverse = inverse_of(d);
    for (size_t i = 0; i < SMALL; i++) block[2 + i] = (uint8_t)nearest(values[i] * inverse);
    put_half(d, block);
}

/* ---- Blocks of 256: fitting a group ---- */

enum { TRIES = 9, GROUP_MOST = 32, WIDE = LT_BLOCK_MOST };

/* The scale for codes from least to -least - 1 whose multiples are nearest to values [n]: sum(xq)^2 / sum(qq) is what a
 * scale takes off the squared error at its best. */
static float fit_scale(const float *values, size_t n, int least) {
    const float most = extreme(values, n);
    float best = 0, scale = 0;
    for (int k = -TRIES; k <= TRIES && most != 0.0f; k++) {
        const float inverse = ((float)least + 0.1f * (float)k) / most;
        float xq = 0, qq = 0;
        for (size_t i = 0; i < n; i++) {
            const float q = (float)within(nearest(values[i] * inverse), least, -least - 1);
            xq += values[i] * q;
            qq += q * q;
        }
        if (qq <= 0 || xq * xq <= best * qq) continue;
        best = xq * xq / qq;
        scale = xq / qq;
    }
    return scale;
}

/* Sums over a group's values x and codes q. */
typedef struct sums {
    float x, q, xq, qq;
} sums;

static sums sum_up(const float *values, size_t n, float low, float inverse, int most) {
    sums s = {0};
    for (size_t i = 0; i < n; i++) {
        const float q = (float)within((int)((values[i] - low) * inverse + 0.5f), 0, most);
        s.x += values[i];
        s.q += q;
        s.xq += values[i] * q;
        s.qq += q * q;
    }
    return s;
}

/* values [n] = scale * code - less, codes from 0 to most, less not below 0. */
static void fit_range(const float *values, size_t n, int most, float *scale, float *less) {
    float low, high, least_error = INFINITY;
    find_range(values, n, &low, &high);
    low = fminf(low, 0);
    *scale = 0;
    *less = -low;
    for (int k = -TRIES; k <= TRIES && high > low; k++) {
        const sums s = sum_up(values, n, low, ((float)most + 0.1f * (float)k) / (high - low), most);
        const float d = (float)n * s.qq - s.q * s.q, by = d > 0 ? ((float)n * s.xq - s.x * s.q) / d : s.xq / s.qq;
        const float under = fmaxf((by * s.q - s.x) / (float)n, 0);
        const float fitted = under > 0 ? by : s.xq / s.qq;
        const float error = fitted * fitted * s.qq - 2 * fitted * (s.xq + under * s.q) + 2 * under * s.x +
                            (float)n * under * under; /* less the sum of x^2 */
        if (!(error < least_error) || !(fitted > 0)) continue;
        least_error = error;
        *scale = fitted;
        *less = under;
    }
}

/* Codes of a group under the scale and offset that a reader will find. */
static void encode(const float *values, size_t n, float scale, float less, int least, int most, int *codes) {
    const float inverse = inverse_of(scale);
    for (size_t i = 0; i < n; i++) codes[i] = within(nearest((values[i] + less) * inverse), least, most);
}

/* Parts of the largest in whole steps from 0 to most: the step. */
static float round_parts(const float *parts, size_t n, int most, uint8_t *whole) {
    const float step = extreme(parts, n) / (float)most, inverse = inverse_of(step);
    for (size_t i = 0; i < n; i++) whole[i] = (uint8_t)within(nearest(parts[i] * inverse), 0, most);
    return step;
}

/* A block of groups with scales and offsets: those in whole steps, which are written as halves to `steps`, and codes.
 */
static void fit_block(const float *values, size_t group, int most_code, int most_part, uint8_t *steps,
                      uint8_t by[LT_GROUPS_MOST], uint8_t under[LT_GROUPS_MOST], int codes[WIDE]) {
    float scale[LT_GROUPS_MOST], less[LT_GROUPS_MOST];
    const size_t groups = WIDE / group;
    for (size_t g = 0; g < groups; g++) fit_range(values + g * group, group, most_code, &scale[g], &less[g]);
    put_half(round_parts(scale, groups, most_part, by), steps);
    put_half(round_parts(less, groups, most_part, under), steps + 2);
    const float d = lt_f16_at(steps), least = lt_f16_at(steps + 2);
    for (size_t g = 0; g < groups; g++)
        encode(values + g * group, group, d * (float)by[g], least * (float)under[g], 0, most_code, codes + g * group);
}

/* The same of groups with scales alone, of either sign, in steps from -most. */
static void fit_signed_block(const float *values, int least_code, int most_part, uint8_t *step, int by[LT_GROUPS_MOST],
                             int codes[WIDE]) {
    enum { GROUP = 16 };
    float scale[LT_GROUPS_MOST];
    for (size_t g = 0; g < LT_GROUPS_MOST; g++) scale[g] = fit_scale(values + g * GROUP, GROUP, least_code);
    put_half(extreme(scale, LT_GROUPS_MOST) / (float)-most_part, step);
    const float d = lt_f16_at(step), inverse = inverse_of(d);
    for (size_t g = 0; g < LT_GROUPS_MOST; g++) {
        by[g] = within(nearest(scale[g] * inverse), -most_part, most_part - 1);
        encode(values + g * GROUP, GROUP, d * (float)by[g], 0, least_code, -least_code - 1, codes + g * GROUP);
    }
}

/* ---- Their layouts, as blocks.c reads them ---- */

static void put_pairs(const int *codes, uint8_t *to) {
    memset(to, 0, WIDE / 4);
    for (size_t i = 0; i < WIDE; i++) to[i / 128 * 32 + i % 32] |= (uint8_t)((codes[i] & 3) << i % 128 / 32 * 2);
}

static void write_q2_k(const float *values, uint8_t *block) {
    uint8_t by[LT_GROUPS_MOST], under[LT_GROUPS_MOST];
    int codes[WIDE];
    fit_block(values, 16, 3, 15, block + 80, by, under, codes);
    for (size_t g = 0; g < 16; g++) block[g] = (uint8_t)(by[g] | under[g] << 4);
    put_pairs(codes, block + 16);
}

static void write_q3_k(const float *values, uint8_t *block) {
    int by[LT_GROUPS_MOST], codes[WIDE];
    fit_signed_block(values, -4, 32, block + 108, by, codes);
    memset(block, 0, 32);
    memset(block + 96, 0, 12);
    for (size_t g = 0; g < 16; g++) {
        block[96 + g % 8] |= (uint8_t)(((by[g] + 32) & 15) << g / 8 * 4);
        block[104 + g % 4] |= (uint8_t)((by[g] + 32) >> 4 << g / 4 * 2);
    }
    for (size_t i = 0; i < WIDE; i++) block[i % 32] |= (uint8_t)((codes[i] >= 0) << i / 32);
    put_pairs(codes, block + 32); /* of -4 to -1, too, the low two bits */
}

static void put_6_bits(const uint8_t by[8], const uint8_t under[8], uint8_t *to) {
    for (size_t i = 0; i < 4; i++) {
        to[i] = (uint8_t)(by[i] | by[i + 4] >> 4 << 6);
        to[i + 4] = (uint8_t)(under[i] | under[i + 4] >> 4 << 6);
        to[i + 8] = (uint8_t)((by[i + 4] & 15) | under[i + 4] << 4);
    }
}

static void put_halves(const int *codes, uint8_t *to) {
    memset(to, 0, WIDE / 2);
    for (size_t i = 0; i < WIDE; i++) to[i / 64 * 32 + i % 32] |= (uint8_t)((codes[i] & 15) << i % 64 / 32 * 4);
}

static void write_q4_k(const float *values, uint8_t *block) {
    uint8_t by[LT_GROUPS_MOST], under[LT_GROUPS_MOST];
    int codes[WIDE];
    fit_block(values, 32, 15, 63, block, by, under, codes);
    put_6_bits(by, under, block + 4);
    put_halves(codes, block + 16);
}

static void write_q5_k(const float *values, uint8_t *block) {
    uint8_t by[LT_GROUPS_MOST], under[LT_GROUPS_MOST];
    int codes[WIDE];
    fit_block(values, 32, 31, 63, block, by, under, codes);
    put_6_bits(by, under, block + 4);
    memset(block + 16, 0, 32);
    for (size_t i = 0; i < WIDE; i++) block[16 + i % 32] |= (uint8_t)(codes[i] >> 4 << i / 32);
    put_halves(codes, block + 48);
}

static void write_q6_k(const float *values, uint8_t *block) {
    int by[LT_GROUPS_MOST], codes[WIDE];
    fit_signed_block(values, -32, 128, block + 208, by, codes);
    for (size_t g = 0; g < 16; g++) block[192 + g] = (uint8_t)by[g];
    memset(block, 0, 192);
    for (size_t i = 0; i < WIDE; i++) {
        const int code = codes[i] + 32;
        block[i / 128 * 64 + i % 64] |= (uint8_t)((code & 15) << i % 128 / 64 * 4);
        block[128 + i / 128 * 32 + i % 32] |= (uint8_t)(code >> 4 << i % 128 / 32 * 2);
    }
}

/* ---- The table ---- */

typedef void write_block(const float *values, uint8_t *block);

static write_block *const writers[LT_DTYPE_COUNT] = {
    [LT_Q4_0] = write_q4_0, [LT_Q4_1] = write_q4_1, [LT_Q5_0] = write_q5_0, [LT_Q5_1] = write_q5_1,
    [LT_Q8_0] = write_q8_0, [LT_Q2_K] = write_q2_k, [LT_Q3_K] = write_q3_k, [LT_Q4_K] = write_q4_k,
    [LT_Q5_K] = write_q5_k, [LT_Q6_K] = write_q6_k,
};

bool lt_blocks_writable(lt_dtype type) { return writers[type]; }

void lt_blocks_write(lt_dtype type, const float *values, size_t count, void *blocks) {
    const lt_block_format *f = lt_block_format_of(type);
    for (size_t i = 0; i < count; i++) writers[type](values + i * f->values, (uint8_t *)blocks + i * f->bytes);
}
