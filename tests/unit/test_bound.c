/* The variational bound: its terms against the formulas of Ho et al. 2020 written out, and its sum where it is known.
 */
#include "diffusion/bound.h"
#include "golden.h"

static lt_noise_schedule eps_schedule, v_schedule;

static int make_schedules(void **state) {
    (void)state;
    assert_ok(lt_noise_schedule_init(&eps_schedule, LT_BETA_SCALED_LINEAR, 0.00085, 0.012, LT_PREDICT_EPSILON));
    assert_ok(lt_noise_schedule_init(&v_schedule, LT_BETA_SCALED_LINEAR, 0.00085, 0.012, LT_PREDICT_V));
    return 0;
}

static void assert_near(double a, double b, double tolerance) {
    if (!(fabs(a - b) <= tolerance)) fail_msg("%.12g is not %.12g to %g", a, b, tolerance);
}

/* ---- Terms ---- */

enum { N = 5 };
static const float x0[N] = {0.3f, -1.2f, 2.5f, 0, -0.7f};
static const float noise[N] = {-0.4f, 1.1f, 0.2f, -1.9f, 0.6f};
static const float predicted[N] = {-0.5f, 1, 0.4f, -1.5f, 0.6f}; /* of the noise */

/* KL(N(m, v) || N(k, w)) of one dimension, as it is written in textbooks. */
static double kl(double m, double v, double k, double w) {
    return log(sqrt(w) / sqrt(v)) + (v + (m - k) * (m - k)) / (2 * w) - 0.5;
}

static void test_steps(void **state) {
    (void)state;
    static const int times[] = {1, 2, 17, 500, 999};
    for (size_t k = 0; k < LT_COUNT(times); k++) {
        const int t = times[k];
        const double abar = eps_schedule.alphas_cumprod[t], before = eps_schedule.alphas_cumprod[t - 1];
        const double alpha = abar / before, beta = 1 - alpha, tilde = (1 - before) / (1 - abar) * beta;
        double expected[LT_VARIANCE_COUNT] = {0}, twelve = 0;
        float x[N], estimate[N];
        lt_forward_process(&eps_schedule, t, x0, noise, x, N);
        lt_bound_estimate(&eps_schedule, t, x, predicted, estimate, N);
        for (int i = 0; i < N; i++) {
            /* eq. 7 for q's mean, eq. 11 for p's, from the noise and not from x_0 */
            const double xt = sqrt(abar) * x0[i] + sqrt(1 - abar) * noise[i];
            const double q = sqrt(before) * beta / (1 - abar) * x0[i] + sqrt(alpha) * (1 - before) / (1 - abar) * xt;
            const double p = (xt - beta / sqrt(1 - abar) * predicted[i]) / sqrt(alpha);
            expected[LT_VARIANCE_POSTERIOR] += kl(q, tilde, p, tilde);
            expected[LT_VARIANCE_BETA] += kl(q, tilde, p, beta);
            const double e = (double)noise[i] - predicted[i];
            twelve += beta * beta / (2 * tilde * alpha * (1 - abar)) * e * e; /* eq. 12 */
        }
        for (int v = 0; v < LT_VARIANCE_COUNT; v++) {
            const double ours = lt_bound_step(&eps_schedule, t, (lt_variance)v, x0, estimate, N);
            assert_near(ours, expected[v], 1e-4 * fabs(expected[v]) + 1e-9);
        }
        assert_near(twelve, expected[LT_VARIANCE_POSTERIOR], 1e-4 * twelve);
    }
}

static void test_prior(void **state) {
    (void)state;
    const double abar = eps_schedule.alphas_cumprod[LT_TRAIN_STEPS - 1];
    double expected = 0;
    for (int i = 0; i < N; i++) expected += kl(sqrt(abar) * x0[i], 1 - abar, 0, 1);
    assert_near(lt_bound_prior(&eps_schedule, x0, N), expected, 1e-9);
}

static void test_end(void **state) {
    (void)state;
    const double variance = 1 - (double)eps_schedule.alphas_cumprod[0];
    const float near[N] = {0.31f, -1.22f, 2.5f, 0.01f, -0.68f};
    double expected = 0;
    for (int i = 0; i < N; i++) {
        const double d = (double)x0[i] - near[i];
        expected -= log(exp(-d * d / (2 * variance)) / sqrt(2 * M_PI * variance));
    }
    assert_near(lt_bound_end(&eps_schedule, x0, near, N), expected, 1e-6);
}

static void test_perfect_estimates_cost_nothing(void **state) {
    (void)state;
    for (int t = 1; t < LT_TRAIN_STEPS; t++) {
        assert_true(lt_bound_step(&eps_schedule, t, LT_VARIANCE_POSTERIOR, x0, x0, N) == 0);
        assert_true(lt_bound_step(&eps_schedule, t, LT_VARIANCE_BETA, x0, x0, N) > 0);
    }
}

/* eps and v of one x_t mean the same x_0. */
static void test_predictions(void **state) {
    (void)state;
    for (int t = 0; t < LT_TRAIN_STEPS; t += 111) {
        const float abar = eps_schedule.alphas_cumprod[t];
        float x[N], v[N], estimate[N];
        lt_forward_process(&eps_schedule, t, x0, noise, x, N);
        for (int i = 0; i < N; i++) v[i] = sqrtf(abar) * noise[i] - sqrtf(1 - abar) * x0[i];
        lt_bound_estimate(&eps_schedule, t, x, noise, estimate, N);
        for (int i = 0; i < N; i++) assert_near(estimate[i], x0[i], 1e-4);
        lt_bound_estimate(&v_schedule, t, x, v, v, N); /* in place */
        for (int i = 0; i < N; i++) assert_near(v[i], x0[i], 1e-5);
    }
}

