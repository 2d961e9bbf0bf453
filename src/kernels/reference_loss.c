/* The losses' formulas and nothing else, in double precision, one after the other: what loss.c and contrastive.c are
 * tested against. */
#include "kernels/loss.h"

#include <math.h>

/* ---- Squared and absolute error ---- */

static double error(const lt_error_args *a) {
    double total = 0;
    for (size_t i = 0; i < a->n * a->count; i++) {
        const double e = (double)a->x[i] - a->target[i], weight = a->weight ? (double)a->weight[i / a->count] : 1;
        total += weight * (a->absolute ? fabs(e) : e * e);
    }
    return total / (double)(a->n * a->count);
}

static void error_backward(const lt_error_args *a) {
    for (size_t i = 0; i < a->n * a->count; i++) {
        const double e = (double)a->x[i] - a->target[i], weight = a->weight ? (double)a->weight[i / a->count] : 1;
        const double slope = a->absolute ? (e > 0) - (e < 0) : 2 * e;
        a->dx[i] = (float)((double)a->dy * weight * slope / (double)(a->n * a->count));
    }
}

/* ---- The posterior of a VAE ---- */

static const float *mean_at(const lt_posterior_args *a, size_t i) {
    return a->moments + i / a->c * 2 * a->c + i % a->c;
}
static float *dmean_at(const lt_posterior_args *a, size_t i) { return a->dmoments + i / a->c * 2 * a->c + i % a->c; }
static double logvar_at(const lt_posterior_args *a, size_t i) { return (double)lt_clamp_logvar(mean_at(a, i)[a->c]); }
static size_t latents(const lt_posterior_args *a) { return a->n * a->rows * a->c; }

/* Of the clamped log-variance by the given one. */
static double slope_at(const lt_posterior_args *a, size_t i) {
    const float logvar = mean_at(a, i)[a->c];
    return logvar >= -30 && logvar <= 20;
}

static void posterior(const lt_posterior_args *a) {
    for (size_t i = 0; i < latents(a); i++)
        a->z[i] = (float)((double)*mean_at(a, i) + exp(logvar_at(a, i) / 2) * (double)a->noise[i]);
}

static void posterior_backward(const lt_posterior_args *a) {
    for (size_t i = 0; i < latents(a); i++) {
        dmean_at(a, i)[0] = a->dz[i];
        dmean_at(a, i)[a->c] =
            (float)(slope_at(a, i) * (double)a->dz[i] * (double)a->noise[i] * exp(logvar_at(a, i) / 2) / 2);
    }
}

static double kl(const lt_posterior_args *a) {
    double total = 0;
    for (size_t i = 0; i < latents(a); i++) {
        const double mean = (double)*mean_at(a, i), logvar = logvar_at(a, i);
        total += (mean * mean + exp(logvar) - 1 - logvar) / 2;
    }
    return total / (double)a->n;
}

static void kl_backward(const lt_posterior_args *a) {
    const double scale = (double)a->dy / (double)a->n;
    for (size_t i = 0; i < latents(a); i++) {
        dmean_at(a, i)[0] = (float)(scale * (double)*mean_at(a, i));
        dmean_at(a, i)[a->c] = (float)(scale * slope_at(a, i) * (exp(logvar_at(a, i)) - 1) / 2);
    }
}

/* ---- Cosines ---- */

static double dot(const float *a, const float *b, size_t n) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += (double)a[i] * b[i];
    return total;
}

static double length(const float *a, size_t n) {
    const double square = dot(a, a, n);
    return square > 0 ? sqrt(square) : 1;
}

static double cosine_of(const float *a, const float *b, size_t n) {
    return dot(a, b, n) / (length(a, n) * length(b, n));
}

/* Number k of the gradient of cosine_of by a. */
static double cosine_slope(const float *a, const float *b, size_t n, size_t k) {
    return ((double)b[k] / length(b, n) - cosine_of(a, b, n) * (double)a[k] / length(a, n)) / length(a, n);
}

