/* Running a sampler by name, and the arithmetic that samplers share. */
#include "diffusion/sampler.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- By name ---- */

const char *const *lt_sampler_names(void) {
#define NAME(name) #name,
    static const char *const names[] = {LT_SAMPLERS(NAME) NULL};
#undef NAME
    return names;
}

bool lt_sampler_takes_eta(const char *name) {
    const lt_sampler *sampler;
    return !lt_sampler_find(name, &sampler) && sampler->takes_eta;
}

lt_status lt_sampler_find(const char *name, const lt_sampler **sampler) {
#define ADDRESS(name) &lt_sampler_##name,
    static const lt_sampler *const samplers[] = {LT_SAMPLERS(ADDRESS)};
#undef ADDRESS
    const char *const *names = lt_sampler_names(), *schedule, *own = lt_sampler_read(name, &schedule);
    *sampler = NULL;
    for (size_t i = 0; i < LT_COUNT(samplers) && own; i++) {
        if (strcmp(names[i], own) != 0) continue;
        *sampler = samplers[i];
        return LT_OK;
    }
    char list[512];
    lt_join_names(names, list, sizeof list);
    return lt_fail(LT_ERROR_ARGUMENT, "there is no sampler '%s': choose one of %s", name, list);
}

int lt_sampler_calls(const char *name) {
    const lt_sampler *sampler;
    return !lt_sampler_find(name, &sampler) && sampler->asks_twice ? 2 : 1;
}

int lt_sampler_call(const char *name, int step, int asked) {
    const lt_sampler *sampler;
    const int calls = lt_sampler_calls(name);
    const bool twice = !lt_sampler_find(name, &sampler) && sampler->second_twice && step > 1;
    return (step - twice) * calls + (asked < calls ? asked : calls - 1);
}

/* ---- Vectors ---- */

void lt_copy(float *out, const float *x, size_t n) { memcpy(out, x, n * sizeof *out); }

void lt_mix(float *out, double a, const float *x, double b, const float *y, size_t n) {
    const float fa = (float)a, fb = (float)b;
    for (size_t i = 0; i < n; i++) out[i] = fa * x[i] + fb * y[i];
}

void lt_step_toward(float *out, double ratio, const float *x, const float *denoised, size_t n) {
    lt_mix(out, ratio, x, 1 - ratio, denoised, n);
}

void lt_rotate_history(lt_sampler_state *run, int count) {
    float *const last = run->history[count - 1];
    memmove(run->history + 1, run->history, (size_t)(count - 1) * sizeof run->history[0]);
    run->history[0] = last;
}

/* ---- Levels, the network, noise ---- */

lt_noise_level lt_level_at(lt_scale scale, double sigma) {
    if (scale == LT_SCALE_SIGMA) return (lt_noise_level){1, (float)sigma};
    const double alpha = lt_alpha(sigma);
    return (lt_noise_level){(float)alpha, (float)(sigma * alpha)};
}

/* With u = alpha x_0 + s eps the network's input and v = alpha eps - s x_0 (Salimans & Ho 2022):
 * x_0 = (u - s eps) / alpha = alpha u - s v. */
lt_status lt_denoise(lt_sampler_state *run, const float *x, double sigma, float *denoised) {
    const lt_noise_schedule *schedule = run->asked->schedule;
    const double alpha = lt_alpha(sigma), s = sigma * alpha;
    const double to_input = run->scale == LT_SCALE_SIGMA ? alpha : 1; /* u = to_input x */
    const float *input = x;
    if (run->scale == LT_SCALE_SIGMA) {
        for (size_t i = 0; i < run->n; i++) run->work[i] = (float)to_input * x[i];
        input = run->work;
    }
    LT_TRY(run->asked->predict(run->asked->user, input, lt_sigma_to_t(schedule, (float)sigma), denoised));
    if (schedule->prediction == LT_PREDICT_V)
        lt_mix(denoised, alpha * to_input, x, -s, denoised, run->n);
    else
        lt_mix(denoised, to_input / alpha, x, -sigma, denoised, run->n);
    return LT_OK;
}

