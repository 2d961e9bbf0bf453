/* Diffusion: the noise schedule, the steps through it, and the samplers. Plain functions over float arrays; they know
 * of models only the function that predicts. Symbols follow the papers: alphas_cumprod (alpha-bar), sigma, t, eps, x0,
 * denoised. */
#ifndef LT_DIFFUSION_H
#define LT_DIFFUSION_H

#include "base/base.h"

/* ---- The noise schedule: q(x_t | x_0) = N(sqrt(abar_t) x_0, (1 - abar_t) I), t = 0 .. count-1 ---- */

typedef enum lt_beta_kind { LT_BETA_SCALED_LINEAR, LT_BETA_LINEAR, LT_BETA_COSINE } lt_beta_kind;
typedef enum lt_prediction { LT_PREDICT_EPSILON, LT_PREDICT_V } lt_prediction;
/* diffusers' ways of spacing timesteps. */
typedef enum lt_spacing { LT_LEADING, LT_TRAILING, LT_LINSPACE } lt_spacing;

enum { LT_TRAIN_STEPS = 1000 };

typedef struct lt_noise_schedule {
    lt_prediction prediction;
    lt_beta_kind kind; /* with the betas' ends: what the betas follow from, unless they were given */
    double beta_start, beta_end;
    bool given;         /* the betas or alphas_cumprod themselves were given */
    bool zero_snr;      /* rescaled so that the last step keeps nothing of the picture */
    lt_spacing spacing; /* of the schedule over t that diffusers' samplers take by default */
    int offset;         /* added to every timestep of the schedule "leading": 1 */
    bool to_one;        /* ddim's and plms's last step goes to the picture itself, not to step 0's level */
    float betas[LT_TRAIN_STEPS], alphas_cumprod[LT_TRAIN_STEPS];
    float sigmas[LT_TRAIN_STEPS]; /* sqrt((1 - abar) / abar); for an abar of 0 that of 2^-24, as in diffusers */
    float log_sigmas[LT_TRAIN_STEPS];
} lt_noise_schedule;

const char *lt_prediction_name(lt_prediction prediction); /* "epsilon" or "v" */
/* diffusers' name of a kind: "scaled_linear". */
const char *lt_beta_name(lt_beta_kind kind);
/* LT_ERROR_UNSUPPORTED lists the names. */
lt_status lt_beta_find(const char *name, lt_beta_kind *kind);
/* Likewise, of timestep_spacing: "leading"; each is also the name of a schedule over t. */
const char *lt_spacing_name(lt_spacing spacing);
lt_status lt_spacing_find(const char *name, lt_spacing *spacing);

/* SD 1.x: LT_BETA_SCALED_LINEAR, 0.00085, 0.012, LT_PREDICT_EPSILON. Cosine ignores the ends (Nichol & Dhariwal 2021).
 * LT_ERROR_ARGUMENT unless 0 < beta_start <= beta_end < 1 and some signal is left after the last step. */
lt_status lt_noise_schedule_init(lt_noise_schedule *s, lt_beta_kind kind, double beta_start, double beta_end,
                                 lt_prediction prediction);
/* SD 1.x's, with another prediction. */
lt_status lt_noise_schedule_sd(lt_noise_schedule *s, lt_prediction prediction);
/* Other betas in their place, each in (0, 1), or other alphas_cumprod, which fall from below 1; both [LT_TRAIN_STEPS].
 * LT_ERROR_ARGUMENT if they are none; the last step alone may leave nothing of the picture. */
lt_status lt_noise_schedule_set_betas(lt_noise_schedule *s, const float *betas);
lt_status lt_noise_schedule_set_alphas(lt_noise_schedule *s, const float *alphas_cumprod);
/* Lin et al. 2023, algorithm 1: shifts and scales sqrt(abar) so that the last is 0 and the first stays. */
lt_status lt_noise_schedule_rescale(lt_noise_schedule *s);
/* own, or where it is asked for and not so already, rescaled. */
lt_status lt_noise_schedule_for(const lt_noise_schedule *own, bool zero_snr, lt_noise_schedule *out);
/* True if the last step keeps nothing of the picture: what predicts epsilon can't begin there. */
static inline bool lt_ends_in_noise(const lt_noise_schedule *s) { return !(s->alphas_cumprod[LT_TRAIN_STEPS - 1] > 0); }

/* Log-linear interpolation, as k-diffusion with quantize=False; what lies outside is taken to the nearer end. */
float lt_sigma_to_t(const lt_noise_schedule *s, float sigma);
float lt_t_to_sigma(const lt_noise_schedule *s, float t);

/* x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise, for n elements and 0 <= t < LT_TRAIN_STEPS; out may be x0. */
void lt_forward_process(const lt_noise_schedule *s, int t, const float *x0, const float *noise, float *out, size_t n);

