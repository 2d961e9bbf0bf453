/* Norms, forward and backward. */
#include "check.h"

#include <stdio.h>

enum { X0, X1, VECTOR, GAMMA, BETA, DY, BEFORE }; /* inputs */
enum { DX0, DX1, DVECTOR, DGAMMA, DBETA };        /* outputs of the gradient */
enum { LAYER_X, LAYER_GAMMA, LAYER_BETA, LAYER_DY, LAYER_BEFORE };

/* ---- Group norm ---- */

static const lt_group_norm_args group_edges[] = {
    {.n = 2, .pixels = 1024, .c = {320}, .groups = 32, .act = LT_ACT_SILU},
    {.n = 2, .pixels = 256, .c = {640, 320}, .groups = 32, .act = LT_ACT_SILU}, /* a group straddles both */
    {.n = 2, .pixels = 64, .c = {1280, 1280}, .groups = 32, .act = LT_ACT_SILU},
    {.n = 1, .pixels = 5000, .c = {128}, .groups = 32},
    {.n = 2, .pixels = 4096, .c = {32}, .groups = 32, .act = LT_ACT_SILU}, /* a group is one channel */
    {.n = 1, .pixels = 1, .c = {3}, .groups = 1},
    {.n = 2, .pixels = 700, .c = {90}, .groups = 5}, /* a mean 2000 and 20000 times the deviation: far_mean */
    {.n = 2, .pixels = 700, .c = {90, 70}, .groups = 5},
};
static const lt_group_norm_args group_shapes[] = {
    {.n = 2, .pixels = 4096, .c = {320}, .groups = 32, .act = LT_ACT_SILU},
    {.n = 2, .pixels = 1024, .c = {1280, 640}, .groups = 32, .act = LT_ACT_SILU},
    {.n = 1, .pixels = 65536, .c = {512}, .groups = 32, .act = LT_ACT_SILU},
};

static lt_group_norm_args random_group_norm(check_problem *p) {
    const int groups = check_int(p, 1, 9), width = check_int(p, 1, 40), c = groups * width;
    const int second = c > 1 && check_int(p, 0, 1) ? check_int(p, 1, c - 1) : 0;
    return (lt_group_norm_args){.n = check_int(p, 1, 3),
                                .pixels = check_int(p, 2, 600),
                                .c = {c - second, second},
                                .groups = groups,
                                .act = check_int(p, 0, 1) ? LT_ACT_SILU : LT_ACT_NONE};
}

static float far_mean(const check_problem *p) {
    if (p->speed || p->number + 2 < LT_COUNT(group_edges) || p->number >= LT_COUNT(group_edges)) return 0.3f;
    return p->number % 2 ? -1e4f : 1e3f;
}

/* Shape and inputs up to BETA. */
static lt_group_norm_args make_group_inputs(check_problem *p, bool vector) {
    lt_group_norm_args a = p->speed                       ? group_shapes[p->number]
                           : p->number < p->kernel->edges ? group_edges[p->number]
                                                          : random_group_norm(p);
    const size_t rows = (size_t)a.n * (size_t)a.pixels, c = (size_t)(a.c[0] + a.c[1]);
    const float mean = far_mean(p);
    a.eps = 1e-5f;
    check_input(p, rows * (size_t)a.c[0], mean - 1, mean + 1);
    check_input(p, rows * (size_t)a.c[1], mean - 1, mean + 1);
    check_input(p, vector ? (size_t)a.n * c : 0, -1, 1);
    check_input(p, c, 0.5f, 2);
    check_input(p, c, -1, 1);
    snprintf(p->shape, sizeof p->shape, "%dx%dx%d+%d, %d groups%s%s", a.n, a.pixels, a.c[0], a.c[1], a.groups,
             vector ? ", vector" : "", a.act ? ", SiLU" : "");
    return a;
}

