/* What a page asks while somebody writes: how many tokens a prompt has, which settings a picture or its text holds, and
 * what a model is. */
#include "jobs_api.h"
#include "models.h"
#include "request.h"
#include "tools.h"
#include "tools/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Tokens ---- */

enum { CHUNK = 75 };

static const lt_tokenizer *tokenizer_of(const lt_http_request *r) { return lt_server_tokenizer(lt_http_server(r)); }

static size_t count_tokens(const lt_tokenizer *tokenizer, const char *text, size_t size) {
    lt_tokens tokens;
    char *own = tool_calloc(size + 1, 1);
    if (!own) return 0;
    memcpy(own, text, size);
    const lt_status status = lt_tokenize_by(tokenizer, own, &tokens);
    const size_t count = status ? 0 : tokens.count;
    if (!status) lt_tokens_free(&tokens);
    free(own);
    return count;
}

/* A BREAK fills its chunk. */
static size_t tokens_said(const lt_tokenizer *tokenizer, const lt_said *said) {
    size_t count = 0;
    for (size_t i = 0; i < said->attention_count; i++) {
        const lt_weighed *w = &said->attention[i];
        count = w->weight < 0 ? (count + CHUNK - 1) / CHUNK * CHUNK : count + count_tokens(tokenizer, w->text, w->size);
    }
    return count;
}

/* Of what it says at any step, in any part, the longest, as the web UIs show it. */
static size_t tokens_read(const lt_tokenizer *tokenizer, const lt_reading *reading) {
    size_t most = 0;
    for (size_t p = 0; p < reading->part_count; p++)
        for (size_t i = 0; i < reading->parts[p].said_count; i++) {
            const size_t count = tokens_said(tokenizer, &reading->parts[p].said[i]);
            if (count > most) most = count;
        }
    return most;
}

static json_t *networks_json(const lt_reading *reading) {
    json_t *list = json_array();
    for (size_t i = 0; i < reading->network_count; i++)
        if (reading->networks[i].argument_count)
            json_array_append_new(list, json_string(reading->networks[i].arguments[0]));
    return list;
}

/* Without one it is empty; false: it is no text, or too long. */
static bool read_prompt(const json_t *body, lt_request *request) {
    const json_t *prompt = json_object_get(body, "prompt");
    if (json_is_string(prompt)) request->prompt = json_string_value(prompt);
    return (!prompt || json_is_string(prompt)) && strlen(request->prompt) <= LT_JOB_TEXT;
}

/* {"prompt": text}: {"tokens", "room" up to the end of the last chunk, "networks"} */
static void post_tokens(lt_http_request *r) {
    lt_request request = lt_request_defaults();
    lt_reading reading;
    json_t *body = lt_http_json(r);
    if (!body) return;
    if (!read_prompt(body, &request))
        lt_http_fail(r, 400, "prompt: a text of 64 KiB at most is wanted");
    else if (lt_read_prompt(&request, false, 0, &reading))
        lt_http_fail(r, 400, "%s", lt_error_message());
    else {
        const size_t count = tokens_read(tokenizer_of(r), &reading), chunks = count ? (count + CHUNK - 1) / CHUNK : 1;
        lt_http_answer_json(r, 200,
                            json_pack("{s:i, s:i, s:o}", "tokens", (int)count, "room", (int)(chunks * CHUNK),
                                      "networks", networks_json(&reading)));
        lt_reading_free(&reading);
    }
    json_decref(body);
}

static json_t *word_json(const tool_word *w) {
    return json_pack("{s:o, s:i, s:i, s:i, s:f}", "text", lt_text_json(w->text), "id", (int)w->id, "chunk", w->chunk,
                     "place", w->place, "weight", w->weight);
}

static json_t *words_json(const tool_words *words) {
    json_t *list = json_array();
    for (size_t i = 0; i < words->count; i++) json_array_append_new(list, word_json(&words->items[i]));
    return json_pack("{s:i, s:o}", "chunks", words->chunks, "words", list);
}

/* {"prompt": text}: {"chunks", "words": [{"text", "id", "chunk", "place", "weight"}]} */
static void post_words(lt_http_request *r) {
    lt_request request = lt_request_defaults();
    tool_words words = {0};
    json_t *body = lt_http_json(r);
    if (!body) return;
    if (!read_prompt(body, &request))
        lt_http_fail(r, 400, "prompt: a text of 64 KiB at most is wanted");
    else if (tool_words_read(tokenizer_of(r), &request, false, &words))
        lt_http_fail(r, 400, "%s", lt_error_message());
    else
        lt_http_answer_json(r, 200, words_json(&words));
    tool_words_free(&words);
    json_decref(body);
}

/* ---- Settings of a picture ---- */

static json_t *range_json(const float *range) {
    return json_pack("[f, o]", (double)range[0], isfinite(range[1]) ? json_real(range[1]) : json_null());
}

static json_t *seed_json(uint64_t seed) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
    return seed <= INT64_MAX ? json_integer((json_int_t)seed) : json_string(text);
}

/* 7.5f is 7.5 and 0.1f is 0.1: the shortest number that reads back as the same float. */
static json_t *float_json(float value) {
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) break;
    }
    return json_real(strtod(text, NULL));
}

