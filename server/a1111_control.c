/* The web UI's ControlNet extension: units as controls and image prompts (Mikubill's sd-webui-controlnet, and Forge's
 * lib_controlnet/external_code.py). */
#include "a1111_control.h"

#include "a1111_picture.h"
#include "json_lax.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- Modules ---- */

/* thresholds: how many of threshold_a and threshold_b the annotator takes. prompt: for image prompts. */
static const struct module {
    const char *name, *annotator;
    int thresholds;
    bool prompt;
} modules[] = {
    {"none", ""},
    {"canny", "canny", 2},
    {"scribble_xdog", "scribble", 1},
    {"lineart_standard (from white bg & black line)", "lineart"},
    {"lineart_standard", "lineart"},
    {"invert (from white bg & black line)", "invert"},
    {"invert", "invert"},
    {"threshold", "threshold", 1},
    {"recolor_luminance", "luminance", 1},
    {"recolor_intensity", "intensity", 1},
    {"t2ia_color_grid", "color"},
    {"color", "color"},
    {"tile_resample", "tile", 1},
    {"blur_gaussian", "blur", 1},
    {"inpaint_only", "inpaint"},
    {"inpaint_global_harmonious", "inpaint"},
    {"inpaint", "inpaint"},
    {"ip-adapter-auto", "", 0, true},
    {"ip-adapter_clip_sd15", "", 0, true},
    {"ip-adapter_clip_sdxl", "", 0, true},
    {"ip-adapter_clip_sdxl_plus_vith", "", 0, true},
    {"ip-adapter_clip_h", "", 0, true},
    {"ip-adapter_clip_g", "", 0, true},
    {"CLIP-ViT-H (IPAdapter)", "", 0, true},
    {"CLIP-ViT-bigG (IPAdapter)", "", 0, true},
};
enum { MODULES = sizeof modules / sizeof *modules };

const char *lt_a1111_module(int i) { return i >= 0 && i < MODULES ? modules[i].name : NULL; }

static const struct module *find_module(const char *name) {
    if (!*name) return &modules[0];
    for (int i = 0; i < MODULES; i++)
        if (!strcasecmp(modules[i].name, name)) return &modules[i];
    return NULL;
}

bool lt_a1111_annotator(const char *name, double a, double b, char *text, size_t size) {
    const struct module *m = find_module(name);
    if (!m) return false;
    if (m->thresholds == 2 && a >= 0 && b >= 0)
        snprintf(text, size, "%s:%g:%g", m->annotator, a < b ? a : b, a < b ? b : a); /* in any order there */
    else if (m->thresholds == 1 && a >= 0)
        snprintf(text, size, "%s:%g", m->annotator, a);
    else
        snprintf(text, size, "%s", m->annotator);
    return true;
}

/* ---- Words ---- */

typedef struct words {
    const char *theirs[2]; /* two spellings, the second of which may be NULL */
    const char *ours;
} words;

/* Each by its number, too. */
static const words modes[] = {{{"Balanced"}, "balanced"},
                              {{"My prompt is more important"}, "prompt"},
                              {{"ControlNet is more important"}, "control"}};
static const words fits[] = {{{"Just Resize"}, "stretch"},
                             {{"Crop and Resize", "Scale to Fit (Inner Fit)"}, "crop"},
                             {{"Resize and Fill", "Envelope (Outer Fit)"}, "fill"},
                             {{"Inner Fit (Scale to Fit)"}, "crop"},
                             {{"Outer Fit (Shrink to Fit)"}, "fill"}};

/* NULL: it is none. */
static const char *word_of(const json_t *value, const words *rows, size_t count, const char *idle) {
    json_int_t number;
    const char *text = json_string_value(value);
    if (!value || (text && !*text)) return idle;
    for (size_t i = 0; i < count && text; i++)
        for (int k = 0; k < 2; k++)
            if (rows[i].theirs[k] && !strcasecmp(rows[i].theirs[k], text)) return rows[i].ours;
    return lt_lax_int(value, &number) && number >= 0 && number < 3 ? rows[number].ours : NULL;
}

/* ---- A unit ---- */

typedef struct unit {
    const json_t *in;
    const lt_a1111_host *host;
    const json_t *images; /* init_images */
    lt_a1111_fault *fault;
} unit;

static double number_of(const json_t *in, const char *key, double idle) {
    double number;
    return lt_lax_number(lt_lax_get(in, key), &number) ? number : idle;
}

/* A picture is a text, or an object with "image" and "mask"; older clients call it input_image. */
static const json_t *picture_of(const unit *u) {
    const json_t *image = lt_lax_get(u->in, "image");
    if (!image) image = lt_lax_get(u->in, "input_image");
    if (json_is_object(image)) image = lt_lax_get(image, "image");
    if (json_is_string(image) && *json_string_value(image)) return image;
    return json_array_get(u->images, 0);
}

static const json_t *mask_of(const unit *u) {
    const json_t *mask = lt_lax_get(u->in, "mask_image");
    if (!mask) mask = lt_lax_get(u->in, "mask");
    if (!mask) mask = lt_lax_get(lt_lax_get(u->in, "image"), "mask");
    if (json_is_object(mask)) mask = lt_lax_get(mask, "image");
    return json_is_string(mask) && *json_string_value(mask) ? mask : NULL;
}

