/* What attention's kernels make of extremes, each that this machine has: scores that rise far above the first ones,
 * great magnitudes that cancel, what is no number. Everything else about them is checked over random shapes by
 * bench/check. */
#include "test_kernels.h"

enum { QUERIES = 40, KEYS = 100, D = 16 };

typedef struct numbers {
    float q[QUERIES][D], k[KEYS][D], v[KEYS][D], out[QUERIES][D];
} numbers;

/* bf16 has them all. Channels 0 to 2 of q and k are zeros. */
static numbers random_numbers(void) {
    numbers x;
    for (size_t i = 0; i < QUERIES; i++)
        for (size_t j = 0; j < D; j++) x.q[i][j] = j < 3 ? 0 : (float)random_int(-8, 8) * 0.125f;
    for (size_t i = 0; i < KEYS; i++)
        for (size_t j = 0; j < D; j++) {
            x.k[i][j] = j < 3 ? 0 : (float)random_int(-8, 8) * 0.125f;
            x.v[i][j] = (float)random_int(-8, 16) * 0.125f;
        }
    return x;
}

static void run(const lt_attention_kernel *kernel, numbers *x) {
    lt_attention_args a = {.n = 1, .heads = 1, .d = D, .tokens_q = QUERIES, .tokens_k = KEYS, .scale = 0.25f};
    a.q = x->q;
    a.k = x->k;
    a.v = x->v;
    a.out = x->out;
    a.stride_q = a.stride_k = a.stride_v = D;
    a.scratch = lt_alloc(kernel->scratch(&a, 1) * sizeof(float));
    assert_non_null(a.scratch);
    kernel->run(&a);
    lt_free(a.scratch);
}

/* Rows [from, to) are the plain reference's. */
static void check_rows(const lt_attention_kernel *kernel, const numbers *x, size_t from, size_t to) {
    numbers expected = *x;
    run(lt_attention_get(LT_PRECISION_F32, LT_ISA_SCALAR), &expected);
    check_close_of("attention", kernel->isa, x->out[from], expected.out[from], (to - from) * D, 5e-3);
}

/* Key j's score is slope * j and a bit. */
static void slope(const lt_attention_kernel *kernel, float slope) {
    numbers x = random_numbers();
    for (size_t i = 0; i < QUERIES; i++) x.q[i][0] = 4 * slope;
    for (size_t i = 0; i < KEYS; i++) x.k[i][0] = (float)i;
    run(kernel, &x);
    check_rows(kernel, &x, 0, QUERIES);
}

static void slopes(const lt_attention_kernel *kernel) {
    slope(kernel, 1); /* the last weigh more than 2^64 times as much as the first */
    slope(kernel, 0.25f);
    slope(kernel, 1024);
    slope(kernel, -1);
    slope(kernel, -1024);
}

/* The last key's score is 2^26, which is more than integers of the exponential hold, and nothing lies between. */
static void lone_key(const lt_attention_kernel *kernel) {
    numbers x = random_numbers();
    for (size_t i = 0; i < QUERIES; i++) x.q[i][0] = 0x1p22f;
    x.k[KEYS - 1][0] = 64;
    run(kernel, &x);
    check_rows(kernel, &x, 0, QUERIES);
}

/* What is great in q meets zeros in k, and the other way round. */
static void great_magnitudes(const lt_attention_kernel *kernel) {
    if (kernel->numbers == LT_PRECISION_INT8) return; /* a row's other numbers are then zeros */
    numbers x = random_numbers();
    x.q[7][1] = x.k[70][2] = 0x1p60f;
    run(kernel, &x);
    check_rows(kernel, &x, 0, QUERIES);
}

static void check_none(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) assert_false(isfinite(x[i]));
}

static void no_number(const lt_attention_kernel *kernel, float none) {
    numbers x = random_numbers();
    x.q[7][5] = none;
    run(kernel, &x);
    check_none(x.out[7], D);
    check_rows(kernel, &x, 0, 7);
    check_rows(kernel, &x, 8, QUERIES);
    x = random_numbers();
    x.k[70][5] = none;
    run(kernel, &x);
    check_none(x.out[0], QUERIES * D);
    x = random_numbers();
    x.v[70][5] = none;
    run(kernel, &x);
    for (size_t i = 0; i < QUERIES * D; i++) assert_true(isfinite(x.out[i / D][i % D]) == (i % D != 5));
}

static void no_numbers(const lt_attention_kernel *kernel) {
    no_number(kernel, NAN);
    no_number(kernel, -NAN);
}

static void for_each_attention(void (*test)(const lt_attention_kernel *)) {
    const lt_attention_kernel *last = NULL;
    for (lt_precision precision = LT_PRECISION_F32; precision <= LT_PRECISION_INT8; precision++)
        for (lt_isa isa = LT_ISA_AVX2; isa < LT_ISA_BEST; isa++) {
            const lt_attention_kernel *kernel = lt_attention_get(precision, isa);
            if (kernel->isa != isa || kernel == last) continue;
            last = kernel;
            state = 1;
            test(kernel);
        }
    if (!last) skip();
}

static void test_slopes(void **unused) {
    (void)unused;
    for_each_attention(slopes);
}

static void test_great_magnitudes(void **unused) {
    (void)unused;
    for_each_attention(lone_key);
    for_each_attention(great_magnitudes);
}

static void test_no_numbers(void **unused) {
    (void)unused;
    for_each_attention(no_numbers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slopes),
        cmocka_unit_test(test_great_magnitudes),
        cmocka_unit_test(test_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
