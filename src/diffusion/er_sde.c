/* ER-SDE (Cui et al. 2023), of order 3 with the paper's noise scale 5, over sigma as ComfyUI has it: x_0 is a parabola
 * through its last three values, and its integral is a sum. */
#include "diffusion/sampler.h"

#include <math.h>

enum { POINTS = 200 }; /* of the sum */

/* How fast noise is exchanged: phi(sigma) = sigma (exp(sigma^0.3) + 10). */
static double phi(double sigma) { return sigma * (exp(pow(sigma, 0.3)) + 10); }

/* What the slope of x_0 [0] and its bend [1] add, from sigma `from` to `to`. */
static void integrate(double from, double to, double weights[2]) {
    const double length = to - from, stride = -length / POINTS;
    double sum = 0, moment = 0;
    for (int k = 0; k < POINTS; k++) {
        const double at = to + k * stride;
        sum += 1 / phi(at);
        moment += (at - from) / phi(at);
    }
    weights[0] = length + sum * stride * phi(to);
    weights[1] = length * length / 2 + moment * stride * phi(to);
}

/* Adds what x_0 has changed: history[0] is that of the step before, history[1] its slope there. */
static void bend(lt_sampler_state *run, int i, double from, double to) {
    const double by = 1 / (from - run->sigmas[i - 1]);
    const double half = i > 1 ? 2 / (from - run->sigmas[i - 2]) : 0;
    double weights[2];
    integrate(from, to, weights);
    const float slope_by = (float)by, bend_by = (float)half, w0 = (float)weights[0], w1 = (float)weights[1];
    for (size_t k = 0; k < run->n; k++) {
        const float slope = (run->denoised[k] - run->history[0][k]) * slope_by;
        run->x[k] += w0 * slope + w1 * (slope - run->history[1][k]) * bend_by;
        run->history[1][k] = slope;
    }
}

static lt_status er_sde_step(lt_sampler_state *run, int i) {
    const double from = run->sigmas[i], to = run->sigmas[i + 1];
    LT_TRY(lt_denoise(run, run->x, from, run->denoised));
    if (!(to > 0)) {
        lt_copy(run->x, run->denoised, run->n);
        return LT_OK;
    }
    const double ratio = phi(to) / phi(from);
    lt_step_toward(run->x, ratio, run->x, run->denoised, run->n);
    if (i > 0) bend(run, i, from, to);
    lt_copy(run->history[0], run->denoised, run->n);
    return lt_add_noise(run, run->x, sqrt(fmax(to * to - from * from * ratio * ratio, 0)));
}

const lt_sampler lt_sampler_er_sde = {.scale = LT_SCALE_SIGMA, .history = 2, .step = er_sde_step};
