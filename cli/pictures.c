/* txt2img, img2img and inpaint: one request, three ways to ask for it. */
#include "colons.h"
#include "control.h"
#include "image_prompts.h"
#include "picture_names.h"
#include "progress.h"
#include "prompt.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    lt_model_options model, classifier, clip, refiner; /* of the guides' the file alone */
    lt_lora_list loras;
    lt_file_list embeddings, regions;
    lt_image_prompt_options image_prompts;
    lt_control_list controls;
    lt_request request; /* what can be said in words; the rest is added to it */
    const char *prompt, *output, *format, *input, *mask, *from, *noise, *save_latents, *preview;
    bool quiet, json;
} o;

/* One table: inpaint takes all of it, img2img what comes behind the mask, txt2img what comes behind the input picture.
 */
/* clang-format off */
#define OF_REQUEST .fields = lt_request_fields
static const lt_option options[] = {
    {"mask", 0, LT_OPTION_FILE, "MASK", "a picture: white is repainted, black and transparent are kept", &o.mask,
     .also = "mask-image"},
    {"mask-rule", 0, LT_OPTION_CHOICE, "RULE", NULL, &o.request.mask_rule, OF_REQUEST},
    {"mask-blur", 0, LT_OPTION_NUMBER, "PX", NULL, &o.request.mask_blur, OF_REQUEST},
    {"masked-content", 0, LT_OPTION_CHOICE, "WHAT", NULL, &o.request.masked_content, OF_REQUEST, .also = "inpainting-fill"},
    {"only-masked", 0, LT_OPTION_FLAG, NULL, NULL, &o.request.only_masked, OF_REQUEST, .also = "inpaint-full-res"},
    {"mask-padding", 0, LT_OPTION_INT, "PX", NULL, &o.request.mask_padding, OF_REQUEST, .also = "inpaint-full-res-padding"},
    {"input", 'i', LT_OPTION_FILE, "IN", "the picture to start from", &o.input,
     .also = "init-img init-image image"},
    {"strength", 0, LT_OPTION_NUMBER, "S", NULL, &o.request.strength, OF_REQUEST, .also = "denoising-strength"},
    {"prompt", 'p', LT_OPTION_TEXT, "TEXT", "what to draw; (more:1.3) [less] weigh words; - or @FILE reads it",
     &o.prompt},
    {"negative", 'n', LT_OPTION_TEXT, "TEXT", NULL, &o.request.negative_prompt, OF_REQUEST, .member = "negative_prompt",
     .also = "negative-prompt"},
    LT_LORA_OPTION(o.loras),
    {"embedding", 0, LT_OPTION_FILES, "FILE", "its name in a prompt stands for its vectors", &o.embeddings, .member = "embeddings"},
    {"region", 0, LT_OPTION_FILES, "MASK:PROMPT", "draw PROMPT where the picture MASK is white", &o.regions},
    LT_IMAGE_PROMPT_OPTIONS(o.image_prompts),
    LT_CONTROL_OPTIONS(o.controls),
    {"annotator", 0, LT_OPTION_TEXT, "NAME", "what makes maps of the controls' pictures: `latent annotate --help`", &o.controls.annotators, .rare = true, .needs = "control"},
    {"control-mode", 0, LT_OPTION_CHOICE, "MODE", NULL, &o.controls.mode, .fields = lt_control_fields, .member = "mode", .rare = true, .needs = "control"},
    {"control-fit", 0, LT_OPTION_CHOICE, "FIT", NULL, &o.controls.fit, .fields = lt_control_fields, .member = "fit", .rare = true, .needs = "control"},
    {"from", 0, LT_OPTION_FILE, "PICTURE", "make it as PICTURE was made, but for what other options say",
     &o.from},
    {"output", 'o', LT_OPTION_FILE, "OUT", "OUT.png, .jpg or .webp, IMG-%03d.png, a folder, or - (standard output)", &o.output},
    {"format", 0, LT_OPTION_CHOICE, "F", "of pictures that are not named: png (default), jpg or webp", &o.format,
     .choices = lt_picture_formats},
    {"width", 'W', LT_OPTION_INT, "PX", NULL, &o.request.width, 1, OF_REQUEST},
    {"height", 'H', LT_OPTION_INT, "PX", NULL, &o.request.height, 1, OF_REQUEST},
    {"size", 0, LT_OPTION_SIZE, "WxH", "both: 512x768, or 512 for a square", &o.request.width, 1, OF_REQUEST, .member = "width"},
    {"steps", 0, LT_OPTION_INT, "N", NULL, &o.request.steps, OF_REQUEST, .also = LT_ALSO_STEPS},
    {"cfg", 0, LT_OPTION_NUMBER, "S", NULL, &o.request.guidance, OF_REQUEST, .member = "guidance", .also = LT_ALSO_CFG},
    {"sampler", 0, LT_OPTION_CHOICE, "NAME", "`latent schedule` lists all", &o.request.sampler, OF_REQUEST,  .also = LT_ALSO_SAMPLER},
    {"schedule", 0, LT_OPTION_CHOICE, "NAME", NULL, &o.request.schedule, OF_REQUEST,  .also = LT_ALSO_SCHEDULE},
    {"seed", 0, LT_OPTION_SEED, "N", NULL, &o.request.seed, .told = true, .also = "s", OF_REQUEST},
    {"variation-seed", 0, LT_OPTION_SEED, "N", NULL, &o.request.variation_seed, OF_REQUEST, .also = "subseed"},
    {"variation-strength", 0, LT_OPTION_NUMBER, "S", NULL, &o.request.variation_strength, OF_REQUEST, .also = "subseed-strength"},
    LT_SEAMLESS_OPTION(o.request.seamless),
    {"count", 'b', LT_OPTION_INT, "N", "OUT-1.png, OUT-2.png, ... with seeds that follow each other", &o.request.count, OF_REQUEST,
     .also = "batch-count batch-size num-images num-images-per-prompt n-iter n-samples"},
    {"hires", 0, LT_OPTION_NUMBER, "SCALE", NULL, &o.request.hires_scale, 1, OF_REQUEST, .member = "hires_scale", .also = "hires-scale hr-scale"},
    {"hires-size", 0, LT_OPTION_SIZE, "WxH", "the same, to this size; what is over is cut away", &o.request.hires_width, 1, OF_REQUEST, .member = "hires_width", .rare = true},
    {"hires-upscaler", 0, LT_OPTION_FILE, "U", NULL, &o.request.hires_upscaler, OF_REQUEST, .rare = true},
    {"hires-steps", 0, LT_OPTION_INT, "N", NULL, &o.request.hires_steps, OF_REQUEST, .rare = true},
    {"hires-strength", 0, LT_OPTION_NUMBER, "S", NULL, &o.request.hires_strength, OF_REQUEST, .rare = true, .also = "hires-denoising-strength"},
    {"hires-sampler", 0, LT_OPTION_CHOICE, "NAME", NULL, &o.request.hires_sampler, OF_REQUEST, .rare = true},
    {"hires-schedule", 0, LT_OPTION_CHOICE, "NAME", NULL, &o.request.hires_schedule, OF_REQUEST, .rare = true},
    {"preview", 0, LT_OPTION_FILE, "FILE", "write a picture after each step, small without --preview-vae", &o.preview,
     .also = "preview-path", .idle = "none proj tae vae", .idle_note = "here FILE says where it goes, and --preview-vae what makes it"},
    {"preview-vae", 0, LT_OPTION_FILE, "FILE", NULL, &o.model.preview_vae, .fields = lt_open_fields, .rare = true, .needs = "preview"},
    {"quiet", 'q', LT_OPTION_FLAG, NULL, "no progress", &o.quiet},
    {"json", 0, LT_OPTION_FLAG, NULL, "print file, seed and seconds as JSON, a line for each picture", &o.json},
    LT_MODEL_OPTIONS(o.model),
    {"max-memory", 0, LT_OPTION_NUMBER, "GB", NULL, &o.model.max_memory, .fields = lt_session_fields, .rare = true},
    {"plain-prompt", 0, LT_OPTION_FLAG, NULL, NULL, &o.request.plain_prompt, OF_REQUEST, .rare = true},
    {"emphasis", 0, LT_OPTION_CHOICE, "KIND", NULL, &o.request.emphasis, OF_REQUEST, .rare = true},
    {"literal-hash", 0, LT_OPTION_FLAG, NULL, NULL, &o.request.literal_hash, OF_REQUEST, .rare = true},
    {"clip-skip", 0, LT_OPTION_INT, "N", NULL, &o.request.clip_skip, OF_REQUEST, .rare = true, .idle = "-1 0"},
    {"original-size", 0, LT_OPTION_SIZE, "WxH", NULL, &o.request.original_width, OF_REQUEST, .member = "original_width", .rare = true},
    {"target-size", 0, LT_OPTION_SIZE, "WxH", NULL, &o.request.target_width, OF_REQUEST, .member = "target_width", .rare = true},
    {"crop-left", 0, LT_OPTION_INT, "PX", NULL, &o.request.crop_left, OF_REQUEST, .rare = true},
    {"crop-top", 0, LT_OPTION_INT, "PX", NULL, &o.request.crop_top, OF_REQUEST, .rare = true},
    {"empty-negative", 0, LT_OPTION_CHOICE, "KIND", NULL, &o.request.empty_negative, OF_REQUEST, .rare = true},
    {"eta", 0, LT_OPTION_NUMBER, "X", NULL, &o.request.eta, OF_REQUEST, .rare = true, .also = "ddim-eta"},
    {"seed-resize", 0, LT_OPTION_SIZE, "WxH", NULL, &o.request.seed_resize_width, OF_REQUEST, .member = "seed_resize_width", .rare = true},
    {"rng", 0, LT_OPTION_CHOICE, "KIND", NULL, &o.request.rng, OF_REQUEST,  .rare = true},
    {"classifier", 0, LT_OPTION_FILE, "FILE", "guide by a classifier that `latent train classifier` made",
     &o.classifier.model, .rare = true},
    {"class", 0, LT_OPTION_TEXT, "NAME", NULL, &o.request.class_name, OF_REQUEST, .member = "class_name", .rare = true},
    {"classifier-scale", 0, LT_OPTION_NUMBER, "S", NULL, &o.request.classifier_scale, OF_REQUEST, .rare = true},
    {"refiner", 0, LT_OPTION_FILE, "MODEL", "have another model, XL's refiner, draw the last steps", &o.refiner.model, .rare = true},
    {"refiner-at", 0, LT_OPTION_NUMBER, "S", NULL, &o.request.refiner_start, OF_REQUEST, .member = "refiner_start", .rare = true, .also = "refiner-switch-at"},
    {"clip", 0, LT_OPTION_FILE, "MODEL", "guide by a CLIP's similarity of prompt and picture", &o.clip.model,
     .rare = true},
    {"clip-guidance", 0, LT_OPTION_NUMBER, "S", NULL, &o.request.clip_guidance, OF_REQUEST, .rare = true},
    {"deep-cache", 0, LT_OPTION_INT, "N", NULL, &o.request.deep_cache, OF_REQUEST, .rare = true},
    {"merge-tokens", 0, LT_OPTION_NUMBER, "RATIO", NULL, &o.request.merge_tokens, OF_REQUEST, .rare = true},
    {"guidance-interval", 0, LT_OPTION_RANGE, "LOW:HIGH", NULL, &o.request.guidance_interval, OF_REQUEST, .rare = true},
    {"rescale", 0, LT_OPTION_NUMBER, "PHI", NULL, &o.request.guidance_rescale, OF_REQUEST, .member = "guidance_rescale", .rare = true, .also = "guidance-rescale cfg-rescale"},
    {"zero-snr", 0, LT_OPTION_FLAG, NULL, NULL, &o.request.zero_snr, OF_REQUEST, .rare = true, .also = "zero-terminal-snr rescale-betas-zero-snr"},
    {"tiling", 0, LT_OPTION_FLAG, NULL, NULL, &o.request.tiling, OF_REQUEST, .rare = true, .also = "vae-tiling"},
    {"noise", 0, LT_OPTION_FILE, "FILE", "tensors noise and posterior_noise in place of the seed's", &o.noise,
     .rare = true},
    {"save-latents", 0, LT_OPTION_FILE, "FILE", "write latents (start, each step) and latent (last)", &o.save_latents,
     .rare = true},
    {0},
};
/* clang-format on */
enum { INPUT_OPTIONS = 6, TEXT_OPTIONS = 8 }; /* where those of img2img and of txt2img begin */

