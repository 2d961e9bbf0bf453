/* Jobs: a table of their own keys; all others are fields of lt_request. */
#include "request.h"

#include "tools.h"
#include "tools/base64.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who reads: what may be asked for, and where an error is ("controls[1].image"). */
typedef struct reader {
    lt_job_request *out;
    const lt_job_limits *limits;
    char at[64];
    void *file; /* [file_size]: of the picture to start from, until the job is read */
    size_t file_size;
} reader;

typedef lt_status read_fn(reader *r, const char *name, const json_t *value, void *to);

/* A key of an object: its reader and the place in the struct that it fills. */
typedef struct key {
    const char *name;
    read_fn *read;
    size_t offset;
    int kinds; /* of jobs that have it */
} key;
enum { BOTH = LT_JOB_GENERATE | LT_JOB_UPSCALE };

/* Between where it is and a name in there; the item itself has none. */
static const char *dot(const reader *r, const char *name) { return *r->at && *name ? "." : ""; }

static lt_status refuse(const reader *r, const char *name, const char *wanted) {
    return lt_fail(LT_ERROR_ARGUMENT, "%s%s%s: %s is wanted", r->at, dot(r, name), name, wanted);
}

/* ---- Values ---- */

/* Of a model on the shelf. No path: a slash makes it none of these names anyway, and this says so. */
static lt_status read_name(reader *r, const char *name, const json_t *value, void *to) {
    const char *text = json_string_value(value);
    if (json_is_null(value)) return LT_OK;
    if (!text || !*text || strlen(text) > 255) return refuse(r, name, "a name as GET /latent/v1/models has it");
    memcpy(to, &text, sizeof text);
    return LT_OK;
}

static lt_status read_format(reader *r, const char *name, const json_t *value, void *to) {
    static const char *const formats[] = {"png", "jpg", "webp"};
    const char *text = json_string_value(value);
    if (text && !strcmp(text, "jpeg")) text = "jpg";
    for (size_t i = 0; text && i < LT_COUNT(formats); i++)
        if (!strcmp(text, formats[i])) return memcpy(to, &formats[i], sizeof *formats), LT_OK;
    return refuse(r, name, "png, jpg or webp");
}

static lt_status read_quality(reader *r, const char *name, const json_t *value, void *to) {
    const json_int_t quality = json_integer_value(value);
    if (!json_is_integer(value) || quality < 1 || quality > 100)
        return refuse(r, name, "a whole number from 1 up to 100");
    memcpy(to, &(int){(int)quality}, sizeof(int));
    return LT_OK;
}

/* bytes [size]: the file, the caller's; NULL where the value is null. */
static lt_status read_file(reader *r, const char *name, const json_t *value, void **bytes, size_t *size) {
    *bytes = json_is_string(value) ? lt_base64_read(json_string_value(value), size) : NULL;
    return *bytes || json_is_null(value) ? LT_OK : refuse(r, name, "a PNG, JPEG or WebP in base64");
}

static lt_status unpack(const reader *r, const char *name, const void *bytes, size_t size, lt_image *to) {
    const double most = r->limits->pixels;
    if (!bytes) return LT_OK;
    const lt_status status = lt_image_read(bytes, size, most > 0 ? (size_t)most : 0, to);
    return status ? lt_fail_in(status, "%s%s%s", r->at, dot(r, name), name) : LT_OK;
}

static lt_status read_image(reader *r, const char *name, const json_t *value, void *to) {
    void *bytes;
    size_t size = 0;
    LT_TRY(read_file(r, name, value, &bytes, &size));
    const lt_status status = unpack(r, name, bytes, size, to);
    free(bytes);
    return status;
}

/* Its file stays, for what it says of itself. */
static lt_status read_start(reader *r, const char *name, const json_t *value, void *to) {
    LT_TRY(read_file(r, name, value, &r->file, &r->file_size));
    return unpack(r, name, r->file, r->file_size, to);
}

static lt_status read_scale(reader *r, const char *name, const json_t *value, void *to) {
    const double scale = json_number_value(value);
    if (!json_is_number(value) || !(scale == 0 || (scale >= 1 && scale <= 64)))
        return refuse(r, name, "a number from 1 up to 64, or 0 for the upscaler's own");
    memcpy(to, &scale, sizeof scale);
    return LT_OK;
}

