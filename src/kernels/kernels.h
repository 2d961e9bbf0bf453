/* Kernels of our own: everything but convolutions and matrix products (kernels/conv.h).
 *
 * A kernel works on float32 in NHWC (some, where their arguments say so, read or write bf16; the plain C ones do not),
 * takes all it needs as arguments, allocates nothing and never fails: whoever plans
 * it has checked the sizes. It shares its work out over the caller's team (base/threads.h), in pieces that do not
 * depend on its size, so that the same bytes come out for any number of threads.
 *
 * There is one table for each instruction set: `reference` (reference.c) is plain C, the formula and nothing else, and
 * is what the others are tested against. simd/ *.c is written once, over vectors of simd/vec.h, and compiled for each
 * instruction set. */
#ifndef LT_KERNELS_H
#define LT_KERNELS_H

#include "kernels/isa.h"
#include "kernels/value_type.h"

typedef enum lt_activation {
    LT_ACT_NONE,
    LT_ACT_SILU,       /* x * sigmoid(x) */
    LT_ACT_GELU,       /* x * Phi(x), with erf */
    LT_ACT_QUICK_GELU, /* x * sigmoid(1.702 x) */
    LT_ACT_RELU,       /* max(x, 0) */
    LT_ACT_LEAKY_RELU, /* the same, but 0.2 x below 0 */
    LT_ACT_GEGLU,      /* convolutions only: the first half of the channels times GELU of the second half */
    LT_ACT_SOFT_CLAMP  /* 3 tanh(x / 3); not within convolutions */
} lt_activation;

/* y = act((x + vector - mean) * rstd * gamma + beta), mean and variance over each sample's h*w pixels and each group's
 * channels. Group Normalization, Wu & He 2018. */
typedef struct lt_group_norm_args {
    int n, pixels; /* pixels = h*w */
    int c[2];      /* channels of the one or two sources, read as if concatenated; c[1] is 0 without a second */
    int groups;    /* divides c[0] + c[1]; a group may straddle both sources */
    float eps;
    lt_activation act;         /* LT_ACT_NONE or LT_ACT_SILU */
    const float *x[2];         /* [n, pixels, c[i]] */
    const float *vector;       /* [n, c[0]+c[1]] added to each pixel before the norm (the time embedding), or NULL */
    const float *gamma, *beta; /* [c] */
    void *y;                   /* [n, pixels, c[0]+c[1]]; where it is float32 it may be x[0] if there is no x[1] */
    lt_value_type_id type;     /* of y: float32 or bf16 */
    float *scratch;            /* group_norm_scratch floats */
} lt_group_norm_args;

/* y[r] = (x[r] - mean) * rstd * gamma + beta over each row of c. Ba et al. 2016. */
typedef struct lt_layer_norm_args {
    size_t rows;
    int c;
    float eps;
    const float *x, *gamma, *beta;
    void *y;               /* may be x where it is float32 */
    lt_value_type_id type; /* of y: float32 or bf16 */
} lt_layer_norm_args;

/* out = softmax(q k^T * scale) v for each sample and head; head j's channels are [j*d, (j+1)*d). Tiled over keys with a
 * running maximum and sum (Milakov & Gimelshein 2018; Dao et al. 2022): never a whole score matrix. */
typedef struct lt_attention_args {
    int n, heads, d; /* samples, heads, channels a head */
    int tokens_q, tokens_k;
    float scale;            /* usually 1/sqrt(d) */
    bool causal;            /* token i sees keys 0..i (CLIP's text tower) */
    const int32_t *lengths; /* [n]: keys from lengths[i] on are not there for sample i (at least 1); NULL: all are */
    const void *q, *k, *v;  /* [n, tokens, stride]: the first heads*d channels of each row */
    size_t stride_q, stride_k, stride_v; /* numbers from one token to the next; a sample is tokens*stride numbers */
    void *out;                           /* [n, tokens_q, heads*d], dense */
    lt_value_type_id q_type, k_type, v_type, out_type; /* float32 or bf16 */
    float *scratch;                                    /* as many floats as the kernel asks for */
} lt_attention_args;

/* ---- The backward half. d is the gradient of the loss by what its name says: dy comes in; dx, dq, ... are written;
 * gradients of weights (dgamma, dbeta) are added to what is there. A pointer that is NULL is not wanted. Statistics are
 * computed again from the inputs: the forward pass keeps nothing for the backward one. ---- */

