/* Euler's method in sigma (Karras et al. 2022, algorithm 2 without churn), plain and ancestral, after k-diffusion. */
#include "diffusion/sampler.h"

static lt_status euler_step(lt_sampler_state *run, int i) {
    const double from = run->sigmas[i], to = run->sigmas[i + 1];
    LT_TRY(lt_denoise(run, run->x, from, run->denoised));
    lt_step_toward(run->x, to / from, run->x, run->denoised, run->n);
    return LT_OK;
}

static lt_status euler_a_step(lt_sampler_state *run, int i) {
    const double from = run->sigmas[i], to = run->sigmas[i + 1];
    const lt_ancestral step = lt_ancestral_step(from, to);
    LT_TRY(lt_denoise(run, run->x, from, run->denoised));
    lt_step_toward(run->x, step.down / from, run->x, run->denoised, run->n);
    return to > 0 ? lt_add_noise(run, run->x, step.up) : LT_OK;
}

const lt_sampler lt_sampler_euler = {.scale = LT_SCALE_SIGMA, .step = euler_step};
const lt_sampler lt_sampler_euler_a = {.scale = LT_SCALE_SIGMA, .step = euler_a_step};
