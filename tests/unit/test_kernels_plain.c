/* The kernels that every instruction set shares (kernels/loss.h, kernels/pixels.h) against their plain formulas over
 * random odd shapes, and the same bytes from one thread as from two. */
#include "kernels/loss.h"
#include "kernels/pixels.h"
#include "test_kernels.h"

enum { TIMES = 40 };

static const double EXACT = 0, ROUNDED = 3e-7; /* of float32 arithmetic: a few roundings of 6e-8 */
static const double TURNED = 2e-5;             /* sin and cos of angles of up to 1000, which float32 has to 3e-5 */

static void compare(const char *what, const float *ours, const float *reference, size_t n, double tolerance) {
    const double error = relative_error(ours, reference, n);
    if (!(error <= tolerance)) fail_msg("%s: relative error %g, allowed %g", what, error, tolerance);
}

static void compare_values(const char *what, double ours, double reference) {
    if (!(fabs(ours - reference) <= 1e-12 * fmax(1, fabs(reference))))
        fail_msg("%s: %.17g, %.17g", what, ours, reference);
}

/* Kernel `name` on a, whose `to` [n] it writes: with one thread, with two, and by its formula. */
#define RUN(table, name, a, to, n, tolerance)                                                                          \
    do {                                                                                                               \
        float *const one = (a).to = random_floats(n, -9, 9);                                                           \
        use_threads(1);                                                                                                \
        lt_##table.name(&(a));                                                                                         \
        float *const two = (a).to = random_floats(n, -9, 9);                                                           \
        use_threads(MAX_THREADS);                                                                                      \
        lt_##table.name(&(a));                                                                                         \
        float *const expected = (a).to = random_floats(n, -9, 9);                                                      \
        lt_reference_##table.name(&(a));                                                                               \
        assert_memory_equal(one, two, (n) * sizeof(float));                                                            \
        compare(#name, one, expected, n, tolerance);                                                                   \
        lt_free(one);                                                                                                  \
        lt_free(two);                                                                                                  \
        lt_free(expected);                                                                                             \
        (a).to = NULL;                                                                                                 \
    } while (0)

/* The same of a loss's value. */
#define VALUE(name, a)                                                                                                 \
    do {                                                                                                               \
        use_threads(1);                                                                                                \
        const double one = lt_losses.name(&(a));                                                                       \
        use_threads(MAX_THREADS);                                                                                      \
        assert_true(lt_losses.name(&(a)) == one);                                                                      \
        compare_values(#name, one, lt_reference_losses.name(&(a)));                                                    \
    } while (0)

/* ---- Losses ---- */

static void test_error(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        lt_error_args a = {.n = (size_t)random_int(1, 7), .count = (size_t)random_int(1, 700), .absolute = i % 2};
        float *x = random_floats(a.n * a.count, -2, 2), *target = random_floats(a.n * a.count, -2, 2),
              *weight = random_floats(a.n, 0, 3);
        double scratch[7];
        a.x = x;
        a.target = target;
        a.weight = i % 3 ? weight : NULL;
        a.scratch = scratch;
        a.dy = random_float(-2, 2);
        VALUE(error, a);
        RUN(losses, error_backward, a, dx, a.n * a.count, ROUNDED);
        lt_free(x);
        lt_free(target);
        lt_free(weight);
    }
}

/* Log-variances go over the clamp on either side. */
static void test_posterior(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        lt_posterior_args a = {
            .n = (size_t)random_int(1, 5), .rows = (size_t)random_int(1, 90), .c = (size_t)random_int(1, 9)};
        const size_t count = a.n * a.rows * a.c;
        float *moments = random_floats(2 * count, i % 2 ? -3 : -40, i % 2 ? 3 : 30),
              *noise = random_floats(count, -2, 2), *dz = random_floats(count, -2, 2);
        double scratch[5];
        a.moments = moments;
        a.noise = noise;
        a.dz = dz;
        a.scratch = scratch;
        a.dy = random_float(-2, 2);
        VALUE(kl, a);
        RUN(losses, posterior, a, z, count, ROUNDED);
        RUN(losses, posterior_backward, a, dmoments, 2 * count, ROUNDED);
        RUN(losses, kl_backward, a, dmoments, 2 * count, ROUNDED);
        lt_free(moments);
        lt_free(noise);
        lt_free(dz);
    }
}

