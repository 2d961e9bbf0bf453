/* Losses, and the draw from a posterior between the halves of a VAE. */
#include "base/threads.h"
#include "ops/ops.h"

#include <math.h>

enum { DY, FORWARD }; /* of backward operations: the gradient, then the forward operation's inputs */

static lt_status scalar(lt_operation *o) {
    o->out = (lt_shape){1, 1, 1, 1};
    return LT_OK;
}

static lt_status per_sample_scratch(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->scratch_size = (size_t)p->operation->in[0].n * sizeof(double);
    return LT_OK;
}

static double sum(const double *x, int n) {
    double total = 0;
    for (int i = 0; i < n; i++) total += x[i];
    return total;
}

/* ---- Squared and absolute error ---- */

enum { X, TARGET, WEIGHT };

static lt_status error_infer(lt_operation *o) {
    if (!lt_shape_equal(o->in[X], o->in[TARGET]))
        return lt_fail(LT_ERROR_MODEL, "error: %dx%dx%dx%d is compared with %dx%dx%dx%d (n, h, w, channels)",
                       o->in[X].n, o->in[X].h, o->in[X].w, o->in[X].c, o->in[TARGET].n, o->in[TARGET].h,
                       o->in[TARGET].w, o->in[TARGET].c);
    return scalar(o);
}

/* What both directions read, and what each writes. */
typedef struct error_samples {
    const float *x, *target, *weight; /* weight: [n], or NULL */
    size_t count;                     /* numbers of a sample */
    bool absolute;
    double *error; /* [n] */
    float dy, all; /* of the loss; numbers of all samples */
    float *dx;
} error_samples;

static error_samples error_lay_out(const lt_prepared *p, const lt_value *in, lt_shape s) {
    const lt_error_options *a = p->operation->attributes;
    return (error_samples){.x = lt_f32(in[X]),
                           .target = lt_f32(in[TARGET]),
                           .weight = lt_f32(in[WEIGHT]),
                           .count = lt_shape_count(s) / (size_t)s.n,
                           .absolute = a->absolute};
}

static void error_of_sample(const void *context, size_t i, int thread) {
    (void)thread;
    const error_samples *s = context;
    const float *x = s->x + i * s->count, *target = s->target + i * s->count;
    double total = 0;
    for (size_t k = 0; k < s->count; k++) {
        const double e = (double)x[k] - target[k];
        total += s->absolute ? fabs(e) : e * e;
    }
    s->error[i] = total * (s->weight ? (double)s->weight[i] : 1) / (double)s->count;
}

static lt_status error_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    const lt_shape shape = p->operation->in[X];
    error_samples s = error_lay_out(p, in, shape);
    s.error = scratch;
    lt_parallel(LT_ALL_THREADS, (size_t)shape.n, LT_EVENLY, error_of_sample, &s);
    lt_f32(out[0])[0] = (float)(sum(s.error, shape.n) / shape.n);
    return LT_OK;
}

static void error_gradient_of_sample(const void *context, size_t i, int thread) {
    (void)thread;
    const error_samples *s = context;
    const float *x = s->x + i * s->count, *target = s->target + i * s->count;
    const float scale = s->dy * (s->weight ? s->weight[i] : 1) / s->all;
    float *dx = s->dx + i * s->count;
    for (size_t k = 0; k < s->count; k++) {
        const float e = x[k] - target[k];
        dx[k] = scale * (s->absolute ? (float)((e > 0) - (e < 0)) : 2 * e);
    }
}

static lt_status error_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape shape = p->operation->in[FORWARD + X];
    error_samples s = error_lay_out(p, in + FORWARD, shape);
    s.dy = lt_f32(in[DY])[0];
    s.all = (float)lt_shape_count(shape);
    s.dx = lt_f32(out[0]);
    lt_parallel(LT_ALL_THREADS, (size_t)shape.n, LT_EVENLY, error_gradient_of_sample, &s);
    return LT_OK;
}

static const lt_op error_backward = {.name = "error_backward", .infer = lt_infer_backward, .run = error_backward_run};

