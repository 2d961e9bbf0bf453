/* Schedules over sigma: how a number of steps is laid out between the highest and the lowest noise level. */
#ifndef LT_SIGMAS_H
#define LT_SIGMAS_H

#include "diffusion/diffusion.h"

/* Fills sigma, falling, and returns how many there are (at most LT_TRAIN_STEPS). Behind the last is where the last step
 * goes, 0 unless it is written; there is room for it. steps: 1 .. LT_TRAIN_STEPS. */
typedef int lt_sigmas(const lt_noise_schedule *s, int steps, float *sigma);

/* k-diffusion and A1111's web UI */
lt_sigmas lt_normal_sigmas, lt_karras_sigmas, lt_exponential_sigmas;
/* ComfyUI, whence the web UIs have them */
lt_sigmas lt_simple_sigmas, lt_sgm_uniform_sigmas, lt_ddim_uniform_sigmas;
/* Lee et al. 2024 and a draft of Guo et al., each as A1111 and Forge have it, and as ComfyUI does */
lt_sigmas lt_beta_sigmas, lt_beta_comfy_sigmas, lt_kl_optimal_sigmas, lt_kl_optimal_comfy_sigmas;
/* ComfyUI, of Genmo's Mochi */
lt_sigmas lt_linear_quadratic_sigmas;
/* Forge: evenly spaced timesteps that end their stretches, as trailing */
lt_sigmas lt_turbo_sigmas;
/* Sabour et al. 2024, Align Your Steps, and what GITS (Chen et al. 2024) found: tables for SD 1.5 and for SDXL */
lt_sigmas lt_ays_sigmas, lt_ays_xl_sigmas, lt_ays_32_sigmas, lt_ays_32_xl_sigmas, lt_gits_sigmas, lt_gits_xl_sigmas;

#endif
