/* AdamW over a model's trainable weights: decoupled decay, clipping by the global norm, warm-up, constant or cosine
 * rate, and the exponential moving average of the weights. */
#ifndef LT_OPTIMIZER_H
#define LT_OPTIMIZER_H

#include "kernels/kernels.h"

typedef struct lt_optimizer_options {
    float rate;                     /* 1e-4 */
    float beta1, beta2, eps, decay; /* 0.9, 0.999, 1e-8, 1e-2 */
    float clip;                     /* the gradient's global norm at most; 0: not clipped */
    float ema;                      /* decay of the average at most, 0.999; 0: none is kept */
    long warmup;                    /* steps of linear rise to rate */
    long cosine;                    /* steps over which the rate then falls to 0 by half a cosine; 0: constant */
} lt_optimizer_options;
lt_optimizer_options lt_optimizer_defaults(void);

/* One tensor: all arrays [count]. */
typedef struct lt_parameter {
    const char *name;
    size_t count;
    float *value, *gradient, *m, *v;
    float *ema; /* NULL without */
} lt_parameter;

typedef struct lt_optimizer {
    lt_optimizer_options options;
    lt_parameter *parameters;
    size_t count;
    long step; /* done so far */
} lt_optimizer;

/* What one step did. */
typedef struct lt_optimizer_report {
    double gradient_norm; /* before clipping, of the mean gradient */
    double rate;
} lt_optimizer_report;

/* Takes a copy of the list; names, values and gradients stay the caller's, m and v (zeros) and ema (the values) are the
 * optimiser's. An option that makes no sense is LT_ERROR_ARGUMENT. */
lt_status lt_optimizer_create(const lt_optimizer_options *options, const lt_parameter *parameters, size_t count,
                              lt_optimizer *optimizer);
void lt_optimizer_free(lt_optimizer *optimizer); /* a zeroed one is fine */

/* The rate of the step that comes after `step` others: (step + 1) / warmup of it at first, never 0 before the fall. */
double lt_optimizer_rate(const lt_optimizer_options *options, long step);

/* The average's decay at that step: min(ema, (1 + step) / (10 + step)), so that a short run's average does not sit on
 * the weights that the run began with (as TensorFlow's ExponentialMovingAverage has it). */
double lt_optimizer_ema_decay(const lt_optimizer_options *options, long step);

/* One step with the gradients that have been summed over `accumulated` batches; they are 0 afterwards. The mean
 * gradient is scaled by min(1, clip / norm). A gradient that is not finite changes nothing, the gradients included, and
 * is LT_ERROR_ARGUMENT with its tensor's name. report may be NULL. */
lt_status lt_optimizer_step(lt_optimizer *optimizer, const lt_kernels *kernels, int accumulated,
                            lt_optimizer_report *report);

/* LT_ERROR_MODEL with the name of the first tensor, of values, moments and averages, that holds a NaN or an infinity.
 */
lt_status lt_optimizer_check(const lt_optimizer *optimizer);

#endif
