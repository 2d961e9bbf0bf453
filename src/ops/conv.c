/* Convolutions and linear layers: act(conv([x, skip]) + bias) + residual. */
#include "kernels/conv.h"
#include "kernels/pixels.h"
#include "ops/ops.h"

enum { X, SKIP, RESIDUAL };

static lt_precision precision_of(const lt_weight *weight, const lt_target *target) {
    return weight->kept && target->precision == LT_PRECISION_INT8 ? lt_isa_wider(target->isa) : target->precision;
}

/* Channels of the output's memory. */
static int width_of(const lt_operation *o, const lt_shape *in) {
    const lt_conv_options *a = o->attributes;
    return a->append ? in[X].c : a->width ? a->width : a->channels;
}

/* in: the shapes of the forward operation's inputs. */
static lt_conv_desc describe(const lt_operation *o, const lt_shape *in, const lt_target *target) {
    const lt_conv_options *a = o->attributes;
    const lt_shape x = in[X];
    lt_conv_desc d = {
        .n = x.n,
        .h = x.h,
        .w = x.w,
        .c = {x.c, in[SKIP].c},
        .oc = a->channels,
        .kernel = a->kernel,
        .stride = a->stride,
        .pad_begin = a->pad_begin,
        .pad_end = a->pad_end,
        .wraps = a->wraps,
        .bias = o->weight[1] != NULL,
        .residual = in[RESIDUAL].n != 0,
        .act = a->activation,
        .alpha = a->alpha,
        .weight_type = lt_deltas_type(target->deltas, o->weight[0], target->precision),
        .isa = target->isa,
        .threads = lt_team_size(target->team),
        .precision = precision_of(o->weight[0], target),
        .inference = target->inference,
    };
    if (a->reads && a->reads != x.c) d.src_pitch = x.c;
    if (a->reads) d.c[0] = a->reads;
    if (width_of(o, in) != a->channels) d.dst_pitch = width_of(o, in);
    if (d.residual && in[RESIDUAL].c != a->channels) d.residual_pitch = in[RESIDUAL].c;
    if (a->kernel == 1 && a->stride == 1) { /* a linear layer: rows are rows, whatever picture they come from */
        d.w = (int)lt_shape_rows(x);
        d.n = d.h = 1;
    }
    return d;
}

bool lt_op_conv_narrows(const lt_operation *o) {
    const lt_conv_desc desc = describe(o, o->in, &(lt_target){.isa = LT_ISA_SCALAR});
    return !lt_conv_is_small(&desc);
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
    o->out = (lt_shape){x.n, (x.h + pad - a->kernel) / a->stride + 1, (x.w + pad - a->kernel) / a->stride + 1,
                        width_of(o, o->in)};
    const lt_shape residual = o->in[RESIDUAL];
    if (a->append && a->reads + a->channels > x.c)
        return lt_fail(LT_ERROR_MODEL, "%s: it makes more channels than there is room for", o->weight[0]->tensor.name);
    if (lt_has_input(o, RESIDUAL) && (lt_shape_rows(residual) != lt_shape_rows(o->out) || residual.c < a->channels))
        return lt_fail(LT_ERROR_MODEL, "%s: its residual has another shape", o->weight[0]->tensor.name);
    return LT_OK;
}

static bool append_of(const lt_operation *o) { return ((const lt_conv_options *)o->attributes)->append; }

/* Whether pixels lie further apart than their channels take. */
static bool is_dense(const lt_operation *o) {
    const lt_conv_options *a = o->attributes;
    return a->reads || a->width || a->append || (lt_has_input(o, RESIDUAL) && o->in[RESIDUAL].c != a->channels);
}

static lt_status pack(const void *conv, const lt_weight_source *weight, void *data) {
    return lt_conv_pack(conv, weight, data);
}

static lt_status prepare(lt_prepared *p, const lt_target *target) {
    const lt_operation *o = p->operation;
    lt_conv_desc desc = describe(o, o->in, target);
    if (target->inference) desc.precision = lt_conv_worth(&desc);
    desc.source_type[0] = o->in_type[X];
    desc.source_type[1] = o->in_type[SKIP];
    desc.dst_type = o->type;
    lt_conv *conv;
    LT_TRY(lt_conv_create(&desc, &conv));
    p->state = conv;
    p->kernel = lt_conv_name(conv);
    p->numbers = desc.precision;
    p->scratch_size = lt_conv_scratch_size(conv);
    p->in_place = is_dense(o) ? (append_of(o) ? X : -1) : desc.residual ? RESIDUAL : -1;
    p->form[0] = (lt_form){lt_conv_layout(conv), lt_conv_packed_size(conv), pack, conv};
    if (desc.bias) p->form[1] = lt_form_f32(o->weight[1]);
    return LT_OK;
}

