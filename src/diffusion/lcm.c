/* Multistep consistency sampling: for latent consistency models (Luo et al. 2023, algorithm 1), and along the
 * trajectory (TCD: Zheng et al. 2024, algorithm 4), both after diffusers; on schedules over sigma LCM's as the web UIs
 * have it. */
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

/* Without c_skip and c_out, which matter near t = 0 alone. */
static lt_status lcm_sigma_step(lt_sampler_state *run, int i) {
    LT_TRY(lt_denoise(run, run->x, run->sigmas[i], run->denoised));
    lt_copy(run->x, run->denoised, run->n);
    return run->sigmas[i + 1] > 0 ? lt_add_noise(run, run->x, run->sigmas[i + 1]) : LT_OK;
}

/* Down to s = (1 - eta) t' without noise, then up to t', where the next step begins; the last goes to t = 0. */
static lt_status tcd_step(lt_sampler_state *run, int i) {
    const bool last = i + 1 == run->count;
    const float next = last ? 0 : run->timesteps[i + 1], s = floorf((1 - run->asked->eta) * next);
    const float *const sigmas = run->asked->schedule->sigmas;
    const lt_noise_level from = lt_level_at(LT_SCALE_UNIT, run->sigmas[i]);
    const lt_noise_level down = lt_level_at(LT_SCALE_UNIT, sigmas[(int)s]);
    const lt_noise_level up = lt_level_at(LT_SCALE_UNIT, sigmas[(int)next]);
    LT_TRY(lt_denoise(run, run->x, run->sigmas[i], run->denoised));
    const double of_x = (double)down.sigma / from.sigma, up_share = (double)up.alpha / down.alpha;
    lt_mix(run->x, of_x, run->x, down.alpha - of_x * from.alpha, run->denoised, run->n);
    if (!(run->asked->eta > 0) || last) return LT_OK;
    lt_mix(run->x, up_share, run->x, 0, run->x, run->n);
    return lt_add_noise(run, run->x, sqrt(fmax(1 - up_share * up_share, 0)));
}

/* On leading, steps are picked evenly from the 50 that the model was distilled with: 999, 979, .. 19. */
static lt_status teacher_timesteps(lt_spacing spacing, int steps, int offset, float *t) {
    if (spacing != LT_LEADING) {
        lt_space_timesteps(spacing, steps, steps, offset, t);
        return LT_OK;
    }
    if (steps > TEACHER_STEPS)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "%d steps of lcm or tcd on schedule leading can't be made: choose 1 to %d, or another schedule",
                       steps, TEACHER_STEPS);
    const double stride = (double)TEACHER_STEPS / steps;
    for (int i = 0; i < steps; i++)
        t[i] = (float)((TEACHER_STEPS - (int)(i * stride)) * (LT_TRAIN_STEPS / TEACHER_STEPS) - 1);
    return LT_OK;
}

static const lt_sampler lcm_over_sigma = {.scale = LT_SCALE_SIGMA, .step = lcm_sigma_step};
const lt_sampler lt_sampler_lcm = {.scale = LT_SCALE_UNIT,
                                   .over_sigma = &lcm_over_sigma,
                                   .from_noise = true,
                                   .timesteps = teacher_timesteps,
                                   .step = lcm_step};
const lt_sampler lt_sampler_tcd = {.scale = LT_SCALE_UNIT,
                                   .timesteps_only = true,
                                   .takes_eta = true,
                                   .from_noise = true,
                                   .timesteps = teacher_timesteps,
                                   .step = tcd_step};
