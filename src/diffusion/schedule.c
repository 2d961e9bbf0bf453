/* The noise schedule of training: alphas_cumprod and what follows from it, and the forward process q(x_t | x_0). */
#include "diffusion/diffusion.h"
#include "diffusion/sampler.h"

#include <float.h>
#include <math.h>
#include <string.h>

float lt_linspace(float start, float end, int count, int i) {
    if (count == 1) return start;
    const float step = (end - start) / (float)(count - 1);
    return i < count / 2 ? fmaf(step, (float)i, start) : fmaf(-step, (float)(count - 1 - i), end);
}

static const char *const beta_names[] = {
    [LT_BETA_SCALED_LINEAR] = "scaled_linear", [LT_BETA_LINEAR] = "linear", [LT_BETA_COSINE] = "squaredcos_cap_v2"};
static const char *const spacing_names[] = {
    [LT_LEADING] = "leading", [LT_TRAILING] = "trailing", [LT_LINSPACE] = "linspace"};

const char *lt_prediction_name(lt_prediction prediction) { return prediction == LT_PREDICT_V ? "v" : "epsilon"; }
const char *lt_beta_name(lt_beta_kind kind) { return beta_names[kind]; }
const char *lt_spacing_name(lt_spacing spacing) { return spacing_names[spacing]; }

lt_status lt_beta_find(const char *name, lt_beta_kind *kind) {
    for (size_t i = 0; i < LT_COUNT(beta_names); i++)
        if (!strcmp(beta_names[i], name)) {
            *kind = (lt_beta_kind)i;
            return LT_OK;
        }
    return lt_fail(LT_ERROR_UNSUPPORTED, "noise schedule \"%s\": scaled_linear, linear and squaredcos_cap_v2 are known",
                   name);
}

lt_status lt_spacing_find(const char *name, lt_spacing *spacing) {
    for (size_t i = 0; i < LT_COUNT(spacing_names); i++)
        if (!strcmp(spacing_names[i], name)) {
            *spacing = (lt_spacing)i;
            return LT_OK;
        }
    return lt_fail(LT_ERROR_UNSUPPORTED,
                   "scheduler: timestep_spacing is \"%s\": leading, trailing and linspace are known", name);
}

/* alpha-bar(u), u in [0, 1], of Nichol & Dhariwal 2021. */
static double cosine_alpha_bar(double u) {
    const double c = cos((u + 0.008) / 1.008 * M_PI / 2);
    return c * c;
}

static float beta_at(lt_beta_kind kind, double start, double end, int t) {
    if (kind == LT_BETA_LINEAR) return lt_linspace((float)start, (float)end, LT_TRAIN_STEPS, t);
    if (kind == LT_BETA_SCALED_LINEAR) {
        const float root = lt_linspace((float)sqrt(start), (float)sqrt(end), LT_TRAIN_STEPS, t);
        return root * root;
    }
    const double ratio =
        cosine_alpha_bar((t + 1) / (double)LT_TRAIN_STEPS) / cosine_alpha_bar(t / (double)LT_TRAIN_STEPS);
    return (float)fmin(1 - ratio, 0.999);
}

/* What follows from alphas_cumprod, which must fall from below 1; the last may be 0. */
static lt_status make_tables(lt_noise_schedule *s) {
    for (int t = 0; t < LT_TRAIN_STEPS; t++) {
        const float abar = s->alphas_cumprod[t], before = t ? s->alphas_cumprod[t - 1] : 1;
        const bool nothing = !(abar > 0) && !(abar < 0) && t == LT_TRAIN_STEPS - 1;
        if (!(abar < before) || !(abar >= FLT_MIN || nothing))
            return lt_fail(LT_ERROR_ARGUMENT,
                           "noise schedule: alphas_cumprod is %g at step %d: it must fall from below 1 and stay over 0 "
                           "up to the last step",
                           (double)abar, t);
        const float some = nothing ? 0x1p-24f : abar;
        s->sigmas[t] = sqrtf((1.0f - some) / some);
        s->log_sigmas[t] = logf(s->sigmas[t]);
        if (t && !(s->sigmas[t] > s->sigmas[t - 1]))
            return lt_fail(LT_ERROR_ARGUMENT, "noise schedule: the noise does not grow at step %d", t);
    }
    return LT_OK;
}

