/* Attention, forward and backward. */
#include "check.h"

#include <math.h>
#include <stdio.h>

enum {
    Q,
    K,
    V,
    DOUT,
    OUT
}; /* inputs; fused: q, k and v are columns of one matrix, as a joint projection leaves them */

typedef struct shape {
    int n, heads, d, tokens_q, tokens_k;
    bool causal, lengths, fused;
    float scale; /* 0: 1/sqrt(d) */
    bool large;  /* factors are integers, so that scores of up to 1e4 are exact */
} shape;

typedef struct attention {
    lt_attention_args args;
    int32_t lengths[4];
    bool fused;
} attention;

enum { LARGE = 2 }; /* those at the end */
static const shape edges[] = {
    {1, 1, 40, 1200, 4096, 0, 0, 0, 0},   {1, 1, 80, 1024, 1024, 0, 0, 0, 0}, {2, 2, 160, 256, 256, 0, 0, 1, 0},
    {2, 8, 160, 64, 64, 0, 0, 1, 0},      {2, 2, 40, 4096, 77, 0, 1, 0, 0},   {2, 8, 160, 64, 77, 0, 0, 0, 0},
    {2, 12, 64, 77, 77, 1, 0, 1, 0},      {1, 1, 512, 100, 4096, 0, 0, 0, 0}, {1, 1, 1, 1, 1, 0, 0, 0, 0},
    {2, 3, 5, 50, 1, 0, 0, 0, 0},         {1, 2, 9, 1, 300, 0, 0, 0, 0},      {2, 2, 1, 100, 129, 0, 1, 0, 0},
    {4, 33, 8, 20, 20, 1, 0, 0, 0},       {1, 2, 16, 49, 129, 1, 1, 0, 0},    {1, 2, 25, 150, 150, 0, 0, 0, 1, 1},
    {1, 2, 25, 150, 150, 0, 0, 0, -1, 1},
};
static const shape gradient_edges[] = {
    {2, 4, 8, 256, 256, 0, 0, 1, 0},   {2, 2, 32, 500, 500, 0, 0, 1, 0},    {1, 1, 40, 1024, 1024, 0, 0, 0, 0},
    {1, 2, 160, 64, 64, 0, 0, 1, 0},   {2, 2, 40, 256, 77, 0, 1, 0, 0},     {2, 12, 64, 77, 77, 1, 0, 1, 0},
    {1, 1, 512, 256, 256, 0, 0, 0, 0}, {2, 1, 128, 64, 64, 0, 0, 0, 0},     {1, 1, 1, 1, 1, 0, 0, 0, 0},
    {2, 3, 5, 50, 1, 0, 0, 0, 0},      {1, 2, 9, 1, 300, 0, 0, 0, 0},       {1, 2, 9, 1, 30, 1, 0, 0, 0},
    {2, 2, 1, 100, 129, 0, 1, 0, 0},   {4, 17, 8, 20, 20, 1, 0, 0, 0},      {1, 2, 16, 49, 129, 1, 1, 0, 0},
    {1, 1, 20, 700, 700, 1, 1, 1, 0},  {1, 2, 16, 49, 129, 1, 1, 0, -0.3f}, {1, 1, 20, 700, 700, 1, 1, 1, 2},
};
static const shape shapes[] = {
    {2, 8, 40, 4096, 4096, 0, 0, 1, 0}, {2, 8, 80, 1024, 1024, 0, 0, 1, 0}, {2, 8, 160, 256, 256, 0, 0, 1, 0},
    {2, 8, 160, 64, 64, 0, 0, 1, 0},    {2, 8, 40, 4096, 77, 0, 0, 0, 0},   {1, 1, 512, 4096, 4096, 0, 0, 0, 0},
};
static const shape gradient_shapes[] = {{2, 8, 40, 1024, 1024, 0, 0, 1, 0}, {32, 4, 32, 256, 256, 0, 0, 1, 0}};

/* least: keys. */
static shape random_shape(check_problem *p, int least) {
    shape s = {.n = check_int(p, 1, 3), .heads = check_int(p, 1, 4), .d = check_int(p, 1, 70)};
    s.tokens_q = check_int(p, least, 200);
    s.fused = check_int(p, 0, 2) == 0;
    s.tokens_k = s.fused ? s.tokens_q : check_int(p, least, 300);
    s.causal = check_int(p, 0, 2) == 0;
    s.lengths = check_int(p, 0, 1) == 0;
    return s;
}

/* ---- Data ---- */

