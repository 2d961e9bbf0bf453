/* Every kernel of every instruction set that this machine has, against the plain reference in double precision: real
 * and random odd sizes, extremes, in place where that is allowed, and the same bytes from one thread as from two. */
#include "test_kernels.h"

/* Relative error ||ours - reference|| / ||reference||. One rounding is 6e-8 at most, typically 3e-8. */
#define TOLERANCE_ELEMENTWISE 3e-7 /* exponential (1e-7), a quotient and a product or two */
#define TOLERANCE_LAYER_NORM                                                                                           \
    3e-7 /* the statistics' rounding averages out over lanes; a difference, a product and a sum remain */
#define TOLERANCE_GROUP_NORM 1e-6 /* sums of 256 squares run in f32, and a group may be a single channel */
#define TOLERANCE_ATTENTION  2e-6 /* scores are sums of d rounded products, and their error is exponentiated */
#define TOLERANCE_BF16       3e-3 /* a weight is rounded by 2^-9 at most, and so many are averaged; exponential 8e-5 */

/* ---- Attention ---- */

typedef struct attention_case {
    const char *what;
    int n, heads, d, tokens_q, tokens_k;
    bool causal, lengths, fused; /* fused: q, k and v are columns of one matrix, as a joint projection leaves them */
} attention_case;

/* Runs it with `threads` threads, scratch filled with a NaN pattern first, so that nothing unwritten is ever used. */
static float *attend(const lt_attention_kernel *k, lt_attention_args a, int threads) {
    const size_t count = (size_t)a.n * (size_t)a.tokens_q * (size_t)a.heads * (size_t)a.d;
    const size_t scratch = k->scratch(&a, threads);
    a.out = random_floats(count, 0, 1);
    a.scratch = lt_alloc(scratch * sizeof(float));
    assert_non_null(a.scratch);
    memset(a.scratch, 0xFF, scratch * sizeof(float));
    use_threads(threads);
    k->run(&a);
    lt_free(a.scratch);
    return a.out;
}

/* Whether it rounds its factors to bf16. */
static bool rounds(const lt_attention_kernel *k) { return k->isa == LT_ISA_AVX512BF16; }

static void compare_attention(const lt_attention_kernel *k, const lt_attention_args *a, const char *what) {
    const size_t count = (size_t)a->n * (size_t)a->tokens_q * (size_t)a->heads * (size_t)a->d;
    const lt_attention_kernel *plain = lt_attention_get(LT_PRECISION_F32, LT_ISA_SCALAR);
    float *expected = attend(plain, *a, 1), *one = attend(k, *a, 1), *two = attend(k, *a, MAX_THREADS);
    check_close_of(what, k->isa, one, expected, count, rounds(k) ? TOLERANCE_BF16 : TOLERANCE_ATTENTION);
    assert_memory_equal(one, two, count * sizeof *one);
    lt_free(expected);
    lt_free(one);
    lt_free(two);
}

/* Numbers that bf16 has: where that is what is multiplied, the weights alone are rounded. */
static float *random_factors(size_t count, float low, float high) {
    float *x = random_floats(count, low, high);
    lt_round_to_bf16(x, x, count, 1);
    return x;
}

/* Factors that bf16 has are the same as bf16, and the output is rounded. */
static void check_narrow_attention(const lt_attention_kernel *k, const lt_attention_args *wide, size_t count_q,
                                   size_t count_k) {
    const size_t count = (size_t)wide->n * (size_t)wide->tokens_q * (size_t)wide->heads * (size_t)wide->d;
    float *exact = attend(k, *wide, 1);
    uint16_t *q = narrowed(wide->q, count_q), *keys = narrowed(wide->k, count_k), *v = narrowed(wide->v, count_k);
    lt_attention_args a = *wide;
    a.q = q, a.k = keys, a.v = v;
    a.q_type = a.k_type = a.v_type = a.out_type = LT_VALUE_BF16;
    float *out = attend(k, a, MAX_THREADS);
    uint16_t *narrow = lt_alloc(count * sizeof *narrow);
    assert_non_null(narrow);
    memcpy(narrow, out, count * sizeof *narrow);
    check_narrow(exact, narrow, count);
    void *const all[] = {exact, q, keys, v, out};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_free(all[i]);
}