static void begin(void) { o.request = lt_request_defaults(); }

/* ---- Files ---- */

static lt_picture_names names(void) { return (lt_picture_names){o.output, o.format, o.prompt, o.request.count}; }

static int check_outputs(void) {
    const lt_picture_names n = names();
    int status = lt_picture_names_check(&n);
    if (!status && o.preview) status = lt_check_picture("--preview", o.preview);
    if (!status && o.save_latents) status = lt_check_safetensors("--save-latents", o.save_latents);
    const char *const others[] = {o.model.model,      o.model.vae,  o.noise,         o.output,
                                  o.classifier.model, o.clip.model, o.refiner.model, o.preview};
    for (size_t i = 0; i < LT_COUNT(others) && !status; i++)
        status = lt_check_apart("--save-latents", o.save_latents, others[i]);
    return status ? status : lt_check_apart("--preview", o.preview, o.output);
}

/* Of picture i, named as it is. */
static lt_status save_latents(const lt_result *r, int i) {
    const size_t c = (size_t)r->latent_shape[0], h = (size_t)r->latent_shape[1], w = (size_t)r->latent_shape[2];
    const lt_array arrays[] = {{"latents", 5, {(size_t)r->kept_steps, 1, c, h, w}, r->step_latents[i]},
                               {"latent", 4, {1, c, h, w}, r->latents[i]}};
    char *path = lt_numbered_name(o.save_latents, i, o.request.count);
    const lt_status status = path ? lt_arrays_save(path, arrays, LT_COUNT(arrays)) : LT_ERROR_MEMORY;
    free(path);
    return status;
}