/* The other way than lt_job_field_read; NULL: nothing that a job may say. */
static json_t *field_json(const lt_field *f, const void *options) {
    const void *at = (const char *)options + f->offset;
    switch (f->kind) {
    case LT_FIELD_BOOL: return json_boolean(*(const bool *)at);
    case LT_FIELD_INT: return json_integer(*(const int *)at);
    case LT_FIELD_LONG: return json_integer(*(const long *)at);
    case LT_FIELD_FLOAT: return float_json(*(const float *)at);
    case LT_FIELD_DOUBLE: return json_real(*(const double *)at);
    case LT_FIELD_SEED: return seed_json(*(const uint64_t *)at);
    case LT_FIELD_RANGE: return range_json(at);
    case LT_FIELD_ENUM: return json_string(lt_field_choices(f)[*(const int *)at]);
    case LT_FIELD_TEXT:
    case LT_FIELD_CHOICE: return lt_text_json(*(const char *const *)at);
    case LT_FIELD_LIST:
    case LT_FIELD_SIZE:
    case LT_FIELD_FILE:
    case LT_FIELD_RESERVED: break;
    }
    return NULL;
}

/* What differs from a job that says nothing. */
static json_t *changes_json(const lt_request *request) {
    const lt_request usual = lt_request_defaults();
    json_t *job = json_object();
    for (const lt_field *f = lt_request_fields(); f->name; f++) {
        json_t *value = field_json(f, request), *before = field_json(f, &usual);
        if (value && !json_equal(value, before) && strcmp(f->name, "last") && strcmp(f->name, "keep_steps") &&
            strcmp(f->name, "random_seed"))
            json_object_set(job, f->name, value);
        json_decref(value);
        json_decref(before);
    }
    return job;
}

/* What is no UTF-8 can't be JSON, nor a prompt. */
static void answer_settings(lt_http_request *r, char *text) {
    lt_request request = lt_request_defaults();
    char *texts;
    server_make_utf8(text);
    if (lt_request_from_parameters(text, NULL, &request, &texts)) {
        lt_http_fail(r, 400, "%s", lt_error_message());
        return;
    }
    lt_http_answer_json(r, 200,
                        json_pack("{s:o, s:o}", "parameters", lt_text_json(text), "job", changes_json(&request)));
    lt_string_free(texts);
}

static void answer_text(lt_http_request *r, const char *body, size_t size) {
    char *text = tool_strndup(body, size);
    if (text)
        answer_settings(r, text);
    else
        lt_http_fail(r, 500, "%s", lt_error_message());
    free(text);
}

/* The body is a picture's bytes, or with ?text=1 the text that one holds: {"parameters": text, "job": {...}} */
static void post_parameters(lt_http_request *r) {
    size_t size;
    char *own = NULL;
    const char *body = lt_http_body(r, &size);
    if (lt_http_query(r, "text"))
        answer_text(r, body, size);
    else if (!size || lt_image_read_parameters(body, size, &own))
        lt_http_fail(r, 400, "%s", size ? lt_error_message() : "a picture is wanted: PNG, JPEG or WebP");
    else if (!own)
        lt_http_fail(r, 404, "the picture tells no settings");
    else
        answer_settings(r, own);
    lt_string_free(own);
}

/* ---- What a model is ---- */

static json_t *classes_json(const lt_model_info *info) {
    json_t *list = json_array();
    for (int i = 0; i < info->class_count; i++) json_array_append_new(list, lt_text_json(info->class_names[i]));
    return list;
}

static json_t *info_json(const lt_model_info *info) {
    return json_pack("{s:i, s:i, s:i, s:b, s:s?, s:o}", "width", info->width, "height", info->height, "factor",
                     info->factor, "inpaints", info->unet_channels == 9, "prediction", info->prediction, "classes",
                     classes_json(info));
}

static lt_status borrow(lt_models *models, const char *kind, const char *name, lt_models_entry **entry) {
    if (!kind || strcmp(kind, lt_shelf_kind_name(LT_SHELF_CLASSIFIER)))
        return lt_models_borrow_checkpoint(models, name, entry);
    char *path = lt_models_find(models, LT_SHELF_CLASSIFIER, name ? name : "");
    const lt_status status = path ? lt_models_borrow(models, path, NULL, entry) : LT_ERROR_FILE;
    free(path);
    return status;
}

/* ?name=...: {"width", "height", "factor": sides are multiples of it, "inpaints", "prediction", "classes"} of a
 * checkpoint, or with kind=classifier of a classifier */
static void get_describe(lt_http_request *r) {
    lt_models *models = lt_server_models(lt_http_server(r));
    lt_models_entry *entry;
    const lt_status status = borrow(models, lt_http_query(r, "kind"), lt_http_query(r, "name"), &entry);
    if (status)
        lt_http_fail(r, status == LT_ERROR_FILE ? 404 : 422, "%s", lt_error_message());
    else {
        const lt_model_info info = lt_model_describe(lt_models_model(entry));
        lt_http_answer_json(r, 200, info_json(&info));
        lt_models_give_back(models, entry);
    }
}

static const lt_http_route routes[] = {
    {"POST", "/latent/v1/tokens", post_tokens, 0},
    {"POST", "/latent/v1/words", post_words, 0},
    {"POST", "/latent/v1/parameters", post_parameters, 0},
    {"GET", "/latent/v1/models/describe", get_describe, 0},
    {0},
};
const lt_http_api lt_words_api = {"/latent/v1", routes, NULL};