static void run_attention_case(const lt_attention_kernel *k, const attention_case *c) {
    const size_t width = (size_t)c->heads * (size_t)c->d, n = (size_t)c->n;
    const size_t rows_q = n * (size_t)c->tokens_q, rows_k = n * (size_t)c->tokens_k;
    const size_t stride = c->fused ? 3 * width : width;
    float *q = random_factors(rows_q * stride, -2, 2), *keys = NULL, *values = NULL;
    if (!c->fused) {
        keys = random_factors(rows_k * width, -2, 2);
        values = random_factors(rows_k * width, -1, 2);
    }
    int32_t lengths[4] = {0};
    for (size_t i = 0; i < n; i++) lengths[i] = random_int(1, c->tokens_k);
    for (size_t row = 0; keys && c->lengths && row < rows_k; row++) /* keys that are not there must not be looked at */
        if (row % (size_t)c->tokens_k >= (size_t)lengths[row / (size_t)c->tokens_k])
            for (size_t i = 0; i < width; i++) keys[row * width + i] = values[row * width + i] = NAN;
    const lt_attention_args a = {
        .n = c->n,
        .heads = c->heads,
        .d = c->d,
        .tokens_q = c->tokens_q,
        .tokens_k = c->tokens_k,
        .scale = 1 / sqrtf((float)c->d),
        .causal = c->causal,
        .lengths = c->lengths ? lengths : NULL,
        .q = q,
        .k = keys ? keys : q + width,
        .v = values ? values : q + 2 * width,
        .stride_q = stride,
        .stride_k = stride,
        .stride_v = stride,
    };
    compare_attention(k, &a, c->what);
    if (keys && !c->lengths) check_narrow_attention(k, &a, rows_q * width, rows_k * width);
    lt_free(q);
    lt_free(keys);
    lt_free(values);
}

static void attention_real(const lt_attention_kernel *k) {
    static const attention_case cases[] = {
        {"self 64x64", 1, 1, 40, 1200, 4096, false, false, false},
        {"self 32x32", 1, 1, 80, 1024, 1024, false, false, false},
        {"self 16x16", 2, 2, 160, 256, 256, false, false, true},
        {"self 8x8", 2, 8, 160, 64, 64, false, false, true},
        {"cross 64x64", 2, 2, 40, 4096, 77, false, true, false},
        {"cross 8x8", 2, 8, 160, 64, 77, false, false, false},
        {"CLIP text", 2, 12, 64, 77, 77, true, false, true},
        {"VAE", 1, 1, 512, 100, 4096, false, false, false},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) run_attention_case(k, &cases[i]);
}

static void attention_odd(const lt_attention_kernel *k) {
    static const attention_case edges[] = {
        {"one of all", 1, 1, 1, 1, 1, false, false, false},
        {"one key", 2, 3, 5, 50, 1, false, false, false},
        {"one query", 1, 2, 9, 1, 300, false, false, false},
        {"d = 1", 2, 2, 1, 100, 129, false, true, false},
        {"many heads", 4, 33, 8, 20, 20, true, false, false},
        {"a block and a key", 1, 2, 16, 49, 129, true, true, false},
    };
    for (size_t i = 0; i < LT_COUNT(edges); i++) run_attention_case(k, &edges[i]);
    for (int i = 0; i < 60; i++) {
        attention_case c = {.what = "random", .n = random_int(1, 3), .heads = random_int(1, 4), .d = random_int(1, 70)};
        c.tokens_q = random_int(1, 200);
        c.fused = random_int(0, 2) == 0;
        c.tokens_k = c.fused ? c.tokens_q : random_int(1, 300);
        c.causal = random_int(0, 2) == 0;
        c.lengths = random_int(0, 1) == 0;
        run_attention_case(k, &c);
    }
}

