/* The optimiser against AdamW worked out in double, number by number, and what it does with numbers that make no sense.
 */
#include "train/optimizer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const lt_kernels *kernels(void) { return lt_kernels_get(LT_ISA_BEST); }

/* size is that of the terms whose difference a number near 0 is. */
static void assert_close(double found, double expected, double tolerance, double size) {
    if (!(fabs(found - expected) <= tolerance * fmax(fabs(expected), size)))
        fail_msg("%.9g, expected %.9g", found, expected);
}

static void assert_near(double found, double expected, double tolerance) {
    assert_close(found, expected, tolerance, 0);
}

/* Two tensors of odd sizes, and the same in double. */
enum { N0 = 37, N1 = 5, N = N0 + N1 };

typedef struct run {
    float value[N], gradient[N];
    lt_optimizer optimizer;
    double w[N], m[N], v[N], ema[N];
} run;

static void start(run *r, const lt_optimizer_options *options) {
    for (int i = 0; i < N; i++) {
        r->value[i] = sinf((float)i) * 2;
        r->gradient[i] = 0;
        r->w[i] = r->ema[i] = (double)r->value[i];
        r->m[i] = r->v[i] = 0;
    }
    const lt_parameter list[] = {{"a", N0, r->value, r->gradient}, {"b", N1, r->value + N0, r->gradient + N0}};
    assert_int_equal(lt_optimizer_create(options, list, 2, &r->optimizer), LT_OK);
    assert_int_equal(r->optimizer.step, 0);
}

/* The gradient of one batch, added. */
static void add_gradient(run *r, int batch, double g[N]) {
    for (int i = 0; i < N; i++) {
        const float x = cosf((float)(3 * i + 7 * batch)) * (i % 5 == 0 ? 1e-3F : 1);
        r->gradient[i] += x;
        g[i] += (double)x;
    }
}

static double norm_of(const double *g) {
    double sum = 0;
    for (int i = 0; i < N; i++) sum += g[i] * g[i];
    return sqrt(sum);
}

/* Loshchilov & Hutter's algorithm 2, step t from 1, on the mean gradient g after clipping. */
static void expect_step(run *r, const double *g, double rate, int t) {
    const lt_optimizer_options *o = &r->optimizer.options;
    const double beta1 = (double)o->beta1, beta2 = (double)o->beta2;
    const double decay = fmin((double)o->ema, (double)t / (double)(9 + t)); /* (1 + done) / (10 + done) */
    for (int i = 0; i < N; i++) {
        r->m[i] = beta1 * r->m[i] + (1 - beta1) * g[i];
        r->v[i] = beta2 * r->v[i] + (1 - beta2) * g[i] * g[i];
        const double m = r->m[i] / (1 - pow(beta1, t)), v = r->v[i] / (1 - pow(beta2, t));
        r->w[i] -= rate * (m / (sqrt(v) + (double)o->eps) + (double)o->decay * r->w[i]);
        r->ema[i] = decay * r->ema[i] + (1 - decay) * r->w[i];
    }
}

static void check_values(const run *r) {
    for (int i = 0; i < N; i++) {
        const lt_parameter *p = &r->optimizer.parameters[i < N0 ? 0 : 1];
        const int k = i < N0 ? i : i - N0;
        assert_close((double)r->value[i], r->w[i], 1e-5, 0.1);
        assert_close((double)p->m[k], r->m[i], 1e-5, 1e-2);
        assert_near((double)p->v[k], r->v[i], 1e-5);
        if (p->ema) assert_close((double)p->ema[k], r->ema[i], 1e-5, 0.1);
        assert_true(r->gradient[i] == 0);
    }
}

