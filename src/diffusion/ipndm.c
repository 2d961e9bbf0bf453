/* iPNDM (Zhang & Chen 2022): linear multistep of order 4 in sigma, as ComfyUI has it of zju-pi's diff-sampler: by the
 * coefficients of even steps (Adams-Bashforth), or by those of the steps that there are. */
#include "diffusion/sampler.h"

enum { ORDER = 4 };

/* For slopes of this step, of the one before, ...; order: how many there are. */
static void weigh_even(const float *sigmas, int i, int order, double w[ORDER]) {
    static const double weights[ORDER][ORDER] = {
        {1}, {3.0 / 2, -1.0 / 2}, {23.0 / 12, -16.0 / 12, 5.0 / 12}, {55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24}};
    (void)sigmas, (void)i;
    for (int j = 0; j < ORDER; j++) w[j] = weights[order - 1][j];
}

/* Divided differences of the slopes, each with its share. The third order's share is the reference's, which is not that
 * of Adams-Bashforth. */
static void weigh_uneven(const float *sigmas, int i, int order, double w[ORDER]) {
    double h[ORDER] = {0}; /* this step, the one before, ... */
    for (int j = 0; j < order; j++) h[j] = (double)sigmas[i - j + 1] - (double)sigmas[i - j];
    const double first = order > 1 ? h[0] / h[1] / 2 : 0;
    w[0] = 1 + first;
    w[1] = -first;
    w[2] = w[3] = 0;
    if (order < 3) return;
    const double two = h[0] + h[1], below = h[1] + h[2];
    const double second = (1 - h[0] / (3 * two) * (h[0] * two) / (h[1] * below)) / 2, back = h[1] / h[2];
    w[0] += second;
    w[1] -= (1 + back) * second;
    w[2] += back * second;
    if (order < ORDER) return;
    const double spread = h[1] * below / (h[2] * (h[2] + h[3]));
    const double third = ((1 - h[0] / (3 * two)) / 2 + (1 - h[0] / (2 * two)) * h[0] / (6 * (two + h[2]))) *
                         (h[0] * two * (two + h[2])) / (h[1] * below * (below + h[3]));
    w[0] += third;
    w[1] -= (1 + back + spread) * third;
    w[2] += (back + spread * (1 + h[2] / h[3])) * third;
    w[3] -= spread * back * third;
}

/* history[j]: the slope dx/dsigma = (x - denoised) / sigma of j steps ago. */
static lt_status step(lt_sampler_state *run, int i, void (*weigh)(const float *, int, int, double[ORDER])) {
    const int order = i + 1 < ORDER ? i + 1 : ORDER;
    const double from = run->sigmas[i], to = run->sigmas[i + 1];
    double weights[ORDER];
    LT_TRY(lt_denoise(run, run->x, from, run->denoised));
    if (!(to > 0)) {
        lt_copy(run->x, run->denoised, run->n);
        return LT_OK;
    }
    lt_rotate_history(run, ORDER);
    lt_mix(run->history[0], 1 / from, run->x, -1 / from, run->denoised, run->n);
    weigh(run->sigmas, i, order, weights);
    for (int j = 0; j < order; j++) lt_mix(run->x, 1, run->x, (to - from) * weights[j], run->history[j], run->n);
    return LT_OK;
}

static lt_status ipndm_step(lt_sampler_state *run, int i) { return step(run, i, weigh_even); }
static lt_status ipndm_v_step(lt_sampler_state *run, int i) { return step(run, i, weigh_uneven); }

const lt_sampler lt_sampler_ipndm = {.scale = LT_SCALE_SIGMA, .history = ORDER, .step = ipndm_step};
const lt_sampler lt_sampler_ipndm_v = {.scale = LT_SCALE_SIGMA, .history = ORDER, .step = ipndm_v_step};
