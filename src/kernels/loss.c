/* Losses, shared out over threads sample by sample: what they add up does not depend on how many there are. */
#include "kernels/loss.h"

#include "base/threads.h"
#include "kernels/contrastive.h"

#include <math.h>

static double mean_of(const double *x, size_t n) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += x[i];
    return total / (double)n;
}

static void for_each_sample(size_t n, lt_body *body, const void *args) {
    lt_parallel(LT_ALL_THREADS, n, LT_EVENLY, body, args);
}

/* ---- Squared and absolute error ---- */

static void error_of_sample(const void *args, size_t i, int thread) {
    (void)thread;
    const lt_error_args *a = args;
    const float *x = a->x + i * a->count, *target = a->target + i * a->count;
    double total = 0;
    for (size_t k = 0; k < a->count; k++) {
        const double e = (double)x[k] - target[k];
        total += a->absolute ? fabs(e) : e * e;
    }
    a->scratch[i] = total * (a->weight ? (double)a->weight[i] : 1) / (double)a->count;
}

static double error(const lt_error_args *a) {
    for_each_sample(a->n, error_of_sample, a);
    return mean_of(a->scratch, a->n);
}

static void error_gradient_of_sample(const void *args, size_t i, int thread) {
    (void)thread;
    const lt_error_args *a = args;
    const float *x = a->x + i * a->count, *target = a->target + i * a->count;
    const float scale = a->dy * (a->weight ? a->weight[i] : 1) / (float)(a->n * a->count);
    float *dx = a->dx + i * a->count;
    for (size_t k = 0; k < a->count; k++) {
        const float e = x[k] - target[k];
        dx[k] = scale * (a->absolute ? (float)((e > 0) - (e < 0)) : 2 * e);
    }
}

static void error_backward(const lt_error_args *a) { for_each_sample(a->n, error_gradient_of_sample, a); }

/* ---- The posterior of a VAE ---- */

/* One row of a sample: mean and log-variance, and where its latent begins. */
typedef struct row {
    const float *mean, *logvar;
    size_t latent, moments;
} row;

static row row_at(const lt_posterior_args *a, size_t sample, size_t r) {
    const size_t at = sample * a->rows + r, c = a->c;
    return (row){a->moments + at * 2 * c, a->moments + at * 2 * c + c, at * c, at * 2 * c};
}

/* Then it has no gradient. */
static bool is_clamped(float logvar) { return lt_clamp_logvar(logvar) < logvar || lt_clamp_logvar(logvar) > logvar; }

static void draw_sample(const void *args, size_t i, int thread) {
    (void)thread;
    const lt_posterior_args *a = args;
    for (size_t r = 0; r < a->rows; r++) {
        const row m = row_at(a, i, r);
        const float *noise = a->noise + m.latent;
        for (size_t k = 0; k < a->c; k++)
            a->z[m.latent + k] = m.mean[k] + expf(0.5f * lt_clamp_logvar(m.logvar[k])) * noise[k];
    }
}

static void posterior(const lt_posterior_args *a) { for_each_sample(a->n, draw_sample, a); }

static void draw_gradient(const void *args, size_t i, int thread) {
    (void)thread;
    const lt_posterior_args *a = args;
    for (size_t r = 0; r < a->rows; r++) {
        const row m = row_at(a, i, r);
        const float *dz = a->dz + m.latent, *noise = a->noise + m.latent;
        float *dmean = a->dmoments + m.moments, *dlogvar = dmean + a->c;
        for (size_t k = 0; k < a->c; k++) {
            dmean[k] = dz[k];
            dlogvar[k] = is_clamped(m.logvar[k]) ? 0 : dz[k] * 0.5f * expf(0.5f * m.logvar[k]) * noise[k];
        }
    }
}

static void posterior_backward(const lt_posterior_args *a) { for_each_sample(a->n, draw_gradient, a); }

static void kl_of_sample(const void *args, size_t i, int thread) {
    (void)thread;
    const lt_posterior_args *a = args;
    double total = 0;
    for (size_t r = 0; r < a->rows; r++) {
        const row m = row_at(a, i, r);
        for (size_t k = 0; k < a->c; k++) {
            const double l = (double)lt_clamp_logvar(m.logvar[k]);
            total += 0.5 * ((double)m.mean[k] * m.mean[k] + exp(l) - 1 - l);
        }
    }
    a->scratch[i] = total;
}

static double kl(const lt_posterior_args *a) {
    for_each_sample(a->n, kl_of_sample, a);
    return mean_of(a->scratch, a->n);
}

