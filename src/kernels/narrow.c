/* Rounding to words, and packing weights as words: see narrow.h. */
#include "kernels/narrow.h"

#include "base/threads.h"
#include "kernels/bf16.h"
#include "kernels/gemm.h"

#include <float.h>
#include <math.h>
#include <string.h>

static size_t values_of(lt_precision numbers) {
    switch (numbers) {
    case LT_PRECISION_BF16: return 2;
    case LT_PRECISION_INT8: return 4;
    default: return 1;
    }
}

size_t lt_narrow_words(lt_precision numbers, size_t c) { return lt_count_parts(c, values_of(numbers)); }

/* ---- int8 in plain C ---- */

/* The scale of a row; *inverse is 0 where there is nothing to divide by: all zeros, or not all numbers finite, whose
 * scale isn't, either. */
static float scale_of(const float *x, size_t c, float *inverse) {
    float most = 0;
    for (size_t i = 0; i < c && !isnan(most); i++) most = fabsf(x[i]) <= most ? most : fabsf(x[i]);
    *inverse = most >= LT_NARROW_LEAST && most <= FLT_MAX ? 127.0f / most : 0;
    return most / 127.0f;
}

static float rounded(float x, float inverse) { return inverse > 0 ? nearbyintf(x * inverse) : 0; }

/* Of float32: instruction sets without vectors make no bf16. */
static void int8_rows(const void *from, bool bf16, size_t rows, size_t c, uint8_t *bytes, float *scales) {
    (void)bf16;
    const size_t stride = lt_round_up(c, values_of(LT_PRECISION_INT8));
    const float *x = from;
    for (size_t r = 0; r < rows; r++) {
        float inverse;
        scales[r] = scale_of(x + r * c, c, &inverse);
        for (size_t i = 0; i < stride; i++)
            bytes[r * stride + i] = (uint8_t)(128 + (i < c ? (int)rounded(x[r * c + i], inverse) : 0));
    }
}

static lt_int8_loop *int8_loop(lt_isa limit) {
#if defined(__x86_64__)
    switch (lt_isa_vectors(limit)) {
    case LT_ISA_AVX512: return lt_int8_rows_avx512;
    case LT_ISA_AVX2: return lt_int8_rows_avx2;
    default: break;
    }
#elif defined(__aarch64__)
    if (lt_isa_has(LT_ISA_NEON, limit)) return lt_int8_rows_neon;
#else
    (void)limit;
#endif
    return int8_rows;
}

/* ---- Rows of sources ---- */

typedef struct rounding {
    lt_int8_loop *int8; /* NULL: bf16 */
    lt_value_type_id type;
    const void *x;
    size_t rows, c, words, piece;
    char *to; /* words, or floats again */
    float *scales;
} rounding;

static rounding describe(const void *x, size_t rows, size_t c, void *to) {
    enum { AT_ONCE = 1 << 13 }; /* numbers */
    return (rounding){.x = x, .rows = rows, .c = c, .to = to, .piece = lt_max(AT_ONCE / c, 1)};
}

static void bf16_rows(const rounding *a, size_t row, size_t rows) {
    uint16_t *to = (uint16_t *)a->to + row * a->words * 2;
    const float *x = (const float *)a->x + row * a->c;
    if (a->c % 2 == 0) {
        lt_to_bf16_loop(x, to, rows * a->c);
        return;
    }
    for (size_t r = 0; r < rows; r++, to += a->words * 2, x += a->c) {
        lt_to_bf16_loop(x, to, a->c);
        to[a->c] = 0;
    }
}

static void round_piece(const void *context, size_t piece, int thread) {
    (void)thread;
    const rounding *a = context;
    const size_t row = piece * a->piece, rows = lt_min(a->piece, a->rows - row);
    if (a->int8)
        a->int8((const char *)a->x + row * a->c * lt_value_types[a->type].bytes, a->type == LT_VALUE_BF16, rows, a->c,
                (uint8_t *)a->to + row * a->words * 4, a->scales + row);
    else
        bf16_rows(a, row, rows);
}

void lt_narrow_rows(lt_precision numbers, lt_isa limit, lt_value_type_id type, const void *x, size_t rows, size_t c,
                    void *words, float *scales, int threads) {
    rounding all = describe(x, rows, c, words);
    all.type = type;
    all.int8 = numbers == LT_PRECISION_INT8 ? int8_loop(limit) : NULL;
    all.words = lt_narrow_words(numbers, c);
    all.scales = scales;
    lt_parallel(threads, lt_count_parts(rows, all.piece), LT_EVENLY, round_piece, &all);
}

float lt_int8_line(float *x, size_t c) {
    float inverse;
    const float scale = scale_of(x, c, &inverse);
    for (size_t i = 0; i < c; i++) x[i] = rounded(x[i], inverse);
    return scale;
}

static void round_back_piece(const void *context, size_t piece, int thread) {
    (void)thread;
    const rounding *a = context;
    for (size_t r = piece * a->piece; r < lt_min((piece + 1) * a->piece, a->rows); r++) {
        const float *x = (const float *)a->x + r * a->c;
        float *y = (float *)a->to + r * a->c, inverse;
        const float scale = scale_of(x, a->c, &inverse);
        for (size_t i = 0; i < a->c; i++) y[i] = scale * rounded(x[i], inverse);
    }
}

