/* From numbers to vectors: the timestep, the tokens of a text, the patches of a picture; and back to one vector. */
#include "ops/ops.h"

#include "base/map.h"
#include "kernels/pixels.h"

#include <string.h>

static lt_status want_both(lt_prepared *p, const lt_target *target) {
    (void)target;
    for (int k = 0; k < 2; k++) p->form[k] = lt_form_f32(p->operation->weight[k]);
    return LT_OK;
}

/* Of backward operations: the inputs (the gradient, then the forward operation's), and their shapes. */
enum { DY, FORWARD };

static void add_to(const lt_prepared *p, float *sum, const float *from, size_t n) {
    if (sum) p->kernels->add(sum, from, sum, n);
}

/* ---- Timestep ---- */

static lt_status timestep_infer(lt_operation *o) {
    const lt_timestep_options *a = o->attributes;
    o->out = (lt_shape){o->in[0].n, 1, 1, a->channels};
    return LT_OK;
}

static lt_status timestep_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)p;
    (void)scratch;
    const lt_shape s = out[0].shape;
    lt_pixels.timestep(lt_f32(in[0]), lt_f32(out[0]), (size_t)s.n, (size_t)s.c);
    return LT_OK;
}

const lt_op lt_op_timestep = {.name = "timestep", .infer = timestep_infer, .run = timestep_run};

/* ---- Tokens ---- */

static lt_status token_infer(lt_operation *o) {
    const lt_tensor *table = &o->weight[0]->tensor, *positions = &o->weight[1]->tensor;
    const lt_shape ids = o->in[0];
    if (positions->shape[0] < (size_t)lt_shape_pixels(ids))
        return lt_fail(LT_ERROR_MODEL, "%s has %zu position%s, %d are needed", positions->name, positions->shape[0],
                       LT_S(positions->shape[0]), lt_shape_pixels(ids));
    o->out = (lt_shape){ids.n, ids.h, ids.w, (int)table->shape[1]};
    return LT_OK;
}

static lt_status extended_infer(lt_operation *o) {
    const lt_tensor *table = &o->weight[0]->tensor;
    if ((size_t)o->in[1].c != table->shape[1])
        return lt_fail(LT_ERROR_MODEL, "%s is %zu wide, further vectors are %d", table->name, table->shape[1],
                       o->in[1].c);
    return token_infer(o);
}

/* The vocabulary stays where the file has it: only the rows that a text needs are ever read, unless deltas change it.
 */
static lt_status token_prepare(lt_prepared *p, const lt_target *target) {
    lt_weight *const *w = p->operation->weight;
    if (lt_deltas_of(target->deltas, w[0]).count) p->form[0] = lt_form_f32(w[0]);
    p->form[1] = lt_form_f32(w[1]);
    return LT_OK;
}

static lt_tensor token_table(const lt_prepared *p) {
    lt_tensor table = p->operation->weight[0]->tensor;
    if (!p->weight[0]) return table;
    table.dtype = LT_F32;
    table.data = p->weight[0];
    table.scales = NULL;
    table.first = 0;
    lt_tensor_set_contiguous(&table);
    return table;
}

/* Row id of the vocabulary, or of more [rows, c] where id is negative, to y [c]. */
static lt_status read_entry(const lt_tensor *table, int32_t id, const float *more, size_t rows, float *y) {
    const size_t c = table->shape[1], behind = id < 0 ? (size_t)(-1 - (int64_t)id) : SIZE_MAX;
    if (behind < rows) {
        memcpy(y, more + behind * c, c * sizeof *y);
        return LT_OK;
    }
    if (id < 0 || (size_t)id >= table->shape[0])
        return lt_fail(LT_ERROR_ARGUMENT, "token %d is not in the vocabulary of %zu", (int)id, table->shape[0]);
    const lt_tensor entry = lt_tensor_row(table, (size_t)id);
    lt_tensor_read_f32(&entry, y);
    return LT_OK;
}

static lt_status read_tokens(const lt_prepared *p, lt_value ids, const float *more, size_t rows, float *y) {
    const lt_operation *o = p->operation;
    const lt_tensor table = token_table(p);
    const float *positions = p->weight[1];
    const size_t c = (size_t)o->out.c, tokens = (size_t)lt_shape_pixels(o->out);
    for (size_t row = 0; row < lt_shape_rows(o->out); row++, y += c) {
        LT_TRY(read_entry(&table, lt_i32(ids)[row], more, rows, y));
        p->kernels->add(y, positions + row % tokens * c, y, c);
    }
    return lt_map_check(table.data, LT_OK);
}

static lt_status token_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    return read_tokens(p, in[0], NULL, 0, lt_f32(out[0]));
}

static lt_status extended_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    return read_tokens(p, in[0], lt_f32(in[1]), lt_shape_rows(in[1].shape), lt_f32(out[0]));
}

/* dmore [rows, c], or NULL: the gradient of the vectors behind the table. */
static void add_row(const lt_prepared *p, int32_t id, const float *dy, size_t c, float *dmore) {
    float *table = p->operation->weight[0]->gradient;
    if (id >= 0)
        add_to(p, table ? table + (size_t)id * c : NULL, dy, c);
    else
        add_to(p, dmore ? dmore + (size_t)(-1 - (int64_t)id) * c : NULL, dy, c);
}

