/* What each model is trained to make small: graphs of the forward pass, the loss, and the backward half behind it.
 *
 * Weights are those of the models given, which must have gradients where they are to be trained
 * (train/parameters.h). Every run of the plan adds to the gradients. Failures stay in graph->status too. */
#ifndef LT_OBJECTIVES_H
#define LT_OBJECTIVES_H

#include "models/classifier.h"
#include "models/clip.h"
#include "models/unet.h"
#include "models/vae.h"

/* L = mean over samples of weight_i * mean (prediction - target)^2: Ho et al. 2020, equation 14, with the weights of
 * Hang et al. 2023. Inputs: "x", "t", "context", "context_lengths" as lt_unet_build has them, "target" [as out],
 * "weight" [n,1,1,1]. Output: "loss". */
typedef struct lt_unet_objective_options {
    lt_shape shape; /* of what is denoised */
    int tokens;     /* of a context */
    /* Whose contexts are read: it stands in the same graph, so that gradients reach it, and in place of "context" the
     * input is "ids", as lt_clip_text_build has it. NULL: nobody's. */
    const lt_clip_text *text;
    bool masked; /* "weight" is [n,h,w,1] */
    bool recompute;
} lt_unet_objective_options;
lt_status lt_unet_objective(const lt_unet *unet, const lt_unet_objective_options *options, lt_graph *graph);

typedef struct lt_vae_objective_options {
    bool absolute; /* |x - out| in place of its square */
    float kl;      /* the weight of the KL term: 1e-6 */
    bool recompute;
} lt_vae_objective_options;

/* L = mean (x - out)^2 + kl * KL(q(z|x) || N(0, 1)), KL summed over the latent, mean over the samples; z = mean +
 * deviation * posterior_noise: Kingma & Welling 2013, Rombach et al. 2022. Inputs: "x" [n,h,w,3], "posterior_noise"
 * [n,h/factor,w/factor,latent_channels]. Outputs: "reconstruction", "kl", and "moments" and "out" as the halves have
 * them. */
lt_status lt_vae_objective(const lt_vae *vae, int n, int h, int w, const lt_vae_objective_options *options,
                           lt_graph *graph);

/* The symmetric cross-entropy over the cosines of n pairs: Radford et al. 2021, figure 3. Inputs: "ids", "end",
 * "pixels" as the towers have them. Outputs: "loss", "text_embeds", "image_embeds". */
lt_status lt_clip_objective(const lt_clip_text *text, const lt_clip_image *image, int n, bool recompute,
                            lt_graph *graph);

/* -log p(y | x_t), mean over the samples: Dhariwal & Nichol 2021. Inputs "x", "t", "label", outputs "logits", "loss" as
 * lt_classifier_build_loss has them. */
lt_status lt_classifier_objective(const lt_classifier *classifier, int n, bool recompute, lt_graph *graph);

#endif