/* ---- The request ---- */

/* What a request points to. */
typedef struct lt_inputs {
    lt_model *classifier, *clip, *refiner;
    lt_control_inputs controls;
    lt_image image, mask;
    lt_image masks[LT_MOST_LORAS]; /* of the regions, as is: */
    lt_region regions[LT_MOST_LORAS];
    lt_arrays noise;
    lt_image_prompts prompts;
    char *prompt, *negative, *made, *from; /* made: --from's parameters; from: what their texts point into */
} lt_inputs;

static void free_inputs(lt_inputs *in) {
    lt_model_close(in->classifier);
    lt_model_close(in->clip);
    lt_model_close(in->refiner);
    lt_control_inputs_close(&in->controls);
    lt_image_free(&in->image);
    lt_image_free(&in->mask);
    for (size_t i = 0; i < LT_COUNT(in->masks); i++) {
        lt_image_free(&in->masks[i]);
        free((char *)(uintptr_t)in->regions[i].prompt);
    }
    lt_arrays_free(&in->noise);
    lt_image_prompts_close(&in->prompts);
    free(in->prompt);
    free(in->negative);
    free(in->made);
    free(in->from);
}

static lt_status open_guide(lt_model_options *guide, lt_model **model) {
    return guide->model ? lt_open_model(guide, model) : LT_OK;
}