static lt_status read_double(reader *r, const char *name, const json_t *value, void *to) {
    const double number = json_number_value(value);
    if (!json_is_number(value) || !(fabs(number) <= 1000)) return refuse(r, name, "a number from -1000 up to 1000");
    memcpy(to, &number, sizeof number);
    return LT_OK;
}

static lt_status read_float(reader *r, const char *name, const json_t *value, void *to) {
    double number;
    LT_TRY(read_double(r, name, value, &number));
    memcpy(to, &(float){(float)number}, sizeof(float));
    return LT_OK;
}

/* A number of a struct, by the reader of its type: what a table says of neither can't be wrong. */
#define NUMBER(name, type, member)                                                                                     \
    { name, _Generic(((type *)0)->member, float : read_float, double : read_double), offsetof(type, member) }

static lt_status read_text(reader *r, const char *name, const json_t *value, void *to) {
    const char *text = json_string_value(value);
    if (!text || strlen(text) > LT_JOB_TEXT) return refuse(r, name, "a text of 64 KiB at most");
    memcpy(to, &text, sizeof text);
    return LT_OK;
}

static lt_status read_kind(reader *r, const char *name, const json_t *value, void *to) {
    const char *text = json_string_value(value);
    const lt_job_kind kind = text && !strcmp(text, "upscale") ? LT_JOB_UPSCALE : LT_JOB_GENERATE;
    if (!text || (kind == LT_JOB_GENERATE && strcmp(text, "generate"))) return refuse(r, name, "generate or upscale");
    memcpy(to, &kind, sizeof kind);
    return LT_OK;
}

/* ---- Objects ---- */

static const key *find_key(const key *keys, const char *name) {
    for (; keys->name; keys++)
        if (!strcmp(keys->name, name)) return keys;
    return NULL;
}

static const lt_field *find_field(const lt_field *fields, const char *name) {
    for (; fields && fields->name; fields++)
        if (fields->kind != LT_FIELD_RESERVED && !strcmp(fields->name, name)) return fields;
    return NULL;
}

static lt_status refuse_key(const reader *r, const key *keys, const lt_field *fields, const char *name) {
    lt_nearest nearest = {.word = name};
    for (; keys->name; keys++) lt_nearest_try(&nearest, keys->name, keys->name);
    for (; fields && fields->name; fields++)
        if (fields->kind != LT_FIELD_RESERVED) lt_nearest_try(&nearest, fields->name, fields->name);
    return lt_fail(LT_ERROR_ARGUMENT, "%s%s%.100s: there is no such key%s%s", r->at, dot(r, name), name,
                   nearest.name ? "; did you mean " : "", nearest.name ? nearest.name : "");
}

/* Keys fill to, fields fill options. */
static lt_status read_object(reader *r, const json_t *object, const key *keys, void *to, const lt_field *fields,
                             void *options) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        const key *own = find_key(keys, name);
        const lt_field *field = own ? NULL : find_field(fields, name);
        if (!own && !field) return refuse_key(r, keys, fields, name);
        if (own) LT_TRY(own->read(r, name, value, (char *)to + own->offset));
        const lt_status status = field ? lt_job_field_read(field, value, options) : LT_OK;
        if (status) return *r->at ? lt_fail(status, "%s.%s", r->at, lt_error_message()) : status;
    }
    return LT_OK;
}

/* Of a list, into what out has for it at i. */
typedef lt_status read_item_fn(reader *r, const json_t *item, size_t i);

static lt_status read_items(reader *r, const char *name, const json_t *list, size_t most, read_item_fn *read,
                            size_t *count) {
    if (!json_is_array(list)) return refuse(r, name, "a list");
    if (json_array_size(list) > most) return lt_fail(LT_ERROR_UNSUPPORTED, "%s: %zu at most", name, most);
    for (*count = 0; *count < json_array_size(list); ++*count) {
        snprintf(r->at, sizeof r->at, "%s[%zu]", name, *count);
        LT_TRY(read(r, json_array_get(list, *count), *count));
    }
    *r->at = 0;
    return LT_OK;
}

/* ---- Lists ---- */