static lt_status accumulate(lt_noise_schedule *s) {
    double product = 1; /* a float product would drift from torch's, whose cumprod accumulates in double */
    for (int t = 0; t < LT_TRAIN_STEPS; t++) {
        product *= 1.0f - s->betas[t];
        s->alphas_cumprod[t] = (float)product;
    }
    return make_tables(s);
}

lt_status lt_noise_schedule_init(lt_noise_schedule *s, lt_beta_kind kind, double beta_start, double beta_end,
                                 lt_prediction prediction) {
    if (kind != LT_BETA_COSINE && !(beta_start > 0 && beta_start <= beta_end && beta_end < 1))
        return lt_fail(LT_ERROR_ARGUMENT, "noise schedule: betas from %g to %g: expected 0 < start <= end < 1",
                       beta_start, beta_end);
    *s = (lt_noise_schedule){.prediction = prediction,
                             .kind = kind,
                             .beta_start = beta_start,
                             .beta_end = beta_end,
                             .spacing = LT_LEADING,
                             .offset = 1};
    for (int t = 0; t < LT_TRAIN_STEPS; t++) s->betas[t] = beta_at(kind, beta_start, beta_end, t);
    return accumulate(s);
}

lt_status lt_noise_schedule_sd(lt_noise_schedule *s, lt_prediction prediction) {
    return lt_noise_schedule_init(s, LT_BETA_SCALED_LINEAR, 0.00085, 0.012, prediction);
}

lt_status lt_noise_schedule_set_betas(lt_noise_schedule *s, const float *betas) {
    s->given = true;
    memcpy(s->betas, betas, sizeof s->betas);
    return accumulate(s);
}

/* The betas that come nearest to them: each makes up for what the ones before were rounded. */
lt_status lt_noise_schedule_set_alphas(lt_noise_schedule *s, const float *alphas_cumprod) {
    s->given = true;
    memcpy(s->alphas_cumprod, alphas_cumprod, sizeof s->alphas_cumprod);
    double product = 1;
    for (int t = 0; t < LT_TRAIN_STEPS; t++) {
        s->betas[t] = (float)(1 - alphas_cumprod[t] / product);
        product *= 1.0f - s->betas[t];
    }
    return make_tables(s);
}

/* In float, as diffusers does it; the betas, from which alphas_cumprod follow again, are those of the result. */
lt_status lt_noise_schedule_rescale(lt_noise_schedule *s) {
    const float first = sqrtf(s->alphas_cumprod[0]), last = sqrtf(s->alphas_cumprod[LT_TRAIN_STEPS - 1]);
    const float scale = first / (first - last);
    float before = 1;
    s->zero_snr = true;
    for (int t = 0; t < LT_TRAIN_STEPS; t++) {
        const float root = (sqrtf(s->alphas_cumprod[t]) - last) * scale, abar = root * root;
        s->betas[t] = 1 - abar / before;
        before = abar;
    }
    return accumulate(s);
}

lt_status lt_noise_schedule_for(const lt_noise_schedule *own, bool zero_snr, lt_noise_schedule *out) {
    *out = *own;
    return zero_snr && !lt_ends_in_noise(own) ? lt_noise_schedule_rescale(out) : LT_OK;
}

float lt_sigma_to_t(const lt_noise_schedule *s, float sigma) {
    const float log_sigma = logf(sigma);
    int low = 0, high = LT_TRAIN_STEPS - 1; /* log_sigmas rises with t: find the last one that is not above */
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (log_sigma >= s->log_sigmas[middle])
            low = middle;
        else
            high = middle;
    }
    const float w = (s->log_sigmas[low] - log_sigma) / (s->log_sigmas[low] - s->log_sigmas[high]);
    const float inside = w > 0 ? fminf(w, 1) : 0; /* not a number becomes 0, too */
    return (1 - inside) * (float)low + inside * (float)high;
}

float lt_t_to_sigma(const lt_noise_schedule *s, float t) {
    const float inside = t > 0 ? fminf(t, LT_TRAIN_STEPS - 1) : 0;
    const int low = (int)inside, high = (int)ceilf(inside);
    const float w = inside - (float)low;
    if (w == 0) return s->sigmas[low];
    return expf((1 - w) * s->log_sigmas[low] + w * s->log_sigmas[high]);
}

void lt_forward_process(const lt_noise_schedule *s, int t, const float *x0, const float *noise, float *out, size_t n) {
    const float abar = s->alphas_cumprod[t], alpha = sqrtf(abar), sigma = sqrtf(1.0f - abar);
    for (size_t i = 0; i < n; i++) out[i] = alpha * x0[i] + sigma * noise[i];
}