static const lt_gradient error_gradient = {
    .op = &error_backward, .flows = 1u << X, .reads = 1u << X | 1u << TARGET | 1u << WEIGHT};

const lt_op lt_op_error = {
    .name = "error",
    .infer = error_infer,
    .prepare = per_sample_scratch,
    .run = error_run,
    .gradient = &error_gradient,
};

/* ---- The posterior of a VAE ---- */

enum { MOMENTS, NOISE };

/* Then it has no gradient. */
static bool is_clamped(float logvar) { return lt_clamp_logvar(logvar) < logvar || lt_clamp_logvar(logvar) > logvar; }

static lt_status posterior_infer(lt_operation *o) {
    lt_shape s = o->in[MOMENTS];
    s.c /= 2;
    if (!lt_shape_equal(s, o->in[NOISE])) return lt_fail(LT_ERROR_MODEL, "posterior: the noise has another shape");
    o->out = s;
    return LT_OK;
}

static lt_status posterior_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const size_t c = (size_t)p->operation->out.c, rows = lt_shape_rows(p->operation->out);
    for (size_t row = 0; row < rows; row++) {
        const float *mean = lt_f32(in[MOMENTS]) + row * 2 * c, *logvar = mean + c;
        for (size_t k = 0; k < c; k++)
            lt_f32(out[0])[row * c + k] =
                mean[k] + expf(0.5f * lt_clamp_logvar(logvar[k])) * lt_f32(in[NOISE])[row * c + k];
    }
    return LT_OK;
}

static lt_status posterior_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape s = p->operation->in[DY];
    const size_t c = (size_t)s.c, rows = lt_shape_rows(s);
    for (size_t row = 0; row < rows; row++) {
        const float *logvar = lt_f32(in[FORWARD + MOMENTS]) + row * 2 * c + c, *dy = lt_f32(in[DY]) + row * c;
        float *dmean = lt_f32(out[MOMENTS]) + row * 2 * c, *dlogvar = dmean + c;
        for (size_t k = 0; k < c; k++) {
            dmean[k] = dy[k];
            dlogvar[k] = is_clamped(logvar[k])
                             ? 0
                             : dy[k] * 0.5f * expf(0.5f * logvar[k]) * lt_f32(in[FORWARD + NOISE])[row * c + k];
        }
    }
    return LT_OK;
}

static const lt_op posterior_backward = {
    .name = "posterior_backward", .infer = lt_infer_backward, .run = posterior_backward_run};

static const lt_gradient posterior_gradient = {
    .op = &posterior_backward, .flows = 1u << MOMENTS, .reads = 1u << MOMENTS | 1u << NOISE};

const lt_op lt_op_posterior = {
    .name = "posterior",
    .infer = posterior_infer,
    .run = posterior_run,
    .gradient = &posterior_gradient,
};

static lt_status kl_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape s = p->operation->in[MOMENTS];
    const size_t c = (size_t)s.c / 2, rows = lt_shape_rows(s);
    double total = 0;
    for (size_t row = 0; row < rows; row++) {
        const float *mean = lt_f32(in[MOMENTS]) + row * 2 * c, *logvar = mean + c;
        for (size_t k = 0; k < c; k++) {
            const double l = (double)lt_clamp_logvar(logvar[k]);
            total += 0.5 * ((double)mean[k] * mean[k] + exp(l) - 1 - l);
        }
    }
    lt_f32(out[0])[0] = (float)(total / s.n);
    return LT_OK;
}

static lt_status kl_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape s = p->operation->in[FORWARD + MOMENTS];
    const size_t c = (size_t)s.c / 2, rows = lt_shape_rows(s);
    const float scale = lt_f32(in[DY])[0] / (float)s.n;
    for (size_t row = 0; row < rows; row++) {
        const float *mean = lt_f32(in[FORWARD + MOMENTS]) + row * 2 * c, *logvar = mean + c;
        float *dmean = lt_f32(out[MOMENTS]) + row * 2 * c, *dlogvar = dmean + c;
        for (size_t k = 0; k < c; k++) {
            dmean[k] = scale * mean[k];
            dlogvar[k] = is_clamped(logvar[k]) ? 0 : scale * 0.5f * (expf(logvar[k]) - 1);
        }
    }
    return LT_OK;
}

