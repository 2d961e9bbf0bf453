/* Nearest-neighbour upsampling. */
#include "kernels/pixels.h"
#include "ops/ops.h"

static lt_status infer(lt_operation *o) {
    const lt_upsample_options *a = o->attributes;
    o->out = o->in[0];
    o->out.h = a->h;
    o->out.w = a->w;
    return LT_OK;
}

static lt_upsample_args sizes(lt_shape small, lt_shape large) {
    return (lt_upsample_args){
        .n = (size_t)small.n,
        .c = (size_t)small.c,
        .small_h = (size_t)small.h,
        .small_w = (size_t)small.w,
        .large_h = (size_t)large.h,
        .large_w = (size_t)large.w,
    };
}

static lt_status run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)p;
    (void)scratch;
    lt_upsample_args a = sizes(in[0].shape, out[0].shape);
    a.from = lt_f32(in[0]);
    a.to = lt_f32(out[0]);
    lt_pixels.upsample(&a);
    return LT_OK;
}

enum { DY, FORWARD };

static lt_status backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    lt_upsample_args a = sizes(p->operation->in[FORWARD], in[DY].shape);
    a.from = lt_f32(in[DY]);
    a.to = lt_f32(out[0]);
    lt_pixels.upsample_backward(&a);
    return LT_OK;
}

static const lt_op backward_op = {
    .name = "upsample_backward",
    .infer = lt_infer_backward,
    .run = backward_run,
};

static const lt_gradient gradient = {.op = &backward_op, .flows = 1};

const lt_op lt_op_upsample = {
    .name = "upsample",
    .infer = infer,
    .run = run,
    .gradient = &gradient,
};
