/* OpenAI's requests for pictures as jobs (openai-python's types/image_generate_params.py and its neighbours); what that
 * API has no word for goes by LocalAI's: a negative prompt behind "|", step. */
#include "openai_request.h"

#include "json_lax.h"
#include "tools/base64.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct reading {
    const json_t *in;
    const lt_openai_host *host;
    lt_openai_drawing *out;
} reading;

static LT_PRINTF(4, 5) bool fail(reading *r, const char *param, const char *code, const char *format, ...) {
    lt_openai_fault *fault = &r->out->fault;
    va_list values;
    va_start(values, format);
    fault->status = 400;
    fault->param = param;
    fault->code = code;
    vsnprintf(fault->message, sizeof fault->message, format, values);
    va_end(values);
    return false;
}

static bool put(reading *r, const char *key, json_t *value) {
    if (!json_object_set_new(r->out->job, key, value)) return true;
    fail(r, NULL, NULL, "out of memory");
    r->out->fault.status = 500;
    return false;
}

/* ---- Prompts ---- */

/* The "|" that parts the negative prompt: outside of [], in which it is one of the prompt's own signs. */
static const char *find_bar(const char *prompt) {
    int depth = 0;
    for (const char *c = prompt; *c; c++) {
        if (*c == '\\' && c[1])
            c++;
        else if (*c == '[')
            depth++;
        else if (*c == ']' && depth)
            depth--;
        else if (*c == '|' && !depth)
            return c;
    }
    return NULL;
}

static json_t *trimmed(const char *text, size_t size) {
    while (size && (*text == ' ' || *text == '\n')) text++, size--;
    while (size && (text[size - 1] == ' ' || text[size - 1] == '\n')) size--;
    return json_stringn(text, size);
}

static bool put_prompt(reading *r, const char *prompt) {
    const char *bar = find_bar(prompt), *negative = lt_lax_text(r->in, "negative_prompt");
    if (!bar) return put(r, "prompt", json_string(prompt)) && put(r, "negative_prompt", json_string(negative));
    return put(r, "prompt", trimmed(prompt, (size_t)(bar - prompt))) &&
           put(r, "negative_prompt", trimmed(bar + 1, strlen(bar + 1)));
}

/* A variation has none: nothing but the picture says what to draw, so there is nothing to be guided by. */
static bool read_prompt(reading *r) {
    const json_t *prompt = lt_lax_get(r->in, "prompt");
    if (r->out->kind == LT_OPENAI_VARIATION)
        return put(r, "prompt", json_string("")) && put(r, "guidance", json_real(1));
    if (!prompt) return fail(r, "prompt", "missing_required_parameter", "Missing required parameter: 'prompt'.");
    if (!json_is_string(prompt))
        return fail(r, "prompt", "invalid_type", "Invalid type for 'prompt': expected a string.");
    return put_prompt(r, json_string_value(prompt));
}

/* ---- A whole number ---- */

/* -1 where it isn't said. */
static bool int_of(reading *r, const char *key, json_int_t low, json_int_t high, json_int_t *out) {
    const json_t *value = lt_lax_get(r->in, key);
    *out = -1;
    if (!value) return true;
    if (!lt_lax_int(value, out))
        return fail(r, key, "invalid_type", "Invalid type for '%s': expected an integer.", key);
    return (*out >= low && *out <= high) ||
           fail(r, key, "integer_out_of_range", "Invalid '%s': %lld, expected %lld to %lld.", key, (long long)*out,
                (long long)low, (long long)high);
}

/* ---- Choices ---- */

typedef struct choice {
    const char *said, *means;
    int steps;
} choice;

static const choice formats[] = {{"", "png"}, {"png", "png"}, {"jpeg", "jpeg"}, {"jpg", "jpeg"}, {"webp", "webp"}, {0}};
/* Steps of the sampler; 0: as many as elsewhere. */
static const choice qualities[] = {{"", "medium", 0},         {"auto", "medium", 0},
                                   {"standard", "medium", 0}, {"low", "low", 10},
                                   {"medium", "medium", 20},  {"high", "high", 30},
                                   {"hd", "high", 30},        {"xhigh", "xhigh", 40},
                                   {"max", "max", 50},        {0}};
