/* What the two halves of the plain C reference share: reference.c (forward, and the table) and reference_backward.c. */
#ifndef LT_REFERENCE_H
#define LT_REFERENCE_H

#include "kernels/kernels.h"

#include <math.h>

static inline double lt_sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* Phi(x), the normal distribution; with erfc, so that the left tail keeps its digits. */
static inline double lt_normal(double x) { return 0.5 * erfc(-x * sqrt(0.5)); }

/* x + vector at one sample, pixel and channel of the concatenated sources. */
static inline double lt_group_norm_input(const lt_group_norm_args *a, size_t sample, size_t pixel, size_t channel) {
    const size_t c0 = (size_t)a->c[0], c1 = (size_t)a->c[1], row = sample * (size_t)a->pixels + pixel;
    const double x = channel < c0 ? a->x[0][row * c0 + channel] : a->x[1][row * c1 + channel - c0];
    return a->vector ? x + a->vector[sample * (c0 + c1) + channel] : x;
}

/* Mean and 1 / sqrt(variance + eps) of one group of one sample. */
static inline void lt_group_statistics(const lt_group_norm_args *a, size_t sample, size_t group, double *mean,
                                       double *rstd) {
    const size_t width = (size_t)(a->c[0] + a->c[1]) / (size_t)a->groups, pixels = (size_t)a->pixels;
    const size_t begin = group * width, end = begin + width;
    const double count = (double)(width * pixels);
    double variance = 0;
    *mean = 0;
    for (size_t p = 0; p < pixels; p++)
        for (size_t i = begin; i < end; i++) *mean += lt_group_norm_input(a, sample, p, i) / count;
    for (size_t p = 0; p < pixels; p++)
        for (size_t i = begin; i < end; i++) variance += pow(lt_group_norm_input(a, sample, p, i) - *mean, 2) / count;
    *rstd = 1 / sqrt(variance + (double)a->eps);
}

/* The same of one row of c. */
static inline void lt_row_statistics(const float *x, size_t c, float eps, double *mean, double *rstd) {
    double variance = 0;
    *mean = 0;
    for (size_t i = 0; i < c; i++) *mean += (double)x[i] / (double)c;
    for (size_t i = 0; i < c; i++) variance += pow(x[i] - *mean, 2) / (double)c;
    *rstd = 1 / sqrt(variance + (double)eps);
}

/* The keys that a query of sample `sample` sees. */
static inline size_t lt_keys_seen(const lt_attention_args *a, size_t sample, size_t query) {
    const size_t keys = a->lengths ? (size_t)a->lengths[sample] : (size_t)a->tokens_k;
    return a->causal && query + 1 < keys ? query + 1 : keys;
}

size_t lt_reference_group_norm_backward_scratch(const lt_group_norm_backward_args *a);
void lt_reference_group_norm_backward(const lt_group_norm_backward_args *a);
size_t lt_reference_layer_norm_backward_scratch(const lt_layer_norm_backward_args *a);
void lt_reference_layer_norm_backward(const lt_layer_norm_backward_args *a);
size_t lt_reference_attention_backward_scratch(const lt_attention_backward_args *a, int threads);
void lt_reference_attention_backward(const lt_attention_backward_args *a);
void lt_reference_activate_backward(lt_activation act, const float *x, const float *dy, float *dx, size_t n);
void lt_reference_geglu_backward(const float *a, const float *dy, float *da, size_t rows, size_t oc);
void lt_reference_adamw(const lt_adamw_args *a);
double lt_reference_sum_of_squares(const float *x, size_t n);

#endif