static size_t latent_side(int size, int factor) { return size / factor > 0 ? (size_t)(size / factor) : 1; }

/* The numbers called name of --noise's file, of which there must be expected; NULL if it has none of that name. */
static lt_status find_noise(const lt_arrays *file, const char *name, size_t expected, const float **values) {
    const lt_array *a = lt_arrays_find(file, name);
    size_t count = 1;
    for (int i = 0; a && i < a->rank; i++) count *= a->shape[i];
    if (a && count != expected)
        return lt_fail(LT_ERROR_FORMAT, "%s: tensor %s has %zu values, this picture's latent has %zu", o.noise, name,
                       count, expected);
    for (size_t i = 0; a && i < count; i++)
        if (!isfinite(a->data[i]))
            return lt_fail(LT_ERROR_FORMAT, "%s: tensor %s holds a NaN or an infinity", o.noise, name);
    *values = a ? a->data : NULL;
    return LT_OK;
}

static lt_status read_noise(const lt_session *session, lt_inputs *in, lt_request *r) {
    const lt_model_info info = lt_model_describe(lt_session_model(session));
    if (!info.draws) return LT_OK; /* lt_generate says why it can't */
    const int width = r->width ? r->width : r->image ? r->image->width : info.width;
    const int height = r->height ? r->height : r->image ? r->image->height : info.height;
    const size_t count =
        (size_t)info.latent_channels * latent_side(width, info.factor) * latent_side(height, info.factor);
    LT_TRY(lt_arrays_load(o.noise, NULL, &in->noise));
    LT_TRY(find_noise(&in->noise, "noise", count, &r->noise));
    LT_TRY(find_noise(&in->noise, "posterior_noise", count, &r->posterior_noise));
    if (!r->noise && !r->posterior_noise)
        return lt_fail(LT_ERROR_FORMAT, "%s has neither a tensor noise nor posterior_noise", o.noise);
    return LT_OK;
}

