/* Weights in 8 bits: see int8.h. */
#include "export/int8.h"

#include "base/map.h"
#include "kernels/narrow.h"
#include "models/scales.h"
#include "models/walk.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

/* values [n] to the nearest multiples of the scale that is returned; NaN: not all of them are numbers. */
static float quantise_row(const float *values, size_t n, int8_t *out) {
    float most = 0;
    for (size_t i = 0; i < n && !isnan(most); i++) most = fabsf(values[i]) <= most ? most : fabsf(values[i]);
    if (!(most <= FLT_MAX)) return NAN;
    const bool nothing = most < LT_NARROW_LEAST;
    const float inverse = nothing ? 0 : 127 / most;
    for (size_t i = 0; i < n; i++) out[i] = (int8_t)nearbyintf(values[i] * inverse);
    return nothing ? 1 : most / 127;
}

static lt_status quantise_rows(const lt_tensor *t, float *row, int8_t *out, float *scales) {
    const size_t rows = t->shape[0], n = lt_tensor_count(t) / rows;
    for (size_t r = 0; r < rows; r++) {
        const lt_tensor view = lt_tensor_row(t, r);
        lt_tensor_read_f32(&view, row);
        scales[r] = quantise_row(row, n, out + r * n);
        if (isnan(scales[r])) return lt_fail(LT_ERROR_MODEL, "tensor %s holds a NaN or an infinity", t->name);
    }
    return lt_map_check(t->data, LT_OK);
}

static lt_status add(lt_quantised *q, const lt_tensor *t, const int8_t *values, const float *scales) {
    char name[LT_NAME_SIZE + sizeof LT_SCALES_SUFFIX];
    lt_tensor weight = *t, scale = {.dtype = LT_F32, .rank = 1, .shape = {t->shape[0]}, .stride = {1}, .data = scales};
    weight.dtype = LT_I8;
    weight.data = values;
    weight.first = 0;
    weight.scales = scales;
    lt_tensor_set_contiguous(&weight);
    snprintf(name, sizeof name, "%.*s%s", LT_NAME_SIZE, t->name, LT_SCALES_SUFFIX);
    LT_TRY(lt_tensor_list_add(&q->list, t->name, &weight));
    return lt_tensor_list_add(&q->list, name, &scale);
}

/* The scales first, which are aligned then, and the values behind them. */
static lt_status quantise(lt_quantised *q, const lt_tensor *t) {
    const size_t rows = t->shape[0], count = lt_tensor_count(t);
    float *scales = lt_alloc(rows * sizeof *scales + count), *row = lt_alloc(count / rows * sizeof *row);
    int8_t *values = scales ? (int8_t *)(scales + rows) : NULL;
    if (scales) q->blocks[q->count++] = scales;
    lt_status status = scales && row ? quantise_rows(t, row, values, scales) : LT_ERROR_MEMORY;
    if (!status) status = add(q, t, values, scales);
    lt_free(row);
    return status;
}

lt_status lt_quantise(const lt_weights *weights, lt_quantised *q) {
    const size_t count = lt_weights_count(weights);
    *q = (lt_quantised){.blocks = lt_calloc(count, sizeof *q->blocks)};
    if (!q->blocks) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const lt_weight *w = lt_weights_at(weights, i);
        LT_TRY(w->kept ? lt_tensor_list_add(&q->list, w->tensor.name, &w->tensor) : quantise(q, &w->tensor));
    }
    lt_tensor_list_sort(&q->list);
    return LT_OK;
}

void lt_quantised_free(lt_quantised *q) {
    for (size_t i = 0; i < q->count; i++) lt_free(q->blocks[i]);
    lt_free(q->blocks);
    lt_tensor_list_free(&q->list);
    *q = (lt_quantised){0};
}
