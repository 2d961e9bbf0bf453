/* What the samplers share. A sampler is one file, or a family of near relatives: a step function and a description of
 * it, named in LT_SAMPLERS below. Noise levels are sigmas, relative to a picture of unit scale, whatever the scale of
 * the state. */
#ifndef LT_SAMPLER_H
#define LT_SAMPLER_H

#include "diffusion/diffusion.h"

#include <math.h>

/* Every sampler, in the order in which they are listed to people. `name` is described by `const lt_sampler
 * lt_sampler_name`. */
/* clang-format off */
#define LT_SAMPLERS(each) \
    each(ddpm) \
    each(ddim) \
    each(plms) \
    each(euler) \
    each(euler_a) \
    each(heun) \
    each(dpm2) \
    each(dpm2_a) \
    each(lms) \
    each(dpmpp_2s_a) \
    each(dpmpp_sde) \
    each(dpmpp_2m) \
    each(dpmpp_2m_sde) \
    each(dpmpp_3m_sde) \
    each(unipc) \
    each(deis) \
    each(ipndm) \
    each(ipndm_v) \
    each(res_multistep) \
    each(res_multistep_ancestral) \
    each(er_sde) \
    each(lcm) \
    each(tcd)
/* clang-format on */

enum { LT_MAX_HISTORY = 5 };

/* The scale of a sampler's state. */
typedef enum lt_scale {
    LT_SCALE_SIGMA, /* k-diffusion: x = x_0 + sigma * noise */
    LT_SCALE_UNIT   /* diffusers: x = (x_0 + sigma * noise) / sqrt(1 + sigma^2) */
} lt_scale;

/* One run of a sampler. All vectors but x are zero at first. */
typedef struct lt_sampler_state {
    const lt_sampling *asked;
    const float *sigmas, *timesteps; /* of asked->steps */
    int count;
    size_t n;
    lt_scale scale;
    float *x;                       /* [n] the state; the caller's */
    float *denoised;                /* [n] the latest estimate of x_0 */
    float *work;                    /* [n] scratch, lost in lt_denoise and lt_add_noise */
    float *history[LT_MAX_HISTORY]; /* [n] each, as many as the sampler asked for; theirs from step to step */
} lt_sampler_state;

typedef struct lt_sampler lt_sampler;
struct lt_sampler {
    lt_scale scale;
    int history;                  /* how many history vectors step uses */
    bool timesteps_only;          /* takes no schedule over sigma */
    const lt_sampler *over_sigma; /* what it is on one; NULL: the same */
    bool takes_eta;
    bool second_twice; /* makes its second step twice */
    bool asks_twice;   /* asks the network twice a step, but maybe in the last */
    bool from_noise;   /* its reference takes an abar of 0 as it is; the others', as 2^-24 (lt_noise_schedule.sigmas) */
    /* diffusers' timesteps for it, falling, t [steps]; NULL: lt_space_timesteps with as many points as steps. */
    lt_status (*timesteps)(lt_spacing spacing, int steps, int offset, float *t);
    /* Takes x from sigmas[i] to sigmas[i + 1]. */
    lt_status (*step)(lt_sampler_state *run, int i);
};

#define LT_DECLARE_SAMPLER(name) extern const lt_sampler lt_sampler_##name;
LT_SAMPLERS(LT_DECLARE_SAMPLER)
#undef LT_DECLARE_SAMPLER

/* By name; LT_ERROR_ARGUMENT with the list of names if there is no such one. */
lt_status lt_sampler_find(const char *name, const lt_sampler **sampler);

/* torch.linspace(start, end, count)[i] in float32. */
float lt_linspace(float start, float end, int count, int i);

/* The `steps` highest of `points` timesteps spaced over 0 .. 999, falling, into t [steps]; offset: leading's. */
void lt_space_timesteps(lt_spacing spacing, int points, int steps, int offset, float *t);
/* diffusers' multistep solvers space one timestep more than there are steps, except for trailing, and leave the lowest
 * out. */
lt_status lt_space_above_lowest(lt_spacing spacing, int steps, int offset, float *t);

/* A state at sigma is alpha (x_0 + sigma noise) in the unit scale. */
static inline double lt_alpha(double sigma) { return 1 / sqrt(1 + sigma * sigma); }

/* Level of a state at sigma. */
lt_noise_level lt_level_at(lt_scale scale, double sigma);

/* Asks the network about x, a state at sigma in the run's scale, and writes the x_0 that its eps or v stands for into
 * denoised. */
lt_status lt_denoise(lt_sampler_state *run, const float *x, double sigma, float *denoised);

/* Draws n normal numbers and adds scale times them to x. It draws for scale 0, too: the order of draws is part of a
 * picture. */
lt_status lt_add_noise(lt_sampler_state *run, float *x, double scale);

/* An ancestral step from sigma `from` to `to` goes down to `down` without noise, then up to `to` by noise of deviation
 * `up` (eta 1 of k-diffusion: the posterior of Ho et al. 2020). */
typedef struct lt_ancestral {
    double down, up;
} lt_ancestral;
lt_ancestral lt_ancestral_step(double from, double to);

/* out = x, for n elements. */
void lt_copy(float *out, const float *x, size_t n);

/* out = a x + b y, for n elements; out may be x or y. */
void lt_mix(float *out, double a, const float *x, double b, const float *y, size_t n);

/* The step that is exact while denoised stays the same, for LT_SCALE_SIGMA: from sigma to ratio * sigma,
 * out = ratio x + (1 - ratio) denoised. Euler's step and the first order of DPM-Solver++ are both this one. */
void lt_step_toward(float *out, double ratio, const float *x, const float *denoised, size_t n);

/* Where diffusers' ddim and plms step to from from_t on a schedule over t (ddim.c). */
double lt_stride_sigma(const lt_sampler_state *run, int from_t);

/* Moves each history vector one place back; the last comes round to the front, to be overwritten. */
void lt_rotate_history(lt_sampler_state *run, int count);

#endif