static lt_status token_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_operation *o = p->operation;
    const lt_shape s = o->in[DY];
    const size_t c = (size_t)s.c, tokens = (size_t)lt_shape_pixels(s);
    float *positions = o->weight[1]->gradient, *dmore = lt_f32(out[1]);
    const float *dy = lt_f32(in[DY]);
    if (dmore) memset(dmore, 0, lt_shape_count(out[1].shape) * sizeof *dmore);
    for (size_t row = 0; row < lt_shape_rows(s); row++, dy += c) {
        add_row(p, lt_i32(in[FORWARD])[row], dy, c, dmore);
        add_to(p, positions ? positions + row % tokens * c : NULL, dy, c);
    }
    return LT_OK;
}

static const lt_op token_backward = {.name = "token_embedding_backward",
                                     .takes = {[FORWARD] = LT_VALUE_I32},
                                     .infer = lt_infer_backward,
                                     .run = token_backward_run};

static const lt_gradient token_gradient = {.op = &token_backward, .reads = 1};
static const lt_gradient extended_gradient = {.op = &token_backward, .flows = 2, .reads = 1};

const lt_op lt_op_token_embedding = {
    .name = "token_embedding",
    .takes = {LT_VALUE_I32},
    .infer = token_infer,
    .prepare = token_prepare,
    .run = token_run,
    .gradient = &token_gradient,
};

const lt_op lt_op_token_embedding_extended = {
    .name = "token_embedding",
    .takes = {LT_VALUE_I32},
    .infer = extended_infer,
    .prepare = token_prepare,
    .run = extended_run,
    .gradient = &extended_gradient,
};

/* ---- Patches ---- */

static lt_status class_infer(lt_operation *o) {
    const lt_tensor *positions = &o->weight[1]->tensor;
    const int tokens = lt_shape_pixels(o->in[0]) + 1;
    if (positions->shape[0] != (size_t)tokens)
        return lt_fail(LT_ERROR_MODEL, "%s has %zu position%s, expected %d", positions->name, positions->shape[0],
                       LT_S(positions->shape[0]), tokens);
    o->out = (lt_shape){o->in[0].n, 1, tokens, o->in[0].c};
    return LT_OK;
}

static lt_status class_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape s = p->operation->out;
    const size_t c = (size_t)s.c, patches = (size_t)(s.w - 1) * c, sample = (size_t)s.w * c;
    for (size_t i = 0; i < (size_t)s.n; i++) {
        float *y = lt_f32(out[0]) + i * sample;
        memcpy(y, p->weight[0], c * sizeof(float));
        memcpy(y + c, lt_f32(in[0]) + i * patches, patches * sizeof(float));
        p->kernels->add(y, p->weight[1], y, sample);
    }
    return LT_OK;
}

static lt_status class_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_operation *o = p->operation;
    const lt_shape s = o->in[DY];
    const size_t c = (size_t)s.c, patches = (size_t)(s.w - 1) * c, sample = (size_t)s.w * c;
    for (size_t i = 0; i < (size_t)s.n; i++) {
        const float *dy = lt_f32(in[DY]) + i * sample;
        add_to(p, o->weight[0]->gradient, dy, c);
        add_to(p, o->weight[1]->gradient, dy, sample);
        if (lt_f32(out[0])) memcpy(lt_f32(out[0]) + i * patches, dy + c, patches * sizeof(float));
    }
    return LT_OK;
}

static const lt_op class_backward = {
    .name = "class_token_backward", .infer = lt_infer_backward, .run = class_backward_run};

static const lt_gradient class_gradient = {.op = &class_backward, .flows = 1};

const lt_op lt_op_class_token = {
    .name = "class_token",
    .infer = class_infer,
    .prepare = want_both,
    .run = class_run,
    .gradient = &class_gradient,
};

/* ---- One row ---- */

static lt_status pick_infer(lt_operation *o) {
    o->out = (lt_shape){o->in[0].n, 1, 1, o->in[0].c};
    return LT_OK;
}

static lt_status pick_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape x = p->operation->in[0];
    const size_t rows = (size_t)lt_shape_pixels(x), c = (size_t)x.c;
    for (size_t i = 0; i < (size_t)x.n; i++) {
        const int32_t index = in[1].data ? lt_i32(in[1])[i] : 0;
        if (index < 0 || (size_t)index >= rows)
            return lt_fail(LT_ERROR_ARGUMENT, "row %d is not among %zu", (int)index, rows);
        memcpy(lt_f32(out[0]) + i * c, lt_f32(in[0]) + (i * rows + (size_t)index) * c, c * sizeof(float));
    }
    return LT_OK;
}

static lt_status pick_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape x = p->operation->in[FORWARD];
    const size_t rows = (size_t)lt_shape_pixels(x), c = (size_t)x.c;
    memset(lt_f32(out[0]), 0, lt_shape_count(x) * sizeof(float));
    for (size_t i = 0; i < (size_t)x.n; i++) {
        const size_t index = in[FORWARD + 1].data ? (size_t)lt_i32(in[FORWARD + 1])[i] : 0;
        memcpy(lt_f32(out[0]) + (i * rows + index) * c, lt_f32(in[DY]) + i * c, c * sizeof(float));
    }
    return LT_OK;
}

static const lt_op pick_backward = {.name = "pick_row_backward",
                                    .takes = {[FORWARD + 1] = LT_VALUE_I32},
                                    .infer = lt_infer_backward,
                                    .run = pick_backward_run};

static const lt_gradient pick_gradient = {.op = &pick_backward, .flows = 1, .reads = 2};

const lt_op lt_op_pick_row = {
    .name = "pick_row",
    .takes = {[1] = LT_VALUE_I32},
    .infer = pick_infer,
    .run = pick_run,
    .gradient = &pick_gradient,
};