static const lt_op kl_backward = {.name = "kl_backward", .infer = lt_infer_backward, .run = kl_backward_run};

static const lt_gradient kl_gradient = {.op = &kl_backward, .flows = 1u << MOMENTS, .reads = 1u << MOMENTS};

const lt_op lt_op_kl = {.name = "kl", .infer = scalar, .run = kl_run, .gradient = &kl_gradient};

/* ---- Contrastive loss ---- */

enum { IMAGES, TEXTS };

/* Scratch, in doubles: the logits [n, n] and both sides' rows scaled to length 1 [n, d], with their lengths [n]. */
typedef struct contrast {
    int n, d;
    double scale; /* exp(logit_scale) */
    double *logits, *unit[2], *length[2];
} contrast;

static contrast contrast_lay_out(const lt_shape *in, void *scratch) {
    contrast c = {.n = in[IMAGES].n, .d = in[IMAGES].c, .logits = scratch};
    const size_t n = (size_t)c.n, d = (size_t)c.d;
    double *next = c.logits + n * n;
    for (int side = 0; side < 2 && scratch; side++) {
        c.unit[side] = next;
        c.length[side] = next + n * d;
        next += n * (d + 1);
    }
    return c;
}

static size_t contrast_size(const lt_shape *in) {
    const size_t n = (size_t)in[IMAGES].n, d = (size_t)in[IMAGES].c;
    return (n * n + 2 * n * (d + 1)) * sizeof(double);
}

static lt_status contrastive_infer(lt_operation *o) {
    if (!lt_shape_equal(o->in[IMAGES], o->in[TEXTS]))
        return lt_fail(LT_ERROR_MODEL, "pictures have vectors of %d, texts of %d: they can't be compared",
                       o->in[IMAGES].c, o->in[TEXTS].c);
    return scalar(o);
}

static lt_status contrastive_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->scratch_size = contrast_size(p->operation->in);
    p->form[0] = lt_form_f32(p->operation->weight[0]);
    return LT_OK;
}

static double dot(const double *a, const double *b, int n) {
    double total = 0;
    for (int i = 0; i < n; i++) total += a[i] * b[i];
    return total;
}

static void unit_rows(const contrast *c, int side, const float *rows) {
    for (int i = 0; i < c->n; i++) {
        double *unit = c->unit[side] + (size_t)i * c->d;
        for (int k = 0; k < c->d; k++) unit[k] = rows[(size_t)i * c->d + k];
        const double length = sqrt(dot(unit, unit, c->d));
        c->length[side][i] = length;
        for (int k = 0; k < c->d; k++) unit[k] /= length;
    }
}

/* One row of the logits. */
static void compare_image(const void *context, size_t i, int thread) {
    (void)thread;
    const contrast *c = context;
    for (int j = 0; j < c->n; j++)
        c->logits[i * (size_t)c->n + (size_t)j] =
            c->scale * dot(c->unit[IMAGES] + i * (size_t)c->d, c->unit[TEXTS] + (size_t)j * c->d, c->d);
}

static void compare_all(contrast *c, const lt_value *in, const float *logit_scale) {
    c->scale = exp((double)*logit_scale);
    unit_rows(c, IMAGES, lt_f32(in[IMAGES]));
    unit_rows(c, TEXTS, lt_f32(in[TEXTS]));
    lt_parallel(LT_ALL_THREADS, (size_t)c->n, LT_EVENLY, compare_image, c);
}

/* log sum exp over a row (stride 1) or a column (stride n) of the logits. The greatest is found by comparing, here and
 * in log_sum: of fmax gcc 12 for aarch64 makes a reduction at -O3 that it then dies of. */