/* ---- The sum ---- */

/* Data from N(0, I), and of it and of the noise a sample that has their first and second moments exactly: every
 * expectation of squares is its mean over this sample, with no luck in it. */
enum { M = 4 };
static const float gaussian[M] = {1, -1, 1, -1}, gaussian_noise[M] = {1, 1, -1, -1};

/* x_t also is from N(0, I), so that E[eps | x_t] = sqrt(1 - abar) x_t, and E[v | x_t] = 0. */
static void best_estimate(const lt_noise_schedule *s, int t, float estimate[M]) {
    const float abar = s->alphas_cumprod[t], share = s->prediction == LT_PREDICT_V ? 0 : sqrtf(1 - abar);
    float x[M], prediction[M];
    lt_forward_process(s, t, gaussian, gaussian_noise, x, M);
    for (int i = 0; i < M; i++) prediction[i] = share * x[i];
    lt_bound_estimate(s, t, x, prediction, estimate, M);
}

static double whole_bound(const lt_noise_schedule *s, lt_variance variance) {
    float estimate[M];
    best_estimate(s, 0, estimate);
    double total = lt_bound_prior(s, gaussian, M) + lt_bound_end(s, gaussian, estimate, M);
    for (int t = 1; t < LT_TRAIN_STEPS; t++) {
        best_estimate(s, t, estimate);
        total += lt_bound_step(s, t, variance, gaussian, estimate, M);
    }
    return total / M;
}

static void test_gaussian_data(void **state) {
    (void)state;
    const double entropy = 0.5 * log(2 * M_PI * M_E);
    double gap = 0; /* of the posterior's variance, which is too small for data that are not one point */
    for (int t = 1; t < LT_TRAIN_STEPS; t++) {
        const double ratio = (1 - (double)eps_schedule.alphas_cumprod[t]) / (1 - eps_schedule.alphas_cumprod[t - 1]);
        gap += 0.5 * (ratio - 1 - log(ratio));
    }
    const lt_noise_schedule *const schedules[] = {&eps_schedule, &v_schedule};
    for (int i = 0; i < 2; i++) {
        assert_near(whole_bound(schedules[i], LT_VARIANCE_BETA), entropy, 1e-4);
        assert_near(whole_bound(schedules[i], LT_VARIANCE_POSTERIOR), entropy + gap, 1e-4);
    }
    assert_true(gap > 0.2 && gap < 0.3);
}

/* Each t comes as often as 1 / weight says, so that every L_{t-1} counts once. */
static void test_timesteps(void **state) {
    (void)state;
    enum { DRAWS = 40000 };
    static double count[LT_TRAIN_STEPS];
    double weight, total = 0;
    for (int i = 0; i < DRAWS; i++) {
        const int t = lt_bound_timestep(&eps_schedule, (i + 0.5) / DRAWS, &weight);
        assert_true(t >= 1 && t < LT_TRAIN_STEPS && weight > 0);
        count[t] += weight / DRAWS;
    }
    for (int t = 1; t < LT_TRAIN_STEPS; t++) {
        assert_near(count[t], 1, 0.2);
        total += count[t];
    }
    assert_near(total, LT_TRAIN_STEPS - 1, 0.5);
    assert_int_equal(lt_bound_timestep(&eps_schedule, 0, &weight), 1);
    assert_int_equal(lt_bound_timestep(&eps_schedule, 1 - 1e-9, &weight), LT_TRAIN_STEPS - 1);
    assert_int_equal(lt_bound_timestep(&eps_schedule, 1, &weight), LT_TRAIN_STEPS - 1); /* a float next to 1, rounded */
}

/* A few timesteps by strata are near the whole sum. */
static void test_strata(void **state) {
    (void)state;
    enum { TIMESTEPS = 10 };
    double exact = 0, sampled = 0;
    float estimate[M];
    for (int t = 1; t < LT_TRAIN_STEPS; t++) {
        best_estimate(&eps_schedule, t, estimate);
        exact += lt_bound_step(&eps_schedule, t, LT_VARIANCE_POSTERIOR, gaussian, estimate, M);
    }
    for (int i = 0; i < TIMESTEPS; i++) {
        double weight;
        const int t = lt_bound_timestep(&eps_schedule, (i + 0.5) / TIMESTEPS, &weight);
        best_estimate(&eps_schedule, t, estimate);
        sampled += weight / TIMESTEPS * lt_bound_step(&eps_schedule, t, LT_VARIANCE_POSTERIOR, gaussian, estimate, M);
    }
    assert_near(sampled, exact, 0.03 * exact);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),       cmocka_unit_test(test_prior),
        cmocka_unit_test(test_end),         cmocka_unit_test(test_perfect_estimates_cost_nothing),
        cmocka_unit_test(test_predictions), cmocka_unit_test(test_gaussian_data),
        cmocka_unit_test(test_timesteps),   cmocka_unit_test(test_strata),
    };
    return cmocka_run_group_tests_name("bound", tests, make_schedules, NULL);
}
