/* AdamW with clipping, a schedule of the rate, and the moving average of the weights. The arithmetic over a tensor is
 * the kernels'; here is what one step's numbers are. */
#include "train/optimizer.h"

#include <math.h>
#include <string.h>

lt_optimizer_options lt_optimizer_defaults(void) {
    return (lt_optimizer_options){
        .rate = 1e-4F, .beta1 = 0.9F, .beta2 = 0.999F, .eps = 1e-8F, .decay = 1e-2F, .ema = 0.999F};
}

/* ---- Creating ---- */

static lt_status check_options(const lt_optimizer_options *o) {
    const struct {
        const char *name;
        float value, limit; /* it is in [0, limit) */
    } numbers[] = {
        {"the learning rate", o->rate, INFINITY},
        {"beta1", o->beta1, 1},
        {"beta2", o->beta2, 1},
        {"epsilon", o->eps, INFINITY},
        {"the weight decay", o->decay, INFINITY},
        {"the gradient norm to clip to", o->clip, INFINITY},
        {"the decay of the average", o->ema, 1},
    };
    for (size_t i = 0; i < LT_COUNT(numbers); i++) {
        if (numbers[i].value >= 0 && numbers[i].value < numbers[i].limit) continue;
        return lt_fail(LT_ERROR_ARGUMENT, "%s is %g: it must be at least 0 and %s", numbers[i].name,
                       (double)numbers[i].value, isinf(numbers[i].limit) ? "finite" : "less than 1");
    }
    if (o->eps <= 0) return lt_fail(LT_ERROR_ARGUMENT, "epsilon is 0: a weight that has no gradient would become NaN");
    if (o->warmup < 0 || o->cosine < 0)
        return lt_fail(LT_ERROR_ARGUMENT, "%s is %ld steps: it can't be less than 0",
                       o->warmup < 0 ? "the warm-up" : "the fall of the rate", o->warmup < 0 ? o->warmup : o->cosine);
    return LT_OK;
}

/* What the optimiser keeps for one tensor. */
static lt_status add_moments(lt_parameter *p, bool ema) {
    p->m = lt_calloc(p->count, sizeof *p->m);
    p->v = lt_calloc(p->count, sizeof *p->v);
    if (ema) p->ema = lt_calloc(p->count, sizeof *p->ema);
    if (!p->m || !p->v || (ema && !p->ema)) return LT_ERROR_MEMORY;
    if (ema) memcpy(p->ema, p->value, p->count * sizeof *p->ema);
    return LT_OK;
}

lt_status lt_optimizer_create(const lt_optimizer_options *options, const lt_parameter *parameters, size_t count,
                              lt_optimizer *optimizer) {
    *optimizer = (lt_optimizer){.options = *options};
    LT_TRY(check_options(options));
    optimizer->parameters = lt_calloc(count, sizeof *parameters);
    if (!optimizer->parameters) return LT_ERROR_MEMORY;
    optimizer->count = count;
    lt_status status = LT_OK;
    for (size_t i = 0; i < count && !status; i++) {
        lt_parameter *p = &optimizer->parameters[i];
        *p = (lt_parameter){parameters[i].name, parameters[i].count, parameters[i].value, parameters[i].gradient};
        status = add_moments(p, options->ema > 0);
    }
    if (status) lt_optimizer_free(optimizer);
    return status;
}

void lt_optimizer_free(lt_optimizer *optimizer) {
    for (size_t i = 0; i < optimizer->count; i++) {
        lt_free(optimizer->parameters[i].m);
        lt_free(optimizer->parameters[i].v);
        lt_free(optimizer->parameters[i].ema);
    }
    lt_free(optimizer->parameters);
    *optimizer = (lt_optimizer){0};
}

/* ---- Stepping ---- */

double lt_optimizer_rate(const lt_optimizer_options *options, long step) {
    const double rate = (double)options->rate;
    if (step < options->warmup) return rate * (double)(step + 1) / (double)options->warmup;
    if (options->cosine == 0) return rate;
    const long fallen = step - options->warmup;
    if (fallen >= options->cosine) return 0;
    return rate * 0.5 * (1 + cos(M_PI * (double)fallen / (double)options->cosine));
}

double lt_optimizer_ema_decay(const lt_optimizer_options *options, long step) {
    return fmin((double)options->ema, (double)(1 + step) / (double)(10 + step));
}

/* The norm of the mean gradient over all tensors. */
static lt_status gradient_norm(const lt_optimizer *optimizer, const lt_kernels *kernels, int accumulated,
                               double *norm) {
    double sum = 0;
    for (size_t i = 0; i < optimizer->count; i++) {
        const lt_parameter *p = &optimizer->parameters[i];
        sum += kernels->sum_of_squares(p->gradient, p->count);
        if (!isfinite(sum))
            return lt_fail(LT_ERROR_ARGUMENT,
                           "step %ld: the gradient of %s is not finite, so the step was not taken. Go on from the last "
                           "state with a lower rate, a longer warm-up or clipping, and look for broken samples",
                           optimizer->step + 1, p->name);
    }
    *norm = sqrt(sum) / accumulated;
    return LT_OK;
}

lt_status lt_optimizer_step(lt_optimizer *optimizer, const lt_kernels *kernels, int accumulated,
                            lt_optimizer_report *report) {
    const lt_optimizer_options *o = &optimizer->options;
    if (accumulated < 1) return lt_fail(LT_ERROR_ARGUMENT, "a step over %d batches: at least 1 is needed", accumulated);
    double norm = 0;
    LT_TRY(gradient_norm(optimizer, kernels, accumulated, &norm));
    const double clip = (double)o->clip, clipping = clip > 0 && norm > clip ? clip / norm : 1;
    const double rate = lt_optimizer_rate(o, optimizer->step), t = (double)(optimizer->step + 1);
    lt_adamw_args args = {
        .scale = (float)(clipping / accumulated),
        .rate = (float)rate,
        .beta1 = o->beta1,
        .beta2 = o->beta2,
        .eps = o->eps,
        .decay = o->decay,
        .bias1 = (float)(1 - pow((double)o->beta1, t)),
        .bias2 = (float)(1 - pow((double)o->beta2, t)),
        .ema_decay = (float)lt_optimizer_ema_decay(o, optimizer->step),
    };
    for (size_t i = 0; i < optimizer->count; i++) {
        const lt_parameter *p = &optimizer->parameters[i];
        args.n = p->count;
        args.w = p->value;
        args.gradient = p->gradient;
        args.m = p->m;
        args.v = p->v;
        args.ema = p->ema;
        kernels->adamw(&args);
    }
    optimizer->step++;
    if (report) *report = (lt_optimizer_report){norm, rate};
    return LT_OK;
}

/* ---- Looking at it ---- */

lt_status lt_optimizer_check(const lt_optimizer *optimizer) {
    for (size_t i = 0; i < optimizer->count; i++) {
        const lt_parameter *p = &optimizer->parameters[i];
        const float *const arrays[] = {p->value, p->m, p->v, p->ema};
        static const char *const of[] = {"", "AdamW's mean of ", "AdamW's variance of ", "the average of "};
        for (size_t k = 0; k < LT_COUNT(arrays); k++)
            if (arrays[k] && !lt_all_finite(arrays[k], p->count))
                return lt_fail(LT_ERROR_MODEL, "%s%s holds a NaN or an infinity", of[k], p->name);
    }
    return LT_OK;
}