/* Adds to the request what it points to. */
static lt_status complete_request(const lt_session *session, lt_inputs *in) {
    lt_request *r = &o.request;
    r->prompt = o.prompt ? o.prompt : "";
    r->random_seed = r->random_seed && !lt_option_given(&r->seed);
    r->preview = o.preview != NULL;
    r->keep_steps = o.save_latents != NULL;
    r->classifier = in->classifier;
    r->clip = in->clip;
    r->refiner = in->refiner;
    r->loras = o.loras.items;
    r->lora_count = o.loras.count;
    r->embeddings = o.embeddings.items;
    r->embedding_count = o.embeddings.count;
    r->regions = in->regions;
    r->region_count = o.regions.count;
    r->image_prompts = in->prompts.items;
    r->image_prompt_count = in->prompts.count;
    r->image_encoder = in->prompts.encoder;
    r->controls = in->controls.items;
    r->control_count = in->controls.count;
    r->image = o.input ? &in->image : NULL;
    r->mask = o.mask ? &in->mask : NULL;
    return o.noise ? read_noise(session, in, r) : LT_OK;
}

/* ---- Drawing ---- */

/* The precision is said where it is not the exact one. */
static void print_done(FILE *out, const char *path, uint64_t seed, double seconds, lt_precision precision) {
    const char *rounded = precision == LT_PRECISION_F32 ? NULL : lt_precision_name(precision);
    if (!o.json) {
        fprintf(out, "%s: seed %llu, %.1f s%s%s\n", strcmp(path, "-") ? path : "standard output",
                (unsigned long long)seed, seconds, rounded ? ", " : "", rounded ? rounded : "");
        return;
    }
    char seed_text[32]; /* a seed may be larger than JSON's integers */
    snprintf(seed_text, sizeof seed_text, "%llu", (unsigned long long)seed);
    /* JSON can't hold a name that is not UTF-8: null */
    json_t *row = json_pack("{s:o?, s:s, s:f, s:s*}", "file", json_string(path), "seed", seed_text, "seconds", seconds,
                            "precision", rounded);
    char *text = row ? json_dumps(row, JSON_COMPACT) : NULL;
    if (text) fprintf(out, "%s\n", text);
    free(text);
    json_decref(row);
}