typedef struct lt_group_norm_backward_args {
    lt_group_norm_args forward; /* as it ran; y and scratch are not looked at */
    const float *dy;            /* [n, pixels, c[0]+c[1]] */
    float *dx[2];               /* [n, pixels, c[i]]; dx[0] may be dy where there is no second source */
    float *dvector;             /* [n, c[0]+c[1]] */
    float *dgamma, *dbeta;      /* [c[0]+c[1]], added to */
    float *scratch;             /* group_norm_backward_scratch floats */
} lt_group_norm_backward_args;

typedef struct lt_layer_norm_backward_args {
    lt_layer_norm_args forward; /* as it ran; y is not looked at */
    const float *dy;            /* [rows, c] */
    float *dx;                  /* [rows, c]; may be dy */
    float *dgamma, *dbeta;      /* [c], added to */
    float *scratch;             /* layer_norm_backward_scratch floats */
} lt_layer_norm_backward_args;

/* Dao et al. 2022, algorithm 4: the probabilities of a tile are computed again, never a whole matrix of them. */
typedef struct lt_attention_backward_args {
    lt_attention_args forward; /* as it ran, out included (it is read); scratch is not looked at */
    const float *dout;         /* [n, tokens_q, heads*d], dense */
    float *dq, *dk, *dv;       /* with q's, k's and v's strides; what no query sees gets zeros */
    float *scratch;            /* attention_backward_scratch floats */
} lt_attention_backward_args;

/* One tensor's step of AdamW (Loshchilov & Hutter 2017), all arrays [n]:
 *     g = scale * gradient;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
 *     w = w - rate * decay * w - rate * (m / bias1) / (sqrt(v / bias2) + eps);  ema = ema + (1 - ema_decay) (w - ema)
 * and the gradient is 0 afterwards. bias1 = 1 - beta1^t, bias2 = 1 - beta2^t, t from 1. */
typedef struct lt_adamw_args {
    size_t n;
    float scale, rate, beta1, beta2, eps, decay, bias1, bias2, ema_decay;
    float *w, *gradient, *m, *v;
    float *ema; /* or NULL */
} lt_adamw_args;

typedef struct lt_kernels {
    lt_isa isa;
    size_t (*group_norm_scratch)(const lt_group_norm_args *a); /* floats */
    void (*group_norm)(const lt_group_norm_args *a);
    void (*layer_norm)(const lt_layer_norm_args *a);
    void (*activate)(lt_activation act, const float *x, float *y, size_t n); /* y may be x; not GEGLU */
    /* y[r, c] = (a[r, c]) * gelu(a[r, c + oc]), a [rows, 2*oc], y [rows, oc] */
    void (*geglu)(const float *a, float *y, size_t rows, size_t oc);
    void (*add)(const float *a, const float *b, float *y, size_t n); /* y = a + b; y may be either */
    /* y[i, r, :] = a[i, r, :] + b[r, :]: a [n, rows*c] and one b [rows*c] for all (position embeddings) */
    void (*add_broadcast)(const float *a, const float *b, float *y, size_t n, size_t m);

    size_t (*group_norm_backward_scratch)(const lt_group_norm_backward_args *a); /* floats */
    void (*group_norm_backward)(const lt_group_norm_backward_args *a);
    size_t (*layer_norm_backward_scratch)(const lt_layer_norm_backward_args *a); /* floats */
    void (*layer_norm_backward)(const lt_layer_norm_backward_args *a);
    size_t (*attention_backward_scratch)(const lt_attention_backward_args *a, int threads); /* floats */
    void (*attention_backward)(const lt_attention_backward_args *a);
    /* dx = dy * act'(x); dx may be dy */
    void (*activate_backward)(lt_activation act, const float *x, const float *dy, float *dx, size_t n);
    /* of geglu: a [rows, 2*oc], dy [rows, oc], da [rows, 2*oc] */
    void (*geglu_backward)(const float *a, const float *dy, float *da, size_t rows, size_t oc);
    void (*adamw)(const lt_adamw_args *a);
    double (*sum_of_squares)(const float *x, size_t n); /* in double, the same for any number of threads */
} lt_kernels;

/* The table for the best instruction set that is not above limit. LT_ISA_SCALAR is the plain reference. */
const lt_kernels *lt_kernels_get(lt_isa limit);

typedef struct lt_attention_kernel {
    lt_isa isa;
    lt_precision numbers;                                       /* that it multiplies */
    size_t (*scratch)(const lt_attention_args *a, int threads); /* floats; for at most so many threads */
    void (*run)(const lt_attention_args *a);
} lt_attention_kernel;

/* The same for attention. Where precision is narrow and the processor multiplies bf16, by AMX or by vectors, q, k, v
 * and the softmax's weights are rounded to that before they are multiplied; where it has VNNI alone, q and k to
 * integers of 16 bits. */
const lt_attention_kernel *lt_attention_get(lt_precision precision, lt_isa limit);

#endif
