/* Group and layer normalization. */
#include "ops/ops.h"

enum { X, SKIP, VECTOR };
enum { GAMMA, BETA };

static lt_status acquire_affine(lt_prepared *p) {
    LT_TRY(lt_weight_acquire_f32(p->operation->weight[GAMMA], (const float **)&p->weight[GAMMA]));
    return lt_weight_acquire_f32(p->operation->weight[BETA], (const float **)&p->weight[BETA]);
}

/* ---- Group normalization ---- */

static lt_group_norm_args group_args(const lt_operation *o) {
    const lt_group_norm_options *a = o->attributes;
    return (lt_group_norm_args){
        .n = o->out.n,
        .pixels = lt_shape_pixels(o->out),
        .c = {o->in[X].c, o->in[SKIP].c},
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
    const lt_group_norm_args a = group_args(p->operation);
    p->scratch_size = p->kernels->group_norm_scratch(&a) * sizeof(float);
    p->in_place = lt_has_input(p->operation, SKIP) ? -1 : X;
    return acquire_affine(p);
}

static lt_status group_run(const lt_prepared *p, const float *const *in, float *out, void *scratch) {
    lt_group_norm_args a = group_args(p->operation);
    a.x[0] = in[X];
    a.x[1] = in[SKIP];
    a.vector = in[VECTOR];
    a.gamma = p->weight[GAMMA];
    a.beta = p->weight[BETA];
    a.y = out;
    a.scratch = scratch;
    p->kernels->group_norm(&a);
    return LT_OK;
}

const lt_op lt_op_group_norm = {"group_norm", group_infer, group_prepare, group_run, NULL, NULL};

/* ---- Layer normalization ---- */

static lt_status layer_infer(lt_operation *o) {
    o->out = o->in[X];
    return LT_OK;
}

static lt_status layer_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->in_place = X;
    return acquire_affine(p);
}

static lt_status layer_run(const lt_prepared *p, const float *const *in, float *out, void *scratch) {
    (void)scratch;
    const lt_layer_norm_options *options = p->operation->attributes;
    const lt_layer_norm_args a = {
        .rows = lt_shape_rows(p->operation->out),
        .c = p->operation->out.c,
        .eps = options->eps,
        .x = in[X],
        .gamma = p->weight[GAMMA],
        .beta = p->weight[BETA],
        .y = out,
    };
    p->kernels->layer_norm(&a);
    return LT_OK;
}

const lt_op lt_op_layer_norm = {"layer_norm", layer_infer, layer_prepare, layer_run, NULL, NULL};