/* ---- Steps: which noise levels a sampler visits ----
 *
 * Schedules over sigma: those of k-diffusion, of the web UIs and of ComfyUI (sigmas.h).
 * Schedules over t (diffusers): leading (offset 1), trailing, linspace.
 * k-diffusion's samplers take all of them, karras by default. diffusers' (ddpm, ddim, plms, unipc, deis, lcm, tcd) take
 * leading by default, or what the model's schedule says; plms and tcd take only schedules over t, the others all. Each
 * follows its reference to the letter, also where that gives few steps a poor start (one step of leading is at t = 1);
 * so unipc and deis space steps + 1 timesteps and leave the lowest out, plms makes its second step twice, leading of
 * lcm and tcd picks from their own 50, ddim_uniform may give more steps than were asked for and beta_comfy fewer, and
 * kl_optimal ends at the lowest sigma. */

/* schedule: NULL or "automatic" for the sampler's own default, else one of lt_schedule_names; steps: 1 .. 1000.
 * strength in (0, 1]: only the last floor(strength * steps) of them, at least 1 (txt2img: 1). It is a double so that
 * 0.7 of 10 are 7, as in the reference. An unknown sampler or schedule, a number out of range, or a pair that can't be
 * combined is LT_ERROR_ARGUMENT with a message that says what can; so is a start where an epsilon says nothing
 * (lt_ends_in_noise). On failure out is empty. */
lt_status lt_steps_make(const lt_noise_schedule *s, const char *sampler, const char *schedule, int steps,
                        double strength, lt_steps *out);

/* The second pass of `run` steps, which goes on from a picture as strength says: a way of int(run / min(strength,
 * 0.999)) steps, of which the last `run` are made, as the web UIs count them. */
lt_status lt_steps_make_second(const lt_noise_schedule *s, const char *sampler, const char *schedule, int run,
                               double strength, lt_steps *out);

/* Whether all of a step, counted from 0, lies within a share of the steps, as diffusers has it for controls. In doubles
 * steps of 10 begin where 0.3 does; in floats a step later. */
bool lt_step_within(int step, int steps, double start, double end);

/* NULL-terminated, for messages, help and completion. */
const char *const *lt_schedule_names(void);
const char *const *lt_sampler_names(void);
bool lt_sampler_takes_eta(const char *name);

/* latent.h has how names are read and what A1111's web UI calls them. */
bool lt_schedule_is_automatic(const char *text); /* "Automatic": the one that is taken where none is named */

/* ---- Samplers ---- */

/* How often it asks the network in a step: 1 or 2 (then but once in the last). 1 of what is none. */
int lt_sampler_calls(const char *name);
/* The number, from 0, of the asked-th call of the step-th step, both from 0, among those of all: of noise levels, so
 * that a step that is made twice counts once. */
int lt_sampler_call(const char *name, int step, int asked);

/* The noise level of a state: x = alpha * x_0 + sigma * noise. k-diffusion's samplers keep alpha = 1; diffusers' keep
 * alpha^2 + sigma^2 = 1. */
typedef struct lt_noise_level {
    float alpha, sigma;
} lt_noise_level;

/* What a sampler is given. Callbacks return LT_OK or a status that ends the sampling and is handed on. */
typedef struct lt_sampling {
    const lt_noise_schedule *schedule;
    const lt_steps *steps; /* made for this sampler */
    size_t n;              /* elements of x, all pictures together */
    float eta;             /* ddim, 0 .. 1: 0 deterministic, 1 like ddpm; tcd: gamma, likewise */
    void *user;
    /* The (guided) network: x is scaled as it expects (alpha^2 + sigma^2 = 1), t in 0 .. 999 and maybe fractional;
     * writes eps or v, as the schedule's prediction says, into out [n]. Some
     * samplers call it twice a step (lt_sampler_calls). */
    lt_status (*predict)(void *user, const float *x, float t, float *out);
    /* n fresh normal numbers; every picture draws from its own generator. May be NULL for samplers that draw none. */
    lt_status (*noise)(void *user, float *out);
    /* After each step: x may be changed (inpainting puts the kept part back, at that level: the level of the next
     * step's t; after the last, alpha 1 and sigma 0); denoised is the latest estimate of x_0. index counts from 0 to
     * count - 1 = steps->count - 1; may be NULL. */
    lt_status (*after_step)(void *user, int index, int count, lt_noise_level level, float *x, const float *denoised);
} lt_sampling;

/* Level of the state that img2img starts from: x = alpha * x_0 + sigma * noise (diffusers' add_noise at the first
 * timestep; for k-diffusion's samplers x_0 + sigma * noise). */
lt_status lt_sampler_start(const lt_sampling *s, const char *sampler, lt_noise_level *level);

/* The scale of pure noise, from which txt2img starts, and inpainting at strength 1: x = scale * noise. 1 for diffusers'
 * samplers (a little more than their start level's sigma: their schedules never reach pure noise), the first sigma for
 * k-diffusion's. */
lt_status lt_sampler_noise_scale(const lt_sampling *s, const char *sampler, float *scale);

/* Runs the whole of it: x [n] from the start's level down to 0. On failure x is somewhere on the way. */
lt_status lt_sample(const lt_sampling *s, const char *sampler, float *x);

#endif