/* One call that draws, and what came of saving its pictures. */
typedef struct drawing {
    lt_progress_line line;
    lt_precision precision;
    double started; /* the picture at hand */
    lt_status saved;
    char *why; /* it was not; allocated */
} drawing;

static bool show(void *user, const lt_progress *progress) {
    return lt_progress_show(&((drawing *)user)->line, progress);
}

static lt_status save(drawing *d, int i, const lt_result *result) {
    char *path;
    const lt_picture_names n = names();
    lt_status status = lt_picture_names_save(&n, i, result, &path);
    if (!status && o.save_latents) status = save_latents(result, i);
    FILE *out = lt_picture_names_standard(&n) ? stderr : stdout;
    if (!status) print_done(out, path, result->seeds[i], tool_now() - d->started, d->precision);
    fflush(stdout); /* whoever waits for the picture reads on; a failure is seen at the end */
    free(path);
    return status;
}

/* A picture is saved and told of before the next begins. */
static bool save_ready(void *user, int i, lt_result *result) {
    drawing *d = user;
    lt_progress_end(&d->line);
    d->saved = save(d, i, result);
    if (d->saved) d->why = strdup(lt_error_message());
    d->started = tool_now();
    lt_image_free(&result->images[i]);
    return !d->saved;
}

static lt_status draw_all(lt_session *session, lt_inputs *in) {
    lt_result result;
    LT_TRY(complete_request(session, in));
    drawing d = {.line = {.quiet = o.quiet, .preview = o.preview},
                 .precision = lt_session_precision(session),
                 .started = tool_now()};
    o.request.last = true;
    o.request.progress = show;
    o.request.cancelled = lt_stop_asked;
    o.request.ready = save_ready;
    o.request.user = &d;
    const lt_status drawn = lt_generate(session, &o.request, &result);
    lt_progress_end(&d.line);
    lt_result_free(&result);
    if (d.saved) lt_fail(d.saved, "%s", d.why);
    free(d.why);
    return d.saved ? d.saved : drawn;
}

static int check_guides(void) {
    const lt_request *r = &o.request, defaults = lt_request_defaults();
    if (r->class_name && !o.classifier.model)
        return lt_complain(LT_EXIT_USAGE, "--class %s: whose? name a classifier with --classifier FILE", r->class_name);
    if (!o.classifier.model && fabsf(r->classifier_scale - defaults.classifier_scale) > 0)
        return lt_complain(LT_EXIT_USAGE, "--classifier-scale: of what? name a classifier with --classifier FILE");
    if (!o.clip.model && fabsf(r->clip_guidance - defaults.clip_guidance) > 0)
        return lt_complain(LT_EXIT_USAGE, "--clip-guidance: by what? name a CLIP model with --clip FILE");
    if (o.classifier.model && !r->class_name && !o.from)
        return lt_complain(LT_EXIT_USAGE, "which class? name one with --class NAME");
    return LT_EXIT_OK;
}

/* ---- The command ---- */

/* A prompt may stand alone. */
static int take_words(int count, char **words) {
    if (count == 1 && !o.prompt) {
        o.prompt = words[0];
    } else if (count) {
        const char *word = words[!o.prompt && strchr(words[0], ' ')]; /* "a red apple" apple.png */
        return lt_complain(LT_EXIT_USAGE,
                           "what is \"%s\"? a prompt goes behind -p, in quotation marks; OUT.png behind -o", word);
    }
    const bool twice = o.prompt && !strcmp(o.prompt, "-") && !strcmp(o.request.negative_prompt, "-");
    return twice ? lt_complain(LT_EXIT_USAGE, "-p -, -n -: standard input can be read for one of them") : LT_EXIT_OK;
}