lt_status lt_add_noise(lt_sampler_state *run, float *x, double scale) {
    if (!run->asked->noise) return lt_fail(LT_ERROR_ARGUMENT, "this sampler draws noise, and none was given");
    LT_TRY(run->asked->noise(run->asked->user, run->work));
    lt_mix(x, 1, x, scale, run->work, run->n);
    return LT_OK;
}

lt_ancestral lt_ancestral_step(double from, double to) {
    const double variance = to * to * (from * from - to * to) / (from * from);
    return (lt_ancestral){.down = to * to / from, .up = sqrt(variance)};
}

/* ---- Public ---- */

static lt_status check(const lt_sampling *s, const char *name, const lt_sampler **sampler) {
    LT_TRY(lt_sampler_find(name, sampler));
    if (!s->steps->stride && (*sampler)->over_sigma) *sampler = (*sampler)->over_sigma;
    if (s->steps->count < 1) return lt_fail(LT_ERROR_ARGUMENT, "sampler %s: there are no steps to make", name);
    if (!(s->eta >= 0 && s->eta <= 1))
        return lt_fail(LT_ERROR_ARGUMENT, "eta is %g: choose a number from 0 to 1", (double)s->eta);
    return LT_OK;
}

lt_status lt_sampler_start(const lt_sampling *s, const char *name, lt_noise_level *level) {
    const lt_sampler *sampler;
    *level = (lt_noise_level){0};
    LT_TRY(check(s, name, &sampler));
    *level = lt_level_at(sampler->scale, s->steps->sigmas[0]);
    return LT_OK;
}

/* There diffusers' samplers begin as at the end of training, with what is left of a picture taken for noise, too. */
static bool is_leading(const lt_steps *steps) { return !strcmp(steps->schedule, lt_spacing_name(LT_LEADING)); }

lt_status lt_sampler_noise_scale(const lt_sampling *s, const char *name, float *scale) {
    const lt_sampler *sampler;
    *scale = 0;
    LT_TRY(check(s, name, &sampler));
    if (sampler->scale != LT_SCALE_SIGMA)
        *scale = 1;
    else
        *scale = is_leading(s->steps) ? hypotf(s->steps->sigmas[0], 1) : s->steps->sigmas[0];
    return LT_OK;
}

static lt_status run_steps(lt_sampler_state *run, const lt_sampler *sampler) {
    const lt_sampling *s = run->asked;
    for (int i = 0; i < run->count; i++) {
        LT_TRY(sampler->step(run, i));
        if (!s->after_step) continue;
        const lt_noise_level level = lt_level_at(run->scale, run->sigmas[i + 1]);
        LT_TRY(s->after_step(s->user, i, run->count, level, run->x, run->denoised));
    }
    return LT_OK;
}

lt_status lt_sample(const lt_sampling *s, const char *name, float *x) {
    const lt_sampler *sampler;
    LT_TRY(check(s, name, &sampler));
    size_t each; /* one block: denoised, work, history; each vector on its own cache lines */
    if (!lt_mul(s->n, sizeof(float), &each) || !lt_add(each, 63, &each))
        return lt_fail(LT_ERROR_MEMORY, "sampler %s: %zu elements are too many", name, s->n);
    each = each / 64 * 64 / sizeof(float);
    float *block = lt_calloc(each, (2 + (size_t)sampler->history) * sizeof(float));
    if (!block) return LT_ERROR_MEMORY;

    lt_sampler_state run = {.asked = s,
                            .sigmas = s->steps->sigmas,
                            .timesteps = s->steps->timesteps,
                            .count = s->steps->count,
                            .n = s->n,
                            .scale = sampler->scale,
                            .x = x,
                            .denoised = block,
                            .work = block + each};
    for (int i = 0; i < sampler->history; i++) run.history[i] = block + (2 + (size_t)i) * each;
    const lt_status status = run_steps(&run, sampler);
    lt_free(block);
    return status;
}