static void point_group(const check_run *r, lt_group_norm_args *a) {
    a->x[0] = r->in[X0];
    a->x[1] = a->c[1] ? r->in[X1] : NULL;
    a->vector = r->problem->in[VECTOR].count ? r->in[VECTOR] : NULL;
    a->gamma = r->in[GAMMA];
    a->beta = r->in[BETA];
}

static void make_group_norm(check_problem *p) {
    const lt_group_norm_args a = make_group_inputs(p, p->number % 3 == 0);
    const size_t count = (size_t)a.n * (size_t)a.pixels * (size_t)(a.c[0] + a.c[1]);
    check_output(p, count, NULL);
    p->in_place = a.c[1] ? 0 : 1u << X0;
    p->bytes = 12.0 * (double)count; /* read twice, written once */
    check_arguments(p, &a, sizeof a);
}

static bool prepare_group_norm(check_run *r) {
    if (!check_find_kernels(r)) return false;
    const lt_kernels *k = r->with;
    r->scratch_size = k->group_norm_scratch(r->problem->arguments) * sizeof(float);
    return true;
}

static lt_status run_group_norm(check_run *r) {
    lt_group_norm_args a = *(const lt_group_norm_args *)r->problem->arguments;
    point_group(r, &a);
    a.y = r->out[0];
    a.type = check_writes(r);
    a.scratch = r->scratch;
    ((const lt_kernels *)r->with)->group_norm(&a);
    return LT_OK;
}

static void make_group_backward(check_problem *p) {
    const lt_group_norm_backward_args a = {.forward = make_group_inputs(p, p->number % 3 == 0)};
    const lt_group_norm_args *f = &a.forward;
    const size_t rows = (size_t)f->n * (size_t)f->pixels, c = (size_t)(f->c[0] + f->c[1]);
    check_input(p, rows * c, -1, 1.5f);
    const float *before = check_input(p, c, -1, 1);
    check_output(p, rows * (size_t)f->c[0], NULL);
    check_output(p, rows * (size_t)f->c[1], NULL);
    check_output(p, p->in[VECTOR].count, NULL);
    check_output(p, c, before);
    check_output(p, c, before);
    p->in_place = f->c[1] ? 0 : 1u << DY;
    p->optional = true;
    p->bytes = 20.0 * (double)(rows * c);
    check_arguments(p, &a, sizeof a);
}

static bool prepare_group_backward(check_run *r) {
    if (!check_find_kernels(r)) return false;
    const lt_kernels *k = r->with;
    r->scratch_size = k->group_norm_backward_scratch(r->problem->arguments) * sizeof(float);
    return true;
}

static lt_status run_group_backward(check_run *r) {
    lt_group_norm_backward_args a = *(const lt_group_norm_backward_args *)r->problem->arguments;
    point_group(r, &a.forward);
    a.dy = r->in[DY];
    a.dx[0] = check_out(r, DX0);
    a.dx[1] = check_out(r, DX1);
    a.dvector = check_out(r, DVECTOR);
    a.dgamma = check_out(r, DGAMMA);
    a.dbeta = check_out(r, DBETA);
    a.scratch = r->scratch;
    ((const lt_kernels *)r->with)->group_norm_backward(&a);
    return LT_OK;
}

/* ---- Layer norm ---- */

typedef struct layer_shape {
    int rows, c;
    float mean;
} layer_shape;

static const layer_shape layer_edges[] = {{300, 320, 0},    {64, 1280, 0.5f}, {77, 768, -0.5f},
                                          {100, 333, 1e4f}, {5, 2, 1},        {1000, 64, 1}};
static const layer_shape layer_shapes[] = {{8192, 320, 0}, {512, 1280, 0}};

static lt_layer_norm_args make_layer_inputs(check_problem *p, size_t edges) {
    layer_shape s = {check_int(p, 1, 90), check_int(p, 2, 300), check_float(p, -3, 3)};
    if (p->speed || p->number < edges) s = p->speed ? layer_shapes[p->number] : layer_edges[p->number];
    const size_t rows = (size_t)s.rows, c = (size_t)s.c;
    check_input(p, rows * c, s.mean - 1, s.mean + 1);
    check_input(p, c, 0.5f, 2);
    check_input(p, c, -1, 1);
    snprintf(p->shape, sizeof p->shape, "%dx%d", s.rows, s.c);
    p->bytes = 8.0 * (double)(rows * c);
    return (lt_layer_norm_args){.rows = rows, .c = s.c, .eps = 1e-5f};
}