/* How the picture of --from was made. */
static lt_status read_parameters(lt_inputs *in) {
    LT_TRY(lt_image_parameters(o.from, &in->made));
    if (in->made) return LT_OK;
    return lt_fail(LT_ERROR_FORMAT, "%s: it does not say how it was made (it has no parameters)", o.from);
}

/* Sets what no option sets as it was made. */
static lt_status follow_picture(const lt_session *session, lt_inputs *in) {
    lt_request r = lt_request_defaults();
    r.image = o.input ? &in->image : NULL;
    r.mask = o.mask ? &in->mask : NULL;
    r.lora_count = o.loras.count;
    r.region_count = o.regions.count;
    r.image_prompt_count = in->prompts.count;
    r.controls = in->controls.items;
    r.control_count = in->controls.count;
    LT_TRY(lt_request_from_parameters(in->made, session, &r, &in->from));
    if (lt_option_given(&o.request.sampler)) r.schedule = o.request.schedule; /* that one has its own */
    lt_options_follow(lt_request_fields, &o.request, &r);
    if (!o.prompt) o.prompt = r.prompt;
    return LT_OK;
}

/* What the prompts stand for, in place of their words; freed with in. */
static lt_status read_prompts(lt_inputs *in) {
    if (o.prompt) LT_TRY(lt_prompt_read("-p", o.prompt, &in->prompt));
    o.prompt = in->prompt;
    LT_TRY(lt_prompt_read("-n", o.request.negative_prompt, &in->negative));
    o.request.negative_prompt = in->negative;
    return LT_OK;
}

/* Without a word on it: that of --from's picture, or with --noise, which is there to compare with other programs, the
 * exact one. */
static lt_status choose_precision(const lt_inputs *in) {
    if (in->made) return lt_precision_from_parameters(in->made, &o.model.precision);
    if (o.noise) o.model.precision = LT_PRECISION_F32;
    return LT_OK;
}

/* The session that draws. What --from's picture was made in may be impossible here: a note says so then. */
static lt_status open_session(const lt_inputs *in, lt_session **session) {
    if (lt_option_given(&o.model.precision)) return lt_open(&o.model, session);
    LT_TRY(choose_precision(in));
    const lt_status status = lt_open(&o.model, session);
    if (status != LT_ERROR_UNSUPPORTED) return status;
    o.model.precision = LT_PRECISION_AUTO;
    return lt_open(&o.model, session);
}

static int check_regions(void) {
    for (size_t i = 0; i < o.regions.count; i++) {
        const char *colon = lt_colon_behind(o.regions.items[i]);
        if (!colon || !colon[1])
            return lt_complain(LT_EXIT_USAGE, "--region %.200s: MASK:PROMPT, as in left.png:\"a red cat\"",
                               o.regions.items[i]);
    }
    return LT_EXIT_OK;
}

/* "MASK:PROMPT" */
static lt_status read_region(const char *word, lt_image *mask, lt_region *region) {
    const char *colon = lt_colon_behind(word);
    char *path, *prompt;
    if (!(path = tool_strndup(word, (size_t)(colon - word)))) return LT_ERROR_MEMORY;
    lt_status status = lt_image_load(path, mask);
    free(path);
    if (!status) status = lt_prompt_read("--region", colon + 1, &prompt);
    if (!status) *region = (lt_region){mask, prompt};
    return status;
}

