/* The plain C kernels: the formula and nothing else, in double precision, on one thread. The others are tested against
 * them. */
#include "kernels/reference.h"
#include "base/tensor.h"

static double activation(lt_activation act, double x) {
    switch (act) {
    case LT_ACT_SILU: return x * lt_sigmoid(x);
    case LT_ACT_GELU: return x * lt_normal(x);
    case LT_ACT_QUICK_GELU: return x * lt_sigmoid(1.702 * x);
    case LT_ACT_RELU: return x < 0 ? 0 : x;
    case LT_ACT_LEAKY_RELU: return x < 0 ? 0.2 * x : x;
    case LT_ACT_SOFT_CLAMP: return 3 * tanh(x / 3);
    default: return x;
    }
}

/* ---- Norms ---- */

static void normalise_group(const lt_group_norm_args *a, size_t sample, size_t group) {
    const size_t c = (size_t)(a->c[0] + a->c[1]), width = c / (size_t)a->groups, pixels = (size_t)a->pixels;
    double mean, rstd;
    lt_group_statistics(a, sample, group, &mean, &rstd);
    for (size_t p = 0; p < pixels; p++)
        for (size_t i = group * width; i < (group + 1) * width; i++) {
            const double normal = (lt_group_norm_input(a, sample, p, i) - mean) * rstd;
            ((float *)a->y)[(sample * pixels + p) * c + i] =
                (float)activation(a->act, normal * a->gamma[i] + a->beta[i]);
        }
}

static size_t group_norm_scratch(const lt_group_norm_args *a) {
    (void)a;
    return 0;
}

static void group_norm(const lt_group_norm_args *a) {
    for (int sample = 0; sample < a->n; sample++)
        for (int group = 0; group < a->groups; group++) normalise_group(a, (size_t)sample, (size_t)group);
}

static void layer_norm(const lt_layer_norm_args *a) {
    const size_t c = (size_t)a->c;
    for (size_t row = 0; row < a->rows; row++) {
        const float *x = a->x + row * c;
        float *y = (float *)a->y + row * c;
        double mean, rstd;
        lt_row_statistics(x, c, a->eps, &mean, &rstd);
        for (size_t i = 0; i < c; i++) y[i] = (float)((x[i] - mean) * rstd * a->gamma[i] + a->beta[i]);
    }
}

/* ---- Attention ---- */

/* One query's output: `score` [tokens_k] and `sum` [d] are scratch, q and out are this head's row, k and v its first
 * rows. */
static void attend(const lt_attention_args *a, size_t keys, const float *q, const float *k, const float *v,
                   double *score, double *sum, float *out) {
    const size_t d = (size_t)a->d;
    double max = -INFINITY, total = 0;
    for (size_t j = 0; j < keys; j++) {
        score[j] = 0;
        for (size_t i = 0; i < d; i++) score[j] += (double)q[i] * k[j * a->stride_k + i];
        score[j] *= (double)a->scale;
        max = fmax(max, score[j]);
    }
    for (size_t i = 0; i < d; i++) sum[i] = 0;
    for (size_t j = 0; j < keys; j++) {
        const double weight = exp(score[j] - max);
        total += weight;
        for (size_t i = 0; i < d; i++) sum[i] += weight * v[j * a->stride_v + i];
    }
    for (size_t i = 0; i < d; i++) out[i] = (float)(sum[i] / total);
}

static size_t attention_scratch(const lt_attention_args *a, int threads) {
    (void)threads;
    return 2 * (size_t)(a->tokens_k + a->d); /* doubles are two floats */
}

static void attention(const lt_attention_args *a) {
    const size_t d = (size_t)a->d, heads = (size_t)a->heads, tokens_q = (size_t)a->tokens_q,
                 tokens_k = (size_t)a->tokens_k;
    double *score = (double *)(void *)a->scratch, *sum = score + tokens_k;
    const float *q = a->q, *k = a->k, *v = a->v;
    float *out = a->out;
    for (size_t sample = 0; sample < (size_t)a->n; sample++)
        for (size_t head = 0; head < heads; head++)
            for (size_t token = 0; token < tokens_q; token++) {
                attend(a, lt_keys_seen(a, sample, token), q + (sample * tokens_q + token) * a->stride_q + head * d,
                       k + sample * tokens_k * a->stride_k + head * d, v + sample * tokens_k * a->stride_v + head * d,
                       score, sum, out + ((sample * tokens_q + token) * heads + head) * d);
            }
}

/* ---- Element by element ---- */

static void activate(lt_activation act, const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = (float)activation(act, x[i]);
}

static void geglu(const float *a, float *y, size_t rows, size_t oc) {
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < oc; i++)
            y[row * oc + i] = (float)(a[row * 2 * oc + i] * activation(LT_ACT_GELU, a[row * 2 * oc + oc + i]));
}

static void add(const float *a, const float *b, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

static void add_broadcast(const float *a, const float *b, float *y, size_t n, size_t m) {
    for (size_t i = 0; i < n; i++) add(a + i * m, b, y + i * m, m);
}

const lt_kernels lt_kernels_reference = {
    .isa = LT_ISA_SCALAR,
    .group_norm_scratch = group_norm_scratch,
    .group_norm = group_norm,
    .layer_norm = layer_norm,
    .activate = activate,
    .geglu = geglu,
    .add = add,
    .add_broadcast = add_broadcast,
    .group_norm_backward_scratch = lt_reference_group_norm_backward_scratch,
    .group_norm_backward = lt_reference_group_norm_backward,
    .layer_norm_backward_scratch = lt_reference_layer_norm_backward_scratch,
    .layer_norm_backward = lt_reference_layer_norm_backward,
    .attention_backward_scratch = lt_reference_attention_backward_scratch,
    .attention_backward = lt_reference_attention_backward,
    .activate_backward = lt_reference_activate_backward,
    .geglu_backward = lt_reference_geglu_backward,
    .adamw = lt_reference_adamw,
    .sum_of_squares = lt_reference_sum_of_squares,
};

extern const lt_attention_kernel lt_attention_reference;
const lt_attention_kernel lt_attention_reference = {LT_ISA_SCALAR, LT_PRECISION_F32, attention_scratch, attention};
