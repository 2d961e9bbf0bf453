/* The backward half of the kernels: the plain reference against differences of the forward formulas, written here once
 * more in double precision, and extremes with every instruction set that this machine has. These against the reference,
 * over random shapes: bench/check. */
#include "test_kernels.h"

#define TOLERANCE_DIFFERENCES 1e-6 /* gradients are written in f32; differences lose 1e-9 */

enum { MAX_PARTS = 5, GUARD = 32 };
#define FILL 0.0625f /* in gradients beforehand that are added to */
#define GAP  12345.f /* in others, and behind all: no gradient is as great */

/* ---- A kernel, its inputs, and the gradients by them ---- */

typedef struct gradients {
    float *part[MAX_PARTS]; /* size[i] floats and a guard, or NULL: not wanted */
} gradients;

typedef struct operation {
    const char *what;
    const void *arguments;      /* of the kernel, but for gradients and scratch */
    size_t size[MAX_PARTS];     /* floats of each input, and of its gradient */
    const float *in[MAX_PARTS]; /* the inputs, for differences */
    unsigned added;             /* bit i: gradient i is added to what is there */
    void (*run)(const lt_kernels *k, const void *arguments, const gradients *g);
    /* The sum of dy * y, from all inputs, one after the other. */
    double (*loss)(const void *arguments, const double *in);
} operation;

static gradients run(const lt_kernels *k, const operation *o) {
    gradients g = {{NULL}};
    for (size_t i = 0; i < MAX_PARTS; i++) {
        if (!o->size[i]) continue;
        g.part[i] = random_floats(o->size[i] + GUARD, GAP, GAP);
        for (size_t j = 0; o->added >> i & 1 && j < o->size[i]; j++) g.part[i][j] = FILL;
    }
    o->run(k, o->arguments, &g);
    for (size_t i = 0; i < MAX_PARTS; i++)
        for (size_t j = 0; g.part[i] && j < GUARD; j++) assert_true(g.part[i][o->size[i] + j] == GAP);
    return g;
}

static void free_gradients(gradients *g) {
    for (size_t i = 0; i < MAX_PARTS; i++) lt_free(g->part[i]);
}

static float *new_scratch(size_t n) { /* NaN, so that nothing unwritten is ever used */
    float *scratch = lt_alloc((n + GUARD) * sizeof *scratch);
    assert_non_null(scratch);
    memset(scratch, 0xFF, n * sizeof *scratch);
    for (size_t i = 0; i < GUARD; i++) scratch[n + i] = GAP;
    return scratch;
}

static void free_scratch(float *scratch, size_t n) {
    for (size_t i = 0; i < GUARD; i++) assert_true(scratch[n + i] == GAP);
    lt_free(scratch);
}

/* The reference's gradients against central differences of the loss. */
static void check_differences(const operation *o) {
    const double step = 1e-5;
    size_t count = 0, at = 0;
    for (size_t i = 0; i < MAX_PARTS; i++) count += o->size[i];
    double *in = lt_alloc(count * sizeof *in);
    assert_non_null(in);
    for (size_t i = 0; i < MAX_PARTS; i++)
        for (size_t j = 0; j < o->size[i]; j++) in[at++] = (double)o->in[i][j];
    gradients g = run(lt_kernels_get(LT_ISA_SCALAR), o);
    at = 0;
    for (size_t i = 0; i < MAX_PARTS; i++) {
        double difference = 0, norm = 0;
        for (size_t j = 0; j < o->size[i]; j++, at++) {
            const double x = in[at];
            in[at] = x + step;
            const double above = o->loss(o->arguments, in);
            in[at] = x - step;
            const double slope = (above - o->loss(o->arguments, in)) / (2 * step);
            in[at] = x;
            const double ours = (double)g.part[i][j] - (o->added >> i & 1 ? (double)FILL : 0);
            difference += pow(ours - slope, 2);
            norm += slope * slope;
        }
        if (!(sqrt(difference) <= TOLERANCE_DIFFERENCES * fmax(sqrt(norm), 1e-3)))
            fail_msg("%s: gradient %zu of the reference: error %g of %g", o->what, i, sqrt(difference), sqrt(norm));
    }
    free_gradients(&g);
    lt_free(in);
}

static double activation(lt_activation act, double x) {
    switch (act) {
    case LT_ACT_SILU: return x / (1 + exp(-x));
    case LT_ACT_GELU: return 0.5 * x * erfc(-x * sqrt(0.5));
    case LT_ACT_QUICK_GELU: return x / (1 + exp(-1.702 * x));
    case LT_ACT_RELU: return fmax(x, 0);
    case LT_ACT_LEAKY_RELU: return fmax(x, 0.2 * x);
    case LT_ACT_SOFT_CLAMP: return 3 * tanh(x / 3);
    default: return x;
    }
}