static void copy_read(lt_value x, int channels, float *to) {
    const lt_blend_args copy = {.rows = lt_shape_rows(x.shape),
                                .c = (size_t)channels,
                                .a_pitch = (size_t)x.shape.c,
                                .to_pitch = (size_t)x.shape.c,
                                .a = lt_f32(x),
                                .to = to};
    lt_pixels.blend(&copy);
}

static lt_status run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    const lt_conv_options *a = p->operation->attributes;
    lt_conv_io io = {
        .src = {in[X].data, in[SKIP].data},
        .weight = p->weight[0],
        .bias = p->weight[1],
        .residual = lt_f32(in[RESIDUAL]),
        .dst = out[0].data,
        .scratch = scratch,
    };
    if (a->append) { /* x itself, as a rule: a copy where somebody else reads it later */
        if (out[0].data != in[X].data) copy_read(in[X], a->reads, lt_f32(out[0]));
        io.dst = lt_f32(out[0]) + a->reads;
    }
    return lt_conv_run(p->state, &io);
}

static void release(lt_prepared *p) { lt_conv_free(p->state); }

static bool narrows_input(const lt_operation *o, int i, const lt_target *target) {
    const lt_conv_desc desc = describe(o, o->in, target);
    return i != RESIDUAL && !desc.src_pitch && lt_conv_reads_bf16(&desc);
}

static bool narrows_output(const lt_operation *o, const lt_target *target) {
    const lt_conv_desc desc = describe(o, o->in, target);
    return !is_dense(o) && lt_conv_writes_bf16(&desc);
}

static double flops(const lt_operation *o) {
    return 2.0 * (double)lt_shape_rows(o->out) * (double)lt_tensor_count(&o->weight[0]->tensor);
}

/* ---- Backward: of what is not dense ---- */

enum { DY, FORWARD }; /* inputs: the gradient, then the forward operation's */

static lt_status pack_backward(const void *backward, const lt_weight_source *weight, void *data) {
    return lt_conv_backward_pack(backward, weight, data);
}

static lt_status backward_infer(lt_operation *o) {
    const lt_conv_options *a = o->attributes;
    LT_TRY(lt_infer_backward(o));
    return a->activation ? lt_fail(LT_ERROR_ARGUMENT, "%s: no gradient passes an activation within a convolution",
                                   o->weight[0]->tensor.name)
                         : LT_OK;
}

static lt_status backward_prepare(lt_prepared *p, const lt_target *target) {
    const lt_operation *o = p->operation;
    lt_conv_desc desc = describe(o, o->in + FORWARD, target);
    desc.residual = false;
    const lt_conv_backward_wanted wanted = {
        .src = {o->wanted & 1u << X, o->wanted & 1u << SKIP},
        .weight = o->weight[0]->gradient != NULL,
    };
    lt_conv_backward *backward;
    LT_TRY(lt_conv_backward_create(&desc, &wanted, &backward));
    p->state = backward;
    p->kernel = lt_conv_backward_name(backward);
    p->scratch_size = lt_conv_backward_scratch_size(backward);
    const size_t size = lt_conv_backward_packed_size(backward);
    if (size) p->form[0] = (lt_form){lt_conv_backward_layout(backward), size, pack_backward, backward};
    return LT_OK;
}

static lt_status backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    lt_weight *const *w = p->operation->weight;
    const lt_conv_backward_io io = {
        .src = {lt_f32(in[FORWARD + X]), lt_f32(in[FORWARD + SKIP])},
        .weight = p->weight[0],
        .ddst = lt_f32(in[DY]),
        .dsrc = {lt_f32(out[X]), lt_f32(out[SKIP])},
        .dweight = w[0]->gradient,
        .dbias = w[1] ? w[1]->gradient : NULL,
        .scratch = scratch,
    };
    return lt_conv_backward_run(p->state, &io);
}

static void backward_release(lt_prepared *p) { lt_conv_backward_free(p->state); }

static double backward_flops(const lt_operation *o) {
    const int sources = ((o->wanted & 1u << X) || (o->wanted & 1u << SKIP)), weight = o->weight[0]->gradient != NULL;
    return 2.0 * (sources + weight) * (double)lt_shape_rows(o->in[DY]) * (double)lt_tensor_count(&o->weight[0]->tensor);
}

static const lt_op backward_op = {
    .name = "conv_backward",
    .infer = backward_infer,
    .prepare = backward_prepare,
    .run = backward_run,
    .release = backward_release,
    .flops = backward_flops,
};

static const lt_gradient gradient = {
    .op = &backward_op,
    .flows = 1u << X | 1u << SKIP | 1u << RESIDUAL,
    .passes = 1u << RESIDUAL,
    .reads = 1u << X | 1u << SKIP,
};

const lt_op lt_op_conv = {
    .name = "conv",
    .narrows_output = narrows_output,
    .narrows_input = narrows_input,
    .infer = infer,
    .prepare = prepare,
    .run = run,
    .release = release,
    .flops = flops,
    .gradient = &gradient,
};