static void point_layer(const check_run *r, lt_layer_norm_args *a) {
    a->x = r->in[LAYER_X];
    a->gamma = r->in[LAYER_GAMMA];
    a->beta = r->in[LAYER_BETA];
}

static void make_layer_norm(check_problem *p) {
    const lt_layer_norm_args a = make_layer_inputs(p, p->kernel->edges);
    check_output(p, a.rows * (size_t)a.c, NULL);
    p->in_place = 1u << LAYER_X;
    check_arguments(p, &a, sizeof a);
}

static lt_status run_layer_norm(check_run *r) {
    lt_layer_norm_args a = *(const lt_layer_norm_args *)r->problem->arguments;
    point_layer(r, &a);
    a.y = r->out[0];
    a.type = check_writes(r);
    ((const lt_kernels *)r->with)->layer_norm(&a);
    return LT_OK;
}

static void make_layer_backward(check_problem *p) {
    const lt_layer_norm_backward_args a = {.forward = make_layer_inputs(p, p->kernel->edges)};
    const size_t c = (size_t)a.forward.c;
    check_input(p, a.forward.rows * c, -1, 1.5f);
    const float *before = check_input(p, c, -1, 1);
    check_output(p, a.forward.rows * c, NULL);
    check_output(p, c, before);
    check_output(p, c, before);
    p->in_place = 1u << LAYER_DY;
    p->optional = true;
    p->bytes *= 1.5;
    check_arguments(p, &a, sizeof a);
}

static bool prepare_layer_backward(check_run *r) {
    if (!check_find_kernels(r)) return false;
    const lt_kernels *k = r->with;
    r->scratch_size = k->layer_norm_backward_scratch(r->problem->arguments) * sizeof(float);
    return true;
}

static lt_status run_layer_backward(check_run *r) {
    lt_layer_norm_backward_args a = *(const lt_layer_norm_backward_args *)r->problem->arguments;
    point_layer(r, &a.forward);
    a.dy = r->in[LAYER_DY];
    a.dx = check_out(r, 0);
    a.dgamma = check_out(r, 1);
    a.dbeta = check_out(r, 2);
    a.scratch = r->scratch;
    ((const lt_kernels *)r->with)->layer_norm_backward(&a);
    return LT_OK;
}

/* Sums of 256 squares or products run in f32, and a group may be a single channel; a layer norm's statistics' rounding
 * averages out over lanes. */
const check_kernel check_norms[] = {
    {.name = "group norm",
     .writes_bf16 = true,
     .tolerance = 1e-6,
     .edges = LT_COUNT(group_edges),
     .shapes = LT_COUNT(group_shapes),
     .make = make_group_norm,
     .prepare = prepare_group_norm,
     .run = run_group_norm},
    {.name = "layer norm",
     .writes_bf16 = true,
     .tolerance = 3e-7,
     .edges = LT_COUNT(layer_edges),
     .shapes = LT_COUNT(layer_shapes),
     .make = make_layer_norm,
     .prepare = check_find_kernels,
     .run = run_layer_norm},
    {.name = "gradient of group norm",
     .tolerance = 2e-6,
     .floor = 0.1,
     .edges = LT_COUNT(group_edges) - 3, /* no single pixel, no far mean */
     .shapes = 1,
     .make = make_group_backward,
     .prepare = prepare_group_backward,
     .run = run_group_backward},
    {.name = "gradient of layer norm",
     .tolerance = 2e-6,
     .floor = 0.1,
     .edges = 3,
     .shapes = LT_COUNT(layer_shapes),
     .make = make_layer_backward,
     .prepare = prepare_layer_backward,
     .run = run_layer_backward},
    {0},
};
