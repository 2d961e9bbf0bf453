/* The backward half of the plain C kernels: the derivatives as one would write them down, sums in double precision, on
 * one thread. */
#include "base/tensor.h"
#include "kernels/reference.h"

static double sigmoid_derivative(double x, double slope) { /* of x * sigmoid(slope * x) */
    const double s = lt_sigmoid(slope * x);
    return s + slope * x * s * (1 - s);
}

static double gelu_derivative(double x) { /* Phi(x) + x * phi(x) */
    return lt_normal(x) + x * exp(-0.5 * x * x) / sqrt(2 * M_PI);
}

static double activation_derivative(lt_activation act, double x) {
    switch (act) {
    case LT_ACT_SILU: return sigmoid_derivative(x, 1);
    case LT_ACT_GELU: return gelu_derivative(x);
    case LT_ACT_QUICK_GELU: return sigmoid_derivative(x, 1.702);
    case LT_ACT_RELU: return x > 0;
    case LT_ACT_LEAKY_RELU: return x > 0 ? 1 : 0.2;
    case LT_ACT_SOFT_CLAMP: return 1 - pow(tanh(x / 3), 2);
    default: return 1;
    }
}

/* ---- Norms ----
 *
 * y = act(u), u = gamma xh + beta, xh = (x - mean) rstd. With du = dy act'(u) and averages over the group (Wu & He
 * 2018):
 *     dx = rstd (gamma du - <gamma du> - xh <gamma du xh>),  dgamma = sum du xh,  dbeta = sum du */

/* One channel's sums over one sample's pixels. */
typedef struct sums {
    double du, du_xh;
} sums;

typedef struct group {
    size_t sample, begin, end; /* channels */
    double mean, rstd;
} group;

static double normal(const lt_group_norm_args *f, const group *g, size_t pixel, size_t channel) {
    return (lt_group_norm_input(f, g->sample, pixel, channel) - g->mean) * g->rstd;
}

static double group_du(const lt_group_norm_backward_args *a, const group *g, size_t pixel, size_t channel) {
    const lt_group_norm_args *f = &a->forward;
    const size_t row = g->sample * (size_t)f->pixels + pixel;
    const double u = normal(f, g, pixel, channel) * f->gamma[channel] + f->beta[channel];
    return a->dy[row * (size_t)(f->c[0] + f->c[1]) + channel] * activation_derivative(f->act, u);
}

/* dx of one channel, and its sum over the pixels: the averages are those of the formula above. */
static double group_dx(const lt_group_norm_backward_args *a, const group *g, size_t channel, double average,
                       double average_xh) {
    const lt_group_norm_args *f = &a->forward;
    const size_t c0 = (size_t)f->c[0], source = channel >= c0, c = (size_t)f->c[source];
    double sum = 0;
    for (size_t p = 0; p < (size_t)f->pixels; p++) {
        const double xh = normal(f, g, p, channel);
        const double dx = g->rstd * (f->gamma[channel] * group_du(a, g, p, channel) - average - xh * average_xh);
        sum += dx;
        if (a->dx[source])
            a->dx[source][(g->sample * (size_t)f->pixels + p) * c + channel - (source ? c0 : 0)] = (float)dx;
    }
    return sum;
}

static void group_backward(const lt_group_norm_backward_args *a, group g, sums *total) {
    const lt_group_norm_args *f = &a->forward;
    const size_t c = (size_t)(f->c[0] + f->c[1]), pixels = (size_t)f->pixels;
    const double count = (double)((g.end - g.begin) * pixels);
    lt_group_statistics(f, g.sample, g.begin / (g.end - g.begin), &g.mean, &g.rstd);
    double average = 0, average_xh = 0;
    for (size_t i = g.begin; i < g.end; i++) {
        sums own = {0, 0};
        for (size_t p = 0; p < pixels; p++) {
            const double du = group_du(a, &g, p, i);
            own.du += du;
            own.du_xh += du * normal(f, &g, p, i);
        }
        average += f->gamma[i] * own.du / count;
        average_xh += f->gamma[i] * own.du_xh / count;
        total[i].du += own.du;
        total[i].du_xh += own.du_xh;
    }
    for (size_t i = g.begin; i < g.end; i++) {
        const double sum = group_dx(a, &g, i, average, average_xh);
        if (a->dvector) a->dvector[g.sample * c + i] = (float)sum;
    }
}