/* sum of dy * act(normal * gamma + beta) over `count` values x that are normalised together */
static double norm_loss(const double *x, const double *gamma, const double *beta, const double *dy, size_t count,
                        double eps, lt_activation act) {
    double mean = 0, variance = 0, loss = 0;
    for (size_t i = 0; i < count; i++) mean += x[i] / (double)count;
    for (size_t i = 0; i < count; i++) variance += pow(x[i] - mean, 2) / (double)count;
    for (size_t i = 0; i < count; i++)
        loss += dy[i] * activation(act, (x[i] - mean) / sqrt(variance + eps) * gamma[i] + beta[i]);
    return loss;
}

/* ---- Group normalisation ---- */

enum { X0, X1, VECTOR, GAMMA, BETA };

static double group_norm_loss(const void *arguments, const double *in) {
    enum { MOST = 256 }; /* values of a group */
    const lt_group_norm_backward_args *a = arguments;
    const lt_group_norm_args *f = &a->forward;
    const size_t c0 = (size_t)f->c[0], c1 = (size_t)f->c[1], c = c0 + c1, rows = (size_t)f->n * (size_t)f->pixels;
    const double *x1 = in + rows * c0, *vector = x1 + rows * c1, *gamma = vector + (f->vector ? (size_t)f->n * c : 0);
    const size_t width = c / (size_t)f->groups;
    double loss = 0, x[MOST], dy[MOST], g[MOST], b[MOST];
    for (size_t sample = 0; sample < (size_t)f->n; sample++)
        for (size_t begin = 0; begin < c; begin += width) {
            size_t count = 0;
            for (size_t p = sample * (size_t)f->pixels; p < (sample + 1) * (size_t)f->pixels; p++)
                for (size_t i = begin; i < begin + width; i++, count++) {
                    assert_true(count < MOST);
                    x[count] = i < c0 ? in[p * c0 + i] : x1[p * c1 + i - c0];
                    if (f->vector) x[count] += vector[sample * c + i];
                    dy[count] = (double)a->dy[p * c + i];
                    g[count] = gamma[i];
                    b[count] = gamma[c + i];
                }
            loss += norm_loss(x, g, b, dy, count, (double)f->eps, f->act);
        }
    return loss;
}

static void run_group_norm(const lt_kernels *k, const void *arguments, const gradients *g) {
    lt_group_norm_backward_args a = *(const lt_group_norm_backward_args *)arguments;
    const size_t scratch = k->group_norm_backward_scratch(&a);
    a.dx[0] = g->part[X0];
    a.dx[1] = g->part[X1];
    a.dvector = g->part[VECTOR];
    a.dgamma = g->part[GAMMA];
    a.dbeta = g->part[BETA];
    a.scratch = new_scratch(scratch);
    k->group_norm_backward(&a);
    free_scratch(a.scratch, scratch);
}

/* f with what it reads made here. */
static void run_group_norm_case(lt_group_norm_args f, bool vector, float mean) {
    const size_t rows = (size_t)f.n * (size_t)f.pixels, c0 = (size_t)f.c[0], c1 = (size_t)f.c[1], c = c0 + c1;
    float *x0 = random_floats(rows * c0, mean - 1, mean + 1), *x1 = random_floats(rows * c1, mean - 1, mean + 1);
    float *add = random_floats((size_t)f.n * c, -1, 1), *dy = random_floats(rows * c, -1, 1.5f);
    float *gamma = random_floats(c, 0.5f, 2), *beta = random_floats(c, -1, 1);
    f.x[0] = x0;
    f.x[1] = c1 ? x1 : NULL;
    f.vector = vector ? add : NULL;
    f.gamma = gamma;
    f.beta = beta;
    const lt_group_norm_backward_args a = {.forward = f, .dy = dy};
    const operation o = {
        .what = "group norm",
        .arguments = &a,
        .size = {rows * c0, rows * c1, vector ? (size_t)f.n * c : 0, c, c},
        .in = {x0, x1, add, gamma, beta},
        .added = 1u << GAMMA | 1u << BETA,
        .run = run_group_norm,
        .loss = group_norm_loss,
    };
    check_differences(&o);
    float *const all[] = {x0, x1, add, dy, gamma, beta};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_free(all[i]);
}