/* steps of `accumulated` batches each, compared after every one. */
static void follow(const lt_optimizer_options *options, int steps, int accumulated) {
    run r;
    start(&r, options);
    for (int t = 1; t <= steps; t++) {
        double g[N] = {0};
        lt_optimizer_report report;
        for (int k = 0; k < accumulated; k++) add_gradient(&r, accumulated * t + k, g);
        for (int i = 0; i < N; i++) g[i] /= accumulated;
        const double norm = norm_of(g), clip = (double)options->clip, rate = lt_optimizer_rate(options, t - 1);
        for (int i = 0; i < N && clip > 0 && norm > clip; i++) g[i] *= clip / norm;
        assert_int_equal(lt_optimizer_step(&r.optimizer, kernels(), accumulated, &report), LT_OK);
        expect_step(&r, g, rate, t);
        check_values(&r);
        assert_near(report.gradient_norm, norm, 1e-6);
        assert_near(report.rate, rate, 1e-12);
        assert_int_equal(r.optimizer.step, t);
    }
    lt_optimizer_free(&r.optimizer);
}

static void test_adamw(void **state) {
    (void)state;
    lt_optimizer_options o = lt_optimizer_defaults();
    o.rate = 1e-2F;
    follow(&o, 20, 1);
    o.decay = 0.5F;
    follow(&o, 20, 1);
    o.ema = 0;
    follow(&o, 3, 1);
}

static void test_accumulated_clipped_scheduled(void **state) {
    (void)state;
    lt_optimizer_options o = lt_optimizer_defaults();
    o.rate = 1e-2F;
    follow(&o, 8, 4);
    o.clip = 0.7F; /* under every norm here */
    follow(&o, 8, 1);
    follow(&o, 8, 3);
    o.clip = 100;
    follow(&o, 2, 1);
    o.warmup = 5;
    o.cosine = 10;
    o.clip = 2;
    follow(&o, 18, 2);
}

/* One weight, worked out by hand: with m and v corrected, the first step goes by the rate against the gradient's sign.
 */
static void test_first_step(void **state) {
    (void)state;
    float value = 1, gradient = -0.25F;
    const lt_parameter list = {"w", 1, &value, &gradient};
    lt_optimizer optimizer;
    lt_optimizer_options o = lt_optimizer_defaults();
    o.rate = 0.1F;
    assert_int_equal(lt_optimizer_create(&o, &list, 1, &optimizer), LT_OK);
    assert_int_equal(lt_optimizer_step(&optimizer, kernels(), 1, NULL), LT_OK);
    assert_near((double)value, 1 + 0.1 - 0.1 * 0.01, 1e-6); /* 1.099 */
    assert_near((double)optimizer.parameters[0].m[0], -0.025, 1e-6);
    assert_near((double)optimizer.parameters[0].v[0], 0.0000625, 2e-5); /* 0.999 is a float */
    assert_near((double)optimizer.parameters[0].ema[0], 0.1 * 1 + 0.9 * 1.099, 1e-6);
    lt_optimizer_free(&optimizer);
}

static void test_rate(void **state) {
    (void)state;
    lt_optimizer_options o = lt_optimizer_defaults();
    o.rate = 2;
    assert_near(lt_optimizer_rate(&o, 0), 2, 0);
    assert_near(lt_optimizer_rate(&o, 1000000), 2, 0);
    o.warmup = 4;
    for (int i = 0; i < 4; i++) assert_near(lt_optimizer_rate(&o, i), 0.5 * (i + 1), 1e-15);
    assert_near(lt_optimizer_rate(&o, 4), 2, 0);
    o.cosine = 6;
    assert_near(lt_optimizer_rate(&o, 4), 2, 0);
    assert_near(lt_optimizer_rate(&o, 6), 1.5, 1e-12); /* cos 60 degrees */
    assert_near(lt_optimizer_rate(&o, 7), 1, 1e-12);
    assert_near(lt_optimizer_rate(&o, 8), 0.5, 1e-12);
    assert_near(lt_optimizer_rate(&o, 10), 0, 0);
    assert_near(lt_optimizer_rate(&o, 99), 0, 0);
}

static void test_ema_decay(void **state) {
    (void)state;
    const lt_optimizer_options o = lt_optimizer_defaults();
    assert_near(lt_optimizer_ema_decay(&o, 0), 0.1, 1e-12);
    assert_near(lt_optimizer_ema_decay(&o, 8), 0.5, 1e-12);
    assert_near(lt_optimizer_ema_decay(&o, 1000000), 0.999, 1e-7);
}