static lt_status open_inputs(lt_inputs *in, lt_session **session) {
    for (size_t i = 0; i < o.regions.count; i++)
        LT_TRY(read_region(o.regions.items[i], &in->masks[i], &in->regions[i]));
    if (o.input) LT_TRY(lt_image_load(o.input, &in->image));
    if (o.mask) LT_TRY(lt_image_load(o.mask, &in->mask));
    if (o.from) LT_TRY(read_parameters(in));
    LT_TRY(open_session(in, session));
    LT_TRY(open_guide(&o.classifier, &in->classifier));
    LT_TRY(open_guide(&o.clip, &in->clip));
    LT_TRY(open_guide(&o.refiner, &in->refiner));
    LT_TRY(lt_image_prompts_open(&o.image_prompts, o.model.models, &in->prompts));
    LT_TRY(lt_control_inputs_open(&o.controls, o.model.models, lt_session_model(*session), &in->controls));
    return o.from ? follow_picture(*session, in) : LT_OK;
}

/* Only a model that reads no text, or one that is told a class, can do without a prompt; "" is one. */
static int check_prompt(const lt_session *session) {
    const lt_model_info info = lt_model_describe(lt_session_model(session));
    if (o.prompt || o.request.class_name || !info.draws || !info.context_dim) return LT_EXIT_OK;
    return lt_complain(LT_EXIT_USAGE, "what is to be drawn? say it with -p PROMPT; -p \"\" is the empty prompt");
}

static int run(int count, char **words) {
    int status = take_words(count, words);
    if (!status) status = check_outputs();
    if (!status) status = check_guides();
    if (!status) status = lt_image_prompts_check(&o.image_prompts);
    if (!status) status = check_regions();
    if (!status) status = lt_control_check(&o.controls);
    if (status) return status;
    lt_inputs in = {0};
    lt_session *session = NULL;
    lt_status done = read_prompts(&in); /* a signal ends this at once, for it may wait for somebody who types */
    lt_stop_on_signals();
    if (!done) done = open_inputs(&in, &session);
    if (!done) status = check_prompt(session);
    if (!done && !status) done = draw_all(session, &in);
    done = lt_close(&o.model, session, done);
    free_inputs(&in);
    return done ? lt_complain_of(done) : status;
}

static int run_img2img(int count, char **words) {
    return o.input ? run(count, words) : lt_complain(LT_EXIT_USAGE, "which picture? name it with -i IN");
}

static int run_inpaint(int count, char **words) {
    return o.mask ? run_img2img(count, words) : lt_complain(LT_EXIT_USAGE, "which part? name a mask with --mask MASK");
}

const lt_command lt_command_txt2img = {
    "txt2img",
    "make a picture from words",
    "[-m MODEL] -p PROMPT [options] [-o OUT.png]",
    "`latent PROMPT` is the same; with -i it is img2img, with --mask inpaint. Without -m the small\n"
    "model draws that comes with Latent. Without -o, and in a folder, a picture gets a name of its\n"
    "own, of prompt and seed.",
    "  latent txt2img -p \"a red apple, 3d style\" --seed 7 -o apple.png\n"
    "  latent txt2img -m sd15.safetensors -p \"(misty:1.3) forest\" -n \"people\" --size 512x768 -b 4 -o out/\n",
    options + TEXT_OPTIONS,
    run,
    begin,
};

const lt_command lt_command_img2img = {
    "img2img",
    "change a picture by words",
    "[-m MODEL] -i IN -p PROMPT [--strength S] [options] [-o OUT.png]",
    "The picture is encoded, noised as far as --strength says, and drawn anew from there.",
    "  latent img2img -i apple.png -p \"a green apple\" --strength 0.6 -o green.png\n",
    options + INPUT_OPTIONS,
    run_img2img,
    begin,
};

const lt_command lt_command_inpaint = {
    "inpaint",
    "repaint the part of a picture that a mask shows",
    "[-m MODEL] -i IN --mask MASK -p PROMPT [options] [-o OUT.png]",
    NULL,
    "  latent inpaint -i room.png --mask window.png -p \"a round window\" -m sd15.safetensors -o new.png\n",
    options,
    run_inpaint,
    begin,
};
