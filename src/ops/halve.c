/* Pictures of half the size. */
#include "kernels/pixels.h"
#include "ops/ops.h"

static lt_status infer(lt_operation *o) {
    o->out = o->in[0];
    o->out.h = (o->out.h + 1) / 2;
    o->out.w = (o->out.w + 1) / 2;
    return LT_OK;
}

static lt_status run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)p;
    (void)scratch;
    const lt_shape s = in[0].shape;
    const lt_halve_args a = {.n = (size_t)s.n,
                             .h = (size_t)s.h,
                             .w = (size_t)s.w,
                             .c = (size_t)s.c,
                             .from = lt_f32(in[0]),
                             .to = lt_f32(out[0])};
    lt_pixels.halve(&a);
    return LT_OK;
}

const lt_op lt_op_halve = {.name = "halve", .infer = infer, .run = run};
