/* DPM-Solver-2-like midpoint steps in sigma (Lu et al. 2022; Karras et al. 2022), plain and ancestral, after
 * k-diffusion. */
#include "diffusion/sampler.h"

#include <math.h>

/* From sigma `from` to `to` along the slope at their geometric mean; x is at `from`, its x_0 in run->denoised. */
static lt_status midpoint_step(lt_sampler_state *run, double from, double to) {
    float *const middle_x = run->history[0], *const x = run->x;
    const double middle = sqrt(from * to);
    lt_step_toward(middle_x, middle / from, x, run->denoised, run->n);
    LT_TRY(lt_denoise(run, middle_x, middle, run->denoised));
    const float scale = (float)((to - from) / middle);
    for (size_t k = 0; k < run->n; k++) x[k] += scale * (middle_x[k] - run->denoised[k]);
    return LT_OK;
}

static lt_status step_to(lt_sampler_state *run, double from, double to) {
    LT_TRY(lt_denoise(run, run->x, from, run->denoised));
    if (to > 0) return midpoint_step(run, from, to);
    lt_step_toward(run->x, 0, run->x, run->denoised, run->n);
    return LT_OK;
}

static lt_status dpm2_step(lt_sampler_state *run, int i) { return step_to(run, run->sigmas[i], run->sigmas[i + 1]); }

static lt_status dpm2_a_step(lt_sampler_state *run, int i) {
    const lt_ancestral step = lt_ancestral_step(run->sigmas[i], run->sigmas[i + 1]);
    LT_TRY(step_to(run, run->sigmas[i], step.down));
    return step.down > 0 ? lt_add_noise(run, run->x, step.up) : LT_OK;
}

const lt_sampler lt_sampler_dpm2 = {.scale = LT_SCALE_SIGMA, .history = 1, .asks_twice = true, .step = dpm2_step};
const lt_sampler lt_sampler_dpm2_a = {.scale = LT_SCALE_SIGMA, .history = 1, .asks_twice = true, .step = dpm2_a_step};
