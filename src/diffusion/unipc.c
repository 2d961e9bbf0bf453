/* UniPC of order 2 with B(h) = exp(h) - 1, predicting x_0 (Zhao et al. 2023, "bh2"), after diffusers: each step first
 * corrects the state that the last one predicted, now that the network has seen it, then predicts the next. */
#include "diffusion/sampler.h"

#include <math.h>

/* Both halves go from sigmas[s] to sigmas[s + 1], in lambda = -log sigma a step of h, and differ in the difference of
 * x_0 that they add: x' = keep x + toward (x_0 + difference). */
typedef struct uni_step {
    double keep, toward; /* (sigma' alpha') / (sigma alpha); alpha' (1 - exp(-h)), the paper's -alpha' B(h) */
    double h, before;    /* order 2: h, and the step before it in units of h, negative */
} uni_step;

static uni_step make_step(const lt_sampler_state *run, int s, bool second_order) {
    const double from = run->sigmas[s], to = run->sigmas[s + 1];
    uni_step u = {.keep = to * lt_alpha(to) / (from * lt_alpha(from)), .toward = lt_alpha(to) * (1 - to / from)};
    if (second_order) {
        u.h = log(from / to);
        u.before = log(from / run->sigmas[s - 1]) / u.h;
    }
    return u;
}

/* The order of the step from sigmas[s]: first where only one x_0 is known, and for the last of all. */
static bool is_second_order(const lt_sampler_state *run, int s) { return s > 0 && s < run->count - 1; }

/* history[0], history[1]: x_0 of the last step and of the one before; history[2]: the state that the last step started
 * from. run->denoised is the network's x_0 for run->x. */
static void correct(lt_sampler_state *run, int s) {
    const bool second = is_second_order(run, s);
    const uni_step u = make_step(run, s, second);
    double of_now = 0.5, of_older = 0; /* the paper's rho_c; order 2: [[1, 1], [before, 1]] rho = b */
    if (second) {
        const double phi_1 = expm1(-u.h), phi_2 = phi_1 / -u.h - 1, phi_3 = phi_2 / -u.h - 0.5;
        const double b0 = phi_2 / phi_1, b1 = 2 * phi_3 / phi_1, rho = (b0 - b1) / (1 - u.before);
        of_now = b0 - rho;
        of_older = rho / u.before;
    }
    const float *const start = run->history[2], *const now = run->denoised;
    const float *const last = run->history[0], *const older = run->history[1];
    const float keep = (float)u.keep, toward = (float)u.toward, c0 = (float)of_now, c1 = (float)of_older;
    for (size_t k = 0; k < run->n; k++) {
        const float x0 = last[k] + c0 * (now[k] - last[k]) + c1 * (older[k] - last[k]);
        run->x[k] = keep * start[k] + toward * x0;
    }
}

static void predict(lt_sampler_state *run, int s) {
    const bool second = is_second_order(run, s);
    const uni_step u = make_step(run, s, second);
    const float *const now = run->history[0], *const last = run->history[1];
    const float keep = (float)u.keep, toward = (float)u.toward, c = second ? (float)(0.5 / u.before) : 0;
    for (size_t k = 0; k < run->n; k++) run->x[k] = keep * run->x[k] + toward * (now[k] + c * (last[k] - now[k]));
}

static lt_status unipc_step(lt_sampler_state *run, int i) {
    LT_TRY(lt_denoise(run, run->x, run->sigmas[i], run->denoised));
    if (i > 0) correct(run, i - 1);
    lt_rotate_history(run, 2);
    lt_copy(run->history[0], run->denoised, run->n);
    lt_copy(run->history[2], run->x, run->n);
    predict(run, i);
    return LT_OK;
}

const lt_sampler lt_sampler_unipc = {
    .scale = LT_SCALE_UNIT, .history = 3, .timesteps = lt_space_above_lowest, .step = unipc_step};