/* Scores up to 1e4 on either side. Factors are small integers, so that the scores are exact and only the softmax can go
 * wrong; ties and all-low rows (every score under -5000) are among them. */
static void attention_large_scores(const lt_attention_kernel *k) {
    enum { HEADS = 2, D = 25, TOKENS = 150, COUNT = HEADS * D * TOKENS };
    float *q = random_floats(COUNT, 0, 1), *keys = random_floats(COUNT, 0, 1), *v = random_factors(COUNT, -1, 1);
    for (size_t i = 0; i < COUNT; i++) {
        const bool low = i / (HEADS * D) >= 100; /* queries from 100 on: all their scores are below zero */
        q[i] = (float)(low ? -20 : random_int(-20, 20));
        keys[i] = (float)random_int(15, 20);
    }
    for (int sign = -1; sign <= 1; sign += 2) {
        const lt_attention_args a = {.n = 1,
                                     .heads = HEADS,
                                     .d = D,
                                     .tokens_q = TOKENS,
                                     .tokens_k = TOKENS,
                                     .scale = (float)sign,
                                     .q = q,
                                     .k = keys,
                                     .v = v,
                                     .stride_q = HEADS * D,
                                     .stride_k = HEADS * D,
                                     .stride_v = HEADS * D};
        compare_attention(k, &a, sign > 0 ? "large scores" : "large scores, negative scale");
    }
    lt_free(q);
    lt_free(keys);
    lt_free(v);
}

static void for_each_attention(void (*test)(const lt_attention_kernel *k)) {
    const lt_attention_kernel *seen = NULL;
    for (lt_isa isa = LT_ISA_AVX2; isa <= LT_ISA_BEST; isa++)
        for (lt_precision precision = LT_PRECISION_F32; precision <= LT_PRECISION_BF16; precision++) {
            const lt_attention_kernel *k = lt_attention_get(precision, isa);
            if (k->isa != isa) continue; /* not on this machine, or had already */
            state = 1;
            test(seen = k);
        }
    if (!seen) skip();
}

static void test_attention_real(void **unused) {
    (void)unused;
    for_each_attention(attention_real);
}
static void test_attention_odd(void **unused) {
    (void)unused;
    for_each_attention(attention_odd);
}
static void test_attention_large_scores(void **unused) {
    (void)unused;
    for_each_attention(attention_large_scores);
}

/* ---- Group normalisation ---- */

static float *group_norm(const lt_kernels *k, lt_group_norm_args a, float *y, int threads) {
    const size_t scratch = k->group_norm_scratch(&a);
    a.y = y;
    a.scratch = lt_alloc(scratch * sizeof(float));
    assert_non_null(a.scratch);
    memset(a.scratch, 0xFF, scratch * sizeof(float));
    use_threads(threads);
    k->group_norm(&a);
    lt_free(a.scratch);
    return y;
}

/* a with x, gamma, beta (and, if asked for, vector) made here; values are mean + [-1, 1]. */
static void run_group_norm_case(const lt_kernels *k, lt_group_norm_args a, bool vector, float mean, const char *what) {
    const size_t rows = (size_t)a.n * (size_t)a.pixels, c = (size_t)(a.c[0] + a.c[1]), count = rows * c;
    float *x0 = random_floats(rows * (size_t)a.c[0], mean - 1, mean + 1);
    float *x1 = a.c[1] ? random_floats(rows * (size_t)a.c[1], mean - 1, mean + 1) : NULL;
    float *add = random_floats((size_t)a.n * c, -1, 1), *gamma = random_floats(c, 0.5f, 2),
          *beta = random_floats(c, -1, 1);
    a.x[0] = x0;
    a.x[1] = x1;
    a.vector = vector ? add : NULL;
    a.gamma = gamma;
    a.beta = beta;
    float *expected = group_norm(reference(), a, random_floats(count, 0, 1), 1);
    float *one = group_norm(k, a, random_floats(count, 0, 1), 1),
          *two = group_norm(k, a, random_floats(count, 0, 1), 2);
    check_close(what, k, one, expected, count, TOLERANCE_GROUP_NORM);
    assert_memory_equal(one, two, count * sizeof *one);
    uint16_t *narrow = narrowed(expected, count);
    a.type = LT_VALUE_BF16;
    group_norm(k, a, (float *)(void *)narrow, MAX_THREADS);
    a.type = LT_VALUE_F32;
    check_narrow(one, narrow, count);
    if (!x1) {
        group_norm(k, a, x0, MAX_THREADS);
        assert_memory_equal(x0, one, count * sizeof *one);
    }
    float *const all[] = {x0, x1, add, gamma, beta, expected, one, two};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_free(all[i]);
}

