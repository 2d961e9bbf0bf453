/* The steps of a picture: which timesteps and sigmas a sampler visits, for each schedule, and which part of them
 * img2img runs. */
#include "diffusion/diffusion.h"
#include "diffusion/sampler.h"
#include "diffusion/sigmas.h"

#include <math.h>
#include <string.h>

/* A schedule is either over sigma or over t. */
typedef struct schedule {
    const char *name;
    lt_sigmas *sigmas; /* NULL: over t */
    lt_spacing spacing;
} schedule;

/* ---- Over t ---- */

/* diffusers' set_timesteps; table 2 of Lin et al. 2023. It goes its own way only where the reference leaves 0 .. 999:
 * leading with about 1000 points, and trailing where numpy.arange, by rounding, adds a last timestep of -1. */
void lt_space_timesteps(lt_spacing spacing, int points, int steps, int offset, float *t) {
    if (spacing == LT_LEADING) { /* multiples of a whole stride, plus the offset where there is room for it */
        const int stride = LT_TRAIN_STEPS > points ? LT_TRAIN_STEPS / points : 1;
        const int room = LT_TRAIN_STEPS - 1 - (points - 1) * stride, more = room < offset ? room : offset;
        for (int i = 0; i < steps; i++) t[i] = (float)((points - 1 - i) * stride + more);
    } else if (spacing ==
               LT_TRAILING) { /* down from 1000 by a fractional stride, which numpy.arange rounds like this */
        const double top = LT_TRAIN_STEPS, stride = top - (top - top / points);
        for (int i = 0; i < steps; i++) t[i] = (float)(nearbyint(top - i * stride) - 1);
    } else { /* both ends included */
        const int last = (points < LT_TRAIN_STEPS ? points : LT_TRAIN_STEPS) - 1;
        const double stride = last ? (LT_TRAIN_STEPS - 1.0) / last : 0;
        for (int i = 0; i < steps; i++) t[i] = (float)nearbyint((last - i) * stride);
    }
}

lt_status lt_space_above_lowest(lt_spacing spacing, int steps, int offset, float *t) {
    lt_space_timesteps(spacing, spacing == LT_TRAILING ? steps : steps + 1, steps, offset, t);
    return LT_OK;
}

/* ---- Schedules by name ---- */

/* Every schedule, in the order in which they are listed to people. */
/* clang-format off */
#define SCHEDULES(each)                                     \
    each(normal, lt_normal_sigmas, 0)                       \
    each(uniform, lt_normal_sigmas, 0)                      \
    each(karras, lt_karras_sigmas, 0)                       \
    each(exponential, lt_exponential_sigmas, 0)             \
    each(polyexponential, lt_exponential_sigmas, 0)         \
    each(simple, lt_simple_sigmas, 0)                       \
    each(sgm_uniform, lt_sgm_uniform_sigmas, 0)             \
    each(ddim_uniform, lt_ddim_uniform_sigmas, 0)           \
    each(beta, lt_beta_sigmas, 0)                           \
    each(beta_comfy, lt_beta_comfy_sigmas, 0)               \
    each(kl_optimal, lt_kl_optimal_sigmas, 0)               \
    each(kl_optimal_comfy, lt_kl_optimal_comfy_sigmas, 0)   \
    each(linear_quadratic, lt_linear_quadratic_sigmas, 0)   \
    each(turbo, lt_turbo_sigmas, 0)                         \
    each(align_your_steps, lt_ays_sigmas, 0)                \
    each(align_your_steps_xl, lt_ays_xl_sigmas, 0)          \
    each(align_your_steps_32, lt_ays_32_sigmas, 0)          \
    each(align_your_steps_32_xl, lt_ays_32_xl_sigmas, 0)    \
    each(align_your_steps_gits, lt_gits_sigmas, 0)          \
    each(align_your_steps_gits_xl, lt_gits_xl_sigmas, 0)    \
    each(leading, NULL, LT_LEADING)                         \
    each(trailing, NULL, LT_TRAILING)                       \
    each(linspace, NULL, LT_LINSPACE)
/* clang-format on */

#define ENTRY(name, sigmas, spacing) {#name, sigmas, spacing},
static const schedule schedules[] = {SCHEDULES(ENTRY)};
#undef ENTRY

