/* Multistep consistency sampling for latent consistency models (Luo et al. 2023, algorithm 1), after diffusers. */
#include "diffusion/sampler.h"

#include <math.h>

enum { TEACHER_STEPS = 50 }; /* of the solver that the model was distilled from: original_inference_steps */

/* f(x, t) = c_skip x + c_out x_0, then fresh noise up to the next step's level. */
static lt_status lcm_step(lt_sampler_state *run, int i) {
    const double sigma_data = 0.5, t = 10.0 * run->timesteps[i]; /* timestep_scaling */
    const double variance = t * t + sigma_data * sigma_data;
    const double c_skip = sigma_data * sigma_data / variance, c_out = t / sqrt(variance);
    LT_TRY(lt_denoise(run, run->x, run->sigmas[i], run->denoised));
    lt_mix(run->denoised, c_out, run->denoised, c_skip, run->x, run->n);
    const lt_noise_level next = lt_level_at(LT_SCALE_UNIT, run->sigmas[i + 1]);
    lt_mix(run->x, next.alpha, run->denoised, 0, run->denoised, run->n);
    return i + 1 < run->count ? lt_add_noise(run, run->x, next.sigma) : LT_OK;
}

/* On leading, steps are picked evenly from the 50 that the model was distilled with: 999, 979, .. 19. */
static lt_status lcm_timesteps(lt_spacing spacing, int steps, int offset, float *t) {
    if (spacing != LT_LEADING) {
        lt_space_timesteps(spacing, steps, steps, offset, t);
        return LT_OK;
    }
    if (steps > TEACHER_STEPS)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "%d steps of lcm on schedule leading can't be made: choose 1 to %d, or another schedule", steps,
                       TEACHER_STEPS);
    const double stride = (double)TEACHER_STEPS / steps;
    for (int i = 0; i < steps; i++)
        t[i] = (float)((TEACHER_STEPS - (int)(i * stride)) * (LT_TRAIN_STEPS / TEACHER_STEPS) - 1);
    return LT_OK;
}

const lt_sampler lt_sampler_lcm = {
    .scale = LT_SCALE_UNIT, .timesteps_only = true, .from_noise = true, .timesteps = lcm_timesteps, .step = lcm_step};