static void test_group_norm(void **unused) {
    (void)unused;
    for (int i = 0; i < 4; i++) {
        const lt_group_norm_args f = {.n = 2,
                                      .pixels = 5,
                                      .c = {i < 2 ? 12 : 7, i < 2 ? 0 : 5},
                                      .groups = 3,
                                      .eps = 1e-3f,
                                      .act = i % 2 ? LT_ACT_SILU : LT_ACT_NONE};
        run_group_norm_case(f, i != 1, 0.5f);
    }
}

/* ---- Layer normalisation ---- */

static double layer_norm_loss(const void *arguments, const double *in) {
    enum { MOST = 64 };
    const lt_layer_norm_backward_args *a = arguments;
    const size_t c = (size_t)a->forward.c, rows = a->forward.rows;
    double loss = 0, dy[MOST];
    assert_true(c < MOST);
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < c; i++) dy[i] = (double)a->dy[row * c + i];
        loss += norm_loss(in + row * c, in + rows * c, in + rows * c + c, dy, c, (double)a->forward.eps, LT_ACT_NONE);
    }
    return loss;
}

static void run_layer_norm(const lt_kernels *k, const void *arguments, const gradients *g) {
    lt_layer_norm_backward_args a = *(const lt_layer_norm_backward_args *)arguments;
    const size_t scratch = k->layer_norm_backward_scratch(&a);
    a.dx = g->part[0];
    a.dgamma = g->part[1];
    a.dbeta = g->part[2];
    a.scratch = new_scratch(scratch);
    k->layer_norm_backward(&a);
    free_scratch(a.scratch, scratch);
}

static void run_layer_norm_case(size_t rows, int channels, float mean) {
    const size_t c = (size_t)channels, count = rows * c;
    float *x = random_floats(count, mean - 1, mean + 1), *dy = random_floats(count, -1, 1.5f);
    float *gamma = random_floats(c, 0.5f, 2), *beta = random_floats(c, -1, 1);
    lt_layer_norm_backward_args a = {
        .forward = {.rows = rows, .c = channels, .eps = 1e-5f, .x = x, .gamma = gamma, .beta = beta}, .dy = dy};
    const operation o = {
        .what = "layer norm",
        .arguments = &a,
        .size = {count, c, c},
        .in = {x, gamma, beta},
        .added = 1u << 1 | 1u << 2,
        .run = run_layer_norm,
        .loss = layer_norm_loss,
    };
    check_differences(&o);
    float *const all[] = {x, dy, gamma, beta};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_free(all[i]);
}

static void test_layer_norm(void **unused) {
    (void)unused;
    run_layer_norm_case(5, 11, 0.5f);
}

/* ---- Attention ---- */

typedef struct attention_case {
    const char *what;
    int n, heads, d, tokens_q, tokens_k;
    bool causal, lengths, fused; /* fused: rows as far apart as those of a joint projection */
} attention_case;

/* The sum of dout * out of one query's row of one head; q, k, v: where the head begins. */
static double query_loss(const lt_attention_args *f, const float *dout, size_t keys, const double *q, const double *k,
                         const double *v) {
    enum { MOST = 64 };
    double score[MOST], total = 0, loss = 0;
    assert_true(keys < MOST);
    for (size_t j = 0; j < keys; j++) {
        score[j] = 0;
        for (size_t i = 0; i < (size_t)f->d; i++) score[j] += q[i] * k[j * f->stride_k + i] * (double)f->scale;
        total += exp(score[j]);
    }
    for (size_t j = 0; j < keys; j++)
        for (size_t i = 0; i < (size_t)f->d; i++)
            loss += (double)dout[i] * exp(score[j]) / total * v[j * f->stride_v + i];
    return loss;
}

static double attention_loss(const void *arguments, const double *in) {
    const lt_attention_backward_args *a = arguments;
    const lt_attention_args *f = &a->forward;
    const size_t heads = (size_t)f->heads, d = (size_t)f->d, tokens_q = (size_t)f->tokens_q, n = (size_t)f->n;
    const size_t tokens_k = (size_t)f->tokens_k;
    const double *k = in + n * tokens_q * f->stride_q, *v = k + n * tokens_k * f->stride_k;
    double loss = 0;
    for (size_t sample = 0; sample < n; sample++)
        for (size_t query = 0; query < tokens_q; query++)
            for (size_t head = 0; head < heads; head++) {
                const size_t row = sample * tokens_q + query, first = sample * tokens_k;
                size_t keys = f->lengths ? (size_t)f->lengths[sample] : tokens_k;
                if (f->causal) keys = lt_min(keys, query + 1);
                loss += query_loss(f, a->dout + (row * heads + head) * d, keys, in + row * f->stride_q + head * d,
                                   k + first * f->stride_k + head * d, v + first * f->stride_v + head * d);
            }
    return loss;
}

