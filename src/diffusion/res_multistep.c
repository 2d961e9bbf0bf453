/* RES, the refined exponential solver (Zhang et al. 2023, arXiv 2308.02157), multistep of order 2 in -log sigma, after
 * ComfyUI: as it stands, and with an ancestral step's fresh noise. */
#include "diffusion/sampler.h"

#include <math.h>

/* How much of x_0's estimate [0] and of that of the step before [1] there is behind a step of length h in -log sigma;
 * back: how far the other lies, in steps, which is below 0. */
static void weigh(double h, double back, double weights[2]) {
    const double phi_1 = expm1(-h) / -h, phi_2 = (phi_1 - 1) / -h;
    weights[0] = h * (phi_1 - phi_2 / back);
    weights[1] = h * phi_2 / back;
}

/* history[0]: x_0 of the step before, which went down to sigma `reached` and, with noise, up to this one's. */
static lt_status step(lt_sampler_state *run, int i, double down, double reached) {
    const double from = run->sigmas[i], h = down > 0 ? log(from / down) : 0;
    const double back = i > 0 && h > 0 ? log(reached / run->sigmas[i - 1]) / h : 0;
    double weights[2];
    LT_TRY(lt_denoise(run, run->x, from, run->denoised));
    if (back < 0) {
        weigh(h, back, weights);
        lt_mix(run->x, down / from, run->x, weights[0], run->denoised, run->n);
        lt_mix(run->x, 1, run->x, weights[1], run->history[0], run->n);
    } else {
        lt_step_toward(run->x, down / from, run->x, run->denoised, run->n);
    }
    lt_copy(run->history[0], run->denoised, run->n);
    return LT_OK;
}

static lt_status res_multistep_step(lt_sampler_state *run, int i) {
    return step(run, i, run->sigmas[i + 1], run->sigmas[i]);
}

static lt_status res_multistep_ancestral_step(lt_sampler_state *run, int i) {
    const lt_ancestral before = i > 0 ? lt_ancestral_step(run->sigmas[i - 1], run->sigmas[i]) : (lt_ancestral){0};
    const lt_ancestral now = lt_ancestral_step(run->sigmas[i], run->sigmas[i + 1]);
    LT_TRY(step(run, i, now.down, before.down));
    return run->sigmas[i + 1] > 0 ? lt_add_noise(run, run->x, now.up) : LT_OK;
}

const lt_sampler lt_sampler_res_multistep = {.scale = LT_SCALE_SIGMA, .history = 1, .step = res_multistep_step};
const lt_sampler lt_sampler_res_multistep_ancestral = {
    .scale = LT_SCALE_SIGMA, .history = 1, .step = res_multistep_ancestral_step};
