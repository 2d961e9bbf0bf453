/* softmax(q k^T / sqrt(d)) v, head by head, never a whole score matrix. */
#include "ops/ops.h"

#include <math.h>

enum { Q, K, V, LENGTHS };
enum { DY, FORWARD, OUT = LT_MAX_INPUTS - 1 }; /* backward: the gradient, the forward operation's inputs, its output */

static lt_status infer(lt_operation *o) {
    const lt_attention_options *a = o->attributes;
    const lt_shape q = o->in[Q], k = o->in[K], v = o->in[V];
    if (!lt_shape_equal(k, v) || q.n != k.n || q.c != k.c || a->heads <= 0 || q.c % a->heads)
        return lt_fail(LT_ERROR_MODEL, "attention: %d, %d and %d channels do not make %d heads", q.c, k.c, v.c,
                       a->heads);
    o->out = q;
    return LT_OK;
}

/* in: the shapes of the forward operation's inputs. */
static lt_attention_args arguments(const lt_operation *o, const lt_shape *in) {
    const lt_attention_options *a = o->attributes;
    const int c = in[Q].c, d = c / a->heads;
    return (lt_attention_args){
        .n = in[Q].n,
        .heads = a->heads,
        .d = d,
        .tokens_q = lt_shape_pixels(in[Q]),
        .tokens_k = lt_shape_pixels(in[K]),
        .scale = 1.0f / sqrtf((float)d),
        .causal = a->causal,
        .stride_q = (size_t)c,
        .stride_k = (size_t)c,
        .stride_v = (size_t)c,
    };
}

static lt_status prepare(lt_prepared *p, const lt_target *target) {
    const lt_attention_args a = arguments(p->operation, p->operation->in);
    const lt_attention_kernel *kernel =
        lt_attention_get(target->inference ? target->precision : LT_PRECISION_F32, target->isa);
    p->constant = kernel;
    p->kernel = lt_isa_name(kernel->isa);
    p->numbers = kernel->numbers;
    p->scratch_size = kernel->scratch(&a, p->threads) * sizeof(float);
    return LT_OK;
}

static lt_status run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    lt_attention_args a = arguments(p->operation, p->operation->in);
    a.q = in[Q].data;
    a.k = in[K].data;
    a.v = in[V].data;
    a.out = out[0].data;
    a.q_type = in[Q].type;
    a.k_type = in[K].type;
    a.v_type = in[V].type;
    a.out_type = out[0].type;
    a.scratch = scratch;
    a.lengths = lt_i32(in[LENGTHS]);
    const lt_attention_kernel *kernel = p->constant;
    kernel->run(&a);
    return LT_OK;
}

static bool narrows_output(const lt_operation *o, const lt_target *target) {
    (void)o, (void)target;
    return true;
}

static bool narrows_input(const lt_operation *o, int i, const lt_target *target) {
    (void)o, (void)target;
    return i <= V;
}

static double flops(const lt_operation *o) {
    return 4.0 * (double)lt_shape_count(o->out) * (double)lt_shape_pixels(o->in[K]);
}

/* ---- Backward ---- */

static lt_status backward_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    const lt_attention_backward_args a = {.forward = arguments(p->operation, p->operation->in + FORWARD)};
    p->scratch_size = p->kernels->attention_backward_scratch(&a, p->threads) * sizeof(float);
    return LT_OK;
}

static lt_status backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    lt_attention_backward_args a = {.forward = arguments(p->operation, p->operation->in + FORWARD)};
    a.forward.q = lt_f32(in[FORWARD + Q]);
    a.forward.k = lt_f32(in[FORWARD + K]);
    a.forward.v = lt_f32(in[FORWARD + V]);
    a.forward.out = lt_f32(in[OUT]);
    a.dout = lt_f32(in[DY]);
    a.dq = lt_f32(out[Q]);
    a.dk = lt_f32(out[K]);
    a.dv = lt_f32(out[V]);
    a.scratch = scratch;
    a.forward.lengths = lt_i32(in[FORWARD + LENGTHS]);
    p->kernels->attention_backward(&a);
    return LT_OK;
}

static double backward_flops(const lt_operation *o) {
    return 10.0 * (double)lt_shape_count(o->in[DY]) * (double)lt_shape_pixels(o->in[FORWARD + K]);
}

static const lt_op backward_op = {
    .name = "attention_backward",
    .takes = {[FORWARD + LENGTHS] = LT_VALUE_I32},
    .infer = lt_infer_backward,
    .prepare = backward_prepare,
    .run = backward_run,
    .flops = backward_flops,
};

static const lt_gradient gradient = {
    .op = &backward_op,
    .flows = 1u << Q | 1u << K | 1u << V,
    .reads = 1u << Q | 1u << K | 1u << V | 1u << LENGTHS,
    .reads_output = true,
};

const lt_op lt_op_attention = {
    .name = "attention",
    .takes = {[LENGTHS] = LT_VALUE_I32},
    .narrows_output = narrows_output,
    .narrows_input = narrows_input,
    .infer = infer,
    .prepare = prepare,
    .run = run,
    .flops = flops,
    .gradient = &gradient,
};