static void fill_integers(check_problem *p, float *x, size_t count, int from, int to) {
    for (size_t i = 0; i < count; i++) x[i] = (float)check_int(p, from, to);
}

/* Keys that are not there must not be looked at. */
static void hide_keys(const check_problem *p, const attention *a, size_t stride) {
    const size_t tokens = (size_t)a->args.tokens_k;
    for (size_t row = 0; row < (size_t)a->args.n * tokens; row++)
        for (size_t i = 0; row % tokens >= (size_t)a->lengths[row / tokens] && i < stride; i++)
            p->in[K].values[row * stride + i] = p->in[V].values[row * stride + i] = NAN;
}

static void make_factors(check_problem *p, const shape *s, size_t stride) {
    const size_t rows_q = (size_t)s->n * (size_t)s->tokens_q, rows_k = (size_t)s->n * (size_t)s->tokens_k;
    float *q = check_factor(p, rows_q * stride, -2, 2);
    float *k = check_factor(p, s->fused ? 0 : rows_k * stride, -2, 2);
    check_factor(p, s->fused ? 0 : rows_k * stride, -1, 2);
    if (!s->large) return;
    fill_integers(p, q, rows_q * stride * 2 / 3, -20, 20); /* those behind: all their scores are far below zero */
    fill_integers(p, q + rows_q * stride * 2 / 3, rows_q * stride - rows_q * stride * 2 / 3, -20, -20);
    fill_integers(p, k, rows_k * stride, 15, 20);
}

static attention make_attention_inputs(check_problem *p, const shape *s) {
    const size_t width = (size_t)s->heads * (size_t)s->d, stride = s->fused ? 3 * width : width;
    attention a = {.fused = s->fused};
    p->narrow |= p->kernel->numbers == LT_PRECISION_BF16; /* so that the weights alone are rounded */
    a.args = (lt_attention_args){.n = s->n, .heads = s->heads, .d = s->d, .tokens_q = s->tokens_q};
    a.args.tokens_k = s->tokens_k;
    a.args.causal = s->causal;
    a.args.scale = fabsf(s->scale) > 0 ? s->scale : 1 / sqrtf((float)s->d);
    a.args.stride_q = a.args.stride_k = a.args.stride_v = stride;
    for (int i = 0; i < s->n && i < 4; i++) a.lengths[i] = s->lengths ? check_int(p, 1, s->tokens_k) : s->tokens_k;
    a.args.lengths = s->lengths ? a.lengths : NULL; /* point() sets the place */
    make_factors(p, s, stride);
    if (s->lengths && !s->fused) hide_keys(p, &a, stride);
    snprintf(p->shape, sizeof p->shape, "%dx%d heads of %d, %d queries, %d keys%s%s%s", s->n, s->heads, s->d,
             s->tokens_q, s->tokens_k, s->causal ? ", causal" : "", s->lengths ? ", lengths" : "",
             s->fused ? ", fused" : "");
    p->flop = 4.0 * s->n * (double)width * s->tokens_q * s->tokens_k;
    return a;
}

static lt_attention_args point(const check_run *r) {
    const attention *a = r->problem->arguments;
    const size_t width = (size_t)a->args.heads * (size_t)a->args.d;
    lt_attention_args args = a->args;
    if (args.lengths) args.lengths = a->lengths;
    args.q = r->in[Q];
    args.k = a->fused ? check_at(r, Q, width) : r->in[K];
    args.v = a->fused ? check_at(r, Q, 2 * width) : r->in[V];
    args.q_type = args.k_type = args.v_type = check_reads(r);
    args.out_type = check_writes(r);
    return args;
}

static size_t count_out(const attention *a) {
    return (size_t)a->args.n * (size_t)a->args.tokens_q * (size_t)a->args.heads * (size_t)a->args.d;
}

/* ---- Forward ---- */

static void make_attention(check_problem *p) {
    const shape s = p->speed ? shapes[p->number] : p->number < p->kernel->edges ? edges[p->number] : random_shape(p, 1);
    const attention a = make_attention_inputs(p, &s);
    check_output(p, count_out(&a), NULL);
    check_arguments(p, &a, sizeof a);
}

static bool prepare_attention(check_run *r) {
    const lt_precision numbers = r->problem->kernel->numbers;
    const lt_attention_kernel *k =
        r->reference ? lt_attention_get(LT_PRECISION_F32, LT_ISA_SCALAR) : lt_attention_get(numbers, r->limit);
    if (!r->reference && (k->isa == LT_ISA_SCALAR || k->numbers != numbers)) return false;
    const lt_attention_args args = point(r);
    r->with = k;
    r->scratch_size = k->scratch(&args, r->threads) * sizeof(float);
    snprintf(r->name, sizeof r->name, "%s", lt_isa_name(k->isa));
    return true;
}

