/* Packing weights for Winograd's convolution over pairs: see winograd_pairs.h. */
#include "kernels/winograd_pairs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TAPS = 9, IN = LT_WINOGRAD_IN, OUT = LT_WINOGRAD_OUT, MOST_COLUMNS = 32 };

#define P 0.70710678f
#define Q 1.41421356f
const float lt_winograd_reach[IN] = {4.5f, 3 + 3 * P, 3 + 3 * P, 1.5f + 1.5f * Q, 1.5f + 1.5f * Q, 4.5f};
/* 1 over the lengths of G's rows: 7/9 and 7/36 are squares of these. */
const float lt_winograd_gain[IN] = {1, 1.13389342f, 1.13389342f, 2.26778684f, 2.26778684f, 1};

/* ---- Choosing ---- */

static bool in_bytes(const lt_conv_desc *d) { return d->precision == LT_PRECISION_INT8; }

size_t lt_pairs_bytes(const lt_conv_desc *d, size_t weights) {
    return in_bytes(d) ? weights : lt_weight_bytes(&lt_weight_formats[lt_conv_weight_format(d)], weights);
}

/* Of one sample, as Winograd's convolution of floats is chosen: products of the tiles and their weights' transform, in
 * units of a product of pairs with one row, against those of bf16, which take as long, or of bytes, which take half. */
static bool worth_it(const lt_conv_desc *d) {
    const size_t tiles = lt_count_parts((size_t)d->h, OUT) * lt_count_parts((size_t)d->w, OUT);
    return IN * IN * tiles + 400 < TAPS * (size_t)d->h * (size_t)d->w / (in_bytes(d) ? 2 : 1);
}

/* AMX's tiles are sooner done, but pairs round finer: in plain bf16 a TAESD, all of few channels, was 1.9e-2 off, twice
 * what a module may be (docs/precision.md). */
static bool is_for_tiles(const lt_conv_desc *d) {
    enum { FEW = 64 };
    return lt_isa_has_amx(d->isa) && (d->c[0] + d->c[1] > FEW || d->oc > FEW);
}

const lt_product *lt_winograd_pairs(const lt_conv_desc *d) {
    const lt_isa limit = lt_isa_has_amx(d->isa) ? LT_ISA_AMX - 1 : d->isa;
    const lt_product *product = lt_product_get(LT_PRECISION_INT8, limit);
    const bool wanted = d->inference && lt_conv_precision(d) != LT_PRECISION_F32 && !is_for_tiles(d);
    return wanted && product && product->pairs && lt_winograd_takes(d) && worth_it(d) ? product : NULL;
}

size_t lt_pairs_block_end(const lt_conv_desc *d, size_t c) {
    const size_t first = (size_t)d->c[0], begin = c < first ? 0 : first;
    const size_t channels = (size_t)d->c[c < first ? 0 : 1];
    const size_t part = lt_round_up(lt_part(channels, LT_PAIRS_BLOCK), lt_winograd_simd_get(d->isa)->channels);
    return begin + lt_min(((c - begin) / part + 1) * part, channels);
}

/* ---- Packing ---- */

/* Panel p in bytes, [9][c][columns], and its columns' scales. */
static void pack_bytes(const lt_conv_desc *d, const lt_gemm_simd *simd, const lt_weight_source *weight, size_t p,
                       float *lines, int8_t *panel, float *scales) {
    const size_t columns = simd->columns, stride = lt_panel_line(d), c = lt_panel_k(d) / TAPS;
    const size_t first = p * columns, there = lt_min(columns, (size_t)d->oc - first);
    lt_weight_source_read(weight, first, there, lines, stride);
    memset(lines + there * stride, 0, (columns - there) * stride * sizeof *lines);
    for (size_t i = 0; i < columns; i++) scales[i] = lt_int8_line(lines + i * stride, c * TAPS);
    for (size_t channel = 0; channel < c; channel++)
        for (size_t tap = 0; tap < TAPS; tap++)
            for (size_t i = 0; i < columns; i++)
                panel[(tap * c + channel) * columns + i] = (int8_t)lines[i * stride + channel * TAPS + tap];
}

