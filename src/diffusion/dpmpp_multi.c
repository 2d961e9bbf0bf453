/* DPM-Solver++ by multiple steps (Lu et al. 2022), after k-diffusion: 2M, and the stochastic 2M and 3M with eta 1. Time
 * is lambda = -log sigma, a step h = log(from / to) long; history[j] is the x_0 of j + 1 steps ago. */
#include "diffusion/sampler.h"

#include <math.h>

/* Length of step i in lambda. */
static double length(const lt_sampler_state *run, int i) { return log((double)run->sigmas[i] / run->sigmas[i + 1]); }

static void remember_denoised(lt_sampler_state *run, int count) {
    lt_rotate_history(run, count);
    lt_copy(run->history[0], run->denoised, run->n);
}

/* The last step of all: to the picture itself. */
static lt_status finish(lt_sampler_state *run) {
    lt_copy(run->x, run->denoised, run->n);
    return LT_OK;
}

static lt_status dpmpp_2m_step(lt_sampler_state *run, int i) {
    LT_TRY(lt_denoise(run, run->x, run->sigmas[i], run->denoised));
    if (run->sigmas[i + 1] == 0) return finish(run);
    const double ratio = (double)run->sigmas[i + 1] / run->sigmas[i];
    /* denoised is carried on by a line through the last two, to the middle of the step */
    const double ahead = i > 0 ? length(run, i) / (2 * length(run, i - 1)) : 0;
    const float keep = (float)ratio, now = (float)((1 - ratio) * (1 + ahead)), before = (float)((1 - ratio) * -ahead);
    for (size_t k = 0; k < run->n; k++)
        run->x[k] = keep * run->x[k] + now * run->denoised[k] + before * run->history[0][k];
    remember_denoised(run, 1);
    return LT_OK;
}

/* Both stochastic samplers, eta being 1, first shrink x by (to / from)^2 and fill up with denoised, ... */
static void sde_first_order(lt_sampler_state *run, double ratio) {
    lt_step_toward(run->x, ratio * ratio, run->x, run->denoised, run->n);
}

/* ... and at last add the noise that is missing to sigma `to`. */
static lt_status sde_noise(lt_sampler_state *run, double ratio, double to) {
    return lt_add_noise(run, run->x, to * sqrt(1 - ratio * ratio));
}

static lt_status dpmpp_2m_sde_step(lt_sampler_state *run, int i) {
    LT_TRY(lt_denoise(run, run->x, run->sigmas[i], run->denoised));
    if (run->sigmas[i + 1] == 0) return finish(run);
    const double to = run->sigmas[i + 1], ratio = to / run->sigmas[i];
    sde_first_order(run, ratio);
    if (i > 0) { /* the midpoint rule */
        const float scale = (float)((1 - ratio * ratio) * length(run, i) / (2 * length(run, i - 1)));
        for (size_t k = 0; k < run->n; k++) run->x[k] += scale * (run->denoised[k] - run->history[0][k]);
    }
    remember_denoised(run, 1);
    return sde_noise(run, ratio, to);
}

/* Adds phi_2 d1 - phi_3 d2, d1 and d2 being the first and second differences of the last three x_0. */
static void add_third_order(lt_sampler_state *run, int i, double phi_2, double phi_3) {
    const double r0 = length(run, i - 1) / length(run, i), r1 = length(run, i - 2) / length(run, i);
    const float *const d0 = run->denoised, *const d1 = run->history[0], *const d2 = run->history[1];
    const float of_near = (float)(phi_2 / r0), of_bend = (float)((phi_2 * r0 - phi_3) / (r0 + r1));
    const float inverse_r0 = (float)(1 / r0), inverse_r1 = (float)(1 / r1);
    for (size_t k = 0; k < run->n; k++) {
        const float near = d0[k] - d1[k], bend = near * inverse_r0 - (d1[k] - d2[k]) * inverse_r1;
        run->x[k] += of_near * near + of_bend * bend;
    }
}

static lt_status dpmpp_3m_sde_step(lt_sampler_state *run, int i) {
    LT_TRY(lt_denoise(run, run->x, run->sigmas[i], run->denoised));
    if (run->sigmas[i + 1] == 0) return finish(run);
    const double to = run->sigmas[i + 1], ratio = to / run->sigmas[i], h_eta = 2 * length(run, i);
    const double phi_2 = expm1(-h_eta) / h_eta + 1, phi_3 = phi_2 / h_eta - 0.5;
    sde_first_order(run, ratio);
    if (i == 1) {
        const float scale = (float)(phi_2 * length(run, 1) / length(run, 0));
        for (size_t k = 0; k < run->n; k++) run->x[k] += scale * (run->denoised[k] - run->history[0][k]);
    } else if (i > 1) {
        add_third_order(run, i, phi_2, phi_3);
    }
    remember_denoised(run, 2);
    return sde_noise(run, ratio, to);
}

const lt_sampler lt_sampler_dpmpp_2m = {.scale = LT_SCALE_SIGMA, .history = 1, .step = dpmpp_2m_step};
const lt_sampler lt_sampler_dpmpp_2m_sde = {.scale = LT_SCALE_SIGMA, .history = 1, .step = dpmpp_2m_sde_step};
const lt_sampler lt_sampler_dpmpp_3m_sde = {.scale = LT_SCALE_SIGMA, .history = 2, .step = dpmpp_3m_sde_step};
