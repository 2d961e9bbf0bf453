/* The contrastive loss: every image against every text. */
#include "kernels/contrastive.h"

#include "base/threads.h"

#include <math.h>

enum { IMAGES, TEXTS };

/* What lies in scratch. */
typedef struct contrast {
    const lt_contrastive_args *args;
    size_t n, d;
    double scale;                 /* exp(logit_scale) */
    double *logits;               /* [n, n] */
    double *row_sum, *column_sum; /* [n] log sum exp */
    double *unit[2], *length[2];  /* [n, d] rows scaled to length 1; [n] what they were scaled by */
} contrast;

static contrast lay_out(const lt_contrastive_args *a) {
    const size_t n = a->n, d = a->d;
    contrast c = {.args = a, .n = n, .d = d, .scale = exp((double)a->logit_scale), .logits = a->scratch};
    c.row_sum = c.logits + n * n;
    c.column_sum = c.row_sum + n;
    for (int side = 0; side < 2; side++) {
        c.unit[side] = c.column_sum + n + (size_t)side * n * (d + 1);
        c.length[side] = c.unit[side] + n * d;
    }
    return c;
}

static double dot(const double *a, const double *b, size_t n) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += a[i] * b[i];
    return total;
}

static void unit_rows(const contrast *c, int side) {
    const float *rows = c->args->rows[side];
    for (size_t i = 0; i < c->n; i++) {
        double *unit = c->unit[side] + i * c->d;
        for (size_t k = 0; k < c->d; k++) unit[k] = rows[i * c->d + k];
        const double length = c->length[side][i] = sqrt(dot(unit, unit, c->d));
        for (size_t k = 0; k < c->d; k++) unit[k] /= length;
    }
}

/* One row of the logits. */
static void compare_image(const void *context, size_t i, int thread) {
    (void)thread;
    const contrast *c = context;
    for (size_t j = 0; j < c->n; j++)
        c->logits[i * c->n + j] = c->scale * dot(c->unit[IMAGES] + i * c->d, c->unit[TEXTS] + j * c->d, c->d);
}

/* Over a row (stride 1) or a column (stride n) of the logits. */
static double log_sum_exp(const double *x, size_t n, size_t stride) {
    double max = -INFINITY, total = 0;
    for (size_t i = 0; i < n; i++)
        if (x[i * stride] > max) max = x[i * stride];
    for (size_t i = 0; i < n; i++) total += exp(x[i * stride] - max);
    return max + log(total);
}

static contrast compare(const lt_contrastive_args *a) {
    contrast c = lay_out(a);
    unit_rows(&c, IMAGES);
    unit_rows(&c, TEXTS);
    lt_parallel(LT_ALL_THREADS, c.n, LT_EVENLY, compare_image, &c);
    for (size_t i = 0; i < c.n; i++) {
        c.row_sum[i] = log_sum_exp(c.logits + i * c.n, c.n, 1);
        c.column_sum[i] = log_sum_exp(c.logits + i, c.n, c.n);
    }
    return c;
}

double lt_contrastive(const lt_contrastive_args *a) {
    const contrast c = compare(a);
    double total = 0;
    for (size_t i = 0; i < c.n; i++) total += c.row_sum[i] + c.column_sum[i] - 2 * c.logits[i * c.n + i];
    return total / (2 * (double)c.n);
}

/* logits become the gradient by themselves: (softmax of the row + softmax of the column)/2n - 1/n on the diagonal. */
static void logits_gradient(const contrast *c) {
    for (size_t i = 0; i < c->n; i++)
        for (size_t j = 0; j < c->n; j++) {
            double *l = &c->logits[i * c->n + j];
            const double softmax = (exp(*l - c->row_sum[i]) + exp(*l - c->column_sum[j])) / 2;
            *l = (double)c->args->dy * (softmax - (i == j)) / (double)c->n;
        }
}

static void scale_gradient(const contrast *c) {
    for (size_t i = 0; i < c->n; i++)
        for (size_t j = 0; j < c->n; j++) {
            const double cosine = dot(c->unit[IMAGES] + i * c->d, c->unit[TEXTS] + j * c->d, c->d);
            *c->args->dlogit_scale += (float)(c->logits[i * c->n + j] * c->scale * cosine);
        }
}

/* The gradient by one side's rows before they were scaled to length 1: g = sum of dlogits times the other side's unit
 * rows; what of it lies along the row is lost in the scaling. */
typedef struct contrast_side {
    const contrast *c;
    int side;
} contrast_side;

static void row_gradient(const void *context, size_t i, int thread) {
    (void)thread;
    const contrast_side *s = context;
    const contrast *c = s->c;
    const size_t n = c->n, d = c->d;
    const size_t down = s->side == IMAGES ? n : 1, along = s->side == IMAGES ? 1 : n;
    const double *other = c->unit[!s->side], *unit = c->unit[s->side] + i * d, *logits = c->logits + i * down;
    double inside = 0;
    for (size_t j = 0; j < n; j++) inside += logits[j * along] * dot(unit, other + j * d, d);
    for (size_t k = 0; k < d; k++) {
        double g = 0;
        for (size_t j = 0; j < n; j++) g += logits[j * along] * other[j * d + k];
        c->args->drows[s->side][i * d + k] = (float)(c->scale * (g - inside * unit[k]) / c->length[s->side][i]);
    }
}

void lt_contrastive_backward(const lt_contrastive_args *a) {
    const contrast c = compare(a);
    logits_gradient(&c);
    if (a->dlogit_scale) scale_gradient(&c);
    for (int side = 0; side < 2; side++) {
        const contrast_side s = {&c, side};
        if (a->drows[side]) lt_parallel(LT_ALL_THREADS, c.n, LT_EVENLY, row_gradient, &s);
    }
}
