/* Packing weights into the panels that gemm.h describes. */
#include "base/blocks.h"
#include "kernels/gemm.h"
#include "kernels/narrow.h"

#include <stdio.h>
#include <string.h>

static const lt_weight_format *format_of(const lt_conv_desc *d) { return &lt_weight_formats[lt_conv_weight_format(d)]; }

static bool is_narrow(const lt_conv_desc *d) { return lt_conv_precision(d) != LT_PRECISION_F32; }

void lt_panels_describe(lt_conv *conv, const lt_gemm_simd *simd) {
    const lt_conv_desc *d = &conv->desc;
    const lt_weight_format *f = format_of(d);
    const char *geglu = d->act == LT_ACT_GEGLU ? ":geglu" : "";
    if (is_narrow(d)) {
        conv->packed_size = lt_panels(d, simd) * lt_narrow_panel_rows(d) * simd->columns * sizeof(uint32_t);
        snprintf(conv->layout, sizeof conv->layout, "words%zu:%s:%d+%d%s", simd->columns,
                 d->precision == LT_PRECISION_INT8 ? "int8" : "bf16", d->c[0], d->c[1], geglu);
        return;
    }
    conv->packed_size = lt_panels(d, simd) * lt_weight_bytes(f, lt_panel_k(d) * simd->columns);
    snprintf(conv->layout, sizeof conv->layout, "panels%zu:%s%s", simd->columns, f->name, geglu);
}

/* Whether the weight's values are in the format that they are packed in: they are copied, not read. */
static bool is_in_format(const lt_conv_desc *d, const lt_weight_source *weight) {
    return !weight->count && weight->tensor.dtype == format_of(d)->dtype;
}

/* lines [columns, k], so many bytes apart, to panel [k, columns], in blocks of the format: k = (channel, tap) becomes
 * (tap, channel). */
static void turn(const lt_conv_desc *d, const lt_gemm_simd *simd, const void *lines, size_t stride, void *panel) {
    const lt_weight_format *f = format_of(d);
    const size_t columns = simd->columns, taps = (size_t)d->kernel * (size_t)d->kernel;
    const size_t c = (size_t)(d->c[0] + d->c[1]) / f->block;
    if (f->bytes == sizeof(float))
        simd->transpose(lines, stride / sizeof(float), columns, c, taps, panel, columns);
    else
        simd->transpose_16(lines, stride / sizeof(uint16_t), columns, c, taps, panel, columns);
}

/* Whether the rows [first, first + columns) of the weight can be read where they are. */
static bool as_it_is(const lt_conv_desc *d, const lt_weight_source *weight, size_t first, size_t columns) {
    const lt_tensor *t = &weight->tensor;
    return is_in_format(d, weight) && first + columns <= (size_t)d->oc && lt_tensor_contiguous(t) &&
           (uintptr_t)t->data % lt_dtype_size(t->dtype) == 0;
}

/* A line of float32, k of them, in the format that it is packed in; spare: one more line. */
static void round_line(const lt_conv_desc *d, float *line, float *spare) {
    const lt_weight_format *f = format_of(d);
    if (f->dtype == LT_F32) return;
    f->pack(line, spare, lt_panel_k(d));
    memcpy(line, spare, lt_weight_bytes(f, lt_panel_k(d)));
}

/* Reads `count` output channels from `row` on into lines, so many floats apart, in the format that they are packed in:
 * as they are, or, where a file has them in another one (F8, F64, integers) or deltas are added, by way of float32. */
static void read_lines(const lt_conv_desc *d, const lt_weight_source *weight, size_t row, size_t count, float *lines,
                       size_t stride, float *spare) {
    const bool in_format = is_in_format(d, weight);
    if (!in_format) lt_weight_source_read(weight, row, count, lines, stride);
    for (size_t i = 0; i < count; i++) {
        const lt_tensor line = lt_tensor_row(&weight->tensor, row + i);
        if (in_format)
            lt_tensor_read_raw(&line, lines + i * stride);
        else
            round_line(d, lines + i * stride, spare);
    }
}

