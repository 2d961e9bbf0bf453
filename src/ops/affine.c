/* scale * x + shift for each channel, with numbers that nobody trains: a tower's way of seeing pixels. */
#include "ops/ops.h"

static lt_status infer(lt_operation *o) {
    o->out = o->in[0];
    if (o->attributes_size == 2 * (size_t)o->out.c * sizeof(float)) return LT_OK;
    return lt_fail(LT_ERROR_MODEL, "affine: %zu numbers for %d channels", o->attributes_size / sizeof(float), o->out.c);
}

static lt_status in_place(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->in_place = 0;
    return LT_OK;
}

static lt_status run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const size_t c = (size_t)p->operation->out.c, count = lt_shape_count(p->operation->out);
    const float *scale = p->operation->attributes, *shift = scale + c;
    for (size_t i = 0; i < count; i++) lt_f32(out[0])[i] = scale[i % c] * lt_f32(in[0])[i] + shift[i % c];
    return LT_OK;
}

static lt_status backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const size_t c = (size_t)p->operation->in[0].c, count = lt_shape_count(p->operation->in[0]);
    const float *scale = p->operation->attributes;
    for (size_t i = 0; i < count; i++) lt_f32(out[0])[i] = scale[i % c] * lt_f32(in[0])[i];
    return LT_OK;
}

static const lt_op backward_op = {
    .name = "affine_backward", .infer = lt_infer_backward, .prepare = in_place, .run = backward_run};

static const lt_gradient gradient = {.op = &backward_op, .flows = 1};

const lt_op lt_op_affine = {.name = "affine", .infer = infer, .prepare = in_place, .run = run, .gradient = &gradient};