void lt_round_to_int8(const float *x, float *y, size_t rows, size_t c, int threads) {
    const rounding all = describe(x, rows, c, y);
    lt_parallel(threads, lt_count_parts(rows, all.piece), LT_EVENLY, round_back_piece, &all);
}

/* ---- Weights ---- */

static size_t words_of(const lt_conv_desc *d, int source) {
    return lt_narrow_words(d->precision, (size_t)d->c[source]);
}
static size_t taps_of(const lt_conv_desc *d) { return (size_t)d->kernel * (size_t)d->kernel; }
static size_t words_of_both(const lt_conv_desc *d) { return words_of(d, 0) + words_of(d, 1); }

size_t lt_narrow_k(const lt_conv_desc *d) { return taps_of(d) * words_of_both(d); }

size_t lt_narrow_block(const lt_conv_desc *d, size_t k) {
    const size_t first = words_of(d, 0), both = words_of_both(d), within = k % both, second = within >= first;
    const size_t begin = second ? first : 0, words = second ? both - first : first,
                 part = lt_part(words, LT_NARROW_BLOCK);
    return k - within + begin + lt_min(((within - begin) / part + 1) * part, words);
}

size_t lt_narrow_panel_rows(const lt_conv_desc *d) {
    if (d->precision != LT_PRECISION_INT8) return lt_narrow_k(d);
    size_t blocks = 0;
    for (size_t k = 0; k < words_of_both(d); k = lt_narrow_block(d, k)) blocks++;
    return 1 + lt_narrow_k(d) + taps_of(d) * blocks;
}

size_t lt_narrow_line(const lt_conv_desc *d) {
    const size_t values = lt_narrow_k(d) * values_of(d->precision);
    return (lt_round_up(values, 16) / 16 | 1) * 16; /* an odd number of cache lines: lines don't share sets */
}

/* (channel, tap) to (tap, source, channel), each tap's and source's filled up with zeros to whole words. */
static void order_line(const lt_conv_desc *d, const float *line, float *ordered) {
    const size_t taps = taps_of(d), values = values_of(d->precision), next = words_of_both(d) * values;
    for (int source = 0; source < 2; source++) {
        const size_t c = (size_t)d->c[source], padded = words_of(d, source) * values;
        for (size_t tap = 0; tap < taps; tap++) memset(ordered + tap * next + c, 0, (padded - c) * sizeof *ordered);
        for (size_t i = 0; i < c && taps > 1; i++)
            for (size_t tap = 0; tap < taps; tap++) ordered[tap * next + i] = line[i * taps + tap];
        if (taps == 1) memcpy(ordered, line, c * sizeof *ordered);
        line += c * taps;
        ordered += padded;
    }
}

/* A line of floats becomes words; of int8 its scale is returned. spare: one more line. */
static float narrow_line(const lt_conv_desc *d, float *line, float *spare) {
    const size_t values = lt_narrow_k(d) * values_of(d->precision);
    order_line(d, line, spare);
    if (d->precision != LT_PRECISION_INT8) {
        lt_to_bf16_loop(spare, (uint16_t *)line, values);
        return 1;
    }
    float scale;
    int8_loop(d->isa)(spare, false, 1, values, (uint8_t *)line, &scale);
    for (size_t i = 0; i < values; i++) ((uint8_t *)line)[i] ^= 0x80;
    return scale;
}

/* What the sums of words [k, end) start from: -128 for each number. */
static int32_t start_of(const float *line, size_t k, size_t end) {
    const int8_t *bytes = (const int8_t *)(line + k);
    int32_t sum = 0;
    for (size_t i = 0; i < (end - k) * sizeof *line; i++) sum += bytes[i];
    return -128 * sum;
}

/* Lines [columns] of words to a panel. */
static void turn(const lt_conv_desc *d, const float *lines, size_t columns, uint32_t *panel) {
    const lt_gemm_simd *simd = lt_product_get(d->precision, d->isa)->simd;
    const size_t stride = lt_narrow_line(d), k = lt_narrow_k(d);
    const bool int8 = d->precision == LT_PRECISION_INT8;
    for (size_t at = 0, end; at < k; at = end) {
        end = int8 ? lt_narrow_block(d, at) : k;
        for (size_t i = 0; int8 && i < columns; i++) *panel++ = (uint32_t)start_of(lines + i * stride, at, end);
        simd->transpose(lines + at, stride, columns, end - at, 1, (float *)panel, columns);
        panel += (end - at) * columns;
    }
}

void lt_narrow_panel(const lt_conv_desc *d, const lt_weight_source *weight, size_t p, size_t columns, float *lines,
                     uint32_t *panel) {
    const bool geglu = d->act == LT_ACT_GEGLU; /* panels of values and of gates in turn */
    const size_t oc = (size_t)d->oc, first = (geglu ? p / 2 : p) * columns, row = first + (geglu && p % 2 ? oc : 0);
    const size_t there = lt_min(columns, oc - first), stride = lt_narrow_line(d);
    memset(lines + there * stride, 0, (columns - there) * stride * sizeof *lines);
    lt_weight_source_read(weight, row, there, lines, stride);
    for (size_t i = 0; i < columns; i++) {
        const float scale = i < there ? narrow_line(d, lines + i * stride, lines + columns * stride) : 0;
        if (d->precision == LT_PRECISION_INT8) memcpy(panel + i, &scale, sizeof scale);
    }
    turn(d, lines, columns, d->precision == LT_PRECISION_INT8 ? panel + columns : panel);
}