static const choice answers[] = {{"", ""}, {"url", "url"}, {"b64_json", "b64_json"}, {0}};
static const choice backgrounds[] = {{"", "opaque"}, {"auto", "opaque"}, {"opaque", "opaque"}, {0}};

static const choice *choose(reading *r, const char *key, const choice *rows) {
    const char *said = lt_lax_text(r->in, key);
    for (; rows->said; rows++)
        if (!strcmp(rows->said, said)) return rows;
    fail(r, key, "invalid_value", "Invalid value: '%.100s'. It is not supported for '%s' here.", said, key);
    return NULL;
}

static bool read_quality(reading *r) {
    const choice *quality = choose(r, "quality", qualities);
    if (!quality) return false;
    r->out->quality = quality->means;
    return !quality->steps || put(r, "steps", json_integer(quality->steps));
}

/* Their 0 is our 1. */
static bool put_quality(reading *r) {
    json_int_t compression;
    if (!int_of(r, "output_compression", 0, 100, &compression)) return false;
    return compression < 0 || put(r, "quality", json_integer(compression ? compression : 1));
}

static bool read_format(reading *r) {
    const choice *format = choose(r, "output_format", formats);
    if (!format || !choose(r, "background", backgrounds)) return false;
    r->out->format = format->means;
    const bool jpeg = !strcmp(format->means, "jpeg");
    if (!strcmp(format->means, "png")) return true;
    return put(r, "format", json_string(jpeg ? "jpg" : format->means)) && put_quality(r);
}

/* Where nothing is said, the models that answered with addresses still do. */
static bool read_answer(reading *r) {
    const choice *answer = choose(r, "response_format", answers);
    const bool old = !strncmp(lt_lax_text(r->in, "model"), "dall-e", 6);
    if (!answer) return false;
    r->out->url = *answer->said ? !strcmp(answer->said, "url") : old;
    return true;
}

/* ---- Numbers ---- */

static bool put_int(reading *r, const char *key, const char *ours, json_int_t low, json_int_t high) {
    json_int_t value;
    if (!int_of(r, key, low, high, &value)) return false;
    return value < 0 || put(r, ours, json_integer(value));
}

static bool put_number(reading *r, const char *key, const char *ours) {
    double number;
    const json_t *value = lt_lax_get(r->in, key);
    if (!value) return true;
    if (!lt_lax_number(value, &number))
        return fail(r, key, "invalid_type", "Invalid type for '%s': expected a number.", key);
    return put(r, ours, json_real(number));
}

/* "512x768"; "auto" is the model's own, or that of the picture that is sent. */
static bool read_size(reading *r) {
    const char *size = lt_lax_text(r->in, "size");
    int width, height, end = 0;
    if (!*size || !strcmp(size, "auto")) return true;
    if (sscanf(size, "%5dx%5d%n", &width, &height, &end) != 2 || size[end] || width < 1 || height < 1)
        return fail(r, "size", "invalid_value", "Invalid value: '%.100s'. A size is 'auto' or as '512x512'.", size);
    return put(r, "width", json_integer(width)) && put(r, "height", json_integer(height));
}

static bool read_numbers(reading *r) {
    return put_int(r, "n", "count", 1, 10) && read_size(r) && put_int(r, "step", "steps", 1, 1000) &&
           put_int(r, "steps", "steps", 1, 1000) && put_int(r, "seed", "seed", 0, INT64_MAX) &&
           put_number(r, "cfg_scale", "guidance");
}

static bool read_stream(reading *r) {
    json_int_t partial;
    bool stream = false;
    const json_t *said = lt_lax_get(r->in, "stream");
    if (said && !lt_lax_flag(said, &stream))
        return fail(r, "stream", "invalid_type", "Invalid type for 'stream': expected a boolean.");
    if (!int_of(r, "partial_images", 0, 3, &partial)) return false;
    r->out->stream = stream && r->out->kind != LT_OPENAI_VARIATION;
    r->out->partial_images = partial > 0 && stream ? (int)partial : 0;
    return !r->out->partial_images || put(r, "preview", json_true());
}

/* ---- The model ---- */

