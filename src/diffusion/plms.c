/* PLMS: pseudo linear multistep of order 4 (Liu et al. 2022, PNDM without its Runge-Kutta start), after diffusers with
 * skip_prk_steps. eps is carried on as if it were linear multistep, and takes a step of
 * DDIM. */
#include "diffusion/sampler.h"

enum { EPS_COUNT = 4, START = EPS_COUNT };

/* DDIM's step without noise from one sigma to another, x to run->x; eps [n]. */
static void transfer(lt_sampler_state *run, double from, double to, const float *x, const float *eps) {
    const double keep = lt_alpha(to) / lt_alpha(from);
    lt_mix(run->x, keep, x, lt_alpha(to) * (to - from), eps, run->n);
}

/* The network's eps for the state at sigma, from run->denoised. */
static void find_eps(const lt_sampler_state *run, double sigma, float *eps) {
    lt_mix(eps, 1 / (sigma * lt_alpha(sigma)), run->x, -1 / sigma, run->denoised, run->n);
}

/* The multistep eps from the `known` latest ones, history[0] the newest, into out. */
static void extrapolate(const lt_sampler_state *run, int known, float *out) {
    static const float weights[EPS_COUNT][EPS_COUNT] = {
        {1},
        {3.0f / 2, -1.0f / 2},
        {23.0f / 12, -16.0f / 12, 5.0f / 12},
        {55.0f / 24, -59.0f / 24, 37.0f / 24, -9.0f / 24},
    };
    const float *const w = weights[known - 1];
    for (size_t k = 0; k < run->n; k++) {
        float sum = 0;
        for (int j = 0; j < known; j++) sum += w[j] * run->history[j][k];
        out[k] = sum;
    }
}

/* The first step again, with the mean of the eps at both its ends; the second of them isn't kept. */
static void repeat_first_step(lt_sampler_state *run) {
    const int from_t = (int)run->timesteps[1] + run->asked->steps->stride;
    const double from = run->asked->schedule->sigmas[from_t < LT_TRAIN_STEPS ? from_t : LT_TRAIN_STEPS - 1];
    find_eps(run, run->sigmas[1], run->work);
    lt_mix(run->work, 0.5, run->work, 0.5, run->history[0], run->n);
    transfer(run, from, run->sigmas[1], run->history[START], run->work);
}

/* history[0 .. 3]: eps, the newest first; history[4]: the state before the first step. */
static lt_status plms_step(lt_sampler_state *run, int i) {
    LT_TRY(lt_denoise(run, run->x, run->sigmas[i], run->denoised));
    if (i == 1) {
        repeat_first_step(run);
        return LT_OK;
    }
    lt_rotate_history(run, EPS_COUNT);
    find_eps(run, run->sigmas[i], run->history[0]);
    if (i == 0) lt_copy(run->history[START], run->x, run->n);
    extrapolate(run, i == 0 ? 1 : i < EPS_COUNT ? i : EPS_COUNT, run->work);
    transfer(run, run->sigmas[i], lt_stride_sigma(run, (int)run->timesteps[i]), run->x, run->work);
    return LT_OK;
}

const lt_sampler lt_sampler_plms = {
    .scale = LT_SCALE_UNIT, .history = EPS_COUNT + 1, .timesteps_only = true, .second_twice = true, .step = plms_step};
