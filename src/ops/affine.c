/* scale * x + shift for each channel, with numbers that nobody trains: a tower's way of seeing pixels. */
#include "kernels/pixels.h"
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
    const lt_shape s = in[0].shape;
    const float *scale = p->operation->attributes;
    lt_pixels.affine(lt_f32(in[0]), scale, scale + s.c, lt_f32(out[0]), lt_shape_rows(s), (size_t)s.c);
    return LT_OK;
}

static lt_status backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape s = in[0].shape;
    lt_pixels.affine(lt_f32(in[0]), p->operation->attributes, NULL, lt_f32(out[0]), lt_shape_rows(s), (size_t)s.c);
    return LT_OK;
}

static const lt_op backward_op = {
    .name = "affine_backward", .infer = lt_infer_backward, .prepare = in_place, .run = backward_run};

static const lt_gradient gradient = {.op = &backward_op, .flows = 1};

const lt_op lt_op_affine = {.name = "affine", .infer = infer, .prepare = in_place, .run = run, .gradient = &gradient};