static json_t *read_picture(const unit *u) {
    const json_t *picture = picture_of(u);
    if (picture) return lt_a1111_picture(picture, (lt_a1111_fit){0}, u->host->most_pixels, u->fault);
    lt_a1111_fail(u->fault, 422, "a ControlNet unit has no image");
    return NULL;
}

/* What a control and an image prompt have in common: their share of the steps. */
static json_t *begin(const unit *u, const char *model_key, const char *strength_key) {
    json_t *out = json_object(), *picture = read_picture(u);
    if (!picture) {
        json_decref(out);
        return NULL;
    }
    json_object_set_new(out, model_key, json_string(lt_lax_text(u->in, "model")));
    json_object_set_new(out, "image", picture);
    json_object_set_new(out, strength_key, json_real(number_of(u->in, "weight", 1)));
    json_object_set_new(out, "start", json_real(number_of(u->in, "guidance_start", 0)));
    json_object_set_new(out, "end", json_real(number_of(u->in, "guidance_end", 1)));
    return out;
}

static bool put_words(const unit *u, json_t *out) {
    const char *mode = word_of(lt_lax_get(u->in, "control_mode"), modes, sizeof modes / sizeof *modes, "balanced");
    const char *fit = word_of(lt_lax_get(u->in, "resize_mode"), fits, sizeof fits / sizeof *fits, "crop");
    if (!mode) return lt_a1111_fail(u->fault, 422, "control_mode is not known");
    if (!fit) return lt_a1111_fail(u->fault, 422, "resize_mode of a ControlNet unit is not known");
    json_object_set_new(out, "mode", json_string(mode));
    json_object_set_new(out, "fit", json_string(fit));
    return true;
}

static bool put_annotator(const unit *u, json_t *out) {
    char text[64];
    const double a = number_of(u->in, "threshold_a", -1), b = number_of(u->in, "threshold_b", -1);
    if (!lt_a1111_annotator(lt_lax_text(u->in, "module"), a, b, text, sizeof text))
        return lt_a1111_fail(u->fault, 422, "Module not available: %s", lt_lax_text(u->in, "module"));
    if (*text) json_object_set_new(out, "annotator", json_string(text));
    return true;
}

/* Appends to the job's array of that name; takes value. */
static bool append(json_t *job, const char *key, json_t *value) {
    json_t *array = json_object_get(job, key);
    if (!array) {
        json_object_set_new(job, key, json_array());
        array = json_object_get(job, key);
    }
    return !json_array_append_new(array, value);
}

static bool read_control(const unit *u, json_t *job) {
    json_t *out = begin(u, "model", "strength");
    if (!out) return false;
    if (put_words(u, out) && put_annotator(u, out)) return append(job, "controls", out);
    json_decref(out);
    return false;
}

static bool read_image_prompt(const unit *u, json_t *job) {
    const char *encoder = u->host->image_encoder(u->host->user, lt_lax_text(u->in, "module"));
    if (!encoder) return lt_a1111_fail(u->fault, 404, "No image encoder is here for an IP-Adapter");
    json_t *out = begin(u, "adapter", "scale"), *mask = NULL;
    if (!out) return false;
    if (mask_of(u)) {
        mask = lt_a1111_mask(mask_of(u), false, false, (lt_a1111_fit){0}, u->host->most_pixels, u->fault);
        if (mask) json_object_set_new(out, "mask", mask);
    }
    if (!mask_of(u) || mask) {
        json_object_set_new(job, "image_encoder", json_string(encoder));
        return append(job, "image_prompts", out);
    }
    json_decref(out);
    return false;
}

/* ---- Units ---- */

static bool idle(const unit *u) {
    bool enabled = true;
    lt_lax_flag(lt_lax_get(u->in, "enabled"), &enabled);
    return !enabled;
}

static bool read_unit(const unit *u, json_t *job) {
    const char *model = lt_lax_text(u->in, "model"), *hires = lt_lax_text(u->in, "hr_option");
    const struct module *module = find_module(lt_lax_text(u->in, "module"));
    if (!json_is_object(u->in)) return true; /* the web UI's own way to say that there is none */
    if (idle(u)) return true;
    if (!*model || !strcasecmp(model, "None")) return lt_a1111_fail(u->fault, 422, "a ControlNet unit has no model");
    if (*hires && strcasecmp(hires, "Both"))
        return lt_a1111_fail(u->fault, 422, "hr_option '%s' is not served here: Both alone", hires);
    const bool prompt = (module && module->prompt) || u->host->is_image_prompt(u->host->user, model);
    return prompt ? read_image_prompt(u, job) : read_control(u, job);
}

static bool read_units(const json_t *script, unit *u, json_t *job) {
    const json_t *units = lt_lax_get(script, "args");
    for (size_t i = 0; i < json_array_size(units); i++) {
        u->in = json_array_get(units, i);
        if (!read_unit(u, job)) return u->fault->status ? false : lt_a1111_fail(u->fault, 500, "out of memory");
    }
    return true;
}

bool lt_a1111_read_scripts(const json_t *scripts, const json_t *images, const lt_a1111_host *host, json_t *job,
                           lt_a1111_fault *fault) {
    const char *name;
    json_t *script;
    unit u = {.host = host, .images = images, .fault = fault};
    json_object_foreach((json_t *)scripts, name, script) {
        if (strcasecmp(name, "controlnet")) return lt_a1111_fail(fault, 422, "Script '%s' not found", name);
        if (!read_units(script, &u, job)) return false;
    }
    return true;
}