static double log_sum_exp(const double *x, int n, int stride) {
    double max = -INFINITY, total = 0;
    for (int i = 0; i < n; i++)
        if (x[(size_t)i * stride] > max) max = x[(size_t)i * stride];
    for (int i = 0; i < n; i++) total += exp(x[(size_t)i * stride] - max);
    return max + log(total);
}

static lt_status contrastive_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    contrast c = contrast_lay_out(p->operation->in, scratch);
    compare_all(&c, in, p->weight[0]);
    double total = 0;
    for (int i = 0; i < c.n; i++)
        total += log_sum_exp(c.logits + (size_t)i * c.n, c.n, 1) + log_sum_exp(c.logits + i, c.n, c.n) -
                 2 * c.logits[(size_t)i * c.n + i];
    lt_f32(out[0])[0] = (float)(total / (2.0 * c.n));
    return LT_OK;
}

/* logits become the gradient by themselves: (softmax of the row + softmax of the column)/2n - 1/n on the diagonal. */
static void logits_gradient(contrast *c, double dy, double *row_sum, double *column_sum) {
    for (int i = 0; i < c->n; i++) {
        row_sum[i] = log_sum_exp(c->logits + (size_t)i * c->n, c->n, 1);
        column_sum[i] = log_sum_exp(c->logits + i, c->n, c->n);
    }
    for (int i = 0; i < c->n; i++)
        for (int j = 0; j < c->n; j++) {
            double *l = &c->logits[(size_t)i * c->n + j];
            *l = dy * ((exp(*l - row_sum[i]) + exp(*l - column_sum[j])) / 2 - (i == j)) / c->n;
        }
}

/* The gradient by one side's rows before they were scaled to length 1: g = sum of dlogits times the other side's unit
 * rows; what of it lies along the row is lost in the scaling. */
typedef struct contrast_side {
    const contrast *c;
    int side;
    float *dx;
} contrast_side;

static void row_gradient(const void *context, size_t i, int thread) {
    (void)thread;
    const contrast_side *s = context;
    const contrast *c = s->c;
    const size_t n = (size_t)c->n, d = (size_t)c->d;
    const size_t down = s->side == IMAGES ? n : 1, along = s->side == IMAGES ? 1 : n;
    const double *other = c->unit[!s->side], *unit = c->unit[s->side] + i * d, *logits = c->logits + i * down;
    double inside = 0;
    for (size_t j = 0; j < n; j++) inside += logits[j * along] * dot(unit, other + j * d, c->d);
    for (size_t k = 0; k < d; k++) {
        double g = 0;
        for (size_t j = 0; j < n; j++) g += logits[j * along] * other[j * d + k];
        s->dx[i * d + k] = (float)(c->scale * (g - inside * unit[k]) / c->length[s->side][i]);
    }
}

static void side_gradient(const contrast *c, int side, float *dx) {
    const contrast_side s = {c, side, dx};
    lt_parallel(LT_ALL_THREADS, (size_t)c->n, LT_EVENLY, row_gradient, &s);
}

static lt_status contrastive_backward_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    const lt_shape *in = p->operation->in + FORWARD;
    p->scratch_size = contrast_size(in) + 2 * (size_t)in[IMAGES].n * sizeof(double);
    p->form[0] = lt_form_f32(p->operation->weight[0]);
    return LT_OK;
}

static lt_status contrastive_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out,
                                          void *scratch) {
    const lt_shape *shapes = p->operation->in + FORWARD;
    contrast c = contrast_lay_out(shapes, scratch);
    double *sums = (double *)((char *)scratch + contrast_size(shapes));
    compare_all(&c, in + FORWARD, p->weight[0]);
    logits_gradient(&c, (double)lt_f32(in[DY])[0], sums, sums + c.n);
    float *dscale = p->operation->weight[0]->gradient;
    for (int i = 0; i < c.n && dscale; i++)
        for (int j = 0; j < c.n; j++)
            *dscale += (float)(c.logits[(size_t)i * c.n + j] * c.scale *
                               dot(c.unit[IMAGES] + (size_t)i * c.d, c.unit[TEXTS] + (size_t)j * c.d, c.d));
    for (int side = 0; side < 2; side++)
        if (lt_f32(out[side])) side_gradient(&c, side, lt_f32(out[side]));
    return LT_OK;
}

