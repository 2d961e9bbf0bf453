/* Group and layer normalization. */
#include "ops/ops.h"

enum { X, SKIP, VECTOR };
enum { GAMMA, BETA };
enum { DY, FORWARD }; /* backward: the gradient, then the forward operation's inputs */

static lt_status want_affine(lt_prepared *p) {
    p->form[GAMMA] = lt_form_f32(p->operation->weight[GAMMA]);
    p->form[BETA] = lt_form_f32(p->operation->weight[BETA]);
    return LT_OK;
}

static bool narrows_output(const lt_operation *o, const lt_target *target) {
    (void)o, (void)target;
    return true;
}

/* ---- Group normalization ---- */

/* in: the shapes of the forward operation's inputs. */
static lt_group_norm_args group_args(const lt_operation *o, const lt_shape *in) {
    const lt_group_norm_options *a = o->attributes;
    return (lt_group_norm_args){
        .n = in[X].n,
        .pixels = lt_shape_pixels(in[X]),
        .c = {in[X].c, in[SKIP].c},
        .groups = a->groups,
        .eps = a->eps,
        .act = a->activation,
    };
}

static lt_status group_infer(lt_operation *o) {
    const lt_group_norm_options *a = o->attributes;
    o->out = o->in[X];
    o->out.c += o->in[SKIP].c;
    const lt_shape skip = o->in[SKIP], vector = o->in[VECTOR];
    if (lt_has_input(o, SKIP) && (skip.n != o->out.n || skip.h != o->out.h || skip.w != o->out.w))
        return lt_fail(LT_ERROR_MODEL, "%s: the skip has another size", o->weight[GAMMA]->tensor.name);
    if (lt_has_input(o, VECTOR) && !lt_shape_equal(vector, (lt_shape){o->out.n, 1, 1, o->out.c}))
        return lt_fail(LT_ERROR_MODEL, "%s: %d channels are normalised, but %d are added to them",
                       o->weight[GAMMA]->tensor.name, o->out.c, vector.c);
    if (a->groups <= 0 || o->out.c % a->groups)
        return lt_fail(LT_ERROR_MODEL, "%s: %d channels can't be split into %d groups", o->weight[GAMMA]->tensor.name,
                       o->out.c, a->groups);
    return LT_OK;
}

static lt_status group_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    const lt_group_norm_args a = group_args(p->operation, p->operation->in);
    p->scratch_size = p->kernels->group_norm_scratch(&a) * sizeof(float);
    p->in_place = lt_has_input(p->operation, SKIP) ? -1 : X;
    return want_affine(p);
}

static lt_status group_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    lt_group_norm_args a = group_args(p->operation, p->operation->in);
    a.x[0] = lt_f32(in[X]);
    a.x[1] = lt_f32(in[SKIP]);
    a.vector = lt_f32(in[VECTOR]);
    a.gamma = p->weight[GAMMA];
    a.beta = p->weight[BETA];
    a.y = out[0].data;
    a.type = out[0].type;
    a.scratch = scratch;
    p->kernels->group_norm(&a);
    return LT_OK;
}

static lt_group_norm_backward_args group_backward_args(const lt_operation *o) {
    return (lt_group_norm_backward_args){
        .forward = group_args(o, o->in + FORWARD),
        .dgamma = o->weight[GAMMA]->gradient,
        .dbeta = o->weight[BETA]->gradient,
    };
}

static lt_status group_backward_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    const lt_group_norm_backward_args a = group_backward_args(p->operation);
    p->scratch_size = p->kernels->group_norm_backward_scratch(&a) * sizeof(float);
    p->in_place = lt_has_input(p->operation, FORWARD + SKIP) ? -1 : DY;
    return want_affine(p);
}

static lt_status group_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    lt_group_norm_backward_args a = group_backward_args(p->operation);
    a.forward.x[0] = lt_f32(in[FORWARD + X]);
    a.forward.x[1] = lt_f32(in[FORWARD + SKIP]);
    a.forward.vector = lt_f32(in[FORWARD + VECTOR]);
    a.forward.gamma = p->weight[GAMMA];
    a.forward.beta = p->weight[BETA];
    a.dy = lt_f32(in[DY]);
    a.dx[0] = lt_f32(out[X]);
    a.dx[1] = lt_f32(out[SKIP]);
    a.dvector = lt_f32(out[VECTOR]);
    a.scratch = scratch;
    p->kernels->group_norm_backward(&a);
    return LT_OK;
}

static const lt_op group_backward = {
    .name = "group_norm_backward",
    .infer = lt_infer_backward,
    .prepare = group_backward_prepare,
    .run = group_backward_run,
};

static const lt_gradient group_gradient = {
    .op = &group_backward,
    .flows = 1u << X | 1u << SKIP | 1u << VECTOR,
    .reads = 1u << X | 1u << SKIP | 1u << VECTOR,
};

const lt_op lt_op_group_norm = {
    .name = "group_norm",
    .narrows_output = narrows_output,
    .infer = group_infer,
    .prepare = group_prepare,
    .run = group_run,
    .gradient = &group_gradient,
};

/* ---- Layer normalization ---- */

static lt_status layer_infer(lt_operation *o) {
    o->out = o->in[X];
    return LT_OK;
}

static lt_status layer_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->in_place = X;
    return want_affine(p);
}

static lt_status layer_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_layer_norm_options *options = p->operation->attributes;
    const lt_layer_norm_args a = {
        .rows = lt_shape_rows(p->operation->out),
        .c = p->operation->out.c,
        .eps = options->eps,
        .x = lt_f32(in[X]),
        .gamma = p->weight[GAMMA],
        .beta = p->weight[BETA],
        .y = out[0].data,
        .type = out[0].type,
    };
    p->kernels->layer_norm(&a);
    return LT_OK;
}

static lt_layer_norm_backward_args layer_backward_args(const lt_operation *o) {
    const lt_layer_norm_options *options = o->attributes;
    return (lt_layer_norm_backward_args){
        .forward = {.rows = lt_shape_rows(o->in[DY]), .c = o->in[DY].c, .eps = options->eps},
        .dgamma = o->weight[GAMMA]->gradient,
        .dbeta = o->weight[BETA]->gradient,
    };
}

static lt_status layer_backward_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    const lt_layer_norm_backward_args a = layer_backward_args(p->operation);
    p->scratch_size = p->kernels->layer_norm_backward_scratch(&a) * sizeof(float);
    p->in_place = DY;
    return want_affine(p);
}

static lt_status layer_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    lt_layer_norm_backward_args a = layer_backward_args(p->operation);
    a.forward.x = lt_f32(in[FORWARD + X]);
    a.forward.gamma = p->weight[GAMMA];
    a.forward.beta = p->weight[BETA];
    a.dy = lt_f32(in[DY]);
    a.dx = lt_f32(out[X]);
    a.scratch = scratch;
    p->kernels->layer_norm_backward(&a);
    return LT_OK;
}

static const lt_op layer_backward = {
    .name = "layer_norm_backward",
    .infer = lt_infer_backward,
    .prepare = layer_backward_prepare,
    .run = layer_backward_run,
};

static const lt_gradient layer_gradient = {.op = &layer_backward, .flows = 1u << X, .reads = 1u << X};

const lt_op lt_op_layer_norm = {
    .name = "layer_norm",
    .narrows_output = narrows_output,
    .infer = layer_infer,
    .prepare = layer_prepare,
    .run = layer_run,
    .gradient = &layer_gradient,
};