static void run_attention(const lt_kernels *k, const void *arguments, const gradients *g) {
    lt_attention_backward_args a = *(const lt_attention_backward_args *)arguments;
    const size_t scratch = k->attention_backward_scratch(&a, 1);
    a.dq = g->part[0];
    a.dk = g->part[1];
    a.dv = g->part[2];
    a.scratch = new_scratch(scratch);
    k->attention_backward(&a);
    free_scratch(a.scratch, scratch);
}

/* The reference's output. */
static float *attention_output(lt_attention_args f) {
    const lt_attention_kernel *k = lt_attention_get(LT_PRECISION_F32, LT_ISA_SCALAR);
    const size_t count = (size_t)f.n * (size_t)f.tokens_q * (size_t)f.heads * (size_t)f.d;
    f.out = random_floats(count, 0, 0);
    f.scratch = new_scratch(k->scratch(&f, 1));
    k->run(&f);
    lt_free(f.scratch);
    return f.out;
}

static void run_attention_case(const attention_case *c, float scale) {
    const size_t width = (size_t)c->heads * (size_t)c->d, n = (size_t)c->n, stride = c->fused ? 3 * width : width;
    const size_t rows_q = n * (size_t)c->tokens_q, rows_k = n * (size_t)c->tokens_k;
    float *q = random_floats(rows_q * stride, -2, 2), *k = random_floats(rows_k * stride, -2, 2);
    float *v = random_floats(rows_k * stride, -1, 2), *dout = random_floats(rows_q * width, -1, 1);
    int32_t lengths[4] = {0};
    for (size_t i = 0; i < n; i++) lengths[i] = random_int(1, c->tokens_k);
    lt_attention_backward_args a = {.dout = dout};
    a.forward = (lt_attention_args){.n = c->n, .heads = c->heads, .d = c->d, .tokens_q = c->tokens_q};
    a.forward.tokens_k = c->tokens_k;
    a.forward.scale = scale != 0 ? scale : 1 / sqrtf((float)c->d);
    a.forward.causal = c->causal;
    a.forward.lengths = c->lengths ? lengths : NULL;
    a.forward.q = q;
    a.forward.k = k;
    a.forward.v = v;
    a.forward.stride_q = a.forward.stride_k = a.forward.stride_v = stride;
    float *out = attention_output(a.forward);
    a.forward.out = out;
    const operation o = {
        .what = c->what,
        .arguments = &a,
        .size = {rows_q * stride, rows_k * stride, rows_k * stride},
        .in = {q, k, v},
        .run = run_attention,
        .loss = attention_loss,
    };
    check_differences(&o);
    float *const all[] = {q, k, v, dout, out};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_free(all[i]);
}

static void test_attention(void **unused) {
    static const attention_case cases[] = {
        {"plain", 2, 2, 3, 5, 7, false, false, true},
        {"causal", 1, 2, 3, 6, 6, true, false, false},
        {"lengths", 3, 1, 4, 3, 6, false, true, false},
        {"causal, more keys than queries", 1, 1, 2, 3, 6, true, false, false},
    };
    (void)unused;
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        if (cases[i].fused) continue; /* gaps have no gradients */
        run_attention_case(&cases[i], 0);
    }
    attention_case plain = cases[0];
    plain.fused = false;
    run_attention_case(&plain, -0.4f);
}

/* ---- Activations ---- */

typedef struct activate_arguments {
    lt_activation act; /* GEGLU: rows of 2 * oc */
    const float *x, *dy;
    size_t n, rows;
} activate_arguments;

static double activate_loss(const void *arguments, const double *x) {
    const activate_arguments *a = arguments;
    const size_t oc = a->n / a->rows;
    double loss = 0;
    for (size_t i = 0; i < a->n; i++) {
        const double *value = x + i / oc * 2 * oc + i % oc;
        const double y =
            a->act == LT_ACT_GEGLU ? value[0] * activation(LT_ACT_GELU, value[oc]) : activation(a->act, x[i]);
        loss += (double)a->dy[i] * y;
    }
    return loss;
}

static void run_activate(const lt_kernels *k, const void *arguments, const gradients *g) {
    const activate_arguments *a = arguments;
    if (a->act == LT_ACT_GEGLU)
        k->geglu_backward(a->x, a->dy, g->part[0], a->rows, a->n / a->rows);
    else
        k->activate_backward(a->act, a->x, a->dy, g->part[0], a->n);
}