/* Channels [c, end) of a panel as floats: [9][end - c][columns]. */
static void widen(const lt_conv_desc *d, const char *panel, size_t columns, size_t c, size_t end, float *values) {
    const size_t channels = lt_panel_k(d) / TAPS, count = (end - c) * columns;
    for (size_t tap = 0; tap < TAPS; tap++, values += count) {
        const void *weights = panel + lt_pairs_bytes(d, (tap * channels + c) * columns);
        if (in_bytes(d))
            for (size_t i = 0; i < count; i++) values[i] = ((const int8_t *)weights)[i];
        else
            lt_weight_formats[lt_conv_weight_format(d)].widen[lt_isa_vectors(d->isa)](weights, values, end - c,
                                                                                      columns);
    }
}

/* What columns may be multiplied by, at most, so that one of 36 values of theirs, u [channels][columns], is no greater
 * than pairs can be: by lowers to it. Each is rounded by at most a half. */
static void lower(const float *u, size_t channels, size_t columns, float gain, float *by) {
    const float spare = 128, room = LT_PAIRS_WEIGHTS - LT_PAIRS_BLOCK / 2 - spare;
    float sum[MOST_COLUMNS] = {0}, most[MOST_COLUMNS] = {0};
    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < columns; i++) {
            const float x = fabsf(u[c * columns + i]);
            sum[i] += x;
            most[i] = x > most[i] ? x : most[i];
        }
    for (size_t i = 0; i < columns; i++) {
        const float parts = fmaxf(sum[i] / room, most[i] / (INT16_MAX - spare)) * gain;
        const float highest = 1 / fmaxf(parts, LT_NARROW_LEAST) + 0 * sum[i];
        if (highest < by[i] || isnan(highest)) by[i] = highest; /* what is no number stays none */
    }
}

/* head: what the columns' weights are multiplied by; and what their sums are, without the bytes' scale, in its second
 * row. values: room for a block as floats, and transformed. */
static void finish_head(const lt_conv_desc *d, size_t columns, const char *panel, float *values, float *head) {
    const lt_winograd_simd *simd = lt_winograd_simd_get(d->isa);
    float *u = values + TAPS * LT_PAIRS_BLOCK * columns;
    for (size_t i = 0; i < columns; i++) head[i] = 1 / LT_NARROW_LEAST;
    for (size_t c = 0, end; c < lt_panel_k(d) / TAPS; c = end) {
        end = lt_pairs_block_end(d, c);
        const size_t stride = (end - c) * columns;
        widen(d, panel, columns, c, end, values);
        simd->weights[LT_WEIGHT_F32](values, end - c, end - c, u, stride);
        for (size_t xi = 0; xi < IN * IN; xi++)
            lower(u + xi * stride, end - c, columns, lt_winograd_gain[xi / IN] * lt_winograd_gain[xi % IN], head);
    }
    for (size_t i = 0; i < columns; i++) head[columns + i] /= head[i];
}

static void pack_panel(const lt_conv_desc *d, const lt_gemm_simd *simd, const lt_weight_source *weight, size_t p,
                       float *lines, void *panel) {
    const size_t columns = simd->columns;
    float *head = panel;
    char *weights = (char *)(head + LT_PAIRS_HEAD * columns);
    for (size_t i = 0; i < columns; i++) head[columns + i] = 1;
    if (in_bytes(d))
        pack_bytes(d, simd, weight, p, lines, (int8_t *)weights, head + columns);
    else
        lt_pack_floats(d, simd, weight, p, lines, weights);
    finish_head(d, columns, weights, lines, head);
}

void lt_pairs_describe(lt_conv *conv, const lt_gemm_simd *simd) {
    const lt_conv_desc *d = &conv->desc;
    const size_t columns = simd->columns, head = LT_PAIRS_HEAD * columns * sizeof(float);
    conv->packed_size = lt_panels(d, simd) * (head + lt_pairs_bytes(d, lt_panel_k(d) * columns));
    snprintf(conv->layout, sizeof conv->layout, "pairs%zu:%s:%d+%d", columns,
             in_bytes(d) ? "int8" : lt_weight_formats[lt_conv_weight_format(d)].name, d->c[0], d->c[1]);
}

lt_status lt_pairs_pack(const lt_conv *conv, const lt_gemm_simd *simd, const lt_weight_source *weight, void *packed) {
    const size_t lines = (simd->columns + 1) * lt_panel_line(&conv->desc);
    const size_t spare = lt_max(lines, (TAPS + IN * IN) * LT_PAIRS_BLOCK * simd->columns); /* one, then the other */
    return lt_panels_pack_by(conv, simd, weight, spare, pack_panel, packed);
}