/* Every fourth time the first sample is nothing at all. */
static void test_cosine(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        lt_cosine_args a = {.n = (size_t)random_int(1, 6), .count = (size_t)random_int(2, 300)};
        float *x = random_floats(a.n * a.count, -2, 2), *y = random_floats(a.n * a.count, -2, 2);
        if (i % 4 == 0) memset(x, 0, a.count * sizeof *x);
        double scratch[6];
        a.a = x;
        a.b = y;
        a.scratch = scratch;
        a.dy = random_float(-2, 2);
        VALUE(cosine, a);
        RUN(losses, cosine_backward, a, da, a.n * a.count, ROUNDED);
        lt_free(x);
        lt_free(y);
    }
}

static void test_contrastive(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES / 2; i++) {
        lt_contrastive_args a = {
            .n = (size_t)random_int(1, 9), .d = (size_t)random_int(2, 50), .logit_scale = random_float(-1, 4.6f)};
        float *images = random_floats(a.n * a.d, -2, 2), *texts = random_floats(a.n * a.d, -2, 2);
        a.rows[0] = images;
        a.rows[1] = texts;
        a.scratch = lt_alloc(lt_contrastive_scratch(a.n, a.d) * sizeof(double));
        assert_non_null(a.scratch);
        a.dy = random_float(0.5f, 2);
        VALUE(contrastive, a);
        float by_scale[2] = {1, 1};
        for (int side = 0; side < 2 && a.n > 1; side++) /* the other one is not wanted */
            RUN(losses, contrastive_backward, a, drows[side], a.n * a.d, 1e-6);
        for (int k = 0; k < 2; k++) {
            a.dlogit_scale = &by_scale[k];
            (k ? &lt_reference_losses : &lt_losses)->contrastive_backward(&a);
        }
        assert_true(fabs((double)by_scale[0] - (double)by_scale[1]) < 1e-5);
        lt_free(images);
        lt_free(texts);
        lt_free(a.scratch);
    }
}

static void test_cross_entropy(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        lt_cross_entropy_args a = {.n = (size_t)random_int(1, 8), .c = (size_t)random_int(1, 60)};
        float *logits = random_floats(a.n * a.c, -9, 9);
        int32_t labels[8];
        double scratch[8];
        for (size_t k = 0; k < a.n; k++) labels[k] = random_int(0, (int)a.c - 1);
        a.logits = logits;
        a.labels = labels;
        a.scratch = scratch;
        a.dy = random_float(-2, 2);
        VALUE(cross_entropy, a);
        RUN(losses, cross_entropy_backward, a, dlogits, a.n * a.c, ROUNDED);
        lt_free(logits);
    }
}

/* ---- Pixels ---- */

static void test_halve(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        lt_halve_args a = {.n = (size_t)random_int(1, 3),
                           .h = (size_t)random_int(1, 9),
                           .w = (size_t)random_int(1, 9),
                           .c = (size_t)random_int(1, 20)};
        float *from = random_floats(a.n * a.h * a.w * a.c, -2, 2);
        a.from = from;
        RUN(pixels, halve, a, to, a.n * ((a.h + 1) / 2) * ((a.w + 1) / 2) * a.c, ROUNDED);
        lt_free(from);
    }
}

static void test_upsample(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        lt_upsample_args a = {.n = (size_t)random_int(1, 3),
                              .c = (size_t)random_int(1, 20),
                              .small_h = (size_t)random_int(1, 9),
                              .small_w = (size_t)random_int(1, 9)};
        a.large_h = a.small_h * (i % 2 ? 2 : 1) + (size_t)random_int(0, 5);
        a.large_w = a.small_w * (i % 2 ? 2 : 1) + (size_t)random_int(0, 5);
        const size_t small = a.n * a.small_h * a.small_w * a.c, large = a.n * a.large_h * a.large_w * a.c;
        float *from = random_floats(large, -2, 2);
        a.from = from;
        RUN(pixels, upsample, a, to, large, EXACT);
        RUN(pixels, upsample_backward, a, to, small, EXACT);
        lt_free(from);
    }
}