static void run_activate_case(lt_activation act, size_t rows, size_t oc) {
    const size_t n = rows * oc, size = act == LT_ACT_GEGLU ? 2 * n : n;
    float *x = random_floats(size, -8, 8), *dy = random_floats(n, -1, 1.5f);
    const activate_arguments a = {.act = act, .x = x, .dy = dy, .n = n, .rows = rows};
    const operation o = {
        .what = act == LT_ACT_GEGLU ? "geglu" : "activation",
        .arguments = &a,
        .size = {size},
        .in = {x},
        .run = run_activate,
        .loss = activate_loss,
    };
    check_differences(&o);
    lt_free(x);
    lt_free(dy);
}

/* Each element alone: absolute error, for the derivatives have zeros. */
static void activations_each(const lt_kernels *k) {
    enum { N = 26001 };
    float *x = random_floats(N, 0, 0), *dy = random_floats(N, 1, 1), *expected = copy_floats(x, N),
          *y = copy_floats(x, N);
    for (size_t i = 0; i < N; i++) x[i] = ((float)i - 13000) * 1e-3f; /* -13 to 13 */
    for (lt_activation act = LT_ACT_NONE; act <= LT_ACT_SOFT_CLAMP; act++) {
        if (act == LT_ACT_GEGLU) continue;
        lt_kernels_get(LT_ISA_SCALAR)->activate_backward(act, x, dy, expected, N);
        k->activate_backward(act, x, dy, y, N);
        for (size_t i = 0; i < N; i++) assert_true(fabs((double)y[i] - (double)expected[i]) <= 5e-7);
    }
    const float far[] = {-1e4f, -100, 100, 1e4f, NAN}, ones[] = {1, 1, 1, 1, 1};
    for (lt_activation act = LT_ACT_SILU; act <= LT_ACT_QUICK_GELU; act++) {
        k->activate_backward(act, far, ones, y, LT_COUNT(far));
        assert_true(fabsf(y[0]) < 1e-30f && fabsf(y[1]) < 1e-30f);
        assert_true(y[2] == 1 && y[3] == 1 && isnan(y[4]));
    }
    float *const all[] = {x, dy, expected, y};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_free(all[i]);
}

static void test_activate(void **unused) {
    (void)unused;
    for (lt_activation act = LT_ACT_NONE; act <= LT_ACT_SOFT_CLAMP; act++) run_activate_case(act, 5, 9);
    for_each_isa(activations_each);
}

/* ---- The optimiser ---- */

/* The formula of kernels.h, from numbers that can be followed by hand: t = 1, so that m / bias1 = g, v / bias2 = g^2.
 */
static void test_adamw(void **unused) {
    (void)unused;
    float w = 2, g = 8, m = 0, v = 0, ema = 1;
    const lt_adamw_args a = {.n = 1,
                             .scale = 0.5f,
                             .rate = 0.25f,
                             .beta1 = 0.5f,
                             .beta2 = 0.75f,
                             .eps = 4,
                             .decay = 0.5f,
                             .bias1 = 0.5f,
                             .bias2 = 0.25f,
                             .ema_decay = 0.75f,
                             .w = &w,
                             .gradient = &g,
                             .m = &m,
                             .v = &v,
                             .ema = &ema};
    lt_kernels_get(LT_ISA_SCALAR)->adamw(&a);
    assert_true(m == 2 && v == 4 && g == 0);
    assert_true(w == 2 - 0.25f * 0.5f * 2 - 0.25f * 4 / (4 + 4));
    assert_true(ema == 1 + 0.25f * (w - 1));
}

static void sums_of_squares(const lt_kernels *k) {
    for (int i = 0; i < 60; i++) {
        const size_t n = (size_t)(i < 50 ? random_int(0, 600) : random_int(16000, 300000));
        float *x = random_floats(n, -1e25f, 1e25f); /* whose squares f32 can't hold */
        const double expected = lt_kernels_get(LT_ISA_SCALAR)->sum_of_squares(x, n);
        use_threads(1);
        const double one = k->sum_of_squares(x, n);
        use_threads(MAX_THREADS);
        const double two = k->sum_of_squares(x, n);
        assert_true(one == two);
        assert_true(fabs(one - expected) <= 1e-12 * expected);
        lt_free(x);
    }
}

static void test_sum_of_squares(void **unused) {
    (void)unused;
    for_each_isa(sums_of_squares);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_norm), cmocka_unit_test(test_layer_norm), cmocka_unit_test(test_attention),
        cmocka_unit_test(test_activate),   cmocka_unit_test(test_adamw),      cmocka_unit_test(test_sum_of_squares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
