/* What kernels make of extremes, with every instruction set that this machine has: each number alone, far tails, what
 * is no number. Everything else about them is checked over random shapes by bench/check. */
#include "test_kernels.h"

/* ---- Layer normalisation ---- */

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
    for_each_isa(layer_norm_of_no_numbers);
}

/* ---- Activations ---- */

static const lt_activation activations[] = {LT_ACT_NONE, LT_ACT_SILU, LT_ACT_GELU, LT_ACT_QUICK_GELU, LT_ACT_RELU};

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

static void test_activate(void **unused) {
    (void)unused;
    for_each_isa(activate_each);
    for_each_isa(activate_extremes);
}
int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_activate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
