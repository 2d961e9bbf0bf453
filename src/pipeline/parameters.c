/* The text that the web UIs put beside a picture, so that it can be made again. */
#include "pipeline/generate.h"

#include <string.h>

/* What A1111's web UI calls them. */
static const char *const labels[][2] = {
    {"ddpm", "DDPM"},
    {"ddim", "DDIM"},
    {"plms", "PLMS"},
    {"euler", "Euler"},
    {"euler_a", "Euler a"},
    {"heun", "Heun"},
    {"dpm2", "DPM2"},
    {"dpm2_a", "DPM2 a"},
    {"lms", "LMS"},
    {"dpmpp_2s_a", "DPM++ 2S a"},
    {"dpmpp_sde", "DPM++ SDE"},
    {"dpmpp_2m", "DPM++ 2M"},
    {"dpmpp_2m_sde", "DPM++ 2M SDE"},
    {"dpmpp_3m_sde", "DPM++ 3M SDE"},
    {"unipc", "UniPC"},
    {"lcm", "LCM"},
    {"normal", "Normal"},
    {"karras", "Karras"},
    {"exponential", "Exponential"},
    {"simple", "Simple"},
    {"sgm_uniform", "SGM Uniform"},
    {"ddim_uniform", "DDIM Uniform"},
};

static const char *label(const char *name) {
    for (size_t i = 0; i < LT_COUNT(labels); i++)
        if (!strcmp(labels[i][0], name)) return labels[i][1];
    return name;
}

static lt_status append(lt_buffer *b, const char *text) { return lt_buffer_append(b, text, strlen(text)); }

/* A name as the web UIs read it back: in quotation marks if it holds what ends a value. */
static lt_status write_name(lt_buffer *b, const char *key, const char *name) {
    const char *quote = strpbrk(name, ",:\"\\") ? "\"" : "";
    LT_TRY(lt_buffer_printf(b, ", %s: %s", key, quote));
    for (; *name; name++) {
        const bool escaped = *name == '"' || *name == '\\';
        LT_TRY(lt_buffer_printf(b, "%s%c", escaped ? "\\" : "", (unsigned char)*name < ' ' ? ' ' : *name));
    }
    return append(b, quote);
}

static lt_status write_guides(lt_buffer *b, const lt_request *r, const lt_guides *guides) {
    if (guides->classifier) {
        LT_TRY(write_name(b, "Classifier", guides->classifier->name));
        LT_TRY(write_name(b, "Class", r->class_name));
        LT_TRY(lt_buffer_printf(b, ", Classifier scale: %g", (double)r->classifier_scale));
    }
    if (!guides->clip) return LT_OK;
    LT_TRY(write_name(b, "CLIP", guides->clip->name));
    return lt_buffer_printf(b, ", CLIP guidance: %g", (double)r->clip_guidance);
}

static lt_status write_settings(lt_buffer *b, const lt_components *parts, const lt_request *r, const lt_guides *guides,
                                const char *schedule, uint64_t seed, int width, int height) {
    LT_TRY(
        lt_buffer_printf(b, "Steps: %d, Sampler: %s, Schedule type: %s", r->steps, label(r->sampler), label(schedule)));
    LT_TRY(lt_buffer_printf(b, ", CFG scale: %g, Seed: %llu, Size: %dx%d", (double)r->guidance,
                            (unsigned long long)seed, width, height));
    if (parts->name) LT_TRY(lt_buffer_printf(b, ", Model: %.300s", parts->name));
    if (r->image) LT_TRY(lt_buffer_printf(b, ", Denoising strength: %g", r->strength));
    if (r->mask && r->mask_blur > 0) LT_TRY(lt_buffer_printf(b, ", Mask blur: %g", (double)r->mask_blur));
    if (r->eta > 0 && !strcmp(r->sampler, "ddim")) LT_TRY(lt_buffer_printf(b, ", Eta: %g", (double)r->eta));
    if (r->plain_prompt) LT_TRY(lt_buffer_printf(b, ", Prompt syntax: off"));
    if (r->clip_skip > 1) LT_TRY(lt_buffer_printf(b, ", Clip skip: %d", r->clip_skip));
    LT_TRY(write_guides(b, r, guides));
    LT_TRY(lt_buffer_printf(b, ", RNG: %s", r->rng == LT_RNG_PHILOX ? "GPU" : "CPU"));
    return lt_buffer_printf(b, ", Version: latent %s", lt_version());
}

char *lt_parameters_text(const lt_components *parts, const lt_request *r, const lt_guides *guides, const char *schedule,
                         uint64_t seed, int width, int height) {
    lt_buffer b = {0};
    lt_status status = append(&b, r->prompt);
    if (!status && *r->negative_prompt) status = append(&b, "\nNegative prompt: ");
    if (!status && *r->negative_prompt) status = append(&b, r->negative_prompt);
    if (!status) status = append(&b, "\n");
    if (!status) status = write_settings(&b, parts, r, guides, schedule, seed, width, height);
    if (status) lt_buffer_free(&b);
    return b.data;
}