static void group_norms(const lt_kernels *k) {
    static const lt_group_norm_args real[] = {
        {.n = 2, .pixels = 1024, .c = {320}, .groups = 32, .eps = 1e-5f, .act = LT_ACT_SILU},
        {.n = 2, .pixels = 256, .c = {640, 320}, .groups = 32, .eps = 1e-5f, .act = LT_ACT_SILU}, /* a group straddles
                                                                                                   */
        {.n = 2, .pixels = 64, .c = {1280, 1280}, .groups = 32, .eps = 1e-5f, .act = LT_ACT_SILU},
        {.n = 1, .pixels = 5000, .c = {128}, .groups = 32, .eps = 1e-6f, .act = LT_ACT_NONE},
        {.n = 1, .pixels = 1, .c = {3}, .groups = 1, .eps = 1e-5f, .act = LT_ACT_NONE},
    };
    for (size_t i = 0; i < LT_COUNT(real); i++) run_group_norm_case(k, real[i], i % 2 == 0, 0.3f, "group norm");
    for (int i = 0; i < 60; i++) {
        const int groups = random_int(1, 9), width = random_int(1, 40), c = groups * width;
        const int second = c > 1 && random_int(0, 1) ? random_int(1, c - 1) : 0;
        const lt_group_norm_args a = {.n = random_int(1, 3),
                                      .pixels = random_int(1, 600),
                                      .c = {c - second, second},
                                      .groups = groups,
                                      .eps = 1e-5f,
                                      .act = random_int(0, 1) ? LT_ACT_SILU : LT_ACT_NONE};
        run_group_norm_case(k, a, random_int(0, 1), random_float(-1, 1), "group norm, random");
    }
}

/* A mean 2000 and 20000 times the deviation. x itself is then coarse, but the same for both. */
static void group_norm_far_mean(const lt_kernels *k) {
    for (int i = 0; i < 4; i++) {
        const lt_group_norm_args a = {.n = 2, .pixels = 700, .c = {90, i % 2 ? 70 : 0}, .groups = 5, .eps = 1e-5f};
        run_group_norm_case(k, a, i % 2, i < 2 ? 1e3f : -1e4f, "group norm, far mean");
    }
}

static void test_group_norm(void **unused) {
    (void)unused;
    for_each_isa(group_norms);
}
static void test_group_norm_far_mean(void **unused) {
    (void)unused;
    for_each_isa(group_norm_far_mean);
}

/* ---- Layer normalisation ---- */

static void run_layer_norm_case(const lt_kernels *k, size_t rows, int c, float mean) {
    const size_t count = rows * (size_t)c;
    float *x = random_floats(count, mean - 1, mean + 1), *expected = random_floats(count, 0, 1),
          *one = copy_floats(x, count);
    float *gamma = random_floats((size_t)c, 0.5f, 2), *beta = random_floats((size_t)c, -1, 1);
    lt_layer_norm_args a = {.rows = rows, .c = c, .eps = 1e-5f, .x = x, .gamma = gamma, .beta = beta, .y = expected};
    reference()->layer_norm(&a);
    a.y = one;
    use_threads(1);
    k->layer_norm(&a);
    check_close("layer norm", k, one, expected, count, TOLERANCE_LAYER_NORM);
    uint16_t *narrow = narrowed(expected, count);
    a.y = narrow;
    a.type = LT_VALUE_BF16;
    k->layer_norm(&a);
    check_narrow(one, narrow, count);
    a.type = LT_VALUE_F32;
    a.y = x; /* in place */
    use_threads(MAX_THREADS);
    k->layer_norm(&a);
    assert_memory_equal(x, one, count * sizeof *x);
    float *const all[] = {x, expected, one, gamma, beta};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_free(all[i]);
}

