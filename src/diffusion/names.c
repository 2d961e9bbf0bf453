/* Samplers and schedules by the names that other programs give them. */
#include "diffusion/sampler.h"

#include <ctype.h>
#include <string.h>

enum { MAX_NAME = 64, MAX_OTHERS = 2 };

/* label: A1111's web UI. others: ComfyUI, InvokeAI, stable-diffusion.cpp and older web UIs, where lower case without
 * signs is not the same already, and diffusers' classes that compute the same. automatic: the schedule that the web UI
 * takes where none is named; NULL: our own. */
typedef struct spelling {
    const char *name, *label, *automatic, *others[MAX_OTHERS];
} spelling;

static const spelling samplers[] = {
    {"ddpm", "DDPM", NULL, {"DDPMScheduler"}},
    {"ddim", "DDIM", NULL, {"DDIMScheduler"}},
    {"plms", "PLMS", NULL, {"pndm", "PNDMScheduler"}},
    {"euler", "Euler", "normal", {"EulerDiscreteScheduler"}},
    {"euler_a", "Euler a", "normal", {"euler_ancestral", "EulerAncestralDiscreteScheduler"}},
    {"heun", "Heun", "normal", {"HeunDiscreteScheduler"}},
    {"dpm2", "DPM2", "karras", {"KDPM2DiscreteScheduler"}},
    {"dpm2_a", "DPM2 a", "karras", {"dpm2_ancestral", "KDPM2AncestralDiscreteScheduler"}},
    {"lms", "LMS", "normal", {"LMSDiscreteScheduler"}},
    {"dpmpp_2s_a", "DPM++ 2S a", "karras", {"dpmpp_2s_ancestral"}},
    {"dpmpp_sde", "DPM++ SDE", "karras", {"dpmpp_sde_gpu"}},
    {"dpmpp_2m", "DPM++ 2M", "karras", {"DPMSolverMultistepScheduler"}},
    {"dpmpp_2m_sde", "DPM++ 2M SDE", "exponential", {"dpmpp_2m_sde_gpu"}},
    {"dpmpp_3m_sde", "DPM++ 3M SDE", "exponential", {"dpmpp_3m_sde_gpu"}},
    {"unipc", "UniPC", NULL, {"UniPCMultistepScheduler"}},
    {"deis", "DEIS", NULL, {"DEISMultistepScheduler"}},
    {"ipndm", "iPNDM", NULL, {0}},
    {"ipndm_v", "iPNDM_v", NULL, {0}},
    {"res_multistep", "Res Multistep", NULL, {0}},
    {"res_multistep_ancestral", "Res Multistep Ancestral", NULL, {0}},
    {"er_sde", "ER SDE", NULL, {0}},
    {"lcm", "LCM", NULL, {"LCMScheduler"}},
    {"tcd", "TCD", NULL, {"TCDScheduler"}},
};

static const spelling schedules[] = {
    {"normal", "Normal", NULL, {"discrete"}},
    {"uniform", "Uniform", NULL, {0}},
    {"karras", "Karras", NULL, {0}},
    {"exponential", "Exponential", NULL, {0}},
    {"polyexponential", "Polyexponential", NULL, {0}},
    {"simple", "Simple", NULL, {0}},
    {"sgm_uniform", "SGM Uniform", NULL, {0}},
    {"ddim_uniform", "DDIM", NULL, {0}},
    {"beta", "Beta", NULL, {"beta_forge"}},
    {"beta_comfy", "beta_comfy", NULL, {0}},
    {"kl_optimal", "KL Optimal", NULL, {"kl_optimal_forge"}},
    {"kl_optimal_comfy", "kl_optimal_comfy", NULL, {0}},
    {"linear_quadratic", "linear_quadratic", NULL, {0}},
    {"turbo", "Turbo", NULL, {0}},
    {"align_your_steps", "Align Your Steps", NULL, {"align_your_steps_11", "ays"}},
    {"align_your_steps_xl", "align_your_steps_xl", NULL, {0}},
    {"align_your_steps_32", "Align Your Steps 32", NULL, {0}},
    {"align_your_steps_32_xl", "align_your_steps_32_xl", NULL, {0}},
    {"align_your_steps_gits", "Align Your Steps GITS", NULL, {"gits"}},
    {"align_your_steps_gits_xl", "align_your_steps_gits_xl", NULL, {0}},
    {"leading", "leading", NULL, {0}},
    {"trailing", "trailing", NULL, {0}},
    {"linspace", "linspace", NULL, {0}},
};

