/* Operations on each element: inputs, constants, sums, activations. */
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

/* ---- Inputs, constants, and what a backward operation writes ---- */

static lt_status input_infer(lt_operation *o) {
    const lt_input_options *a = o->attributes;
    o->out = a->shape;
    o->type = a->type;
    return LT_OK;
}

const lt_op lt_op_input = {.name = "input", .infer = input_infer};

static lt_status result_infer(lt_operation *o) {
    o->out = *(const lt_shape *)o->attributes;
    return LT_OK;
}

const lt_op lt_op_result = {.name = "result", .infer = result_infer};

static lt_status constant_infer(lt_operation *o) {
    o->out = (lt_shape){1, 1, 1, 1};
    return LT_OK;
}

static lt_status constant_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)in;
    (void)scratch;
    lt_f32(out[0])[0] = *(const float *)p->operation->attributes;
    return LT_OK;
}

const lt_op lt_op_constant = {.name = "constant", .infer = constant_infer, .run = constant_run};

/* ---- Sum ---- */

static lt_status add_infer(lt_operation *o) {
    if (!lt_shape_equal(o->in[0], o->in[1])) return lt_fail(LT_ERROR_MODEL, "add: the two sides have different shapes");
    return same_shape(o);
}

static lt_status add_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    p->kernels->add(lt_f32(in[0]), lt_f32(in[1]), lt_f32(out[0]), lt_shape_count(p->operation->out));
    return LT_OK;
}

static const lt_gradient add_gradient = {.flows = 3, .passes = 3};

const lt_op lt_op_add = {
    .name = "add",
    .infer = add_infer,
    .prepare = in_place,
    .run = add_run,
    .gradient = &add_gradient,
};

/* ---- Sum with a weight for each row ---- */

enum { A, B, WEIGHTS };

static lt_status weighed_infer(lt_operation *o) {
    const lt_shape a = o->in[A];
    if (!lt_shape_equal(a, o->in[B]) || !lt_shape_equal((lt_shape){a.n, a.h, a.w, 1}, o->in[WEIGHTS]))
        return lt_fail(LT_ERROR_MODEL, "add_weighed: the sides have different shapes");
    return same_shape(o);
}

typedef struct weighed_rows {
    const float *a, *b, *weights;
    float *y;
    size_t c;
} weighed_rows;

static void weigh_row(const void *context, size_t row, int thread) {
    (void)thread;
    const weighed_rows *r = context;
    const size_t at = row * r->c;
    const float weight = r->weights[row];
    for (size_t k = at; k < at + r->c; k++) r->y[k] = r->a[k] + weight * r->b[k];
}

static lt_status weighed_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape s = p->operation->out;
    const weighed_rows rows = {lt_f32(in[A]), lt_f32(in[B]), lt_f32(in[WEIGHTS]), lt_f32(out[0]), (size_t)s.c};
    lt_parallel(lt_threads_worth(lt_shape_count(s)), lt_shape_rows(s), LT_EVENLY, weigh_row, &rows);
    return LT_OK;
}

const lt_op lt_op_add_weighed = {
    .name = "add_weighed", .infer = weighed_infer, .prepare = in_place, .run = weighed_run};

/* ---- Activations ---- */

enum { DY, X }; /* of the backward operation */

static bool is_geglu(const lt_operation *o) {
    return ((const lt_activate_options *)o->attributes)->activation == LT_ACT_GEGLU;
}

static lt_status activate_infer(lt_operation *o) {
    o->out = o->in[0];
    if (is_geglu(o)) o->out.c /= 2;
    return LT_OK;
}

static lt_status activate_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->in_place = is_geglu(p->operation) ? -1 : 0;
    return LT_OK;
}

static lt_status activate_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_operation *o = p->operation;
    const lt_activate_options *a = o->attributes;
    if (is_geglu(o))
        p->kernels->geglu(lt_f32(in[0]), lt_f32(out[0]), lt_shape_rows(o->out), (size_t)o->out.c);
    else
        p->kernels->activate(a->activation, lt_f32(in[0]), lt_f32(out[0]), lt_shape_count(o->out));
    return LT_OK;
}

static lt_status activate_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_operation *o = p->operation;
    const lt_activate_options *a = o->attributes;
    if (is_geglu(o))
        p->kernels->geglu_backward(lt_f32(in[X]), lt_f32(in[DY]), lt_f32(out[0]), lt_shape_rows(o->in[DY]),
                                   (size_t)o->in[DY].c);
    else
        p->kernels->activate_backward(a->activation, lt_f32(in[X]), lt_f32(in[DY]), lt_f32(out[0]),
                                      lt_shape_count(o->in[DY]));
    return LT_OK;
}

static const lt_op activate_backward = {
    .name = "activate_backward",
    .infer = lt_infer_backward,
    .prepare = activate_prepare,
    .run = activate_backward_run,
};

static const lt_gradient activate_gradient = {.op = &activate_backward, .flows = 1, .reads = 1};

const lt_op lt_op_activate = {
    .name = "activate",
    .infer = activate_infer,
    .prepare = activate_prepare,
    .run = activate_run,
    .gradient = &activate_gradient,
};