static void layer_norms(const lt_kernels *k) {
    run_layer_norm_case(k, 300, 320, 0);
    run_layer_norm_case(k, 64, 1280, 0.5f);
    run_layer_norm_case(k, 77, 768, -0.5f);
    run_layer_norm_case(k, 100, 333, 1e4f);
    run_layer_norm_case(k, 5, 1, 1);
    for (int i = 0; i < 60; i++)
        run_layer_norm_case(k, (size_t)random_int(1, 90), random_int(2, 300), random_float(-3, 3));
}

/* What is no number stays none as bf16, too: also one whose bits, rounded as a number's, would be a zero's. */
static void layer_norm_of_no_numbers(const lt_kernels *k) {
    const uint32_t bits[] = {0x7F800000, 0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF};
    for (size_t i = 0; i < LT_COUNT(bits); i++) {
        float x[37], gamma[37], beta[37] = {0};
        uint16_t y[37];
        for (size_t j = 0; j < 37; j++) x[j] = (float)j, gamma[j] = 1;
        memcpy(&x[i * 12], &bits[i], sizeof *bits);
        const lt_layer_norm_args a = {
            .rows = 1, .c = 37, .eps = 1e-5f, .x = x, .gamma = gamma, .beta = beta, .y = y, .type = LT_VALUE_BF16};
        k->layer_norm(&a);
        for (size_t j = 0; j < 37; j++) assert_false(isfinite(lt_bf16_to_f32(y[j])));
    }
}

static void test_layer_norm(void **unused) {
    (void)unused;
    for_each_isa(layer_norms);
    for_each_isa(layer_norm_of_no_numbers);
}

/* ---- Activations ---- */

static const lt_activation activations[] = {LT_ACT_NONE, LT_ACT_SILU, LT_ACT_GELU, LT_ACT_QUICK_GELU};

static void activate_sizes(const lt_kernels *k) {
    for (int i = 0; i < 60; i++) {
        const lt_activation act = activations[i % 4];
        const size_t n = (size_t)(i < 56 ? random_int(1, 300) : random_int(16000, 40000));
        float *x = random_floats(n, -8, 8), *expected = copy_floats(x, n), *one = copy_floats(x, n);
        reference()->activate(act, x, expected, n);
        use_threads(1);
        k->activate(act, x, one, n);
        check_close("activation", k, one, expected, n, TOLERANCE_ELEMENTWISE);
        use_threads(MAX_THREADS);
        k->activate(act, x, x, n);
        assert_memory_equal(x, one, n * sizeof *x);
        lt_free(x);
        lt_free(expected);
        lt_free(one);
    }
}

/* Each element alone, into the far tail: the relative error is that of e^x, whose argument is itself rounded (6e-8 of
 * up to 87). */
static void activate_each(const lt_kernels *k) {
    enum { N = 26001 };
    for (size_t act = 1; act < LT_COUNT(activations); act++) {
        float *x = random_floats(N, 0, 1), *expected = copy_floats(x, N), *y = copy_floats(x, N);
        for (size_t i = 0; i < N; i++) x[i] = ((float)i - 13000) * 1e-3f; /* -13 to 13 */
        reference()->activate(activations[act], x, expected, N);
        k->activate(activations[act], x, y, N);
        for (size_t i = 0; i < N; i++) {
            const double allowed = x[i] < -4 ? 4e-6 : 6e-7;
            if (!(fabs((double)y[i] - (double)expected[i]) <= allowed * fabs((double)expected[i])))
                fail_msg("%s, activation %zu of %g: %.9g, expected %.9g", lt_isa_name(k->isa), act, (double)x[i],
                         (double)y[i], (double)expected[i]);
        }
        lt_free(x);
        lt_free(expected);
        lt_free(y);
    }
}

