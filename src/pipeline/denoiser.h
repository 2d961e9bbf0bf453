/* The U-Net with classifier-free guidance: what the samplers ask for a prediction. */
#ifndef LT_DENOISER_H
#define LT_DENOISER_H

#include "pipeline/context.h"

typedef struct lt_denoiser {
    lt_session *session;
    lt_plan *plan;
    int passes; /* 2: prompt and negative prompt in one batch; 1: one of them alone */
    float guidance;
    lt_rate changed; /* what the next run has to compute anew */
    lt_shape latent; /* n = 1 */
} lt_denoiser;

/* Plans the U-Net for latents of h x w and computes what depends on the prompts alone. guidance 1 takes the prompt
 * alone, 0 the negative prompt alone. extra [unet.in_channels - latent channels, h, w] is what an inpainting model
 * reads beside the latent; NULL for others. */
lt_status lt_denoiser_init(lt_denoiser *d, lt_session *session, const lt_context *prompt, const lt_context *negative,
                           float guidance, int h, int w, const float *extra);

/* eps (or v) = uncond + guidance * (cond - uncond) at timestep t, for x [channels, h, w]; an lt_sampling's predict, but
 * for user. */
lt_status lt_denoiser_predict(lt_denoiser *d, const float *x, float t, float *out);

#endif
