/* Kernels of losses: sums in double precision, and their gradients. d is the gradient of the loss by what its name
 * says, as in kernels.h; dy is that by the loss's own value. */
#ifndef LT_LOSS_H
#define LT_LOSS_H

#include "base/base.h"

/* The mean over samples of weight times the mean over elements of (x - target)^2, or with absolute |x - target|. */
typedef struct lt_error_args {
    size_t n, count; /* samples, and numbers of each */
    bool absolute;
    const float *x, *target; /* [n, count] */
    const float *weight;     /* [n], or NULL: 1 */
    double *scratch;         /* [n], forward */
    float dy;                /* backward */
    float *dx;               /* [n, count], backward */
} lt_error_args;

/* A posterior of mean and log-variance, clamped to [-30, 20] as LDM does; there its gradient is 0. */
typedef struct lt_posterior_args {
    size_t n, rows, c;    /* samples; rows of each; channels of a latent */
    const float *moments; /* [n, rows, 2c] mean, then log-variance */
    const float *noise;   /* [n, rows, c]: of a draw, z = mean + deviation * noise */
    float *z;             /* [n, rows, c] */
    double *scratch;      /* [n], of the divergence */
    const float *dz;      /* [n, rows, c], backward, of a draw */
    float dy;             /* backward, of the divergence */
    float *dmoments;      /* [n, rows, 2c], backward */
} lt_posterior_args;

static inline float lt_clamp_logvar(float logvar) { return logvar < -30 ? -30 : logvar > 20 ? 20 : logvar; }

/* The mean over samples of the cosine of the angle between a and b; where either is all zeros it is 0. */
typedef struct lt_cosine_args {
    size_t n, count;    /* samples, and numbers of each */
    const float *a, *b; /* [n, count] */
    double *scratch;    /* [n], forward */
    float dy;           /* backward */
    float *da;          /* [n, count], backward: b has no gradient */
} lt_cosine_args;

/* The symmetric cross-entropy of exp(logit_scale) times the cosines of every image with every text, pair i belonging
 * together; Radford et al. 2021. Neither row may be all zeros. */
typedef struct lt_contrastive_args {
    size_t n, d;          /* pairs, and numbers of a row */
    const float *rows[2]; /* [n, d] images, texts */
    float logit_scale;
    double *scratch;     /* lt_contrastive_scratch doubles */
    float dy;            /* backward */
    float *drows[2];     /* [n, d], backward; NULL: not wanted */
    float *dlogit_scale; /* added to, backward; NULL: not wanted */
} lt_contrastive_args;

/* The mean over samples of -log softmax(logits)[label]. */
typedef struct lt_cross_entropy_args {
    size_t n, c;
    const float *logits;   /* [n, c] */
    const int32_t *labels; /* [n] within 0 .. c - 1 */
    double *scratch;       /* [n], forward */
    float dy;              /* backward */
    float *dlogits;        /* [n, c], backward */
} lt_cross_entropy_args;

/* Room for both directions: the logits [n, n], sums over their rows and columns, unit rows of both sides [n, d] and
 * their lengths. */
static inline size_t lt_contrastive_scratch(size_t n, size_t d) { return n * n + 2 * n + 2 * n * (d + 1); }

typedef struct lt_loss_kernels {
    double (*error)(const lt_error_args *a);
    void (*error_backward)(const lt_error_args *a);
    void (*posterior)(const lt_posterior_args *a); /* a draw */
    void (*posterior_backward)(const lt_posterior_args *a);
    double (*kl)(const lt_posterior_args *a); /* KL(N(mean, variance) || N(0, 1)), summed over a latent, mean over n */
    void (*kl_backward)(const lt_posterior_args *a);
    double (*cosine)(const lt_cosine_args *a);
    void (*cosine_backward)(const lt_cosine_args *a);
    double (*contrastive)(const lt_contrastive_args *a);
    void (*contrastive_backward)(const lt_contrastive_args *a);
    double (*cross_entropy)(const lt_cross_entropy_args *a);
    void (*cross_entropy_backward)(const lt_cross_entropy_args *a);
} lt_loss_kernels;

/* Plain loops that threads share, the same for every instruction set; and the formulas alone, one after the other,
 * which they are tested against. */
extern const lt_loss_kernels lt_losses, lt_reference_losses;

#endif