static lt_status run_attention(check_run *r) {
    lt_attention_args args = point(r);
    args.out = r->out[0];
    args.scratch = r->scratch;
    ((const lt_attention_kernel *)r->with)->run(&args);
    return LT_OK;
}

/* ---- Backward ---- */

/* The reference's output, which the gradient reads. */
static void make_out(check_problem *p, const attention *a) {
    const lt_attention_kernel *plain = lt_attention_get(LT_PRECISION_F32, LT_ISA_SCALAR);
    check_run r = {.problem = p, .in = {p->in[Q].values, p->in[K].values, p->in[V].values}};
    lt_attention_args args = point(&r);
    args.out = check_input(p, count_out(a), 0, 0);
    args.scratch = check_memory(plain->scratch(&args, 1) * sizeof(float));
    plain->run(&args);
    lt_free(args.scratch);
}

/* With one key alone the scores' gradient is nothing but rounding, of as many terms as there are queries: that case is
 * among the edges. */
static void make_gradient(check_problem *p) {
    const shape s = p->speed                       ? gradient_shapes[p->number]
                    : p->number < p->kernel->edges ? gradient_edges[p->number]
                                                   : random_shape(p, 2);
    const attention a = make_attention_inputs(p, &s);
    const size_t rows_q = (size_t)s.n * (size_t)s.tokens_q, rows_k = (size_t)s.n * (size_t)s.tokens_k;
    check_input(p, count_out(&a), -1, 1);
    check_arguments(p, &a, sizeof a);
    make_out(p, &a);
    check_output(p, rows_q * a.args.stride_q, NULL);
    check_output(p, rows_k * a.args.stride_k, NULL);
    check_output(p, rows_k * a.args.stride_v, NULL);
    p->optional = true;
    p->flop *= 2.5;
}

static lt_attention_backward_args point_gradient(const check_run *r) {
    lt_attention_backward_args a = {.forward = point(r), .dout = r->in[DOUT]};
    a.forward.out = (void *)(uintptr_t)r->in[OUT];
    a.dq = r->out[0];
    a.dk = r->out[1];
    a.dv = r->out[2];
    a.scratch = r->scratch;
    return a;
}

static bool prepare_gradient(check_run *r) {
    if (!check_find_kernels(r)) return false;
    const lt_kernels *k = r->with;
    const lt_attention_backward_args a = point_gradient(r);
    r->scratch_size = k->attention_backward_scratch(&a, r->threads) * sizeof(float);
    return true;
}

static lt_status run_gradient(check_run *r) {
    const lt_attention_backward_args a = point_gradient(r);
    ((const lt_kernels *)r->with)->attention_backward(&a);
    return LT_OK;
}

/* Scores are sums of d rounded products, and their error is exponentiated. In bf16 a weight is rounded by 2^-9 at most,
 * and so many are averaged; the exponential is within 8e-5. */
const check_kernel check_attentions[] = {
    {.name = "attention",
     .numbers = LT_PRECISION_F32,
     .reads_bf16 = true,
     .writes_bf16 = true,
     .tolerance = 2e-6,
     .edges = LT_COUNT(edges),
     .shapes = LT_COUNT(shapes),
     .make = make_attention,
     .prepare = prepare_attention,
     .run = run_attention},
    {.name = "attention",
     .numbers = LT_PRECISION_BF16,
     .reads_bf16 = true,
     .writes_bf16 = true,
     .tolerance = 3e-3,
     .edges = LT_COUNT(edges),
     .shapes = LT_COUNT(shapes),
     .make = make_attention,
     .prepare = prepare_attention,
     .run = run_attention},
    {.name = "attention", /* q and k by integers of 16 bits: scores of 1e4 are not exact */
     .numbers = LT_PRECISION_INT8,
     .reads_bf16 = true,
     .writes_bf16 = true,
     .tolerance = 5e-4,
     .edges = LT_COUNT(edges) - LARGE,
     .shapes = LT_COUNT(shapes),
     .make = make_attention,
     .prepare = prepare_attention,
     .run = run_attention},
    {.name = "gradient of attention",
     .tolerance = 5e-6,
     .floor = 0.1,
     .edges = LT_COUNT(gradient_edges),
     .shapes = LT_COUNT(gradient_shapes),
     .make = make_gradient,
     .prepare = prepare_gradient,
     .run = run_gradient},
    {0},
};