static void add_weight_gradients(const sums *total, size_t c, float *dgamma, float *dbeta) {
    for (size_t i = 0; i < c; i++) {
        if (dgamma) dgamma[i] = (float)(dgamma[i] + total[i].du_xh);
        if (dbeta) dbeta[i] = (float)(dbeta[i] + total[i].du);
    }
}

size_t lt_reference_group_norm_backward_scratch(const lt_group_norm_backward_args *a) {
    return (size_t)(a->forward.c[0] + a->forward.c[1]) * (sizeof(sums) / sizeof(float));
}

void lt_reference_group_norm_backward(const lt_group_norm_backward_args *a) {
    const size_t c = (size_t)(a->forward.c[0] + a->forward.c[1]), width = c / (size_t)a->forward.groups;
    sums *total = (sums *)(void *)a->scratch;
    for (size_t i = 0; i < c; i++) total[i] = (sums){0, 0};
    for (size_t sample = 0; sample < (size_t)a->forward.n; sample++)
        for (size_t begin = 0; begin < c; begin += width)
            group_backward(a, (group){.sample = sample, .begin = begin, .end = begin + width}, total);
    add_weight_gradients(total, c, a->dgamma, a->dbeta);
}

static void row_backward(const lt_layer_norm_backward_args *a, size_t row, sums *total) {
    const size_t c = (size_t)a->forward.c;
    const float *x = a->forward.x + row * c, *dy = a->dy + row * c, *gamma = a->forward.gamma;
    double mean, rstd, average = 0, average_xh = 0;
    lt_row_statistics(x, c, a->forward.eps, &mean, &rstd);
    for (size_t i = 0; i < c; i++) {
        const double xh = (x[i] - mean) * rstd, du = dy[i];
        average += gamma[i] * du / (double)c;
        average_xh += gamma[i] * du * xh / (double)c;
        total[i].du += du;
        total[i].du_xh += du * xh;
    }
    for (size_t i = 0; a->dx && i < c; i++) {
        const double xh = (x[i] - mean) * rstd;
        a->dx[row * c + i] = (float)(rstd * ((double)gamma[i] * dy[i] - average - xh * average_xh));
    }
}

size_t lt_reference_layer_norm_backward_scratch(const lt_layer_norm_backward_args *a) {
    return (size_t)a->forward.c * (sizeof(sums) / sizeof(float));
}

void lt_reference_layer_norm_backward(const lt_layer_norm_backward_args *a) {
    const size_t c = (size_t)a->forward.c;
    sums *total = (sums *)(void *)a->scratch;
    for (size_t i = 0; i < c; i++) total[i] = (sums){0, 0};
    for (size_t row = 0; row < a->forward.rows; row++) row_backward(a, row, total);
    add_weight_gradients(total, c, a->dgamma, a->dbeta);
}

/* ---- Attention ----
 *
 * out_i = sum_j p_ij v_j, p_i = softmax(s_i), s_ij = scale q_i . k_j. With dp_ij = dout_i . v_j:
 *     ds_ij = p_ij (dp_ij - dout_i . out_i)
 *     dq_i = scale sum_j ds_ij k_j,  dk_j = scale sum_i ds_ij q_i,  dv_j = sum_i p_ij dout_i */

/* One head of one sample: first rows, and sums of this head in double. */
typedef struct head {
    size_t d, stride_out;
    const float *q, *k, *v, *out, *dout;
    double *p, *dk, *dv; /* [tokens_k], [tokens_k, d], [tokens_k, d] */
} head;

static double dot(const float *x, const float *y, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)y[i];
    return sum;
}

static void query_backward(const lt_attention_args *f, const head *h, size_t query, size_t keys, float *dq) {
    const float *q = h->q + query * f->stride_q, *dout = h->dout + query * h->stride_out;
    const double delta = dot(dout, h->out + query * h->stride_out, h->d);
    double max = -INFINITY, total = 0;
    for (size_t j = 0; j < keys; j++) {
        h->p[j] = (double)f->scale * dot(q, h->k + j * f->stride_k, h->d);
        max = fmax(max, h->p[j]);
    }
    for (size_t j = 0; j < keys; j++) total += exp(h->p[j] - max);
    for (size_t j = 0; j < keys; j++) {
        const double p = exp(h->p[j] - max) / total;
        const double ds = p * (dot(dout, h->v + j * f->stride_v, h->d) - delta) * (double)f->scale;
        for (size_t i = 0; i < h->d; i++) {
            h->dv[j * h->d + i] += p * dout[i];
            h->dk[j * h->d + i] += ds * q[i];
        }
        h->p[j] = ds;
    }
    for (size_t i = 0; dq && i < h->d; i++) {
        double sum = 0;
        for (size_t j = 0; j < keys; j++) sum += h->p[j] * h->k[j * f->stride_k + i];
        dq[i] = (float)sum;
    }
}

