/* What the fields of latent.h's structs of options may hold. */
#include "base/fields.h"
#include "base/picture.h"
#include "base/rng.h"
#include "base/threads.h"
#include "diffusion/diffusion.h"

#include <string.h>

/* ---- What other programs call them ---- */

static const char *sampler_by_name(const char *text) {
    const char *schedule;
    return lt_sampler_read(text, &schedule) ? text : NULL;
}

static const char *schedule_by_name(const char *text) {
    return lt_schedule_read(text) || lt_schedule_is_automatic(text) ? text : NULL;
}

static const char *rng_by_name(const char *text) {
    lt_rng_kind kind;
    return lt_rng_read(text, &kind) ? lt_rng_choices[kind] : NULL;
}

/* A1111's "latent noise". */
static const char *content_by_name(const char *text) {
    if (!strcmp(text, "latent noise")) return lt_content_choices[LT_CONTENT_NOISE];
    return strcmp(text, "latent nothing") ? NULL : lt_content_choices[LT_CONTENT_NOTHING];
}

/* "No norm", as the web UIs write it. */
static const char *emphasis_by_name(const char *text) {
    for (const char *const *name = lt_emphasis_choices; *name; name++)
        if (!strcasecmp(*name, text)) return *name;
    return strcasecmp(text, "no norm") ? NULL : lt_emphasis_choices[LT_EMPHASIS_NO_NORM];
}

static const char *prediction_by_name(const char *text) {
    if (!strcmp(text, "eps")) return lt_prediction_choices[0];
    return strcmp(text, "v_prediction") ? NULL : lt_prediction_choices[1];
}

/* ---- Opening ---- */

/* clang-format off */
#define AT(member) LT_FIELD(lt_open_options, member)
static const lt_field open_fields[] = {
    {AT(vae), LT_FIELD_FILE, .optional = true, .help = "take the VAE, or a TAESD, from this file or folder"},
    {AT(text), LT_FIELD_FILE, .optional = true, .help = "take the text encoder from this file or folder"},
    {AT(preview_vae), LT_FIELD_FILE, .optional = true, .help = "make previews by this TAESD"},
    {AT(ema), LT_FIELD_BOOL, .help = "take the averaged weights of the U-Net"},
    {AT(prediction), LT_FIELD_CHOICE, .optional = true, .choices = lt_prediction_choices, .by_name = prediction_by_name, .help = "what the U-Net predicts: epsilon or v"},
    {AT(memory), LT_FIELD_SIZE, .help = "bytes of packed weights that stay when nobody uses them"},
    {AT(reserved), LT_FIELD_RESERVED},
    {0},
};
#undef AT
#define AT(member) LT_FIELD(lt_session_options, member)
static const lt_field session_fields[] = {
    {AT(precision), LT_FIELD_ENUM, .choices = lt_precision_choices, .help = "f32, or bf16 or int8: rounded; auto: by size"},
    {AT(threads), LT_FIELD_INT, 0, LT_MAX_THREADS, .help = "threads; default: one for each core"},
    {AT(low_memory), LT_FIELD_BOOL, .help = "prompts go through the U-Net one by one: less memory, a little slower"},
    {AT(max_memory), LT_FIELD_DOUBLE, 0, 1e6, .help = "GB that a picture may take; saves where it must, and says how"},
    {AT(pin), LT_FIELD_BOOL, .help = "each thread keeps to a core of its own"},
    {AT(isa), LT_FIELD_ENUM, .choices = lt_isa_choices, .help = "use no instruction set above this"},
    {AT(models), LT_FIELD_FILE, .optional = true, .help = "a folder of what prompts name: <lora:NAME:0.8>"},
    {AT(cache), LT_FIELD_FILE, .optional = true, .help = "a folder in which hashes of such files are kept"},
    {AT(reserved), LT_FIELD_RESERVED},
    {0},
};
#undef AT
/* clang-format on */

/* ---- Asking ---- */

/* What a request points to, pictures and models and random numbers, is checked where it is read; so is the name of the
 * sampler and of the schedule, which goes by more than one. */