static void kl_gradient(const void *args, size_t i, int thread) {
    (void)thread;
    const lt_posterior_args *a = args;
    const float scale = a->dy / (float)a->n;
    for (size_t r = 0; r < a->rows; r++) {
        const row m = row_at(a, i, r);
        float *dmean = a->dmoments + m.moments, *dlogvar = dmean + a->c;
        for (size_t k = 0; k < a->c; k++) {
            dmean[k] = scale * m.mean[k];
            dlogvar[k] = is_clamped(m.logvar[k]) ? 0 : scale * 0.5f * (expf(m.logvar[k]) - 1);
        }
    }
}

static void kl_backward(const lt_posterior_args *a) { for_each_sample(a->n, kl_gradient, a); }

/* ---- Cosine ---- */

/* a.b, |a| and |b| of a sample; a length of 0 becomes 1, so that the cosine is 0. */
typedef struct angle {
    double dot, a, b;
} angle;

static angle angle_of(const float *a, const float *b, size_t n) {
    angle g = {0, 0, 0};
    for (size_t k = 0; k < n; k++) {
        g.dot += (double)a[k] * b[k];
        g.a += (double)a[k] * a[k];
        g.b += (double)b[k] * b[k];
    }
    g.a = g.a > 0 ? sqrt(g.a) : 1;
    g.b = g.b > 0 ? sqrt(g.b) : 1;
    return g;
}

static void cosine_of_sample(const void *args, size_t i, int thread) {
    (void)thread;
    const lt_cosine_args *a = args;
    const angle g = angle_of(a->a + i * a->count, a->b + i * a->count, a->count);
    a->scratch[i] = g.dot / (g.a * g.b);
}

static double cosine(const lt_cosine_args *a) {
    for_each_sample(a->n, cosine_of_sample, a);
    return mean_of(a->scratch, a->n);
}

/* d cos / d a = (b/|b| - cos a/|a|) / |a| */
static void cosine_gradient(const void *args, size_t i, int thread) {
    (void)thread;
    const lt_cosine_args *s = args;
    const float *a = s->a + i * s->count, *b = s->b + i * s->count;
    const angle g = angle_of(a, b, s->count);
    const double cosine = g.dot / (g.a * g.b), scale = (double)s->dy / ((double)s->n * g.a);
    for (size_t k = 0; k < s->count; k++)
        s->da[i * s->count + k] = (float)(scale * ((double)b[k] / g.b - cosine * (double)a[k] / g.a));
}

static void cosine_backward(const lt_cosine_args *a) { for_each_sample(a->n, cosine_gradient, a); }

/* ---- Cross-entropy ---- */

/* The greatest is found by comparing, here and in contrastive.c: of fmax gcc 12 for aarch64 makes a reduction at -O3
 * that it then dies of. */
static double log_sum_exp(const float *x, size_t n) {
    double max = -INFINITY, total = 0;
    for (size_t i = 0; i < n; i++)
        if ((double)x[i] > max) max = (double)x[i];
    for (size_t i = 0; i < n; i++) total += exp((double)x[i] - max);
    return max + log(total);
}

static void cross_entropy_of_sample(const void *args, size_t i, int thread) {
    (void)thread;
    const lt_cross_entropy_args *a = args;
    const float *logits = a->logits + i * a->c;
    a->scratch[i] = log_sum_exp(logits, a->c) - (double)logits[a->labels[i]];
}

static double cross_entropy(const lt_cross_entropy_args *a) {
    for_each_sample(a->n, cross_entropy_of_sample, a);
    return mean_of(a->scratch, a->n);
}

static void cross_entropy_gradient(const void *args, size_t i, int thread) {
    (void)thread;
    const lt_cross_entropy_args *a = args;
    const float *logits = a->logits + i * a->c;
    const double log_total = log_sum_exp(logits, a->c);
    for (size_t k = 0; k < a->c; k++) {
        const double p = exp((double)logits[k] - log_total);
        a->dlogits[i * a->c + k] = (float)((double)a->dy * (p - (k == (size_t)a->labels[i])) / (double)a->n);
    }
}

static void cross_entropy_backward(const lt_cross_entropy_args *a) { for_each_sample(a->n, cross_entropy_gradient, a); }

const lt_loss_kernels lt_losses = {
    .error = error,
    .error_backward = error_backward,
    .posterior = posterior,
    .posterior_backward = posterior_backward,
    .kl = kl,
    .kl_backward = kl_backward,
    .cosine = cosine,
    .cosine_backward = cosine_backward,
    .contrastive = lt_contrastive,
    .contrastive_backward = lt_contrastive_backward,
    .cross_entropy = cross_entropy,
    .cross_entropy_backward = cross_entropy_backward,
};
