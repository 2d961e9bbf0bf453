/* DEIS, log-rho multistep of order 2 (Zhang & Chen 2022), after diffusers: eps is a line in log rho through its last
 * two values, and its integral over rho is exact. */
#include "diffusion/sampler.h"

#include <math.h>

enum { FEW = 15 }; /* steps: with fewer the last one is of order 1 (lower_order_final) */

/* The integral over rho up to `to` of what is 1 at rho `one` and 0 at rho `zero`, a line in log rho. */
static double integral(double to, double one, double zero) {
    return to > 0 ? to * (log(to / zero) - 1) / log(one / zero) : 0;
}

/* How much of eps [0] and of that of the step before [1] is added to x_0 + rho eps; rho is sigma. */
static void weigh(const lt_sampler_state *run, int i, double to, double weights[2]) {
    const double from = run->sigmas[i];
    const bool first_order = i == 0 || (i + 1 == run->count && run->count < FEW);
    weights[0] = to - from;
    weights[1] = 0;
    if (first_order) return;
    const double before = run->sigmas[i - 1];
    weights[0] = integral(to, from, before) - integral(from, from, before);
    weights[1] = integral(to, before, from) - integral(from, before, from);
}

/* history[0]: eps of this step, history[1]: that of the one before. On a schedule over t the last step goes to step 0's
 * level. */
static lt_status deis_step(lt_sampler_state *run, int i) {
    const bool to_first = i + 1 == run->count && run->asked->steps->stride > 0;
    const double from = run->sigmas[i], to = to_first ? run->asked->schedule->sigmas[0] : run->sigmas[i + 1];
    double weights[2];
    weigh(run, i, to, weights);
    LT_TRY(lt_denoise(run, run->x, from, run->denoised));
    lt_rotate_history(run, 2);
    lt_mix(run->history[0], 1 / (from * lt_alpha(from)), run->x, -1 / from, run->denoised, run->n);
    lt_mix(run->x, lt_alpha(to) / lt_alpha(from), run->x, lt_alpha(to) * weights[0], run->history[0], run->n);
    lt_mix(run->x, 1, run->x, lt_alpha(to) * weights[1], run->history[1], run->n);
    return LT_OK;
}

const lt_sampler lt_sampler_deis = {
    .scale = LT_SCALE_UNIT, .history = 2, .timesteps = lt_space_above_lowest, .step = deis_step};
