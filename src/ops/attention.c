/* softmax(q k^T / sqrt(d)) v, head by head, never a whole score matrix. */
#include "ops/ops.h"

#include <math.h>

enum { Q, K, V, LENGTHS };

static lt_status infer(lt_operation *o) {
    const lt_attention_options *a = o->attributes;
    const lt_shape q = o->in[Q], k = o->in[K], v = o->in[V];
    if (!lt_shape_equal(k, v) || q.n != k.n || q.c != k.c || a->heads <= 0 || q.c % a->heads)
        return lt_fail(LT_ERROR_MODEL, "attention: %d, %d and %d channels do not make %d heads", q.c, k.c, v.c,
                       a->heads);
    o->out = q;
    return LT_OK;
}

static lt_attention_args arguments(const lt_operation *o) {
    const lt_attention_options *a = o->attributes;
    const int d = o->out.c / a->heads;
    return (lt_attention_args){
        .n = o->out.n,
        .heads = a->heads,
        .d = d,
        .tokens_q = lt_shape_pixels(o->in[Q]),
        .tokens_k = lt_shape_pixels(o->in[K]),
        .scale = 1.0f / sqrtf((float)d),
        .causal = a->causal,
        .stride_q = (size_t)o->out.c,
        .stride_k = (size_t)o->out.c,
        .stride_v = (size_t)o->out.c,
    };
}

/* scratch: the kernel's, then the lengths as integers */
static size_t kernel_scratch(const lt_prepared *p, const lt_attention_args *a) {
    return lt_round_up(p->kernels->attention_scratch(a, p->threads) * sizeof(float), 64);
}

static lt_status prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    const lt_attention_args a = arguments(p->operation);
    p->scratch_size = kernel_scratch(p, &a) + (size_t)a.n * sizeof(int32_t);
    return LT_OK;
}

static lt_status run(const lt_prepared *p, const float *const *in, float *out, void *scratch) {
    lt_attention_args a = arguments(p->operation);
    a.q = in[Q];
    a.k = in[K];
    a.v = in[V];
    a.out = out;
    a.scratch = scratch;
    if (in[LENGTHS]) {
        int32_t *lengths = (int32_t *)((char *)scratch + kernel_scratch(p, &a));
        for (int i = 0; i < a.n; i++) lengths[i] = (int32_t)in[LENGTHS][i];
        a.lengths = lengths;
    }
    p->kernels->attention(&a);
    return LT_OK;
}

static double flops(const lt_operation *o) {
    return 4.0 * (double)lt_shape_count(o->out) * (double)lt_shape_pixels(o->in[K]);
}

const lt_op lt_op_attention = {"attention", infer, prepare, run, NULL, flops};
