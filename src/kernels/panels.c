/* Packing weights into the panels that gemm.h describes. */
#include "kernels/gemm.h"

#include <stdio.h>
#include <string.h>

void lt_panels_describe(lt_conv *conv, const lt_gemm_simd *simd) {
    const lt_conv_desc *d = &conv->desc;
    const bool half = d->weight_type == LT_F16;
    conv->packed_size = lt_panels(d, simd) * lt_panel_k(d) * simd->columns * (half ? sizeof(uint16_t) : sizeof(float));
    snprintf(conv->layout, sizeof conv->layout, "panels%zu:%s%s", simd->columns, half ? "f16" : "f32",
             d->act == LT_ACT_GEGLU ? ":geglu" : "");
}

/* Output channel `row` of the weight alone. */
static lt_tensor row_of(const lt_tensor *weight, size_t row) {
    lt_tensor t = *weight;
    t.shape[0] = 1;
    t.data = (const char *)weight->data + row * weight->stride[0] * lt_dtype_size(weight->dtype);
    return t;
}

/* Reads output channel `row` into line [k] in the type it is packed as. A weight that is declared f16 but given
 * otherwise (F8, or an adapter was merged into it) is rounded to f16. */
static void read_line(const lt_conv_desc *d, const lt_tensor *weight, size_t row, float *line, float *spare) {
    const lt_tensor t = row_of(weight, row);
    if (d->weight_type != LT_F16) {
        lt_tensor_read_f32(&t, line);
    } else if (weight->dtype == LT_F16) {
        lt_tensor_read_raw(&t, line);
    } else {
        lt_tensor_read_f32(&t, spare);
        for (size_t i = 0; i < lt_panel_k(d); i++) ((uint16_t *)line)[i] = lt_f32_to_f16(spare[i]);
    }
}

/* Floats from one line to the next: an odd number of cache lines, so that the lines of a panel don't share sets. */
static size_t line_stride(const lt_conv_desc *d) { return (lt_round_up(lt_panel_k(d), 16) / 16 | 1) * 16; }

/* lines [columns, k] of f16, k = (channel, tap), to panel [k, columns], k = (tap, channel). */
static void transpose_f16(const lt_conv_desc *d, const float *lines, size_t stride, size_t columns, uint16_t *panel) {
    const size_t c = (size_t)(d->c[0] + d->c[1]), taps = (size_t)d->kernel * (size_t)d->kernel;
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t channel = 0; channel < c; channel++)
            for (size_t i = 0; i < columns; i++)
                panel[(tap * c + channel) * columns + i] =
                    ((const uint16_t *)(lines + i * stride))[channel * taps + tap];
}

/* Whether the rows [first, first + columns) of the weight can be read where they are. */
static bool as_it_is(const lt_conv_desc *d, const lt_tensor *weight, size_t first, size_t columns, size_t oc) {
    return d->weight_type != LT_F16 && weight->dtype == LT_F32 && first + columns <= oc &&
           lt_tensor_contiguous(weight) && (uintptr_t)weight->data % sizeof(float) == 0;
}

/* Panel p: its columns' weights, one line each, then turned. lines: columns + 1 of them. */
static void pack_panel(const lt_conv_desc *d, const lt_gemm_simd *simd, const lt_tensor *weight, size_t p, float *lines,
                       void *panel) {
    const size_t columns = simd->columns, k = lt_panel_k(d), stride = line_stride(d), oc = (size_t)d->oc;
    const size_t c = (size_t)(d->c[0] + d->c[1]), taps = (size_t)d->kernel * (size_t)d->kernel;
    const bool geglu = d->act == LT_ACT_GEGLU; /* panels of values and of gates in turn */
    const size_t first = (geglu ? p / 2 : p) * columns, gates = geglu && p % 2 ? oc : 0;
    if (as_it_is(d, weight, first, columns, oc)) {
        simd->transpose((const float *)weight->data + (gates + first) * k, k, columns, c, taps, panel, columns);
        return;
    }
    for (size_t i = 0; i < columns; i++) {
        if (first + i < oc)
            read_line(d, weight, gates + first + i, lines + i * stride, lines + columns * stride);
        else
            memset(lines + i * stride, 0, stride * sizeof *lines);
    }
    if (d->weight_type == LT_F16)
        transpose_f16(d, lines, stride, columns, panel);
    else
        simd->transpose(lines, stride, columns, c, taps, panel, columns);
}

typedef struct packing {
    const lt_conv_desc *d;
    const lt_gemm_simd *simd;
    const lt_tensor *weight;
    float *lines; /* the threads' */
    char *packed;
    size_t spare, panel_size; /* floats of a thread's lines, bytes of a panel */
} packing;

static void panel_body(const void *context, size_t p, int thread) {
    const packing *k = context;
    pack_panel(k->d, k->simd, k->weight, p, k->lines + (size_t)thread * k->spare, k->packed + p * k->panel_size);
}

lt_status lt_panels_pack(const lt_conv *conv, const lt_gemm_simd *simd, const lt_tensor *weight, void *packed) {
    const lt_conv_desc *d = &conv->desc;
    const size_t columns = simd->columns, panels = lt_panels(d, simd), panel_size = conv->packed_size / panels;
    const size_t spare = (columns + 1) * line_stride(d); /* floats for each thread */
    float *lines = lt_alloc((size_t)d->threads * spare * sizeof *lines);
    if (!lines) return LT_ERROR_MEMORY;
    const packing loop = {d, simd, weight, lines, packed, spare, panel_size};
    lt_parallel(d->threads, panels, 1, panel_body, &loop);
    lt_free(lines);
    return LT_OK;
}