/* Its columns' codes with their scales and offsets, one after the other; of columns that are missing zeros. */
static void pack_codes(const lt_conv_desc *d, const lt_gemm_simd *simd, const lt_tensor *t, size_t row, size_t there,
                       void *lines, void *panel) {
    const lt_weight_format *f = format_of(d);
    const lt_block_format *blocks = lt_block_format_of(t->dtype);
    const size_t k = lt_panel_k(d), groups = k / f->block;
    float *scale = lines, *offset = scale + groups;
    int8_t *codes = (int8_t *)(offset + groups);
    memset(panel, 0, lt_weight_bytes(f, k * simd->columns));
    for (size_t i = 0; i < there; i++) {
        lt_blocks_parts(blocks, t->data, t->first + (row + i) * k, k, codes, scale, offset);
        lt_codes_put(f, codes, scale, offset, k, simd->columns, i, panel);
    }
}

/* Its columns' weights, one line each, then turned. lines: columns + 1 of them. */
void lt_pack_floats(const lt_conv_desc *d, const lt_gemm_simd *simd, const lt_weight_source *weight, size_t p,
                    float *lines, void *panel) {
    const size_t columns = simd->columns, stride = lt_panel_line(d), oc = (size_t)d->oc;
    const bool geglu = d->act == LT_ACT_GEGLU; /* panels of values and of gates in turn */
    const size_t first = (geglu ? p / 2 : p) * columns, gates = geglu && p % 2 ? oc : 0;
    if (as_it_is(d, weight, first, columns)) {
        const size_t row = lt_weight_bytes(format_of(d), lt_panel_k(d));
        turn(d, simd, (const char *)weight->tensor.data + (gates + first) * row, row, panel);
        return;
    }
    const size_t there = lt_min(columns, oc - first);
    if (format_of(d)->block > 1) {
        pack_codes(d, simd, &weight->tensor, gates + first, there, lines, panel);
        return;
    }
    read_lines(d, weight, gates + first, there, lines, stride, lines + columns * stride);
    memset(lines + there * stride, 0, (columns - there) * stride * sizeof *lines);
    turn(d, simd, lines, stride * sizeof *lines, panel);
}

static void pack_words(const lt_conv_desc *d, const lt_gemm_simd *simd, const lt_weight_source *weight, size_t p,
                       float *lines, void *panel) {
    lt_narrow_panel(d, weight, p, simd->columns, lines, panel);
}

typedef struct packing {
    const lt_conv_desc *d;
    const lt_gemm_simd *simd;
    const lt_weight_source *weight;
    lt_pack_panel *pack;
    float *lines; /* the threads' */
    char *packed;
    size_t spare, panel_size; /* floats of a thread's lines, bytes of a panel */
} packing;

static void panel_body(const void *context, size_t p, int thread) {
    const packing *k = context;
    k->pack(k->d, k->simd, k->weight, p, k->lines + (size_t)thread * k->spare, k->packed + p * k->panel_size);
}

lt_status lt_panels_pack_by(const lt_conv *conv, const lt_gemm_simd *simd, const lt_weight_source *weight, size_t spare,
                            lt_pack_panel *pack, void *packed) {
    const lt_conv_desc *d = &conv->desc;
    const size_t panels = lt_panels(d, simd);
    float *lines = lt_alloc((size_t)d->threads * spare * sizeof *lines);
    if (!lines) return LT_ERROR_MEMORY;
    const packing loop = {d, simd, weight, pack, lines, packed, spare, conv->packed_size / panels};
    lt_parallel(d->threads, panels, 1, panel_body, &loop);
    lt_free(lines);
    return LT_OK;
}

lt_status lt_panels_pack(const lt_conv *conv, const lt_gemm_simd *simd, const lt_weight_source *weight, void *packed) {
    const lt_conv_desc *d = &conv->desc;
    const bool narrow = is_narrow(d);
    const size_t line = narrow ? lt_narrow_line(d) : lt_panel_line(d);
    return lt_panels_pack_by(conv, simd, weight, (simd->columns + 1) * line, narrow ? pack_words : lt_pack_floats,
                             packed);
}