static const key lora_keys[] = {{"name", read_name, offsetof(lt_lora, file)},
                                NUMBER("strength", lt_lora, strength),
                                NUMBER("text_strength", lt_lora, text_strength),
                                {0}};

static lt_status read_lora(reader *r, const json_t *item, size_t i) {
    lt_lora *lora = &r->out->loras[i];
    *lora = (lt_lora){.strength = 1, .text_strength = NAN};
    if (!json_is_object(item)) return refuse(r, "", "{name, strength}");
    LT_TRY(read_object(r, item, lora_keys, lora, NULL, NULL));
    if (isnan(lora->text_strength)) lora->text_strength = lora->strength;
    return lora->file ? LT_OK : refuse(r, "name", "the LoRA's name");
}

static lt_status read_loras(reader *r, const char *name, const json_t *list, void *to) {
    (void)to;
    r->out->request.loras = r->out->loras;
    return read_items(r, name, list, LT_JOB_LORAS, read_lora, &r->out->request.lora_count);
}

static lt_status read_embedding(reader *r, const json_t *item, size_t i) {
    LT_TRY(read_name(r, "", item, &r->out->embeddings[i]));
    return r->out->embeddings[i] ? LT_OK : refuse(r, "", "an embedding's name");
}

static lt_status read_embeddings(reader *r, const char *name, const json_t *list, void *to) {
    (void)to;
    r->out->request.embeddings = r->out->embeddings;
    return read_items(r, name, list, LT_JOB_EMBEDDINGS, read_embedding, &r->out->request.embedding_count);
}

static const key region_keys[] = {{"prompt", read_text, offsetof(lt_region, prompt)}, {0}};

static lt_status read_region(reader *r, const json_t *item, size_t i) {
    lt_region *region = &r->out->regions[i];
    lt_image *mask = &r->out->region_masks[i];
    if (!json_is_object(item)) return refuse(r, "", "{mask, prompt}");
    json_t *rest = json_copy((json_t *)(uintptr_t)item); /* without the mask, which goes elsewhere */
    if (!rest) return lt_fail(LT_ERROR_MEMORY, "out of memory for a job");
    json_object_del(rest, "mask");
    lt_status status = read_object(r, rest, region_keys, region, NULL, NULL);
    json_decref(rest);
    if (!status) status = read_image(r, "mask", json_object_get(item, "mask"), mask);
    region->mask = mask;
    if (!status && (!mask->pixels || !region->prompt)) return refuse(r, "", "{mask, prompt}");
    return status;
}

static lt_status read_regions(reader *r, const char *name, const json_t *list, void *to) {
    (void)to;
    r->out->request.regions = r->out->regions;
    return read_items(r, name, list, LT_JOB_REGIONS, read_region, &r->out->request.region_count);
}

static const key control_keys[] = {
    {"model", read_name, offsetof(lt_job_control, model)}, {"image", read_image, offsetof(lt_job_control, image)}, {0}};

static lt_status read_control(reader *r, const json_t *item, size_t i) {
    lt_control *control = &r->out->controls[i];
    lt_job_control *input = &r->out->control_inputs[i];
    *control = lt_control_defaults();
    if (!json_is_object(item)) return refuse(r, "", "{model, image, strength, ...}");
    LT_TRY(read_object(r, item, control_keys, input, lt_control_fields(), control));
    control->image = &input->image;
    if (!input->model) return refuse(r, "model", "the control's name");
    return input->image.pixels ? LT_OK : refuse(r, "image", "a picture");
}

static lt_status read_controls(reader *r, const char *name, const json_t *list, void *to) {
    (void)to;
    r->out->request.controls = r->out->controls;
    return read_items(r, name, list, LT_MAX_CONTROLS, read_control, &r->out->request.control_count);
}

/* An lt_image_prompt has no table: it and its inputs are read one after the other into one struct. */
typedef struct image_prompt {
    lt_image_prompt prompt;
    lt_job_image_prompt input;
} image_prompt;
static const key image_prompt_keys[] = {{"adapter", read_name, offsetof(image_prompt, input.adapter)},
                                        {"image", read_image, offsetof(image_prompt, input.image)},
                                        {"mask", read_image, offsetof(image_prompt, input.mask)},
                                        NUMBER("scale", image_prompt, prompt.scale),
                                        NUMBER("start", image_prompt, prompt.start),
                                        NUMBER("end", image_prompt, prompt.end),
                                        {0}};

