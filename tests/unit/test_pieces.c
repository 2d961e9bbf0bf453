/* Into how many pieces each kind of layer of Stable Diffusion 1.5's guided step is cut (two samples of 512x512), which
 * is how many threads can work on it: on paper, for machines that nobody here has. Printed, too. */
#include "conv_data.h"

#include <stdio.h>

/* rows: a linear layer's. few: further cuts would cost more than they give, since each piece transforms its weights, or
 * there is next to nothing to do; more than 32 threads wait for each other here. */
static const struct {
    const char *name;
    int side, c[2], oc, kernel, stride, rows;
    bool few;
} layers[] = {
    {"64x64 input", 64, {4, 0}, 320, 3, 1, 0, false},
    {"64x64 residual block", 64, {320, 0}, 320, 3, 1, 0, false},
    {"64x64 with a skip", 64, {640, 320}, 320, 3, 1, 0, false},
    {"64x64 to 32x32", 64, {320, 0}, 320, 3, 2, 0, false},
    {"64x64 output", 64, {320, 0}, 4, 3, 1, 0, true},
    {"32x32 residual block", 32, {640, 0}, 640, 3, 1, 0, false},
    {"32x32 with a skip", 32, {1280, 640}, 640, 3, 1, 0, false},
    {"32x32 to 16x16", 32, {640, 0}, 640, 3, 2, 0, false},
    {"16x16 residual block", 16, {1280, 0}, 1280, 3, 1, 0, true},
    {"16x16 with a skip", 16, {1280, 1280}, 1280, 3, 1, 0, true},
    {"16x16 to 8x8", 16, {1280, 0}, 1280, 3, 2, 0, false},
    {"8x8 residual block", 8, {1280, 0}, 1280, 3, 1, 0, true},
    {"8x8 with a skip", 8, {1280, 1280}, 1280, 3, 1, 0, true},
    {"8x8 shortcut", 0, {1280, 1280}, 1280, 1, 1, 128, false},
    {"64x64 q, k, v", 0, {320, 0}, 320, 1, 1, 8192, false},
    {"32x32 q, k, v", 0, {640, 0}, 640, 1, 1, 2048, false},
    {"16x16 q, k, v", 0, {1280, 0}, 1280, 1, 1, 512, false},
    {"8x8 q, k, v", 0, {1280, 0}, 1280, 1, 1, 128, false},
    {"64x64 GEGLU's output", 0, {1280, 0}, 320, 1, 1, 8192, false},
    {"8x8 GEGLU's output", 0, {5120, 0}, 1280, 1, 1, 128, false},
    {"context's k, v, once", 0, {768, 0}, 320, 1, 1, 154, true},
    {"time embedding", 0, {1280, 0}, 1280, 1, 1, 2, true},
};

static lt_conv_desc layer(size_t i, int threads, lt_isa isa, lt_precision precision) {
    const int k = layers[i].kernel, rows = layers[i].rows, pad = k / 2, side = layers[i].side;
    lt_conv_desc d =
        rows ? shape(1, 1, rows, layers[i].c[0], layers[i].c[1], layers[i].oc, 1, 1, 0, 0)
             : shape(2, side, side, layers[i].c[0], layers[i].c[1], layers[i].oc, k, layers[i].stride, pad, pad);
    d.threads = threads;
    d.isa = isa;
    d.precision = precision;
    d.precision = lt_conv_worth(&d);
    return d;
}

/* The share of the threads' time in which they have a piece, all of one size. */
static double busy(size_t pieces, int threads) {
    const size_t rounds = (pieces + (size_t)threads - 1) / (size_t)threads;
    return (double)pieces / (double)(rounds * (size_t)threads);
}

static void check_layer(size_t i, int threads, lt_isa isa, lt_precision precision) {
    const lt_conv_desc d = layer(i, threads, isa, precision);
    lt_conv *conv;
    assert_int_equal(lt_conv_create(&d, &conv), LT_OK);
    if (threads == 64)
        printf("  %-22s %5zu pieces, %3.0f %% busy  %s\n", layers[i].name, conv->pieces,
               100 * busy(conv->pieces, threads), conv->name);
    if (conv->pieces && !layers[i].few && busy(conv->pieces, threads) < 0.75)
        fail_msg("%s: %zu pieces for %d threads with %s", layers[i].name, conv->pieces, threads, conv->name);
    if (conv->pieces && layers[i].few) assert_true(conv->pieces >= 32 || conv->pieces >= (size_t)threads);
    lt_conv_free(conv);
}

static void check_all(lt_isa isa, lt_precision precision) {
    printf("%s, precision %d, 64 threads\n", lt_isa_name(isa), (int)precision);
    for (size_t i = 0; i < LT_COUNT(layers); i++)
        for (int threads = 2; threads <= 64; threads *= 2) check_layer(i, threads, isa, precision);
}

static void test_every_thread_has_work(void **state) {
    (void)state;
    if (lt_isa_vectors(LT_ISA_BEST) == LT_ISA_SCALAR) skip();
    for (lt_isa isa = LT_ISA_AVX2; isa < LT_ISA_BEST; isa++) {
        if (!lt_isa_has(isa, LT_ISA_BEST)) continue;
        check_all(isa, LT_PRECISION_F32);
        check_all(isa, LT_PRECISION_INT8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_thread_has_work)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
