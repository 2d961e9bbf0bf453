/* Where packers read a weight: see weight_source.h. */
#include "kernels/weight_source.h"

#include "base/threads.h"
#include "kernels/delta_add.h"
#include "kernels/weight_format.h"

/* ---- Opening ---- */

static void read_dense(const void *source, size_t first, size_t count, float *rows) {
    const lt_weight_source *s = source;
    lt_weight_source_read(s, first, count, rows, lt_matrix_of(&s->tensor).columns);
}

lt_status lt_weight_source_open(const lt_tensor *tensor, lt_delta_list deltas, lt_isa isa, lt_weight_source *source) {
    *source = (lt_weight_source){.tensor = *tensor, .isa = isa};
    if (!deltas.count) return LT_OK;
    source->deltas = lt_calloc(deltas.count, sizeof *source->deltas);
    if (!source->deltas) return LT_ERROR_MEMORY;
    for (; source->count < deltas.count; source->count++) /* each finds the weight as those before it leave it */
        LT_TRY(lt_ready_delta_open(&deltas.items[source->count], tensor, isa, read_dense, source,
                                   &source->deltas[source->count]));
    return LT_OK;
}

void lt_weight_source_close(lt_weight_source *source) {
    for (size_t i = 0; i < source->count; i++) lt_ready_delta_close(source->deltas[i]);
    lt_free(source->deltas);
    source->deltas = NULL;
    source->count = 0;
}

/* ---- Reading ---- */

/* A row of the file's tensor: by vectors where it lies in a format that weights are kept in. */
static void read_row(const lt_weight_source *s, const lt_matrix *m, size_t row, float *out) {
    const lt_tensor t = lt_tensor_row(&m->tensor, row);
    const lt_weight_format *f = &lt_weight_formats[lt_weight_format_of(t.dtype)];
    lt_widen_loop *widen = f->widen[lt_isa_vectors(s->isa)];
    const bool kept = widen && f->dtype == t.dtype && lt_tensor_contiguous(&t);
    if (kept && (uintptr_t)t.data % lt_dtype_size(t.dtype) == 0)
        widen(t.data, out, m->columns, 1);
    else
        lt_tensor_read_f32(&t, out);
}

void lt_weight_source_read(const lt_weight_source *source, size_t first, size_t count, float *rows, size_t stride) {
    const lt_matrix m = lt_matrix_of(&source->tensor);
    for (size_t i = 0; i < count; i++) read_row(source, &m, first + i, rows + i * stride);
    for (size_t i = 0; i < source->count; i++) lt_ready_delta_add(source->deltas[i], first, count, rows, stride);
}

enum { AT_ONCE = 32 }; /* rows */

typedef struct reading {
    const lt_weight_source *source;
    float *values;
    size_t rows, columns;
} reading;

static void read_some(const void *context, size_t i, int thread) {
    (void)thread;
    const reading *r = context;
    const size_t first = i * AT_ONCE, count = lt_min(AT_ONCE, r->rows - first);
    lt_weight_source_read(r->source, first, count, r->values + first * r->columns, r->columns);
}

void lt_weight_source_read_all(const lt_weight_source *source, float *values) {
    const lt_matrix m = lt_matrix_of(&source->tensor);
    const reading all = {source, values, m.rows, m.columns};
    lt_parallel(lt_threads_worth(m.rows * m.columns), (m.rows + AT_ONCE - 1) / AT_ONCE, LT_EVENLY, read_some, &all);
}

lt_status lt_weight_source_copy(const lt_weight_source *source, lt_tensor *copy) {
    float *values = lt_alloc(lt_tensor_count(&source->tensor) * sizeof *values);
    if (!values) return LT_ERROR_MEMORY;
    lt_weight_source_read_all(source, values);
    *copy = source->tensor;
    copy->dtype = LT_F32;
    copy->data = values;
    copy->first = 0;
    copy->scales = NULL;
    lt_tensor_set_contiguous(copy);
    return LT_OK;
}
