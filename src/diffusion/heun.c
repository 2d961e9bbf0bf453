/* Heun's second-order method in sigma (Karras et al. 2022, algorithm 2 without churn), after k-diffusion. */
#include "diffusion/sampler.h"

/* x moves by the mean of the slopes dx/dsigma = (x - denoised) / sigma at both ends. */
static lt_status heun_step(lt_sampler_state *run, int i) {
    float *const first = run->history[0], *const end = run->history[1], *const x = run->x;
    const double from = run->sigmas[i], to = run->sigmas[i + 1];
    LT_TRY(lt_denoise(run, x, from, run->denoised));
    if (to == 0) { /* the slope there has no value: Euler's step */
        lt_step_toward(x, 0, x, run->denoised, run->n);
        return LT_OK;
    }
    lt_copy(first, run->denoised, run->n);
    lt_step_toward(end, to / from, x, first, run->n);
    LT_TRY(lt_denoise(run, end, to, run->denoised));
    const float half_first = (float)((to - from) / 2 / from), half_end = (float)((to - from) / 2 / to);
    for (size_t k = 0; k < run->n; k++) x[k] += half_first * (x[k] - first[k]) + half_end * (end[k] - run->denoised[k]);
    return LT_OK;
}

const lt_sampler lt_sampler_heun = {.scale = LT_SCALE_SIGMA, .history = 2, .asks_twice = true, .step = heun_step};