/* A gradient that is not finite changes nothing and says where it is. */
static void test_not_finite(void **state) {
    (void)state;
    static const float broken[] = {NAN, INFINITY, -INFINITY};
    lt_optimizer_options o = lt_optimizer_defaults();
    o.clip = 1;
    for (size_t k = 0; k < LT_COUNT(broken); k++) {
        run r;
        double g[N] = {0};
        start(&r, &o);
        for (int t = 1; t <= 2; t++) {
            add_gradient(&r, t, g);
            if (t < 2) assert_int_equal(lt_optimizer_step(&r.optimizer, kernels(), 1, NULL), LT_OK);
        }
        r.gradient[N0 + 3] = broken[k];
        const run before = r;
        float m[N0], v[N1];
        memcpy(m, r.optimizer.parameters[0].m, sizeof m);
        memcpy(v, r.optimizer.parameters[1].v, sizeof v);
        lt_optimizer_report report = {-1, -1};
        assert_int_equal(lt_optimizer_step(&r.optimizer, kernels(), 1, &report), LT_ERROR_ARGUMENT);
        assert_non_null(strstr(lt_error_message(), "step 2: the gradient of b is not finite"));
        assert_memory_equal(&r, &before, sizeof r);
        assert_memory_equal(m, r.optimizer.parameters[0].m, sizeof m);
        assert_memory_equal(v, r.optimizer.parameters[1].v, sizeof v);
        lt_optimizer_free(&r.optimizer);
    }
}

static void refuse(const lt_optimizer_options *options, const char *message) {
    float value = 1, gradient = 0;
    const lt_parameter list = {"w", 1, &value, &gradient};
    lt_optimizer optimizer;
    assert_int_equal(lt_optimizer_create(options, &list, 1, &optimizer), LT_ERROR_ARGUMENT);
    if (!strstr(lt_error_message(), message)) fail_msg("\"%s\" says nothing of %s", lt_error_message(), message);
    lt_optimizer_free(&optimizer);
}

static void test_options(void **state) {
    (void)state;
    const lt_optimizer_options fine = lt_optimizer_defaults();
    lt_optimizer_options o = fine;
    o.rate = -1;
    refuse(&o, "learning rate");
    o.rate = NAN;
    refuse(&o, "learning rate");
    o.rate = INFINITY;
    refuse(&o, "finite");
    o = fine;
    o.beta1 = 1;
    refuse(&o, "beta1");
    o = fine;
    o.beta2 = 1.5F;
    refuse(&o, "less than 1");
    o = fine;
    o.eps = 0;
    refuse(&o, "epsilon");
    o = fine;
    o.ema = 1;
    refuse(&o, "average");
    o = fine;
    o.warmup = -3;
    refuse(&o, "warm-up is -3");
    o = fine;
    o.cosine = -1;
    refuse(&o, "fall of the rate");

    run r;
    start(&r, &fine);
    assert_int_equal(lt_optimizer_step(&r.optimizer, kernels(), 0, NULL), LT_ERROR_ARGUMENT);
    lt_optimizer_free(&r.optimizer);
}

static void test_out_of_memory(void **state) {
    (void)state;
    const lt_optimizer_options o = lt_optimizer_defaults();
    float value[3] = {1, 2, 3}, gradient[3] = {0};
    const lt_parameter list[] = {{"a", 3, value, gradient}, {"b", 3, value, gradient}};
    for (size_t n = 0;; n++) {
        lt_optimizer optimizer;
        lt_alloc_fail_at(n);
        const lt_status status = lt_optimizer_create(&o, list, 2, &optimizer);
        const bool reached = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, reached ? LT_ERROR_MEMORY : LT_OK);
        assert_true(reached || n == 7);
        lt_optimizer_free(&optimizer);
        if (!reached) break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adamw),      cmocka_unit_test(test_accumulated_clipped_scheduled),
        cmocka_unit_test(test_first_step), cmocka_unit_test(test_rate),
        cmocka_unit_test(test_ema_decay),  cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_options),    cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