static void test_resample(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        enum { MOST = 30 };
        lt_axis axis = {.size = (size_t)random_int(1, MOST), .source = (size_t)random_int(1, 40)};
        int first[MOST], used[MOST];
        axis.taps = (size_t)random_int(1, (int)axis.source);
        for (size_t k = 0; k < axis.size; k++) {
            used[k] = random_int(1, (int)axis.taps);
            first[k] = random_int(0, (int)axis.source - used[k]);
        }
        float *weights = random_floats(axis.size * axis.taps, -1, 1);
        axis.first = first;
        axis.used = used;
        axis.weights = weights;
        lt_resample_args a = {.axis = &axis, .outer = (size_t)random_int(1, 6), .inner = (size_t)random_int(1, 30)};
        const size_t narrow = a.outer * axis.size * a.inner, wide = a.outer * axis.source * a.inner;
        float *from = random_floats(narrow > wide ? narrow : wide, -2, 2);
        a.from = from;
        RUN(pixels, resample, a, to, narrow, 2e-6); /* sums run in float32 */
        RUN(pixels, resample_backward, a, to, wide, 2e-6);
        lt_free(weights);
        lt_free(from);
    }
}

static void test_affine(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        const size_t rows = (size_t)random_int(1, 50), c = (size_t)random_int(1, 20);
        float *x = random_floats(rows * c, -2, 2), *y = copy_floats(x, rows * c), *expected = copy_floats(x, rows * c),
              *numbers = random_floats(2 * c, -2, 2);
        const float *shift = i % 2 ? numbers + c : NULL;
        lt_reference_pixels.affine(x, numbers, shift, expected, rows, c);
        lt_pixels.affine(y, numbers, shift, y, rows, c); /* in place */
        compare("affine", y, expected, rows * c, ROUNDED);
        float *const all[] = {x, y, expected, numbers};
        for (size_t k = 0; k < LT_COUNT(all); k++) lt_free(all[k]);
    }
}

static void test_timestep(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        const size_t n = (size_t)random_int(1, 9), channels = 2 * (size_t)random_int(1, 200);
        float *t = random_floats(n, 0, 999), *y = random_floats(n * channels, 0, 1),
              *expected = copy_floats(y, n * channels);
        lt_pixels.timestep(t, y, n, channels);
        lt_reference_pixels.timestep(t, expected, n, channels);
        compare("timestep", y, expected, n * channels, TURNED);
        lt_free(t);
        lt_free(y);
        lt_free(expected);
    }
}

/* Not in place: every value is another's. */
static void test_shuffle(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        lt_shuffle_args a = {.n = (size_t)random_int(1, 3),
                             .h = (size_t)random_int(1, 9),
                             .w = (size_t)random_int(1, 9),
                             .c = (size_t)random_int(1, 5),
                             .r = (size_t)random_int(1, 4)};
        const size_t count = a.n * a.h * a.w * a.c * a.r * a.r;
        float *from = random_floats(count, -2, 2);
        a.from = from;
        RUN(pixels, shuffle, a, to, count, ROUNDED);
        RUN(pixels, unshuffle, a, to, count, ROUNDED);
        lt_free(from);
    }
}

static void test_blend(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        lt_blend_args a = {.rows = (size_t)random_int(1, 700), .c = (size_t)random_int(1, 20), .scale = 0.2f};
        a.a_pitch = a.c + (size_t)random_int(0, 3);
        a.b_pitch = a.c + (size_t)random_int(0, 3);
        a.to_pitch = a.c;
        float *x = random_floats(a.rows * a.a_pitch, -2, 2), *y = random_floats(a.rows * a.b_pitch, -2, 2);
        a.a = x;
        a.b = i % 3 ? y : NULL;
        RUN(pixels, blend, a, to, a.rows * a.c, ROUNDED);
        lt_free(x);
        lt_free(y);
    }
}

static void test_prelu(void **unused) {
    (void)unused;
    for (int i = 0; i < TIMES; i++) {
        const size_t rows = (size_t)random_int(1, 700), c = (size_t)random_int(1, 20);
        float *x = random_floats(rows * c, -2, 2), *slopes = random_floats(c, -1, 1),
              *expected = copy_floats(x, rows * c);
        lt_reference_pixels.prelu(x, slopes, expected, rows, c);
        lt_pixels.prelu(x, slopes, x, rows, c); /* in place */
        compare("prelu", x, expected, rows * c, ROUNDED);
        lt_free(x);
        lt_free(slopes);
        lt_free(expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error),       cmocka_unit_test(test_posterior),     cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_contrastive), cmocka_unit_test(test_cross_entropy), cmocka_unit_test(test_upsample),
        cmocka_unit_test(test_halve),       cmocka_unit_test(test_resample),      cmocka_unit_test(test_affine),
        cmocka_unit_test(test_timestep),    cmocka_unit_test(test_shuffle),       cmocka_unit_test(test_blend),
        cmocka_unit_test(test_prelu),
    };
    return cmocka_run_group_tests_name("kernels that every instruction set shares", tests, NULL, NULL);
}