static const lt_op contrastive_backward = {
    .name = "contrastive_backward",
    .infer = lt_infer_backward,
    .prepare = contrastive_backward_prepare,
    .run = contrastive_backward_run,
};

static const lt_gradient contrastive_gradient = {
    .op = &contrastive_backward, .flows = 1u << IMAGES | 1u << TEXTS, .reads = 1u << IMAGES | 1u << TEXTS};

const lt_op lt_op_contrastive = {
    .name = "contrastive",
    .infer = contrastive_infer,
    .prepare = contrastive_prepare,
    .run = contrastive_run,
    .gradient = &contrastive_gradient,
};

/* ---- Cross-entropy ---- */

enum { LOGITS, LABELS };

static lt_status cross_entropy_infer(lt_operation *o) {
    if (!lt_shape_equal(o->in[LABELS], (lt_shape){o->in[LOGITS].n, 1, 1, 1}))
        return lt_fail(LT_ERROR_MODEL, "cross-entropy: one label for each sample is needed");
    return scalar(o);
}

/* The place of sample i's label among c classes. */
static lt_status label_of(const int32_t *labels, int i, int c, int *label) {
    *label = (int)labels[i];
    return *label >= 0 && *label < c ? LT_OK
                                     : lt_fail(LT_ERROR_ARGUMENT, "label %d: the classes are 0 to %d", *label, c - 1);
}

static double log_sum(const float *x, int n) {
    double max = -INFINITY, total = 0;
    for (int i = 0; i < n; i++)
        if ((double)x[i] > max) max = (double)x[i];
    for (int i = 0; i < n; i++) total += exp((double)x[i] - max);
    return max + log(total);
}

static lt_status cross_entropy_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape s = p->operation->in[LOGITS];
    double total = 0;
    for (int i = 0; i < s.n; i++) {
        const float *logits = lt_f32(in[LOGITS]) + (size_t)i * s.c;
        int label = 0;
        LT_TRY(label_of(lt_i32(in[LABELS]), i, s.c, &label));
        total += log_sum(logits, s.c) - (double)logits[label];
    }
    lt_f32(out[0])[0] = (float)(total / s.n);
    return LT_OK;
}

static lt_status cross_entropy_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out,
                                            void *scratch) {
    (void)scratch;
    const lt_shape s = p->operation->in[FORWARD + LOGITS];
    for (int i = 0; i < s.n; i++) {
        const float *logits = lt_f32(in[FORWARD + LOGITS]) + (size_t)i * s.c;
        float *dx = lt_f32(out[LOGITS]) + (size_t)i * s.c;
        int label = 0;
        LT_TRY(label_of(lt_i32(in[FORWARD + LABELS]), i, s.c, &label));
        const double log_total = log_sum(logits, s.c);
        for (int k = 0; k < s.c; k++)
            dx[k] = (float)((double)lt_f32(in[DY])[0] * (exp((double)logits[k] - log_total) - (k == label)) / s.n);
    }
    return LT_OK;
}

static const lt_op cross_entropy_backward = {.name = "cross_entropy_backward",
                                             .takes = {[FORWARD + LABELS] = LT_VALUE_I32},
                                             .infer = lt_infer_backward,
                                             .run = cross_entropy_backward_run};

static const lt_gradient cross_entropy_gradient = {
    .op = &cross_entropy_backward, .flows = 1u << LOGITS, .reads = 1u << LOGITS | 1u << LABELS};

const lt_op lt_op_cross_entropy = {
    .name = "cross_entropy",
    .takes = {[LABELS] = LT_VALUE_I32},
    .infer = cross_entropy_infer,
    .run = cross_entropy_run,
    .gradient = &cross_entropy_gradient,
};