/* Clients that were made for OpenAI name its models: these are the server's own, if none is called so. */
static bool read_model(reading *r) {
    static const char *const theirs[] = {"dall-e", "gpt-image", "chatgpt-image"};
    const char *name = lt_lax_text(r->in, "model");
    if (!*name || r->host->has_model(r->host->user, name)) return !*name || put(r, "model", json_string(name));
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        if (!strncmp(name, theirs[i], strlen(theirs[i]))) return true;
    fail(r, "model", "model_not_found", "The model '%.200s' does not exist.", name);
    r->out->fault.status = 404;
    return false;
}

/* ---- Pictures ---- */

/* "image", "image[]" of a form as a list, and images: [{"image_url": data URL}]. */
static const json_t *picture_of(reading *r) {
    const json_t *images = lt_lax_get(r->in, "images"), *image = lt_lax_get(r->in, "image");
    if (json_is_array(images)) image = images;
    if (json_is_array(image) && json_array_size(image) > 1) {
        fail(r, "image", "too_many_images", "One image is edited at a time here.");
        return NULL;
    }
    if (json_is_array(image)) image = json_array_get(image, 0);
    if (json_is_object(image)) image = lt_lax_get(image, "image_url");
    if (!json_is_string(image)) fail(r, "image", "missing_required_parameter", "Missing required parameter: 'image'.");
    return json_is_string(image) ? image : NULL;
}

static bool is_transparent(const lt_image *image) {
    const size_t count = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; image->alpha && i < count; i++)
        if (image->alpha[i] != 255) return true;
    return false;
}

/* Reads it, so that one that is none is told as such. */
static bool look_at(reading *r, const char *key, const json_t *value, bool *transparent) {
    size_t size;
    lt_image image;
    void *bytes = json_is_string(value) ? lt_base64_read(json_string_value(value), &size) : NULL;
    const lt_status status = bytes ? lt_image_read(bytes, size, r->host->most_pixels, &image) : LT_ERROR_FORMAT;
    *transparent = !status && is_transparent(&image);
    if (!status) lt_image_free(&image);
    if (status)
        fail(r, key, "invalid_image", "Invalid image: %s",
             bytes ? lt_error_message() : "it is no base64, or it is empty");
    free(bytes);
    return !status;
}

/* What is transparent in the mask, or else in the picture, is drawn anew, whatever was there. */
static bool put_mask(reading *r, const json_t *picture, bool transparent) {
    const json_t *mask = lt_lax_get(r->in, "mask");
    bool clear;
    if (json_is_object(mask)) mask = lt_lax_get(mask, "image_url");
    if (mask && !look_at(r, "mask", mask, &clear)) return false;
    if (!mask && transparent) mask = picture;
    if (!mask) return true;
    return put(r, "mask", json_incref((json_t *)mask)) && put(r, "mask_rule", json_string("transparent")) &&
           put(r, "strength", json_real(1));
}

static bool read_pictures(reading *r) {
    bool transparent;
    if (r->out->kind == LT_OPENAI_GENERATION) return true;
    const json_t *picture = picture_of(r);
    if (!picture || !look_at(r, "image", picture, &transparent)) return false;
    if (!put(r, "image", json_incref((json_t *)picture))) return false;
    if (r->out->kind == LT_OPENAI_EDIT && !put_mask(r, picture, transparent)) return false;
    return put_number(r, "strength", "strength");
}

/* ---- All of it ---- */

static bool read_all(reading *r) {
    return read_prompt(r) && read_model(r) && read_quality(r) && read_format(r) && read_answer(r) && read_numbers(r) &&
           read_stream(r) && read_pictures(r);
}

bool lt_openai_read(const json_t *body, lt_openai_kind kind, const lt_openai_host *host, lt_openai_drawing *drawing) {
    *drawing = (lt_openai_drawing){.kind = kind, .job = json_object()};
    reading r = {body, host, drawing};
    const bool good = json_is_object(body) ? read_all(&r) : fail(&r, NULL, NULL, "The body is no JSON object.");
    if (!good) lt_openai_drawing_free(drawing);
    return good;
}

void lt_openai_drawing_free(lt_openai_drawing *drawing) {
    json_decref(drawing->job);
    drawing->job = NULL;
}
