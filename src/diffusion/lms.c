/* Linear multistep (Adams-Bashforth) of order 4 in sigma, for its uneven steps, after k-diffusion. */
#include "diffusion/sampler.h"

#include <math.h>

enum { ORDER = 4 };

/* Lagrange's basis polynomial over sigmas[i - order + 1 .. i] that is 1 at sigmas[i - j] and 0 at the others. */
static double basis(const float *sigmas, int i, int order, int j, double at) {
    double product = 1;
    for (int k = 0; k < order; k++)
        if (k != j) product *= (at - sigmas[i - k]) / ((double)sigmas[i - j] - sigmas[i - k]);
    return product;
}

/* Its integral from sigmas[i] to sigmas[i + 1]; Gauss's rule with two points is exact for degree 3. */
static double coefficient(const float *sigmas, int i, int order, int j) {
    const double half = ((double)sigmas[i + 1] - sigmas[i]) / 2, middle = sigmas[i] + half, offset = half / sqrt(3);
    return half * (basis(sigmas, i, order, j, middle - offset) + basis(sigmas, i, order, j, middle + offset));
}

/* history[j]: the slope dx/dsigma = (x - denoised) / sigma of j steps ago. */
static lt_status lms_step(lt_sampler_state *run, int i) {
    const int order = i + 1 < ORDER ? i + 1 : ORDER;
    const double sigma = run->sigmas[i];
    LT_TRY(lt_denoise(run, run->x, sigma, run->denoised));
    lt_rotate_history(run, ORDER);
    lt_mix(run->history[0], 1 / sigma, run->x, -1 / sigma, run->denoised, run->n);
    for (int j = 0; j < order; j++)
        lt_mix(run->x, 1, run->x, coefficient(run->sigmas, i, order, j), run->history[j], run->n);
    return LT_OK;
}

const lt_sampler lt_sampler_lms = {.scale = LT_SCALE_SIGMA, .history = ORDER, .step = lms_step};
