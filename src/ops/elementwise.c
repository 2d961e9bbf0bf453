/* Operations on each element: inputs, activations, sums. */
#include "ops/ops.h"

static lt_status same_shape(lt_operation *o) {
    o->out = o->in[0];
    return LT_OK;
}

static lt_status in_place(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->in_place = 0;
    return LT_OK;
}

/* ---- Input ---- */

static lt_status input_infer(lt_operation *o) {
    o->out = *(const lt_shape *)o->attributes;
    return LT_OK;
}

const lt_op lt_op_input = {"input", input_infer, NULL, NULL, NULL, NULL};

/* ---- Sum ---- */

static lt_status add_infer(lt_operation *o) {
    if (!lt_shape_equal(o->in[0], o->in[1])) return lt_fail(LT_ERROR_MODEL, "add: the two sides have different shapes");
    return same_shape(o);
}

static lt_status add_run(const lt_prepared *p, const float *const *in, float *out, void *scratch) {
    (void)scratch;
    p->kernels->add(in[0], in[1], out, lt_shape_count(p->operation->out));
    return LT_OK;
}

const lt_op lt_op_add = {"add", add_infer, in_place, add_run, NULL, NULL};