size_t lt_reference_attention_backward_scratch(const lt_attention_backward_args *a, int threads) {
    (void)threads;
    return 2 * (size_t)a->forward.tokens_k * (1 + 2 * (size_t)a->forward.d); /* doubles are two floats */
}

void lt_reference_attention_backward(const lt_attention_backward_args *a) {
    const lt_attention_args *f = &a->forward;
    const size_t d = (size_t)f->d, heads = (size_t)f->heads, tokens_q = (size_t)f->tokens_q,
                 tokens_k = (size_t)f->tokens_k;
    for (size_t pair = 0; pair < (size_t)f->n * heads; pair++) {
        const size_t sample = pair / heads, channel = pair % heads * d;
        const size_t at_q = sample * tokens_q * f->stride_q + channel, at_out = sample * tokens_q * heads * d + channel,
                     at_k = sample * tokens_k * f->stride_k + channel, at_v = sample * tokens_k * f->stride_v + channel;
        head h = {.d = d,
                  .stride_out = heads * d,
                  .q = (const float *)f->q + at_q,
                  .k = (const float *)f->k + at_k,
                  .v = (const float *)f->v + at_v};
        h.out = (const float *)f->out + at_out;
        h.dout = a->dout + at_out;
        h.p = (double *)(void *)a->scratch;
        h.dk = h.p + tokens_k;
        h.dv = h.dk + tokens_k * d;
        for (size_t i = 0; i < 2 * tokens_k * d; i++) h.dk[i] = 0;
        for (size_t query = 0; query < tokens_q; query++)
            query_backward(f, &h, query, lt_keys_seen(f, sample, query),
                           a->dq ? a->dq + at_q + query * f->stride_q : 0);
        for (size_t j = 0; j < tokens_k; j++)
            for (size_t i = 0; i < d; i++) {
                if (a->dk) a->dk[at_k + j * f->stride_k + i] = (float)h.dk[j * d + i];
                if (a->dv) a->dv[at_v + j * f->stride_v + i] = (float)h.dv[j * d + i];
            }
    }
}

/* ---- Element by element ---- */

void lt_reference_activate_backward(lt_activation act, const float *x, const float *dy, float *dx, size_t n) {
    for (size_t i = 0; i < n; i++) dx[i] = (float)(dy[i] * activation_derivative(act, x[i]));
}

void lt_reference_geglu_backward(const float *a, const float *dy, float *da, size_t rows, size_t oc) {
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < oc; i++) {
            const size_t value = row * 2 * oc + i, gate = value + oc;
            const double d = dy[row * oc + i];
            da[value] = (float)(d * a[gate] * lt_normal(a[gate]));
            da[gate] = (float)(d * a[value] * gelu_derivative(a[gate]));
        }
}

/* ---- The optimiser ---- */

void lt_reference_adamw(const lt_adamw_args *a) {
    for (size_t i = 0; i < a->n; i++) {
        const double g = (double)a->scale * a->gradient[i], beta1 = a->beta1, beta2 = a->beta2, rate = a->rate;
        const double m = beta1 * a->m[i] + (1 - beta1) * g, v = beta2 * a->v[i] + (1 - beta2) * g * g;
        const double step = m / a->bias1 / (sqrt(v / a->bias2) + a->eps);
        const double w = a->w[i] - rate * a->decay * a->w[i] - rate * step;
        a->m[i] = (float)m;
        a->v[i] = (float)v;
        a->w[i] = (float)w;
        if (a->ema) a->ema[i] = (float)(a->ema[i] + (1 - (double)a->ema_decay) * (w - a->ema[i]));
        a->gradient[i] = 0;
    }
}

double lt_reference_sum_of_squares(const float *x, size_t n) { return dot(x, x, n); }
