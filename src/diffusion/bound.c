/* The variational bound: see bound.h. Sums are in double precision: the terms near t = 0 are differences of numbers
 * that hardly differ, times large weights. */
#include "diffusion/bound.h"

#include <math.h>

/* The signal-to-noise ratio abar / (1 - abar) at t. */
static double snr(const lt_noise_schedule *s, int t) {
    const double abar = s->alphas_cumprod[t];
    return abar / (1 - abar);
}

/* Of q(x_{t-1} | x_t, x_0) = N(from_x0 x_0 + from_xt x_t, variance I) (eq. 6 and 7) what the bound needs: the share of
 * x_t is the same in p, so it cancels. */
typedef struct posterior {
    double beta, from_x0, variance;
} posterior;

static posterior posterior_at(const lt_noise_schedule *s, int t) {
    const double abar = s->alphas_cumprod[t], before = s->alphas_cumprod[t - 1], beta = 1 - abar / before;
    return (posterior){beta, sqrt(before) * beta / (1 - abar), (1 - before) / (1 - abar) * beta};
}

static double squared_distance(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

void lt_bound_estimate(const lt_noise_schedule *s, int t, const float *x, const float *prediction, float *out,
                       size_t n) {
    const double abar = s->alphas_cumprod[t], alpha = sqrt(abar), sigma = sqrt(1 - abar);
    /* x_t = alpha x_0 + sigma eps; v = alpha eps - sigma x_0 (Salimans & Ho 2022) */
    const bool is_v = s->prediction == LT_PREDICT_V;
    const double from_x = is_v ? alpha : 1 / alpha, from_prediction = is_v ? -sigma : -sigma / alpha;
    for (size_t i = 0; i < n; i++) out[i] = (float)(from_x * x[i] + from_prediction * prediction[i]);
}

/* KL(N(m, v) || N(0, 1)) = (v + m^2 - 1 - ln v) / 2 with m = sqrt(abar) x_0, v = 1 - abar. */
double lt_bound_prior(const lt_noise_schedule *s, const float *x0, size_t n) {
    const double abar = s->alphas_cumprod[LT_TRAIN_STEPS - 1];
    double squares = 0;
    for (size_t i = 0; i < n; i++) squares += (double)x0[i] * x0[i];
    return 0.5 * (abar * squares - (double)n * (abar + log1p(-abar)));
}

/* KL(N(m, v) || N(m', w)) = (v/w - 1 - ln(v/w) + (m - m')^2 / w) / 2, m and m' differing by from_x0 (x_0 - estimate).
 */
double lt_bound_step(const lt_noise_schedule *s, int t, lt_variance variance, const float *x0, const float *estimate,
                     size_t n) {
    const posterior q = posterior_at(s, t);
    const double chosen = variance == LT_VARIANCE_BETA ? q.beta : q.variance, ratio = q.variance / chosen;
    const double distance = q.from_x0 * q.from_x0 * squared_distance(x0, estimate, n);
    return 0.5 * ((double)n * (ratio - 1 - log(ratio)) + distance / chosen);
}

/* From t = 0 the mean of the step is the estimate itself: eq. 7 with abar_0 = 1 of the paper's count. */
double lt_bound_end(const lt_noise_schedule *s, const float *x0, const float *estimate, size_t n) {
    const double variance = 1 - (double)s->alphas_cumprod[0];
    return 0.5 * ((double)n * log(2 * M_PI * variance) + squared_distance(x0, estimate, n) / variance);
}

/* L_{t-1} = (snr(t-1) - snr(t)) / 2 |x_0 - estimate|^2 = (snr(t-1) / snr(t) - 1) / 2 |eps - prediction|^2, with the
 * posterior's variance; a constant factor does not matter. */
static double expected_step(const lt_noise_schedule *s, int t) { return snr(s, t - 1) / snr(s, t) - 1; }

int lt_bound_timestep(const lt_noise_schedule *s, double u, double *weight) {
    double total = 0, below = 0;
    for (int t = 1; t < LT_TRAIN_STEPS; t++) total += expected_step(s, t);
    int t = 1;
    while (t < LT_TRAIN_STEPS - 1 && below + expected_step(s, t) <= u * total) below += expected_step(s, t++);
    *weight = total / expected_step(s, t);
    return t;
}
