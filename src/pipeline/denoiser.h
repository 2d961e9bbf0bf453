/* The U-Net over all branches of what it is told: what the samplers ask for a prediction. */
#ifndef LT_DENOISER_H
#define LT_DENOISER_H

#include "pipeline/control.h"
#include "pipeline/taps.h"

/* What is left out of some predictions, as lt_request has it; zeroed: nothing. */
typedef struct lt_savings {
    float merge_tokens; /* share of the tokens at the first level */
    int deep_cache;     /* steps that have the deep features of the first of them */
} lt_savings;

lt_savings lt_savings_of(const lt_request *request);

/* A plan of the U-Net, and what its samples are told. */
typedef struct lt_unet_batch {
    lt_plan *plan;
    lt_module_size size;
    int count; /* samples: all branches, or one after the other */
    lt_hearing hearing;
    lt_port deep, out;
} lt_unet_batch;

typedef struct lt_denoiser {
    lt_session *session;
    const lt_branches *branches;
    lt_savings savings;
    /* All branches at once, unless they go in turn; last, for where not all are there, one by one. With
     * deep features that are kept the same follow again, around those. */
    lt_unet_batch batches[LT_MODULE_PLANS];
    int batch_count, kinds;       /* kinds: without those that follow again */
    float *deep;                  /* [branches, deep features of a sample], kept */
    int deep_of[LT_MAX_BRANCHES]; /* the step whose they are; -1: none */
    lt_taps *taps;                /* the caller's: who is shown what is made; NULL: nobody */
    int tokens;                   /* of the longest context */
    int call;                     /* the caller's: which one of the U-Net's is made, by which prompts change */
    lt_shape latent;              /* n = 1 */
    float *input;                 /* [h, w, unet.in_channels] a sample: the latent, and what is beside it */
    float *first;                 /* [latent] the prediction of the first branch that is there */
    float *branch;                /* [latent] that of the branch at hand */
} lt_denoiser;

/* Plans the U-Net for latents of h x w and, where all branches are one batch, computes what depends on the prompts
 * alone just once. branches outlive the denoiser. An inpainting model reads mask [h, w] and the masked picture's
 * latent [h, w, channels] beside the latent; for others mask is NULL. lt_denoiser_free is due even after a failure. */
lt_status lt_denoiser_init(lt_denoiser *d, lt_session *session, const lt_branches *branches, lt_savings savings, int h,
                           int w, const float *mask, const float *masked);
/* What its plans would take. */
lt_status lt_denoiser_need(lt_session *session, const lt_branches *branches, lt_savings savings, int h, int w,
                           lt_need *need);
void lt_denoiser_free(lt_denoiser *d); /* a zeroed one is fine */

/* eps (or v) of all branches that are there at timestep t (LT_ERROR_ARGUMENT: none is), for x [h, w, channels], into
 * out, which is not x. step, which only grows, says when deep features are made anew. */
lt_status lt_denoiser_predict(lt_denoiser *d, int step, const float *x, float t, float *out);

#endif
