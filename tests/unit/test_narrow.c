/* Rounding rows to int8 (kernels/narrow.h): numbers worked out by hand. The vector loops beside plain C: bench/check.
 */
#include "conv_data.h"
#include "kernels/bf16.h"
#include "kernels/narrow.h"

#include <math.h>

/* Nearest, ties to even, and the greatest magnitude is 127 whatever its sign. */
static void test_by_hand(void **state) {
    (void)state;
    const float x[] = {0.5f, -127, 1.5f, 126.4f, 2.5f, /* scale 1 */
                       0,    0,    0,    0,      0,    0.25f, -1, 0.996f, 0, 0.5f};
    const int expected[][5] = {{0, -127, 2, 126, 2}, {0, 0, 0, 0, 0}, {32, -127, 126, 0, 64}};
    const float scale[] = {1, 0, 1.0f / 127};
    float rounded[15], scales[3];
    uint8_t bytes[3][8];
    for (lt_isa isa = LT_ISA_SCALAR; isa <= LT_ISA_AVX512; isa++) {
        lt_narrow_rows(LT_PRECISION_INT8, isa, LT_VALUE_F32, x, 3, 5, bytes, scales, 1);
        for (int r = 0; r < 3; r++) {
            assert_float_equal(scales[r], scale[r], 1e-9);
            for (int i = 0; i < 5; i++) assert_int_equal(bytes[r][i], expected[r][i] + 128);
        }
    }
    lt_round_to_int8(x, rounded, 3, 5, 1);
    for (int i = 0; i < 15; i++) assert_float_equal(rounded[i], scale[i / 5] * (float)expected[i / 5][i % 5], 1e-6);
}

/* What is no number stays none: the scale says so, and the numbers are zeros. */
static void test_what_is_not_finite_stays_so(void **state) {
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY, -NAN};
    for (size_t i = 0; i < LT_COUNT(bad); i++)
        for (size_t at = 0; at < 37; at++)
            for (lt_isa isa = LT_ISA_SCALAR; isa <= LT_ISA_AVX512; isa++) {
                float x[37], scale, rounded[37];
                uint8_t bytes[40];
                for (size_t k = 0; k < 37; k++) x[k] = k == at ? bad[i] : (float)k;
                lt_narrow_rows(LT_PRECISION_INT8, isa, LT_VALUE_F32, x, 1, 37, bytes, &scale, 1);
                assert_false(isfinite(scale));
                for (size_t k = 0; k < 40; k++) assert_int_equal(bytes[k], 128);
                lt_round_to_int8(x, rounded, 1, 37, 1);
                for (size_t k = 0; k < 37; k++) assert_true(isnan(rounded[k]));
            }
}

/* A block is a tap's words of one source, or an even part of them, whatever the number of taps. */
static void test_blocks(void **state) {
    (void)state;
    lt_conv_desc d = shape(1, 4, 4, 4 * 400, 4 * 384, 8, 3, 1, 1, 1);
    d.precision = LT_PRECISION_INT8;
    const size_t ends[] = {200, 400, 784, 984, 1184, 1568};
    for (size_t i = 0, k = 0; i < LT_COUNT(ends); i++) assert_int_equal(k = lt_narrow_block(&d, k), ends[i]);
    assert_int_equal(lt_narrow_k(&d), 9 * 784);
    assert_int_equal(lt_narrow_panel_rows(&d), 1 + 9 * (784 + 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_what_is_not_finite_stays_so),
        cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
