/* Ancestral sampling of DDPM (Ho et al. 2020), equation 7 with the small variance, after diffusers. */
#include "diffusion/sampler.h"

#include <math.h>

static lt_status ddpm_step(lt_sampler_state *run, int i) {
    const double sigma = run->sigmas[i], next = run->sigmas[i + 1];
    const double beta_bar = sigma * sigma / (1 + sigma * sigma), next_beta_bar = next * next / (1 + next * next);
    const double alpha = (1 + next * next) / (1 + sigma * sigma); /* abar_t / abar_(t-1), of this step alone */
    LT_TRY(lt_denoise(run, run->x, sigma, run->denoised));
    const double of_denoised = sqrt(1 - next_beta_bar) * (1 - alpha) / beta_bar;
    lt_mix(run->x, sqrt(alpha) * next_beta_bar / beta_bar, run->x, of_denoised, run->denoised, run->n);
    if (!(run->timesteps[i] > 0)) return LT_OK; /* the last step of all training steps is the mean itself */
    const double variance = next_beta_bar / beta_bar * (1 - alpha);
    return lt_add_noise(run, run->x, sqrt(fmax(variance, 1e-20))); /* the floor is the reference's */
}

const lt_sampler lt_sampler_ddpm = {.scale = LT_SCALE_UNIT, .from_noise = true, .step = ddpm_step};