static lt_status read_image_prompt(reader *r, const json_t *item, size_t i) {
    lt_image_prompt *prompt = &r->out->image_prompts[i];
    lt_job_image_prompt *input = &r->out->image_prompt_inputs[i];
    image_prompt read = {.prompt = lt_image_prompt_defaults()};
    if (!json_is_object(item)) return refuse(r, "", "{adapter, image, scale, ...}");
    const lt_status status = read_object(r, item, image_prompt_keys, &read, NULL, NULL);
    *prompt = read.prompt;
    *input = read.input;
    prompt->image = &input->image;
    prompt->mask = input->mask.pixels ? &input->mask : NULL;
    if (status) return status;
    if (!input->adapter) return refuse(r, "adapter", "the adapter's name");
    return input->image.pixels ? LT_OK : refuse(r, "image", "a picture");
}

static lt_status read_image_prompts(reader *r, const char *name, const json_t *list, void *to) {
    (void)to;
    r->out->request.image_prompts = r->out->image_prompts;
    return read_items(r, name, list, LT_MOST_IMAGE_PROMPTS, read_image_prompt, &r->out->request.image_prompt_count);
}

/* ---- The job ---- */

static lt_status read_none(reader *r, const char *name, const json_t *value, void *to) {
    (void)value, (void)to;
    return lt_fail(LT_ERROR_ARGUMENT, "%s%s%s: it can't be set here", r->at, dot(r, name), name);
}

/* clang-format off */
#define AT(member) offsetof(lt_job_request, member)
static const key keys[] = {
    {"kind", read_kind, AT(kind), BOTH},
    {"format", read_format, AT(format), BOTH},
    {"quality", read_quality, AT(quality), BOTH},
    {"image", read_start, AT(image), BOTH},
    {"upscaler", read_name, AT(upscaler), LT_JOB_UPSCALE},
    {"scale", read_scale, AT(scale), LT_JOB_UPSCALE},
    {"mask", read_image, AT(mask), LT_JOB_GENERATE},
    {"model", read_name, AT(model), LT_JOB_GENERATE},
    {"vae", read_name, AT(vae), LT_JOB_GENERATE},
    {"preview_vae", read_name, AT(preview_vae), LT_JOB_GENERATE},
    {"image_encoder", read_name, AT(image_encoder), LT_JOB_GENERATE},
    {"classifier", read_name, AT(classifier), LT_JOB_GENERATE},
    {"clip", read_name, AT(clip), LT_JOB_GENERATE},
    {"refiner", read_name, AT(refiner), LT_JOB_GENERATE},
    {"loras", read_loras, 0, LT_JOB_GENERATE},
    {"embeddings", read_embeddings, 0, LT_JOB_GENERATE},
    {"regions", read_regions, 0, LT_JOB_GENERATE},
    {"controls", read_controls, 0, LT_JOB_GENERATE},
    {"image_prompts", read_image_prompts, 0, LT_JOB_GENERATE},
    {"last", read_none, 0, 0},       /* another job may follow */
    {"keep_steps", read_none, 0, 0}, /* a result has pictures alone */
    {0},
};
#undef AT
/* clang-format on */

static lt_status check_kind(const json_t *job, lt_job_kind kind) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)job, name, value) {
        const key *own = find_key(keys, name);
        const int kinds = own ? own->kinds : LT_JOB_GENERATE;
        if (!(kinds & (int)kind))
            return lt_fail(LT_ERROR_ARGUMENT, "%s: not of a job of this kind (%s)", name,
                           kind == LT_JOB_UPSCALE ? "upscale" : "generate");
    }
    return LT_OK;
}

static lt_status check_whole(const lt_job_request *out, const json_t *job) {
    if (out->kind == LT_JOB_UPSCALE && !out->image.pixels)
        return lt_fail(LT_ERROR_ARGUMENT, "image: a picture is wanted");
    if (out->kind == LT_JOB_UPSCALE && !out->upscaler)
        return lt_fail(LT_ERROR_ARGUMENT, "upscaler: a name is wanted, as GET /latent/v1/models has it");
    if (out->quality && !strcmp(out->format, "png"))
        return lt_fail(LT_ERROR_ARGUMENT, "quality: a PNG loses nothing; format jpg or webp is wanted with it");
    if (out->mask.pixels && !out->image.pixels)
        return lt_fail(LT_ERROR_ARGUMENT, "mask: without an image there is nothing to repaint");
    return check_kind(job, out->kind);
}

