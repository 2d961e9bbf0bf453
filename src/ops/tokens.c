/* Rows of tokens as values: learned ones, two lists behind each other, some channels, other rows of the same memory. */
#include "ops/ops.h"

#include <string.h>

/* ---- Learned tokens ---- */

static lt_status learned_infer(lt_operation *o) {
    const lt_learned_options *a = o->attributes;
    const lt_tensor *t = &o->weight[0]->tensor;
    const size_t c = t->shape[t->rank - 1];
    o->out = (lt_shape){a->n, 1, (int)(lt_tensor_count(t) / c), (int)c};
    return LT_OK;
}

static lt_status learned_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->form[0] = lt_form_f32(p->operation->weight[0]);
    return LT_OK;
}

static lt_status learned_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)in, (void)scratch;
    const lt_shape s = p->operation->out;
    const size_t sample = (size_t)s.w * (size_t)s.c;
    for (size_t i = 0; i < (size_t)s.n; i++) memcpy(lt_f32(out[0]) + i * sample, p->weight[0], sample * sizeof(float));
    return LT_OK;
}

static lt_status learned_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)out, (void)scratch;
    const lt_shape s = in[0].shape;
    const size_t sample = (size_t)s.w * (size_t)s.c;
    float *sum = p->operation->weight[0]->gradient;
    for (size_t i = 0; i < (size_t)s.n && sum; i++) p->kernels->add(sum, lt_f32(in[0]) + i * sample, sum, sample);
    return LT_OK;
}

static const lt_op learned_backward = {
    .name = "learned_tokens_backward", .infer = lt_infer_backward, .run = learned_backward_run};

static const lt_gradient learned_gradient = {.op = &learned_backward};

const lt_op lt_op_learned = {
    .name = "learned_tokens",
    .infer = learned_infer,
    .prepare = learned_prepare,
    .run = learned_run,
    .gradient = &learned_gradient,
};

/* ---- Behind each other ---- */

static lt_status join_infer(lt_operation *o) {
    const lt_shape a = o->in[0], b = o->in[1];
    if (a.n != b.n || a.c != b.c)
        return lt_fail(LT_ERROR_MODEL, "join_tokens: tokens of %d and of %d channels", a.c, b.c);
    o->out = (lt_shape){a.n, 1, lt_shape_pixels(a) + lt_shape_pixels(b), a.c};
    return LT_OK;
}

static lt_status join_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_operation *o = p->operation;
    float *y = lt_f32(out[0]);
    for (size_t i = 0; i < (size_t)o->out.n; i++)
        for (size_t k = 0; k < 2; k++) {
            const size_t sample = (size_t)lt_shape_pixels(o->in[k]) * (size_t)o->out.c;
            memcpy(y, lt_f32(in[k]) + i * sample, sample * sizeof *y);
            y += sample;
        }
    return LT_OK;
}

const lt_op lt_op_join_tokens = {.name = "join_tokens", .infer = join_infer, .run = join_run};

/* ---- Some channels ---- */

static lt_status channels_infer(lt_operation *o) {
    const lt_channels_options *a = o->attributes;
    if (a->count < 1 || a->first + a->count > o->in[0].c)
        return lt_fail(LT_ERROR_MODEL, "channels: %d behind %d of %d", a->count, a->first, o->in[0].c);
    o->out = o->in[0];
    o->out.c = a->count;
    return LT_OK;
}

static lt_status channels_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_operation *o = p->operation;
    const lt_channels_options *a = o->attributes;
    const size_t c = (size_t)o->in[0].c, count = (size_t)a->count;
    for (size_t row = 0; row < lt_shape_rows(o->out); row++)
        memcpy(lt_f32(out[0]) + row * count, lt_f32(in[0]) + row * c + a->first, count * sizeof(float));
    return LT_OK;
}

const lt_op lt_op_channels = {.name = "channels", .infer = channels_infer, .run = channels_run};

/* ---- Other rows ---- */

static lt_status reshape_infer(lt_operation *o) {
    const lt_reshape_options *a = o->attributes;
    const lt_shape x = o->in[0];
    const int row = lt_shape_pixels(x) * x.c;
    if (a->tokens < 1 || row % a->tokens)
        return lt_fail(LT_ERROR_MODEL, "reshape: %d numbers do not make %d tokens", row, a->tokens);
    o->out = (lt_shape){x.n, 1, a->tokens, row / a->tokens};
    return LT_OK;
}

static lt_status reshape_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->in_place = 0;
    return LT_OK;
}

static lt_status reshape_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    if (out[0].data != in[0].data) memcpy(out[0].data, in[0].data, lt_shape_count(p->operation->out) * sizeof(float));
    return LT_OK;
}

const lt_op lt_op_reshape = {.name = "reshape", .infer = reshape_infer, .prepare = reshape_prepare, .run = reshape_run};