const char *const *lt_schedule_names(void) {
#define NAME(name, sigmas, spacing) #name,
    static const char *const names[] = {SCHEDULES(NAME) NULL};
#undef NAME
    return names;
}

static bool can_run(const lt_sampler *sampler, const schedule *on) { return !(on->sigmas && sampler->timesteps_only); }

static lt_status refuse_pair(const char *sampler_name, const lt_sampler *sampler, const char *name) {
    const char *names[LT_COUNT(schedules) + 1] = {NULL};
    char list[512];
    size_t count = 0;
    for (size_t i = 0; i < LT_COUNT(schedules); i++)
        if (can_run(sampler, &schedules[i])) names[count++] = schedules[i].name;
    lt_join_names(names, list, sizeof list);
    return lt_fail(LT_ERROR_ARGUMENT, "sampler %s can't run on schedule %s: it takes %s", sampler_name, name, list);
}

/* name, or else the sampler's own, or else the model's. */
static lt_status find_schedule(const lt_noise_schedule *s, const char *name, const char *sampler_name,
                               const lt_sampler *sampler, const schedule **found) {
    if (!name) name = sampler->scale == LT_SCALE_SIGMA ? "karras" : lt_spacing_name(s->spacing);
    const char *own = lt_schedule_read(name);
    for (size_t i = 0; i < LT_COUNT(schedules) && own; i++) {
        if (strcmp(schedules[i].name, own) != 0) continue;
        if (!can_run(sampler, &schedules[i])) return refuse_pair(sampler_name, sampler, own);
        *found = &schedules[i];
        return LT_OK;
    }
    char list[512];
    lt_join_names(lt_schedule_names(), list, sizeof list);
    return lt_fail(LT_ERROR_ARGUMENT, "there is no schedule '%s': choose one of %s", name, list);
}

/* ---- The steps of one picture ---- */

/* How many of count steps img2img runs, the reference's int(strength * count). */
static int steps_to_run(double strength, int count) {
    const int run = (int)(strength * count);
    return run < 1 ? 1 : run;
}

/* As good as infinite: nothing that a float holds is left of the picture. */
static const float ALL_NOISE = 0x1p24f;

static float sigma_at(const lt_noise_schedule *s, const lt_sampler *sampler, int t) {
    return sampler->from_noise && !(s->alphas_cumprod[t] > 0) ? ALL_NOISE : s->sigmas[t];
}

/* x_0 = (x_t - sqrt(1 - abar) eps) / sqrt(abar), and abar is 0. */
static lt_status check_start(const lt_noise_schedule *s, float t) {
    if (s->prediction == LT_PREDICT_V || !lt_ends_in_noise(s) || t < LT_TRAIN_STEPS - 1) return LT_OK;
    return lt_fail(
        LT_ERROR_ARGUMENT,
        "this model's noise schedule has zero terminal SNR: step %d keeps nothing of the picture, so a model "
        "that predicts epsilon can't begin there; choose a schedule that doesn't (ddim on leading), or "
        "prediction v if the model has it",
        LT_TRAIN_STEPS - 1);
}

static lt_status allocate(lt_steps *steps, int count) {
    steps->count = count;
    steps->timesteps = lt_calloc((size_t)count, sizeof(float));
    steps->sigmas = lt_calloc((size_t)count + 1, sizeof(float));
    if (steps->timesteps && steps->sigmas) return LT_OK;
    lt_steps_free(steps);
    return LT_ERROR_MEMORY;
}

/* A sampler on a schedule, and the levels that both go through when all of the way is run. */
typedef struct whole_way {
    const lt_sampler *sampler;
    const schedule *schedule;
    const char *name; /* our own, of the sampler */
    int count;
    float t[LT_TRAIN_STEPS], sigma[LT_TRAIN_STEPS + 1]; /* sigma[count]: where the last step goes */
} whole_way;

static lt_status choose(const lt_noise_schedule *s, const char *sampler_name, const char *schedule_name,
                        whole_way *way) {
    const char *along; /* with the sampler's name */
    LT_TRY(lt_sampler_find(sampler_name, &way->sampler));
    way->name = lt_sampler_read(sampler_name, &along);
    const bool named = schedule_name && !lt_schedule_is_automatic(schedule_name);
    return find_schedule(s, named ? schedule_name : along, way->name, way->sampler, &way->schedule);
}

