/* DDIM (Song et al. 2021), equations 12 and 16, after diffusers. */
#include "diffusion/sampler.h"

#include <math.h>

/* diffusers goes down by a fixed stride of t, which on trailing and linspace isn't always where the next step begins;
 * its last step goes to step 0's sigma, or with set_alpha_to_one to 0. A schedule over sigma says itself where to go,
 * and ends at 0. */
double lt_stride_sigma(const lt_sampler_state *run, int from_t) {
    const lt_noise_schedule *schedule = run->asked->schedule;
    const int t = from_t - run->asked->steps->stride;
    return t < 0 && schedule->to_one ? 0 : (double)schedule->sigmas[t < 0 ? 0 : t];
}

static lt_status ddim_step(lt_sampler_state *run, int i) {
    const bool over_t = run->asked->steps->stride > 0;
    const double from = run->sigmas[i], to = over_t ? lt_stride_sigma(run, (int)run->timesteps[i]) : run->sigmas[i + 1];
    const double from_alpha = lt_alpha(from), to_alpha = lt_alpha(to), alpha_ratio = from_alpha / to_alpha;
    const double from_sigma = from * from_alpha, to_sigma = to * to_alpha;
    LT_TRY(lt_denoise(run, run->x, from, run->denoised));
    const double noise = run->asked->eta * to_sigma / from_sigma * sqrt(fmax(1 - alpha_ratio * alpha_ratio, 0));
    /* eps = (x - alpha x_0) / sigma keeps what of the new sigma isn't drawn afresh */
    const double of_x = sqrt(fmax(to_sigma * to_sigma - noise * noise, 0)) / from_sigma;
    lt_mix(run->x, of_x, run->x, to_alpha - of_x * from_alpha, run->denoised, run->n);
    return run->asked->eta > 0 ? lt_add_noise(run, run->x, noise) : LT_OK;
}

const lt_sampler lt_sampler_ddim = {.scale = LT_SCALE_UNIT, .takes_eta = true, .from_noise = true, .step = ddim_step};