static double cosine(const lt_cosine_args *a) {
    double total = 0;
    for (size_t i = 0; i < a->n; i++) total += cosine_of(a->a + i * a->count, a->b + i * a->count, a->count);
    return total / (double)a->n;
}

static void cosine_backward(const lt_cosine_args *a) {
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < a->count; k++)
            a->da[i * a->count + k] = (float)((double)a->dy / (double)a->n *
                                              cosine_slope(a->a + i * a->count, a->b + i * a->count, a->count, k));
}

/* ---- Contrastive loss ---- */

static double logit(const lt_contrastive_args *a, size_t i, size_t j) {
    return exp((double)a->logit_scale) * cosine_of(a->rows[0] + i * a->d, a->rows[1] + j * a->d, a->d);
}

/* The shares of logit (i, j) among its row's, and its column's. */
static void softmax(const lt_contrastive_args *a, size_t i, size_t j, double *of_row, double *of_column) {
    double row = 0, column = 0;
    for (size_t k = 0; k < a->n; k++) {
        row += exp(logit(a, i, k) - logit(a, i, j));
        column += exp(logit(a, k, j) - logit(a, i, j));
    }
    *of_row = 1 / row;
    *of_column = 1 / column;
}

static double contrastive(const lt_contrastive_args *a) {
    double total = 0, row, column;
    for (size_t i = 0; i < a->n; i++) {
        softmax(a, i, i, &row, &column);
        total -= (log(row) + log(column)) / 2;
    }
    return total / (double)a->n;
}

/* Of the loss by logit (i, j). */
static double logit_slope(const lt_contrastive_args *a, size_t i, size_t j) {
    double row, column;
    softmax(a, i, j, &row, &column);
    return (double)a->dy * ((row + column) / 2 - (i == j)) / (double)a->n;
}

static void contrastive_backward(const lt_contrastive_args *a) {
    const size_t n = a->n, d = a->d;
    const double scale = exp((double)a->logit_scale);
    double by_scale = 0;
    for (size_t i = 0; i < n * n; i++) {
        a->scratch[i] = logit_slope(a, i / n, i % n);
        by_scale += a->scratch[i] * logit(a, i / n, i % n);
    }
    if (a->dlogit_scale) *a->dlogit_scale += (float)by_scale;
    for (int side = 0; side < 2; side++)
        for (size_t at = 0; at < n * d && a->drows[side]; at++) {
            const size_t i = at / d, k = at % d;
            double sum = 0;
            for (size_t j = 0; j < n; j++)
                sum += a->scratch[side ? j * n + i : i * n + j] * scale *
                       cosine_slope(a->rows[side] + i * d, a->rows[!side] + j * d, d, k);
            a->drows[side][at] = (float)sum;
        }
}

/* ---- Cross-entropy ---- */

/* The share of class k in sample i's softmax. */
static double share_of(const lt_cross_entropy_args *a, size_t i, size_t k) {
    double total = 0;
    for (size_t j = 0; j < a->c; j++) total += exp((double)a->logits[i * a->c + j] - (double)a->logits[i * a->c + k]);
    return 1 / total;
}

static double cross_entropy(const lt_cross_entropy_args *a) {
    double total = 0;
    for (size_t i = 0; i < a->n; i++) total -= log(share_of(a, i, (size_t)a->labels[i]));
    return total / (double)a->n;
}

static void cross_entropy_backward(const lt_cross_entropy_args *a) {
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < a->c; k++)
            a->dlogits[i * a->c + k] =
                (float)((double)a->dy * (share_of(a, i, k) - (k == (size_t)a->labels[i])) / (double)a->n);
}

const lt_loss_kernels lt_reference_losses = {
    .error = error,
    .error_backward = error_backward,
    .posterior = posterior,
    .posterior_backward = posterior_backward,
    .kl = kl,
    .kl_backward = kl_backward,
    .cosine = cosine,
    .cosine_backward = cosine_backward,
    .contrastive = contrastive,
    .contrastive_backward = contrastive_backward,
    .cross_entropy = cross_entropy,
    .cross_entropy_backward = cross_entropy_backward,
};