static lt_status walk_over_t(const lt_noise_schedule *s, int steps, whole_way *way) {
    const lt_spacing spacing = way->schedule->spacing;
    if (way->sampler->timesteps)
        LT_TRY(way->sampler->timesteps(spacing, steps, s->offset, way->t));
    else
        lt_space_timesteps(spacing, steps, steps, s->offset, way->t);
    way->count = steps;
    for (int i = 0; i < steps; i++) way->sigma[i] = sigma_at(s, way->sampler, (int)way->t[i]);
    return LT_OK;
}

static lt_status walk(const lt_noise_schedule *s, int steps, whole_way *way) {
    if (!way->schedule->sigmas) return walk_over_t(s, steps, way);
    way->count = way->schedule->sigmas(s, steps, way->sigma);
    for (int i = 0; i < way->count; i++) way->t[i] = lt_sigma_to_t(s, way->sigma[i]);
    return LT_OK;
}

/* The last `run` steps of the way. */
static lt_status take_end(const lt_noise_schedule *s, const whole_way *way, int run, lt_steps *out) {
    const int first = way->count - run, repeated = way->sampler->second_twice && run > 1 ? 1 : 0;
    LT_TRY(check_start(s, way->t[first]));
    LT_TRY(allocate(out, run + repeated));
    for (int i = 0; i < out->count; i++) {
        const int from = first + (i >= 2 ? i - repeated : i);
        out->timesteps[i] = way->t[from];
        out->sigmas[i] = way->sigma[from];
    }
    out->sigmas[out->count] = way->sigma[way->count];
    return LT_OK;
}

/* A way of so many steps, of which the last `run` are made; 0: what strength leaves of them. */
static lt_status make(const lt_noise_schedule *s, const char *sampler_name, const char *schedule_name, int steps,
                      double strength, int run, lt_steps *out) {
    whole_way way = {0};
    *out = (lt_steps){0};
    LT_TRY(choose(s, sampler_name, schedule_name, &way));
    if (steps < 1 || steps > LT_TRAIN_STEPS)
        return lt_fail(LT_ERROR_ARGUMENT, "%d steps can't be made: choose 1 to %d", steps, LT_TRAIN_STEPS);
    if (!(strength > 0 && strength <= 1))
        return lt_fail(LT_ERROR_ARGUMENT, "strength is %g: choose a number over 0 and up to 1", strength);
    LT_TRY(walk(s, steps, &way));
    const int made = run ? (int)lt_min((size_t)run, (size_t)way.count) : steps_to_run(strength, way.count);
    LT_TRY(take_end(s, &way, made, out));
    out->sampler = way.name;
    out->schedule = way.schedule->name;
    out->stride = way.schedule->sigmas ? 0 : LT_TRAIN_STEPS / steps;
    return LT_OK;
}

lt_status lt_steps_make(const lt_noise_schedule *s, const char *sampler_name, const char *schedule_name, int steps,
                        double strength, lt_steps *out) {
    return make(s, sampler_name, schedule_name, steps, strength, 0, out);
}

lt_status lt_steps_make_second(const lt_noise_schedule *s, const char *sampler_name, const char *schedule_name, int run,
                               double strength, lt_steps *out) {
    const double whole = run / fmin(strength, 0.999);
    *out = (lt_steps){0};
    if (strength > 0 && whole > LT_TRAIN_STEPS)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "a second pass of %d steps at a strength of %g is the end of %.0f: %d at most", run, strength,
                       whole, LT_TRAIN_STEPS);
    return make(s, sampler_name, schedule_name, strength > 0 ? (int)whole : run, strength, run, out);
}

void lt_steps_free(lt_steps *steps) {
    if (!steps) return;
    lt_free(steps->timesteps);
    lt_free(steps->sigmas);
    *steps = (lt_steps){0};
}

bool lt_step_within(int step, int steps, double start, double end) {
    return (double)step / steps >= start && (double)(step + 1) / steps <= end;
}
