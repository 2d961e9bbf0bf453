/* DPM-Solver++ of second order by single steps with a midpoint (Lu et al. 2022), after k-diffusion: 2S ancestral and
 * SDE. */
#include "diffusion/sampler.h"

#include <math.h>

static lt_status dpmpp_2s_a_step(lt_sampler_state *run, int i) {
    const double from = run->sigmas[i];
    const lt_ancestral step = lt_ancestral_step(from, run->sigmas[i + 1]);
    LT_TRY(lt_denoise(run, run->x, from, run->denoised));
    if (step.down > 0) { /* the x_0 of the geometric mean takes the whole step */
        const double middle = sqrt(from * step.down);
        lt_step_toward(run->history[0], middle / from, run->x, run->denoised, run->n);
        LT_TRY(lt_denoise(run, run->history[0], middle, run->denoised));
    }
    lt_step_toward(run->x, step.down / from, run->x, run->denoised, run->n);
    return run->sigmas[i + 1] > 0 ? lt_add_noise(run, run->x, step.up) : LT_OK;
}

/* Both halves are ancestral: first to the geometric mean of the sigmas, then the whole step with the x_0 found there
 * (k-diffusion's r is 1/2, for which the first x_0 has no weight left). */
static lt_status dpmpp_sde_step(lt_sampler_state *run, int i) {
    const double from = run->sigmas[i], to = run->sigmas[i + 1];
    LT_TRY(lt_denoise(run, run->x, from, run->denoised));
    if (to == 0) {
        lt_step_toward(run->x, 0, run->x, run->denoised, run->n);
        return LT_OK;
    }
    const double middle = sqrt(from * to);
    const lt_ancestral half = lt_ancestral_step(from, middle), whole = lt_ancestral_step(from, to);
    lt_step_toward(run->history[0], half.down / from, run->x, run->denoised, run->n);
    LT_TRY(lt_add_noise(run, run->history[0], half.up));
    LT_TRY(lt_denoise(run, run->history[0], middle, run->denoised));
    lt_step_toward(run->x, whole.down / from, run->x, run->denoised, run->n);
    return lt_add_noise(run, run->x, whole.up);
}

const lt_sampler lt_sampler_dpmpp_2s_a = {
    .scale = LT_SCALE_SIGMA, .history = 1, .asks_twice = true, .step = dpmpp_2s_a_step};
const lt_sampler lt_sampler_dpmpp_sde = {
    .scale = LT_SCALE_SIGMA, .history = 1, .asks_twice = true, .step = dpmpp_sde_step};