static void activate_extremes(const lt_kernels *k) {
    for (size_t act = 1; act < LT_COUNT(activations); act++) {
        const float x[] = {0, -0.0f, 100, 1e30f, FLT_MAX, INFINITY, -100, -1e4f, NAN};
        float y[LT_COUNT(x)];
        k->activate(activations[act], x, y, LT_COUNT(x));
        for (size_t i = 0; i < 6; i++) assert_true(y[i] == x[i]);
        for (size_t i = 6; i < 8; i++) assert_true(fabsf(y[i]) < 1e-30f);
        assert_true(isnan(y[8]));
    }
}

static void geglu_sizes(const lt_kernels *k) {
    for (int i = 0; i < 40; i++) {
        const size_t rows = (size_t)random_int(1, 60), oc = (size_t)(i == 0 ? 1280 : random_int(1, 200)), n = rows * oc;
        float *a = random_floats(2 * n, -5, 5), *expected = random_floats(n, 0, 1), *one = copy_floats(expected, n);
        float *two = copy_floats(expected, n);
        reference()->geglu(a, expected, rows, oc);
        use_threads(1);
        k->geglu(a, one, rows, oc);
        use_threads(MAX_THREADS);
        k->geglu(a, two, rows, oc);
        check_close("geglu", k, one, expected, n, TOLERANCE_ELEMENTWISE);
        assert_memory_equal(one, two, n * sizeof *one);
        float *const all[] = {a, expected, one, two};
        for (size_t j = 0; j < LT_COUNT(all); j++) lt_free(all[j]);
    }
}

static void test_activate(void **unused) {
    (void)unused;
    for_each_isa(activate_sizes);
    for_each_isa(activate_each);
    for_each_isa(activate_extremes);
}
static void test_geglu(void **unused) {
    (void)unused;
    for_each_isa(geglu_sizes);
}

/* ---- Sums: exact ---- */

static void add_sizes(const lt_kernels *k) {
    for (int i = 0; i < 40; i++) {
        const size_t n = (size_t)random_int(1, 5), m = (size_t)(i < 35 ? random_int(1, 300) : random_int(5000, 20000));
        float *a = random_floats(n * m, -1, 1), *b = random_floats(n * m, -1, 1), *expected = copy_floats(a, n * m);
        float *y = copy_floats(a, n * m);
        use_threads(1 + i % MAX_THREADS);
        reference()->add_broadcast(a, b, expected, n, m);
        k->add_broadcast(a, b, y, n, m);
        assert_memory_equal(y, expected, n * m * sizeof *y);
        reference()->add(a, b, expected, n * m);
        k->add(a, b, y, n * m);
        assert_memory_equal(y, expected, n * m * sizeof *y);
        memcpy(y, a, n * m * sizeof *y);
        k->add(y, b, y, n * m); /* in place, either way */
        assert_memory_equal(y, expected, n * m * sizeof *y);
        k->add(a, b, b, n * m);
        assert_memory_equal(b, expected, n * m * sizeof *y);
        float *const all[] = {a, b, expected, y};
        for (size_t j = 0; j < LT_COUNT(all); j++) lt_free(all[j]);
    }
}

static void test_add(void **unused) {
    (void)unused;
    for_each_isa(add_sizes);
}
int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention_real),
        cmocka_unit_test(test_attention_odd),
        cmocka_unit_test(test_attention_large_scores),
        cmocka_unit_test(test_group_norm),
        cmocka_unit_test(test_group_norm_far_mean),
        cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_activate),
        cmocka_unit_test(test_geglu),
        cmocka_unit_test(test_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
