/* A1111's txt2img and img2img as jobs. The API's own code (modules/api/api.py, modules/processing.py of 1.10 and of
 * Forge) says what the fields mean. */
#include "a1111_request.h"

#include "a1111_control.h"
#include "a1111_infotext.h"
#include "a1111_picture.h"
#include "json_lax.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- Faults ---- */

bool lt_a1111_fail(lt_a1111_fault *fault, int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fault->status = status;
    fault->field = NULL;
    vsnprintf(fault->detail, sizeof fault->detail, format, arguments);
    va_end(arguments);
    return false;
}

bool lt_a1111_fail_field(lt_a1111_fault *fault, const char *field, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fault->status = 422;
    fault->field = field;
    vsnprintf(fault->detail, sizeof fault->detail, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- What a request leaves out ---- */

/* Sizes that are not said are the model's own, or the picture's, where A1111 takes 512. */
static const char defaults[] =
    "{\"prompt\": \"\", \"negative_prompt\": \"\", \"styles\": null, \"seed\": -1, \"subseed\": -1,"
    " \"subseed_strength\": 0, \"seed_resize_from_h\": -1, \"seed_resize_from_w\": -1, \"sampler_name\": null,"
    " \"sampler_index\": \"Euler\", \"scheduler\": null, \"batch_size\": 1, \"n_iter\": 1, \"steps\": 50,"
    " \"cfg_scale\": 7.0, \"width\": null, \"height\": null, \"restore_faces\": null, \"tiling\": null,"
    " \"do_not_save_samples\": false, \"do_not_save_grid\": false, \"eta\": null, \"denoising_strength\": 0.75,"
    " \"s_min_uncond\": null, \"s_churn\": null, \"s_tmax\": null, \"s_tmin\": null, \"s_noise\": null,"
    " \"override_settings\": {}, \"override_settings_restore_afterwards\": true, \"refiner_checkpoint\": null,"
    " \"refiner_switch_at\": null, \"disable_extra_networks\": false, \"firstpass_image\": null, \"comments\": {},"
    " \"script_name\": null, \"script_args\": [], \"send_images\": true, \"save_images\": false,"
    " \"alwayson_scripts\": {}, \"force_task_id\": null, \"infotext\": null}";
static const char txt2img_defaults[] =
    "{\"enable_hr\": false, \"firstphase_width\": 0, \"firstphase_height\": 0, \"hr_scale\": 2.0,"
    " \"hr_upscaler\": null, \"hr_second_pass_steps\": 0, \"hr_resize_x\": 0, \"hr_resize_y\": 0,"
    " \"hr_checkpoint_name\": null, \"hr_sampler_name\": null, \"hr_scheduler\": null, \"hr_prompt\": \"\","
    " \"hr_negative_prompt\": \"\"}";
static const char img2img_defaults[] =
    "{\"init_images\": null, \"resize_mode\": 0, \"image_cfg_scale\": null, \"mask\": null, \"mask_blur_x\": 4,"
    " \"mask_blur_y\": 4, \"mask_blur\": null, \"mask_round\": true, \"inpainting_fill\": 0,"
    " \"inpaint_full_res\": true, \"inpaint_full_res_padding\": 0, \"inpainting_mask_invert\": 0,"
    " \"initial_noise_multiplier\": null, \"latent_mask\": null, \"include_init_images\": false}";

/* The request's settings over those of its infotext. */
static bool merge_settings(json_t *all, const json_t *said, const json_t *body) {
    const json_t *infotext = json_object_get(said, "override_settings"), *own = lt_lax_get(body, "override_settings");
    json_t *over = infotext ? json_copy((json_t *)infotext) : NULL;
    if (!infotext || (own && !json_is_object(own))) return json_decref(over), true;
    const bool good = over && (!own || !json_object_update(over, (json_t *)own));
    return !json_object_set_new(all, "override_settings", over) && good;
}

/* The request over its infotext over all that; NULL: no memory. */
static json_t *complete(const json_t *body, bool img2img) {
    json_t *all = json_loads(defaults, 0, NULL), *said = lt_a1111_infotext(lt_lax_text(body, "infotext"), img2img),
           *own = json_loads(img2img ? img2img_defaults : txt2img_defaults, 0, NULL);
    const bool good = all && own && said && !json_object_update(all, own) && !json_object_update(all, said) &&
                      !json_object_update(all, (json_t *)body) && merge_settings(all, said, body);
    json_decref(own);
    json_decref(said);
    if (good) return all;
    json_decref(all);
    return NULL;
}

/* ---- A translation that is under way ---- */

typedef struct reading {
    const json_t *in; /* the completed request */
    const lt_a1111_host *host;
    json_t *settings; /* options, and what the request overrides of them */
    json_t *job;      /* what all jobs of the request share */
    bool img2img, failed_memory;
    lt_a1111_fault *fault;
} reading;

static void put(reading *r, const char *key, json_t *value) {
    if (json_object_set_new(r->job, key, value)) r->failed_memory = true;
}

/* ---- Fields that say the same in other words ---- */

/* SIZE: what is not above 0 is not said; SHARE: what is over 1 is 1 */
typedef enum kind { TEXT, INT, SIZE, NUMBER, SHARE, FLAG } kind;
typedef struct same {
    const char *theirs, *ours;
    kind kind;
} same;

static const same shared_fields[] = {
    {"prompt", "prompt", TEXT},
    {"negative_prompt", "negative_prompt", TEXT},
    {"steps", "steps", INT},
    {"cfg_scale", "guidance", NUMBER},
    {"width", "width", INT},
    {"height", "height", INT},
    {"subseed_strength", "variation_strength", NUMBER},
    {"seed_resize_from_w", "seed_resize_width", SIZE},
    {"seed_resize_from_h", "seed_resize_height", SIZE},
    {0},
};
static const same hires_fields[] = {
    {"hr_second_pass_steps", "hires_steps", SIZE},
    {"hr_resize_x", "hires_width", SIZE},
    {"hr_resize_y", "hires_height", SIZE},
    {"denoising_strength", "hires_strength", SHARE},
    {0},
};
static const same img2img_fields[] = {{"denoising_strength", "strength", SHARE}, {0}};
static const same mask_fields[] = {
    {"inpaint_full_res_padding", "mask_padding", INT},
    {"inpaint_full_res", "only_masked", FLAG},
    {0},
};
static const same settings_fields[] = {
    {"CLIP_stop_at_last_layers", "clip_skip", SIZE},
    {"token_merging_ratio", "merge_tokens", NUMBER},
    {0},
};

static const double LEAST_SHARE = 1e-4; /* of a picture: one step at the least noise, as that web UI does for 0 */

static bool put_text(reading *r, const same *f, const json_t *value) {
    if (!json_is_string(value)) return lt_a1111_fail_field(r->fault, f->theirs, "Input should be a valid string");
    put(r, f->ours, json_string(json_string_value(value)));
    return true;
}

static bool put_int(reading *r, const same *f, const json_t *value) {
    json_int_t number;
    if (!lt_lax_int(value, &number)) return lt_a1111_fail_field(r->fault, f->theirs, "Input should be a valid integer");
    if (f->kind == INT || number > 0) put(r, f->ours, json_integer(number));
    return true;
}

static bool put_number(reading *r, const same *f, const json_t *value) {
    double number;
    if (!lt_lax_number(value, &number))
        return lt_a1111_fail_field(r->fault, f->theirs, "Input should be a valid number");
    if (f->kind == SHARE) number = fmin(number, 1);
    if (f->kind == SHARE && r->img2img) number = fmax(number, LEAST_SHARE);
    put(r, f->ours, json_real(number));
    return true;
}

static bool put_flag(reading *r, const same *f, const json_t *value) {
    bool flag;
    if (!lt_lax_flag(value, &flag)) return lt_a1111_fail_field(r->fault, f->theirs, "Input should be a valid boolean");
    put(r, f->ours, json_boolean(flag));
    return true;
}

static bool put_fields(reading *r, const same *fields, const json_t *from) {
    static bool (*const by_kind[])(reading *, const same *,
                                   const json_t *) = {[TEXT] = put_text,     [INT] = put_int,      [SIZE] = put_int,
                                                      [NUMBER] = put_number, [SHARE] = put_number, [FLAG] = put_flag};
    for (const same *f = fields; f->theirs; f++) {
        const json_t *value = lt_lax_get(from, f->theirs);
        if (value && !by_kind[f->kind](r, f, value)) return false;
    }
    return true;
}

/* A field as a number or a flag, where it is said. */
static bool int_of(reading *r, const char *key, json_int_t idle, json_int_t *out) {
    const json_t *value = lt_lax_get(r->in, key);
    *out = idle;
    return !value || lt_lax_int(value, out) || lt_a1111_fail_field(r->fault, key, "Input should be a valid integer");
}

static bool flag_of(reading *r, const char *key, bool *out) {
    const json_t *value = lt_lax_get(r->in, key);
    *out = false;
    return !value || lt_lax_flag(value, out) || lt_a1111_fail_field(r->fault, key, "Input should be a valid boolean");
}

/* ---- What isn't served, where it would change the picture ---- */

static bool refuse_numbers(reading *r) {
    static const struct {
        const char *key;
        double idle[2];
    } rows[] = {
        {"s_churn", {0, 0}}, {"s_min_uncond", {0, 0}}, {"s_noise", {1, 0}}, {"initial_noise_multiplier", {1, 0}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double number;
        const json_t *value = lt_lax_get(r->in, rows[i].key);
        if (!value || !lt_lax_number(value, &number) || number == rows[i].idle[0] || number == rows[i].idle[1])
            continue;
        return lt_a1111_fail(r->fault, 422, "%s is not served here: %g alone", rows[i].key, rows[i].idle[0]);
    }
    return true;
}

static bool is_one_of(const char *text, const char *const *words) {
    for (; *words; words++)
        if (!strcasecmp(text, *words)) return true;
    return false;
}

static bool refuse_texts(reading *r) {
    static const char *const keys[] = {"hr_checkpoint_name", "firstpass_image", "latent_mask", NULL};
    static const char *const idle[] = {"", "None", "Use same checkpoint", NULL};
    for (const char *const *key = keys; *key; key++)
        if (!is_one_of(lt_lax_text(r->in, *key), idle))
            return lt_a1111_fail(r->fault, 422, "%s is not served here", *key);
    return true;
}

/* A second pass has the first one's prompts. */
static bool refuse_hires_prompts(reading *r) {
    static const char *const keys[][2] = {{"hr_prompt", "prompt"}, {"hr_negative_prompt", "negative_prompt"}};
    for (int i = 0; i < 2; i++) {
        const char *own = lt_lax_text(r->in, keys[i][0]);
        if (*own && strcmp(own, lt_lax_text(r->in, keys[i][1])))
            return lt_a1111_fail(r->fault, 422, "%s is not served here: the second pass has the first one's",
                                 keys[i][0]);
    }
    return true;
}

static bool refuse_script(reading *r) {
    const char *script = lt_lax_text(r->in, "script_name");
    return !*script || !strcasecmp(script, "None") || lt_a1111_fail(r->fault, 422, "Script '%s' not found", script);
}

/* LoRAs that the prompt names are always added. */
static bool refuse_flags(reading *r) {
    bool without;
    if (!flag_of(r, "disable_extra_networks", &without)) return false;
    return !without || lt_a1111_fail(r->fault, 422, "disable_extra_networks is not served here");
}

static bool refuse(reading *r) { return refuse_script(r) && refuse_numbers(r) && refuse_texts(r) && refuse_flags(r); }

/* ---- Samplers ---- */

/* "Automatic" is the sampler's own, as that web UI has it. */
static const char *schedule_of(const char *said, const char *along, const char *sampler) {
    if (said) return lt_schedule_read(said);
    return along ? along : lt_schedule_automatic(sampler);
}

bool lt_a1111_put_sampler(json_t *job, const char *prefix, const char *sampler, const char *schedule,
                          lt_a1111_fault *fault) {
    const char *along, *name = lt_sampler_read(sampler, &along);
    const bool said = schedule && *schedule && strcasecmp(schedule, "automatic");
    if (!name) return lt_a1111_fail(fault, 400, "Sampler not found");
    const char *chosen = schedule_of(said ? schedule : NULL, along, name);
    if (said && !chosen) return lt_a1111_fail(fault, 400, "Scheduler not found");
    char key[32];
    snprintf(key, sizeof key, "%ssampler", prefix);
    bool good = !json_object_set_new(job, key, json_string(name));
    snprintf(key, sizeof key, "%sschedule", prefix);
    if (chosen) good = good && !json_object_set_new(job, key, json_string(chosen));
    return good || lt_a1111_fail(fault, 500, "out of memory");
}

/* eta means something to few: ancestral samplers have it at 1 here. */
static bool put_eta(reading *r) {
    static const same eta = {"eta", "eta", NUMBER};
    const char *sampler = lt_lax_text(r->job, "sampler");
    const json_t *value = lt_lax_get(r->in, "eta");
    if (!value || (strcmp(sampler, "ddim") && strcmp(sampler, "tcd"))) return true;
    return put_number(r, &eta, value);
}

static bool read_sampler(reading *r) {
    const char *name = lt_lax_text(r->in, "sampler_name"), *index = lt_lax_text(r->in, "sampler_index");
    return lt_a1111_put_sampler(r->job, "", *name ? name : index, lt_lax_text(r->in, "scheduler"), r->fault) &&
           put_eta(r);
}

/* ---- Settings: options, and override_settings over them ---- */

static bool read_settings(reading *r) {
    const json_t *over = lt_lax_get(r->in, "override_settings");
    if (over && !json_is_object(over))
        return lt_a1111_fail_field(r->fault, "override_settings", "Input should be a valid dictionary");
    r->settings = json_copy((json_t *)r->host->options);
    if (!r->settings || (over && json_object_update(r->settings, (json_t *)over))) r->failed_memory = true;
    return !r->failed_memory;
}

static void put_names(reading *r) {
    static const char *const nothing[] = {"", "Automatic", "None", NULL};
    const char *refiner = lt_lax_text(r->in, "refiner_checkpoint");
    const char *model = lt_lax_text(r->settings, "sd_model_checkpoint"), *vae = lt_lax_text(r->settings, "sd_vae");
    if (*model) put(r, "model", json_string(model));
    if (!is_one_of(vae, nothing)) put(r, "vae", json_string(vae));
    if (is_one_of(refiner, nothing)) return;
    put(r, "refiner", json_string(refiner));
    if (json_is_number(json_object_get(r->in, "refiner_switch_at")))
        put(r, "refiner_start", json_incref(json_object_get(r->in, "refiner_switch_at")));
}

/* "NV" is a GPU's numbers, drawn on the processor. */
static bool put_rng(reading *r) {
    const char *source = lt_lax_text(r->settings, "randn_source");
    if (!strcasecmp(source, "NV") || !strcasecmp(source, "GPU"))
        put(r, "rng", json_string("philox"));
    else if (*source && strcasecmp(source, "CPU"))
        return lt_a1111_fail(r->fault, 422, "randn_source '%s' is not CPU, GPU or NV", source);
    return true;
}

static bool put_emphasis(reading *r) {
    const char *said = lt_lax_text(r->settings, "emphasis");
    const lt_field *field = lt_fields_find(lt_request_fields(), "emphasis");
    const char *name = *said ? field->by_name(said) : NULL;
    if (*said && !name) return lt_a1111_fail(r->fault, 422, "emphasis '%s' is not known", said);
    if (name && strcmp(name, "original")) put(r, "emphasis", json_string(name));
    return true;
}

/* Of a JPEG, and of a WebP that needn't be lossless. */
static void put_quality(reading *r, const char *format) {
    json_int_t quality;
    bool lossless = true;
    lt_lax_flag(lt_lax_get(r->settings, "webp_lossless"), &lossless);
    if (!strcmp(format, "webp") && lossless) return;
    if (lt_lax_int(lt_lax_get(r->settings, "jpeg_quality"), &quality))
        put(r, "quality", json_integer(quality < 1 ? 1 : quality > 100 ? 100 : quality));
}

static bool put_format(reading *r) {
    static const char *const names[][2] = {{"png", "png"}, {"jpg", "jpg"}, {"jpeg", "jpg"}, {"webp", "webp"}};
    const char *said = lt_lax_text(r->settings, "samples_format");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcasecmp(said, names[i][0])) {
            if (i) put(r, "format", json_string(names[i][1]));
            if (i) put_quality(r, names[i][1]);
            return true;
        }
    return !*said || lt_a1111_fail(r->fault, 500, "Invalid image format");
}

static bool refuse_settings(reading *r) {
    json_int_t delta = 0;
    lt_lax_int(lt_lax_get(r->settings, "eta_noise_seed_delta"), &delta);
    return !delta || lt_a1111_fail(r->fault, 422, "eta_noise_seed_delta is not served here");
}

static bool put_settings(reading *r) {
    bool previews = true;
    if (!read_settings(r) || !put_fields(r, settings_fields, r->settings)) return false;
    put_names(r);
    if (!strcmp(lt_lax_text(r->settings, "sd_noise_schedule"), "Zero Terminal SNR")) put(r, "zero_snr", json_true());
    lt_lax_flag(lt_lax_get(r->settings, "live_previews_enable"), &previews);
    if (previews) put(r, "preview", json_true());
    return put_rng(r) && put_emphasis(r) && put_format(r) && refuse_settings(r);
}

/* ---- The second pass ---- */

/* What enlarges: of latents by the API's names for it; "None" resamples as "Lanczos" does. */
static const char *hires_upscaler(const char *said) {
    static const char *const names[][2] = {
        {"", "latent"},
        {"Latent", "latent"},
        {"Latent (antialiased)", "latent-antialiased"},
        {"Latent (bicubic)", "latent-bicubic"},
        {"Latent (bicubic antialiased)", "latent-bicubic-antialiased"},
        {"Latent (nearest)", "latent-nearest"},
        {"Latent (nearest-exact)", "latent-nearest-exact"},
        {"None", "lanczos"},
        {"Lanczos", "lanczos"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcasecmp(said, names[i][0])) return names[i][1];
    return said;
}

static bool put_hires_scale(reading *r) {
    static const same scale[] = {{"hr_scale", "hires_scale", NUMBER}, {0}};
    const bool sized = json_object_get(r->job, "hires_width") || json_object_get(r->job, "hires_height");
    return sized || put_fields(r, scale, r->in);
}

static bool put_hires_sampler(reading *r) {
    static const char *const same_ones[] = {"", "Use same sampler", "Use same scheduler", NULL};
    const char *sampler = lt_lax_text(r->in, "hr_sampler_name"), *schedule = lt_lax_text(r->in, "hr_scheduler");
    const bool own = !is_one_of(sampler, same_ones), own_schedule = !is_one_of(schedule, same_ones);
    if (!own && !own_schedule) return true;
    return lt_a1111_put_sampler(r->job, "hires_", own ? sampler : lt_lax_text(r->job, "sampler"),
                                own_schedule ? schedule : lt_lax_text(r->in, "scheduler"), r->fault);
}

/* The old way to say it: sizes of the first pass, the others being those of the second. */
static bool put_first_pass(reading *r) {
    static const same first[] = {{"firstphase_width", "width", SIZE}, {"firstphase_height", "height", SIZE}, {0}},
                      second[] = {{"width", "hires_width", SIZE}, {"height", "hires_height", SIZE}, {0}};
    json_int_t width, height;
    if (!int_of(r, "firstphase_width", 0, &width) || !int_of(r, "firstphase_height", 0, &height)) return false;
    if (width <= 0 && height <= 0) return true;
    return put_fields(r, second, r->in) && put_fields(r, first, r->in);
}

static bool read_hires(reading *r) {
    bool enabled;
    if (!flag_of(r, "enable_hr", &enabled)) return false;
    if (!enabled) return true;
    put(r, "hires_upscaler", json_string(hires_upscaler(lt_lax_text(r->in, "hr_upscaler"))));
    return refuse_hires_prompts(r) && put_fields(r, hires_fields, r->in) && put_first_pass(r) && put_hires_scale(r) &&
           put_hires_sampler(r);
}

/* ---- Masks ---- */

static bool put_masked_content(reading *r) {
    static const char *const names[] = {"fill", "original", "noise", "nothing"};
    json_int_t fill;
    if (!int_of(r, "inpainting_fill", 0, &fill)) return false;
    if (fill < 0 || fill > 3) return lt_a1111_fail_field(r->fault, "inpainting_fill", "Input should be 0 to 3");
    put(r, "masked_content", json_string(names[fill]));
    return true;
}

/* One number for both directions, or one that is the same in both. */
static bool put_mask_blur(reading *r) {
    static const same one[] = {{"mask_blur", "mask_blur", NUMBER}, {0}},
                      other[] = {{"mask_blur_x", "mask_blur", NUMBER}, {0}};
    double x = 0, y = 0;
    if (lt_lax_get(r->in, "mask_blur")) return put_fields(r, one, r->in);
    lt_lax_number(lt_lax_get(r->in, "mask_blur_x"), &x);
    lt_lax_number(lt_lax_get(r->in, "mask_blur_y"), &y);
    if (x != y) return lt_a1111_fail(r->fault, 422, "mask_blur_x and mask_blur_y are the same here");
    return put_fields(r, other, r->in);
}

static bool put_mask(reading *r, const json_t *mask, lt_a1111_fit fit) {
    json_int_t invert;
    bool round = true;
    if (!int_of(r, "inpainting_mask_invert", 0, &invert)) return false;
    lt_lax_flag(lt_lax_get(r->in, "mask_round"), &round);
    json_t *picture = lt_a1111_mask(mask, invert != 0, round, fit, r->host->most_pixels, r->fault);
    if (picture) put(r, "mask", picture);
    return picture != NULL;
}

static bool read_mask(reading *r, lt_a1111_fit fit) {
    const json_t *mask = lt_lax_get(r->in, "mask");
    if (!mask || !*lt_lax_text(r->in, "mask")) return true;
    return put_fields(r, mask_fields, r->in) && put_masked_content(r) && put_mask_blur(r) && put_mask(r, mask, fit);
}

/* ---- The pictures to start from ---- */

/* How they come to the size that is drawn; where only the mask's surroundings are, they stay as they are. */
static bool read_fit(reading *r, lt_a1111_fit *fit) {
    json_int_t mode, width, height;
    bool only_masked;
    if (!int_of(r, "resize_mode", 0, &mode) || !int_of(r, "width", 0, &width) || !int_of(r, "height", 0, &height) ||
        !flag_of(r, "inpaint_full_res", &only_masked))
        return false;
    if (mode < 0 || mode > 2) return lt_a1111_fail(r->fault, 422, "resize_mode is 0, 1 or 2 here: no latent upscale");
    const bool whole = !*lt_lax_text(r->in, "mask") || !only_masked;
    const bool sized = width > 0 && height > 0 && width <= LT_IMAGE_MAX_SIDE && height <= LT_IMAGE_MAX_SIDE;
    *fit = (lt_a1111_fit){mode && whole && sized ? (int)mode : 0, (int)width, (int)height, r->host->most_pixels};
    const bool fits = !fit->most_pixels || (double)width * (double)height <= (double)fit->most_pixels;
    return !fit->mode || fits ||
           lt_a1111_fail(r->fault, 422, "a picture of %dx%d is larger than this server makes", fit->width, fit->height);
}

static bool read_img2img(reading *r, lt_a1111_fit *fit) {
    const json_t *images = lt_lax_get(r->in, "init_images");
    if (!images) return lt_a1111_fail(r->fault, 404, "Init image not found");
    if (!json_is_array(images)) return lt_a1111_fail_field(r->fault, "init_images", "Input should be a valid list");
    if (!json_array_size(images)) return lt_a1111_fail(r->fault, 404, "Init image not found");
    return put_fields(r, img2img_fields, r->in) && read_fit(r, fit) && read_mask(r, *fit);
}

/* ---- All that the request's jobs share ---- */

static bool read_seamless(reading *r) {
    bool tiling;
    if (!flag_of(r, "tiling", &tiling)) return false;
    if (tiling) put(r, "seamless", json_string("both"));
    return true;
}

static bool read_scripts(reading *r) {
    const json_t *scripts = lt_lax_get(r->in, "alwayson_scripts");
    if (scripts && !json_is_object(scripts))
        return lt_a1111_fail_field(r->fault, "alwayson_scripts", "Input should be a valid dictionary");
    return lt_a1111_read_scripts(scripts, lt_lax_get(r->in, "init_images"), r->host, r->job, r->fault);
}

static bool read_shared(reading *r, lt_a1111_fit *fit) {
    if (!put_fields(r, shared_fields, r->in) || !refuse(r) || !read_sampler(r) || !put_settings(r)) return false;
    if (r->img2img ? !read_img2img(r, fit) : !read_hires(r)) return false;
    return read_seamless(r) && read_scripts(r);
}

/* ---- A job for each iteration ---- */

/* -1, "" and what is no number is one that nobody chose. */
static json_int_t seed_of(const json_t *value) {
    json_int_t seed;
    if (!value || !lt_lax_int(value, &seed) || seed < 0) return (json_int_t)lt_random_seed();
    return seed;
}

typedef struct numbers {
    json_int_t batch, iterations, seed, subseed;
    bool varied; /* all pictures have the seed, and subseeds that follow each other */
} numbers;

static bool read_numbers(reading *r, numbers *n) {
    double strength = 0;
    if (!int_of(r, "batch_size", 1, &n->batch) || !int_of(r, "n_iter", 1, &n->iterations)) return false;
    if (n->batch < 1 || n->iterations < 1 || n->batch > 10000 || n->iterations > 1000)
        return lt_a1111_fail(r->fault, 422, "batch_size and n_iter are 1 at least, and 10000 and 1000 at most");
    n->seed = seed_of(lt_lax_get(r->in, "seed"));
    n->subseed = seed_of(lt_lax_get(r->in, "subseed"));
    lt_lax_number(lt_lax_get(r->in, "subseed_strength"), &strength);
    n->varied = strength != 0;
    return true;
}

/* Seeds go round: a negative one is refused where the job is read. */
static json_t *seed_json(json_int_t seed, json_int_t further) {
    return json_integer((json_int_t)((uint64_t)seed + (uint64_t)further));
}

/* The job whose first picture is the request's number `first`. */
static json_t *job_from(reading *r, const numbers *n, json_int_t first, json_int_t count) {
    json_t *job = json_copy(r->job);
    bool good = !json_object_set_new(job, "count", json_integer(count));
    good = good && !json_object_set_new(job, "seed", seed_json(n->seed, n->varied ? 0 : first));
    if (n->varied) good = good && !json_object_set_new(job, "variation_seed", seed_json(n->subseed, first));
    if (good) return job;
    json_decref(job);
    return NULL;
}

/* All init images made ready, in a list. */
static bool read_pictures(reading *r, const lt_a1111_fit *fit, json_t *pictures) {
    const json_t *images = r->img2img ? lt_lax_get(r->in, "init_images") : NULL;
    for (size_t i = 0; i < json_array_size(images); i++) {
        json_t *picture = lt_a1111_picture(json_array_get(images, i), *fit, r->host->most_pixels, r->fault);
        if (!picture) return false;
        if (json_array_append_new(pictures, picture)) r->failed_memory = true;
    }
    return !r->failed_memory;
}

/* picture: NULL without one. */
static void append_job(reading *r, json_t *jobs, json_t *job, json_t *picture) {
    if (picture && json_object_set(job, "image", picture)) r->failed_memory = true;
    if (json_array_append_new(jobs, job)) r->failed_memory = true;
}

/* Several init images are a batch of their own, of as many pictures. */
static void append_iteration(reading *r, const numbers *n, json_int_t first, json_t *pictures, json_t *jobs) {
    const size_t count = json_array_size(pictures);
    if (count < 2) append_job(r, jobs, job_from(r, n, first, n->batch), json_array_get(pictures, 0));
    for (size_t i = 0; i < count && count > 1; i++)
        append_job(r, jobs, job_from(r, n, first + (json_int_t)i, 1), json_array_get(pictures, i));
}

static bool append_jobs(reading *r, json_t *pictures, json_t *jobs) {
    numbers n;
    if (!read_numbers(r, &n)) return false;
    const json_int_t images = (json_int_t)json_array_size(pictures), batch = images > 1 ? images : n.batch;
    if (r->host->most_count && batch * n.iterations > r->host->most_count)
        return lt_a1111_fail(r->fault, 422, "%lld pictures: this server draws %d at most",
                             (long long)(batch * n.iterations), r->host->most_count);
    for (json_int_t i = 0; i < n.iterations && !r->failed_memory; i++)
        append_iteration(r, &n, i * batch, pictures, jobs);
    return !r->failed_memory;
}

static bool make_jobs(reading *r, const lt_a1111_fit *fit, json_t *jobs) {
    json_t *pictures = json_array();
    const bool good = pictures && read_pictures(r, fit, pictures) && append_jobs(r, pictures, jobs);
    json_decref(pictures);
    return good;
}

/* ---- The door ---- */

static bool read_all(reading *r, lt_a1111_drawing *drawing) {
    lt_a1111_fit fit = {0};
    const json_t *send = lt_lax_get(r->in, "send_images");
    drawing->send_images = true;
    if (send && !lt_lax_flag(send, &drawing->send_images))
        return lt_a1111_fail_field(r->fault, "send_images", "Input should be a valid boolean");
    return read_shared(r, &fit) && make_jobs(r, &fit, drawing->jobs);
}

/* Pictures that were sent are not sent back unless that was asked for. */
static void hide_pictures(json_t *parameters, bool img2img) {
    bool include = false;
    lt_lax_flag(lt_lax_get(parameters, "include_init_images"), &include);
    if (!img2img || include) return;
    json_object_set_new(parameters, "init_images", json_null());
    json_object_set_new(parameters, "mask", json_null());
}

bool lt_a1111_read(const json_t *body, bool img2img, const lt_a1111_host *host, lt_a1111_drawing *drawing) {
    *drawing = (lt_a1111_drawing){0};
    if (!json_is_object(body)) return lt_a1111_fail(&drawing->fault, 422, "Input should be a valid dictionary");
    drawing->parameters = complete(body, img2img);
    drawing->jobs = json_array();
    reading r = {drawing->parameters, host, .job = json_object(), .img2img = img2img, .fault = &drawing->fault};
    bool good = drawing->parameters && drawing->jobs && r.job && read_all(&r, drawing);
    if (!drawing->fault.status && (!good || r.failed_memory))
        good = lt_a1111_fail(&drawing->fault, 500, "out of memory");
    json_decref(r.job);
    json_decref(r.settings);
    if (good)
        hide_pictures(drawing->parameters, img2img);
    else
        lt_a1111_drawing_free(drawing);
    return good;
}

void lt_a1111_drawing_free(lt_a1111_drawing *drawing) {
    json_decref(drawing->parameters);
    json_decref(drawing->jobs);
    drawing->parameters = drawing->jobs = NULL;
}