static const spelling *row_of(const spelling *rows, size_t count, const char *name) {
    for (size_t i = 0; name && i < count; i++)
        if (!strcmp(rows[i].name, name)) return &rows[i];
    return NULL;
}

const char *lt_sampler_label(const char *name) {
    const spelling *row = row_of(samplers, LT_COUNT(samplers), name);
    return row ? row->label : name;
}

const char *lt_schedule_label(const char *name) {
    const spelling *row = row_of(schedules, LT_COUNT(schedules), name);
    return row ? row->label : name;
}

const char *lt_schedule_automatic(const char *sampler) {
    const spelling *row = row_of(samplers, LT_COUNT(samplers), sampler);
    return row ? row->automatic : NULL;
}

/* ---- Reading ---- */

/* Lower case, p for +, and letters and digits alone: "DPM++ 2M" and "dpmpp_2m" are "dpmpp2m". False where it is too
 * long for a name, or NULL. */
static bool fold(const char *text, char folded[MAX_NAME]) {
    size_t n = 0;
    if (!text) return false;
    for (; *text && n < MAX_NAME - 1; text++) {
        if (*text == '+')
            folded[n++] = 'p';
        else if (isalnum((unsigned char)*text))
            folded[n++] = (char)tolower((unsigned char)*text);
    }
    folded[n] = '\0';
    return !*text;
}

/* How much of text, which is folded, is one of the row's names at its beginning: all of it, or a part; 0: none. */
static size_t match(const spelling *row, const char *text, bool whole) {
    const char *const names[] = {row->name, row->label, row->others[0], row->others[1]};
    char folded[MAX_NAME];
    for (size_t i = 0; i < LT_COUNT(names); i++) {
        if (!names[i] || !fold(names[i], folded)) continue;
        const size_t n = strlen(folded);
        if (!strncmp(text, folded, n) && (!whole || !text[n])) return n;
    }
    return 0;
}

static const char *find(const spelling *rows, size_t count, const char *folded) {
    for (size_t i = 0; i < count; i++)
        if (match(&rows[i], folded, true)) return rows[i].name;
    return NULL;
}

const char *lt_schedule_read(const char *text) {
    char folded[MAX_NAME];
    return fold(text, folded) ? find(schedules, LT_COUNT(schedules), folded) : NULL;
}

bool lt_schedule_is_automatic(const char *text) {
    char folded[MAX_NAME];
    return fold(text, folded) && !strcmp(folded, "automatic");
}

/* The old web UIs' way: a sampler's name and a schedule's behind it. */
static const char *split(const char *folded, const char **schedule) {
    for (size_t i = 0; i < LT_COUNT(samplers); i++) {
        const size_t n = match(&samplers[i], folded, false);
        if (n && (*schedule = find(schedules, LT_COUNT(schedules), folded + n))) return samplers[i].name;
    }
    return NULL;
}

const char *lt_sampler_read(const char *text, const char **schedule) {
    char folded[MAX_NAME];
    const char *unasked;
    if (!schedule) schedule = &unasked;
    *schedule = NULL;
    if (!fold(text, folded)) return NULL;
    const bool prefixed = !strncmp(text, "k_", 2) || !strncmp(text, "K_", 2); /* k-diffusion's, as InvokeAI says it */
    const char *name = find(samplers, LT_COUNT(samplers), folded + prefixed);
    if (name || find(schedules, LT_COUNT(schedules), folded)) return name;
    return split(folded + prefixed, schedule);
}