static lt_status check_numbers(const lt_job_request *out, const lt_job_limits *limits) {
    const lt_request *r = &out->request;
    const int steps = r->steps > r->hires_steps ? r->steps : r->hires_steps;
    if (limits->steps && steps > limits->steps)
        return lt_fail(LT_ERROR_UNSUPPORTED, "steps: %d; this server does %d at most", steps, limits->steps);
    if (limits->count && r->count > limits->count)
        return lt_fail(LT_ERROR_UNSUPPORTED, "count: %d; this server draws %d at most", r->count, limits->count);
    return lt_job_request_fits(out, limits, 64, 64); /* again when the model is known */
}

lt_status lt_job_request_fits(const lt_job_request *job, const lt_job_limits *limits, int width, int height) {
    const lt_request *r = &job->request;
    const double own_width = job->image.pixels ? job->image.width : width;
    const double own_height = job->image.pixels ? job->image.height : height;
    const double w = r->width ? r->width : own_width, h = r->height ? r->height : own_height;
    const bool both = r->hires_width && r->hires_height, one = r->hires_width || r->hires_height;
    const double scale = both  ? fmax(r->hires_width / w, r->hires_height / h)
                         : one ? (r->hires_width ? r->hires_width / w : r->hires_height / h)
                               : fmax(r->hires_scale, 1);
    const double grown = job->kind == LT_JOB_UPSCALE ? fmax(job->scale, 1) : fmax(scale, 1);
    const double pixels = w * h * grown * grown;
    if (limits->pixels <= 0 || pixels <= limits->pixels) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED, "a picture of %.1f million pixels: this server makes %.1f at most",
                   1e-6 * pixels, 1e-6 * limits->pixels);
}

/* A larger picture says how the small one was made, as that of the command line does. */
static lt_status read_image_parameters(const reader *r) {
    const lt_status status = lt_image_read_parameters(r->file, r->file_size, &r->out->image_parameters);
    return status ? lt_fail_in(status, "image") : LT_OK;
}

static lt_status read_job(reader *r, const json_t *job) {
    lt_job_request *out = r->out;
    LT_TRY(read_object(r, job, keys, out, lt_request_fields(), &out->request));
    LT_TRY(check_whole(out, job));
    if (out->kind == LT_JOB_UPSCALE) LT_TRY(read_image_parameters(r));
    out->request.image = out->image.pixels ? &out->image : NULL;
    out->request.mask = out->mask.pixels ? &out->mask : NULL;
    out->request.random_seed &= !json_object_get(job, "seed");
    return check_numbers(out, r->limits);
}

lt_status lt_job_request_read(const json_t *job, const lt_job_limits *limits, lt_job_request *out) {
    *out = (lt_job_request){.kind = LT_JOB_GENERATE, .format = "png", .request = lt_request_defaults()};
    reader r = {.out = out, .limits = limits};
    if (!json_is_object(job)) return lt_fail(LT_ERROR_ARGUMENT, "a job is a JSON object");
    const lt_status status = read_job(&r, job);
    free(r.file);
    if (status) lt_job_request_free(out);
    return status;
}

void lt_job_request_free(lt_job_request *request) {
    lt_image_free(&request->image);
    lt_image_free(&request->mask);
    lt_string_free(request->image_parameters);
    for (size_t i = 0; i < LT_COUNT(request->region_masks); i++) lt_image_free(&request->region_masks[i]);
    for (size_t i = 0; i < LT_COUNT(request->control_inputs); i++) lt_image_free(&request->control_inputs[i].image);
    for (size_t i = 0; i < LT_COUNT(request->image_prompt_inputs); i++) {
        lt_image_free(&request->image_prompt_inputs[i].image);
        lt_image_free(&request->image_prompt_inputs[i].mask);
    }
    *request = (lt_job_request){0};
}
