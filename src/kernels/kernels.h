/* Kernels of our own: everything but convolutions and matrix products (kernels/conv.h).
 *
 * A kernel works on float32 in NHWC, takes all it needs as arguments, allocates nothing and never fails: whoever plans
 * it has checked the sizes. It spreads its work with OpenMP over the threads that the caller has set, in pieces that do
 * not depend on their number, so that the same bytes come out for any number of threads.
 *
 * There is one table for each instruction set: `reference` (reference.c) is plain C, the formula and nothing else, and
 * is what the others are tested against. simd/ *.c is written once, over vectors of simd/vec.h, and compiled for each
 * instruction set. */
#ifndef LT_KERNELS_H
#define LT_KERNELS_H

#include "kernels/isa.h"

typedef enum lt_activation {
    LT_ACT_NONE,
    LT_ACT_SILU,       /* x * sigmoid(x) */
    LT_ACT_GELU,       /* x * Phi(x), with erf */
    LT_ACT_QUICK_GELU, /* x * sigmoid(1.702 x) */
    LT_ACT_GEGLU       /* convolutions only: the first half of the channels times GELU of the second half */
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
    float *y;                  /* [n, pixels, c[0]+c[1]]; may be x[0] where there is no x[1] */
    float *scratch;            /* group_norm_scratch floats */
} lt_group_norm_args;

/* y[r] = (x[r] - mean) * rstd * gamma + beta over each row of c. Ba et al. 2016. */
typedef struct lt_layer_norm_args {
    size_t rows;
    int c;
    float eps;
    const float *x, *gamma, *beta;
    float *y; /* may be x */
} lt_layer_norm_args;

/* out = softmax(q k^T * scale) v for each sample and head; head j's channels are [j*d, (j+1)*d). Tiled over keys with a
 * running maximum and sum (Milakov & Gimelshein 2018; Dao et al. 2022): never a whole score matrix. */
typedef struct lt_attention_args {
    int n, heads, d; /* samples, heads, channels a head */
    int tokens_q, tokens_k;
    float scale;            /* usually 1/sqrt(d) */
    bool causal;            /* token i sees keys 0..i (CLIP's text tower) */
    const int32_t *lengths; /* [n]: keys from lengths[i] on are not there for sample i (at least 1); NULL: all are */
    const float *q, *k, *v; /* [n, tokens, stride]: the first heads*d channels of each row */
    size_t stride_q, stride_k, stride_v; /* floats from one token to the next; a sample is tokens*stride floats */
    float *out;                          /* [n, tokens_q, heads*d], dense */
    float *scratch;                      /* attention_scratch floats */
} lt_attention_args;

typedef struct lt_kernels {
    lt_isa isa;
    size_t (*group_norm_scratch)(const lt_group_norm_args *a); /* floats */
    void (*group_norm)(const lt_group_norm_args *a);
    void (*layer_norm)(const lt_layer_norm_args *a);
    size_t (*attention_scratch)(const lt_attention_args *a, int threads); /* floats; for at most so many threads */
    void (*attention)(const lt_attention_args *a);
    void (*activate)(lt_activation act, const float *x, float *y, size_t n); /* y may be x; not GEGLU */
    /* y[r, c] = (a[r, c]) * gelu(a[r, c + oc]), a [rows, 2*oc], y [rows, oc] */
    void (*geglu)(const float *a, float *y, size_t rows, size_t oc);
    void (*add)(const float *a, const float *b, float *y, size_t n); /* y = a + b; y may be either */
    /* y[i, r, :] = a[i, r, :] + b[r, :]: a [n, rows*c] and one b [rows*c] for all (position embeddings) */
    void (*add_broadcast)(const float *a, const float *b, float *y, size_t n, size_t m);
    void (*widen_f16)(const uint16_t *x, float *y, size_t n); /* exact */
} lt_kernels;

/* The table for the best instruction set that is not above limit. LT_ISA_SCALAR is the plain reference. */
const lt_kernels *lt_kernels_get(lt_isa limit);

#endif