/* clang-format off */
#define AT(member) LT_FIELD(lt_request, member)
static const lt_field request_fields[] = {
    {AT(prompt), LT_FIELD_TEXT, .help = "what to draw; (more:1.3) [less] weigh words"},
    {AT(negative_prompt), LT_FIELD_TEXT, .help = "what to keep away from"},
    {AT(plain_prompt), LT_FIELD_BOOL, .help = "take prompts letter by letter, cut at 75 tokens"},
    {AT(emphasis), LT_FIELD_ENUM, .choices = lt_emphasis_choices, .by_name = emphasis_by_name, .help = "what weights of words do; or no-norm, ignore, none"},
    {AT(literal_hash), LT_FIELD_BOOL, .help = "# is a character, and no comment begins with it"},
    {AT(lora_hashes), LT_FIELD_TEXT, .optional = true, .help = "which files the prompt's LoRAs are: NAME: HASH, ..."},
    {AT(embedding_hashes), LT_FIELD_TEXT, .optional = true, .help = "likewise of embeddings"},
    {AT(clip_skip), LT_FIELD_INT, 1, 100, .help = "leave out the text encoder's last N-1 layers"},
    {AT(original_width), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "what XL is told of the size before scaling; default: what is drawn"},
    {AT(original_height), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "likewise"},
    {AT(crop_left), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "what XL is told of pixels cut away at the left"},
    {AT(crop_top), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "likewise at the top"},
    {AT(target_width), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "what XL is told of the size; default: what is drawn"},
    {AT(target_height), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "likewise"},
    {AT(empty_negative), LT_FIELD_ENUM, .choices = lt_empty_negative_choices, .help = "what XL reads of no negative text: zeros, or encode it"},
    {AT(width), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "default: the input picture's, or the model's own"},
    {AT(height), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "likewise"},
    {AT(steps), LT_FIELD_INT, 1, LT_TRAIN_STEPS, .help = "steps of the sampler"},
    {AT(guidance), LT_FIELD_FLOAT, -1000, 1000, .help = "guidance: 1 the prompt alone, 0 none"},
    {AT(guidance_interval), LT_FIELD_RANGE, 0, 1e6, .help = "guide at noise levels (sigma) in it alone: less time"},
    {AT(guidance_rescale), LT_FIELD_FLOAT, 0, 1, .help = "scale this share of the guided prediction to the prompt's own"},
    {AT(zero_snr), LT_FIELD_BOOL, .help = "noise of zero terminal SNR, for models of v that were trained so"},
    {AT(deep_cache), LT_FIELD_INT, 1, LT_TRAIN_STEPS, .help = "run the U-Net's inner layers at each N-th step alone"},
    {AT(merge_tokens), LT_FIELD_FLOAT, 0, 1, .help = "merge this share of the U-Net's finest tokens in self-attention"},
    {AT(sampler), LT_FIELD_TEXT, .list_choices = lt_samplers, .by_name = sampler_by_name, .help = "a name of lt_samplers"},
    {AT(schedule), LT_FIELD_TEXT, .optional = true, .list_choices = lt_schedules, .by_name = schedule_by_name, .help = "default: karras, or what the sampler was made for"},
    {AT(eta), LT_FIELD_FLOAT, 0, 1, .help = "noise of ddim and tcd: 0 none, 1 all of it"},
    {AT(random_seed), LT_FIELD_BOOL, .help = "take a new seed"},
    {AT(seed), LT_FIELD_SEED, .help = "default, and -1: a random one, which is printed"},
    {AT(variation_seed), LT_FIELD_SEED, .help = "go from the seed's noise towards this one's; -1 draws one"},
    {AT(variation_strength), LT_FIELD_FLOAT, 0, 1, .help = "how far: 0 not at all"},
    {AT(seed_resize_width), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "take the seed's noise at this size, in the middle"},
    {AT(seed_resize_height), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "likewise"},
    {AT(rng), LT_FIELD_ENUM, .choices = lt_rng_choices, .by_name = rng_by_name, .help = "PyTorch's random numbers: cpu, or philox as on a GPU"},
    {AT(count), LT_FIELD_INT, 1, 10000, .help = "pictures, with seeds that follow each other"},
    {AT(strength), LT_FIELD_DOUBLE, 0, 1, .above = true, .help = "how far to go from it, up to 1"},
    {AT(mask_rule), LT_FIELD_ENUM, .choices = lt_mask_choices, .help = "repaints what is white, or transparent (OpenAI's way)"},
    {AT(mask_blur), LT_FIELD_FLOAT, 0, 1000, .help = "soften the mask's edge"},
    {AT(masked_content), LT_FIELD_ENUM, .choices = lt_content_choices, .by_name = content_by_name, .help = "what repainting begins with under the mask"},
    {AT(only_masked), LT_FIELD_BOOL, .help = "draw what is around the mask alone, and put it back"},
    {AT(mask_padding), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "pixels around the mask that are drawn with it"},
    {AT(seamless), LT_FIELD_ENUM, .choices = lt_seamless_choices, .help = "sides that fit together, as tiles: x, y or both"},
    {AT(hires_scale), LT_FIELD_DOUBLE, 0, 8, .help = "enlarge the picture so many times and draw on (hires fix)"},
    {AT(hires_width), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "the same, to so many pixels"},
    {AT(hires_height), LT_FIELD_INT, 0, LT_IMAGE_MAX_SIDE, .help = "likewise"},
    {AT(hires_upscaler), LT_FIELD_TEXT, .help = "latent, latent-bicubic, ..., lanczos, or an upscaler's file or name"},
    {AT(hires_steps), LT_FIELD_INT, 0, LT_TRAIN_STEPS, .help = "steps of the second pass; default: as the first"},
    {AT(hires_strength), LT_FIELD_DOUBLE, 0, 1, .above = true, .help = "how far the second pass goes, up to 1"},
    {AT(hires_sampler), LT_FIELD_TEXT, .optional = true, .list_choices = lt_samplers, .by_name = sampler_by_name, .help = "of the second pass; default: the first one's"},
    {AT(hires_schedule), LT_FIELD_TEXT, .optional = true, .list_choices = lt_schedules, .by_name = schedule_by_name, .help = "likewise"},
    {AT(tiling), LT_FIELD_BOOL, .help = "encode and decode in tiles: less memory for large pictures"},
    {AT(last), LT_FIELD_BOOL, .help = "no request follows: take less memory"},
    {AT(preview), LT_FIELD_BOOL, .help = "a small picture after each step"},
    {AT(keep_steps), LT_FIELD_BOOL, .help = "keep the latent of each step"},
    {AT(class_name), LT_FIELD_TEXT, .optional = true, .help = "the class to draw, by its name or number"},
    {AT(classifier_scale), LT_FIELD_FLOAT, -1e6, 1e6, .help = "how strongly the classifier guides"},
    {AT(refiner_start), LT_FIELD_FLOAT, 0, 1, .help = "the share of the steps before the refiner goes on"},
    {AT(clip_guidance), LT_FIELD_FLOAT, -1e6, 1e6, .help = "how strongly CLIP guides"},
    {AT(reserved), LT_FIELD_RESERVED},
    {0},
};
/* clang-format on */

