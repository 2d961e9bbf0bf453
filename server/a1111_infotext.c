/* The field infotext of A1111's requests: settings as a picture's text has them, for all that the request itself
 * doesn't say (modules/api/api.py, apply_infotext; modules/ui.py and infotext_utils.py say what stands for what). */
#include "a1111_infotext.h"

#include "latent.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ours: a field of lt_request, in whose range a number is brought; NULL: none. */
typedef struct name {
    const char *theirs, *field, *ours;
} name;

static const name fields[] = {{"Steps", "steps", "steps"},
                              {"Sampler", "sampler_name"},
                              {"Schedule type", "scheduler"},
                              {"CFG scale", "cfg_scale", "guidance"},
                              {"Seed", "seed"},
                              {"Variation seed", "subseed"},
                              {"Variation seed strength", "subseed_strength", "variation_strength"},
                              {"Batch size", "batch_size"},
                              {"Denoising strength", "denoising_strength"},
                              {"Eta DDIM", "eta", "eta"},
                              {"Eta", "eta", "eta"},
                              {0}};
static const name hires_fields[] = {{"Hires upscale", "hr_scale", "hires_scale"},
                                    {"Hires upscaler", "hr_upscaler"},
                                    {"Hires steps", "hr_second_pass_steps", "hires_steps"},
                                    {"Hires sampler", "hr_sampler_name"},
                                    {"Hires schedule type", "hr_scheduler"},
                                    {"Hires prompt", "hr_prompt"},
                                    {"Hires negative prompt", "hr_negative_prompt"},
                                    {0}};
static const name settings[] = {{"Model", "sd_model_checkpoint"},
                                {"VAE", "sd_vae"},
                                {"Clip skip", "CLIP_stop_at_last_layers", "clip_skip"},
                                {"RNG", "randn_source"},
                                {"Emphasis", "emphasis"},
                                {"ENSD", "eta_noise_seed_delta"},
                                {"Noise Schedule", "sd_noise_schedule"},
                                {"Token merging ratio", "token_merging_ratio", "merge_tokens"},
                                {0}};
/* Width and height of one value. */
static const struct {
    const char *theirs, *width, *height;
} sizes[] = {{"Size", "width", "height"},
             {"Hires resize", "hr_resize_x", "hr_resize_y"},
             {"Seed resize from", "seed_resize_from_w", "seed_resize_from_h"}};

/* Numbers stay texts, which are read as numbers where one is wanted; what is over a limit is the limit, for whoever
 * pastes a text asks for a picture. */
static json_t *value_of(const char *ours, const char *value) {
    const lt_field *f = ours ? lt_fields_find(lt_request_fields(), ours) : NULL;
    char *end;
    const double number = strtod(value, &end);
    const bool is_number = f && end != value && !*end && isfinite(number);
    return is_number && (number < f->low || number > f->high) ? json_real(number < f->low ? f->low : f->high)
                                                              : json_string(value);
}

static void put(json_t *to, const name *names, const lt_setting *s) {
    for (; names->theirs; names++)
        if (!strcmp(names->theirs, s->key)) json_object_set_new(to, names->field, value_of(names->ours, s->value));
}

static void put_size(json_t *to, const lt_setting *s) {
    const char *x = strchr(s->value, 'x');
    for (size_t i = 0; x && i < sizeof sizes / sizeof *sizes; i++)
        if (!strcmp(sizes[i].theirs, s->key)) {
            json_object_set_new(to, sizes[i].width, json_stringn(s->value, (size_t)(x - s->value)));
            json_object_set_new(to, sizes[i].height, json_string(x + 1));
        }
}

/* As that web UI tells it. */
static bool has_hires(const json_t *said) {
    return json_object_get(said, "denoising_strength") &&
           (json_object_get(said, "hr_scale") || json_object_get(said, "hr_upscaler") ||
            json_object_get(said, "hr_resize_x"));
}

static void put_all(json_t *said, json_t *over, const lt_parameter_list *list, bool img2img) {
    json_object_set_new(said, "prompt", json_string(list->prompt));
    json_object_set_new(said, "negative_prompt", json_string(list->negative_prompt));
    for (size_t i = 0; i < list->count; i++) {
        put(said, fields, &list->items[i]);
        put(over, settings, &list->items[i]);
        put_size(said, &list->items[i]);
        if (!img2img) put(said, hires_fields, &list->items[i]);
    }
    if (!img2img && has_hires(said)) json_object_set_new(said, "enable_hr", json_true());
}

json_t *lt_a1111_infotext(const char *text, bool img2img) {
    lt_parameter_list list;
    json_t *said = json_object(), *over = json_object();
    if (!*text || !over || lt_parameter_list_read(text, &list)) {
        json_decref(over);
        return said;
    }
    json_object_set_new(over, "CLIP_stop_at_last_layers", json_string("1"));
    json_object_set_new(over, "randn_source", json_string("GPU")); /* of a text that doesn't say */
    put_all(said, over, &list, img2img);
    lt_parameter_list_free(&list);
    json_object_set_new(said, "override_settings", over);
    return said;
}
