/* Convolutions and linear layers: act(conv([x, skip]) + bias) + residual. */
#include "kernels/conv.h"
#include "ops/ops.h"

enum { X, SKIP, RESIDUAL };

static lt_conv_desc describe(const lt_operation *o) {
    const lt_conv_options *a = o->attributes;
    const lt_shape x = o->in[X];
    lt_conv_desc d = {
        .n = x.n,
        .h = x.h,
        .w = x.w,
        .c = {x.c, o->in[SKIP].c},
        .oc = a->channels,
        .kernel = a->kernel,
        .stride = a->stride,
        .pad_begin = a->pad_begin,
        .pad_end = a->pad_end,
        .bias = o->weight[1] != NULL,
        .residual = lt_has_input(o, RESIDUAL),
        .act = a->activation,
        .weight_type = o->weight[0]->tensor.dtype,
    };
    if (a->kernel == 1 && a->stride == 1) { /* a linear layer: rows are rows, whatever picture they come from */
        d.w = (int)lt_shape_rows(x);
        d.n = d.h = 1;
    }
    return d;
}

static lt_status infer(lt_operation *o) {
    const lt_conv_options *a = o->attributes;
    const lt_shape x = o->in[X], skip = o->in[SKIP];
    if (lt_has_input(o, SKIP) && (skip.n != x.n || skip.h != x.h || skip.w != x.w))
        return lt_fail(LT_ERROR_MODEL, "%s: the skip is %dx%d, expected %dx%d", o->weight[0]->tensor.name, skip.h,
                       skip.w, x.h, x.w);
    const int pad = a->pad_begin + a->pad_end;
    if (x.h + pad < a->kernel || x.w + pad < a->kernel)
        return lt_fail(LT_ERROR_ARGUMENT, "%s: a picture of %dx%d is too small for this model",
                       o->weight[0]->tensor.name, x.w, x.h);
    o->out =
        (lt_shape){x.n, (x.h + pad - a->kernel) / a->stride + 1, (x.w + pad - a->kernel) / a->stride + 1, a->channels};
    if (lt_has_input(o, RESIDUAL) && lt_shape_count(o->in[RESIDUAL]) != lt_shape_count(o->out))
        return lt_fail(LT_ERROR_MODEL, "%s: its residual has another shape", o->weight[0]->tensor.name);
    return LT_OK;
}

static lt_status pack(const void *conv, const lt_tensor *weight, void *data) {
    return lt_conv_pack(conv, weight, data);
}

static lt_status prepare(lt_prepared *p, const lt_target *target) {
    const lt_operation *o = p->operation;
    lt_conv_desc desc = describe(o);
    desc.isa = target->isa;
    desc.threads = target->threads;
    lt_conv *conv;
    LT_TRY(lt_conv_create(&desc, &conv));
    p->state = conv;
    p->kernel = lt_conv_name(conv);
    p->scratch_size = lt_conv_scratch_size(conv);
    p->in_place = desc.residual ? RESIDUAL : -1;
    LT_TRY(lt_weight_acquire(o->weight[0], lt_conv_layout(conv), lt_conv_packed_size(conv), pack, conv, &p->weight[0]));
    return desc.bias ? lt_weight_acquire_f32(o->weight[1], (const float **)&p->weight[1]) : LT_OK;
}

static lt_status run(const lt_prepared *p, const float *const *in, float *out, void *scratch) {
    const lt_conv_io io = {
        .src = {in[X], in[SKIP]},
        .weight = p->weight[0],
        .bias = p->weight[1],
        .residual = in[RESIDUAL],
        .dst = out,
        .scratch = scratch,
    };
    return lt_conv_run(p->state, &io);
}

static void release(lt_prepared *p) { lt_conv_free(p->state); }

static double flops(const lt_operation *o) {
    return 2.0 * (double)lt_shape_rows(o->out) * (double)lt_tensor_count(&o->weight[0]->tensor);
}

const lt_op lt_op_conv = {"conv", infer, prepare, run, release, flops};
