/* Activations and sums, their gradients, and the optimiser's step. */
#include "check.h"

#include <math.h>
#include <stdio.h>

typedef struct elementwise {
    lt_activation act;
    size_t rows, c;
} elementwise;

static const elementwise models[] = {{LT_ACT_SILU, 8192, 320}, {LT_ACT_GELU, 4096, 1280}};

static const lt_kernels *kernels(const check_run *r) { return r->with; }
static const elementwise *of(const check_run *r) { return r->problem->arguments; }
static size_t count_of(const elementwise *e) { return e->rows * e->c; }

/* A shape: of models, odd, or, one in ten, of many numbers. */
static elementwise make_shape(check_problem *p) {
    static const char *const names[] = {"none", "SiLU", "GELU", "quick GELU", "ReLU", "leaky ReLU", "", "soft clamp"};
    const int act = check_int(p, LT_ACT_NONE, LT_ACT_GEGLU);
    elementwise e = {act == LT_ACT_GEGLU ? LT_ACT_SOFT_CLAMP : (lt_activation)act, (size_t)check_int(p, 1, 60),
                     (size_t)check_int(p, 1, 200)};
    if (p->number % 10 == 9) e.rows *= 10;
    if (p->speed) e = models[p->number];
    snprintf(p->shape, sizeof p->shape, "%zux%zu, %s", e.rows, e.c, names[e.act]);
    check_arguments(p, &e, sizeof e);
    return e;
}

/* inputs arrays of as many numbers, and an output that may be any of them. */
static void make_same(check_problem *p, size_t inputs, float most) {
    const elementwise e = make_shape(p);
    for (size_t i = 0; i < inputs; i++) check_input(p, count_of(&e), -most, most);
    check_output(p, count_of(&e), NULL);
    p->in_place = (1u << inputs) - 1;
    p->bytes = 4.0 * (double)(count_of(&e) * (inputs + 1));
}

static void make_activate(check_problem *p) { make_same(p, 1, 8); }

static lt_status run_activate(check_run *r) {
    kernels(r)->activate(of(r)->act, r->in[0], r->out[0], count_of(of(r)));
    return LT_OK;
}

static void make_activate_backward(check_problem *p) {
    make_same(p, 2, 8);
    p->in_place = 1u << 1;
}

static lt_status run_activate_backward(check_run *r) {
    kernels(r)->activate_backward(of(r)->act, r->in[0], r->in[1], r->out[0], count_of(of(r)));
    return LT_OK;
}

static void make_geglu(check_problem *p) {
    const elementwise e = make_shape(p);
    check_input(p, 2 * count_of(&e), -5, 5);
    check_output(p, count_of(&e), NULL);
    p->bytes = 12.0 * (double)count_of(&e);
}

static lt_status run_geglu(check_run *r) {
    kernels(r)->geglu(r->in[0], r->out[0], of(r)->rows, of(r)->c);
    return LT_OK;
}

static void make_geglu_backward(check_problem *p) {
    const elementwise e = make_shape(p);
    check_input(p, 2 * count_of(&e), -8, 8);
    check_input(p, count_of(&e), -1, 1.5f);
    check_output(p, 2 * count_of(&e), NULL);
    p->bytes = 20.0 * (double)count_of(&e);
}

static lt_status run_geglu_backward(check_run *r) {
    kernels(r)->geglu_backward(r->in[0], r->in[1], r->out[0], of(r)->rows, of(r)->c);
    return LT_OK;
}

static void make_add(check_problem *p) { make_same(p, 2, 1); }

static lt_status run_add(check_run *r) {
    kernels(r)->add(r->in[0], r->in[1], r->out[0], count_of(of(r)));
    return LT_OK;
}

static void make_add_broadcast(check_problem *p) {
    const elementwise e = make_shape(p);
    check_input(p, count_of(&e), -1, 1);
    check_input(p, e.c, -1, 1);
    check_output(p, count_of(&e), NULL);
    p->bytes = 8.0 * (double)count_of(&e);
}

static lt_status run_add_broadcast(check_run *r) {
    kernels(r)->add_broadcast(r->in[0], r->in[1], r->out[0], of(r)->rows, of(r)->c);
    return LT_OK;
}

/* An exponential (1e-7), a quotient and a product or two. */
#define ELEMENTWISE(what, made, ran, allowed)                                                                          \
    {                                                                                                                  \
        .name = what, .tolerance = allowed, .shapes = LT_COUNT(models), .make = made, .prepare = check_find_kernels,   \
        .run = ran                                                                                                     \
    }
const check_kernel check_elementwise[] = {
    ELEMENTWISE("activation", make_activate, run_activate, 3e-7),
    ELEMENTWISE("geglu", make_geglu, run_geglu, 3e-7),
    ELEMENTWISE("sum", make_add, run_add, 0),
    ELEMENTWISE("sum with one for all", make_add_broadcast, run_add_broadcast, 0),
    ELEMENTWISE("gradient of activation", make_activate_backward, run_activate_backward, 3e-7),
    ELEMENTWISE("gradient of geglu", make_geglu_backward, run_geglu_backward, 3e-7),
    {0},
};

/* ---- AdamW ---- */

enum { W, M, SQUARES, EMA, GRADIENT, PARTS };

static void make_adamw(check_problem *p) {
    const elementwise e = make_shape(p);
    const bool ema = check_int(p, 0, 1);
    const int t = check_int(p, 1, 40);
    const lt_adamw_args a = {.n = count_of(&e),
                             .scale = 0.3f,
                             .rate = 1e-2f,
                             .beta1 = 0.9f,
                             .beta2 = 0.999f,
                             .eps = 1e-8f,
                             .decay = 0.1f,
                             .bias1 = (float)(1 - pow(0.9, t)),
                             .bias2 = (float)(1 - pow(0.999, t)),
                             .ema_decay = 0.99f};
    for (int i = 0; i < PARTS; i++) {
        const size_t count = i == EMA && !ema ? 0 : a.n;
        check_output(p, count, check_input(p, count, i == SQUARES ? 0 : -1, 1));
    }
    lt_free(p->arguments);
    check_arguments(p, &a, sizeof a);
    p->bytes = 4.0 * (double)a.n * (ema ? 10 : 8);
}

static lt_status run_adamw(check_run *r) {
    lt_adamw_args a = *(const lt_adamw_args *)r->problem->arguments;
    a.w = r->out[W];
    a.m = r->out[M];
    a.v = r->out[SQUARES];
    a.ema = check_out(r, EMA);
    a.gradient = r->out[GRADIENT];
    kernels(r)->adamw(&a);
    return LT_OK;
}

const check_kernel check_optimizers[] = {ELEMENTWISE("adamw", make_adamw, run_adamw, 3e-7), {0}};