/* clang-format off */
#undef AT
#define AT(member) LT_FIELD(lt_control, member)
static const lt_field control_fields[] = {
    {AT(strength), LT_FIELD_FLOAT, -100, 100, .help = "what it adds is multiplied by"},
    {AT(start), LT_FIELD_DOUBLE, 0, 1, .help = "the share of the steps before it begins"},
    {AT(end), LT_FIELD_DOUBLE, 0, 1, .help = "the share of the steps after which it ends"},
    {AT(mode), LT_FIELD_ENUM, .choices = lt_control_mode_choices, .help = "balanced; prompt or control is more important"},
    {AT(annotator), LT_FIELD_TEXT, .optional = true, .help = "what makes its map: canny, lineart, ..."},
    {AT(fit), LT_FIELD_ENUM, .choices = lt_control_fit_choices, .help = "how its picture is made to fit: crop, stretch or fill"},
    {AT(reserved), LT_FIELD_RESERVED},
    {0},
};
/* clang-format on */

const lt_field *lt_control_fields(void) { return control_fields; }
const lt_field *lt_open_fields(void) { return open_fields; }
const lt_field *lt_session_fields(void) { return session_fields; }
const lt_field *lt_request_fields(void) { return request_fields; }

lt_control lt_control_defaults(void) { return (lt_control){.strength = 1, .end = 1}; }
lt_open_options lt_open_options_defaults(void) { return (lt_open_options){0}; }
lt_session_options lt_session_options_defaults(void) { return (lt_session_options){.isa = LT_ISA_BEST}; }
