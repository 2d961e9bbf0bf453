/* prompt: what the steps of a picture read of a prompt. */
#include "prompt.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    lt_request request;
    bool negative;
    int steps_before;
} o;

static const lt_option options[] = {
    {"steps", 0, LT_OPTION_INT, "N", NULL, &o.request.steps, .fields = lt_request_fields, .also = LT_ALSO_STEPS},
    {"sampler", 0, LT_OPTION_CHOICE, "NAME", "some ask twice a step", &o.request.sampler, .fields = lt_request_fields,
     .also = LT_ALSO_SAMPLER},
    {"steps-before", 0, LT_OPTION_INT, "N", "of a first pass, after which this one goes on", &o.steps_before, 0, 1000},
    {"negative", 'n', LT_OPTION_FLAG, NULL, "read TEXT as a negative prompt, which AND doesn't part", &o.negative},
    {"emphasis", 0, LT_OPTION_CHOICE, "KIND", NULL, &o.request.emphasis, .fields = lt_request_fields},
    {"literal-hash", 0, LT_OPTION_FLAG, NULL, NULL, &o.request.literal_hash, .fields = lt_request_fields},
    {"plain-prompt", 0, LT_OPTION_FLAG, NULL, NULL, &o.request.plain_prompt, .fields = lt_request_fields},
    {0},
};

static void begin(void) { o.request = lt_request_defaults(); }

/* JSON holds nothing but UTF-8: in what is none, bytes that no ASCII has become '?'. */
static json_t *make_string(const char *text, size_t size) {
    json_t *string = json_stringn(text, size);
    char *ascii = string ? NULL : tool_strndup(text, size);
    if (!ascii) return string;
    for (size_t i = 0; i < size; i++)
        if (ascii[i] & 0x80) ascii[i] = '?';
    string = json_stringn(ascii, size);
    free(ascii);
    return string;
}

static json_t *make_text(const char *text) { return make_string(text, strlen(text)); }

/* Nor an infinity. */
static json_t *make_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

/* ---- Networks ---- */

/* [kind, [what stands in its order], {what is named}] */
static json_t *make_network(const lt_prompt_network *n) {
    json_t *in_order = json_array(), *named = json_object();
    for (size_t i = 0; i < n->argument_count; i++) {
        const char *sign = strchr(n->arguments[i], '=');
        char *key =
            sign && !strchr(sign + 1, '=') ? tool_strndup(n->arguments[i], (size_t)(sign - n->arguments[i])) : NULL;
        if (key)
            json_object_set_new(named, key, make_text(sign + 1));
        else
            json_array_append_new(in_order, make_text(n->arguments[i]));
        free(key);
    }
    return json_pack("[o, o, o]", make_text(n->kind), in_order, named);
}

/* Those of a kind together, in the order of the kinds' first ones. */
static json_t *make_networks(const lt_reading *r) {
    json_t *all = json_array();
    for (size_t i = 0; i < r->network_count; i++) {
        const char *kind = r->networks[i].kind;
        bool is_first = true;
        for (size_t k = 0; k < i && is_first; k++) is_first = strcmp(r->networks[k].kind, kind);
        for (size_t k = i; k < r->network_count && is_first; k++)
            if (!strcmp(r->networks[k].kind, kind)) json_array_append_new(all, make_network(&r->networks[k]));
    }
    return all;
}

/* ---- Steps ---- */

static json_t *make_attention(const lt_said *said) {
    json_t *all = json_array();
    for (size_t i = 0; i < said->attention_count; i++) {
        const lt_weighed *w = &said->attention[i];
        json_array_append_new(all, json_pack("[o, o]", make_string(w->text, w->size), make_number(w->weight)));
    }
    return all;
}

/* What a part says, one for each of its texts. */
static json_t *make_said(const lt_prompt_part *part) {
    json_t *all = json_array();
    for (size_t i = 0; i < part->said_count; i++)
        json_array_append_new(all,
                              json_pack("{s:o, s:o, s:o}", "weight", make_number(part->weight), "text",
                                        make_text(part->said[i].text), "attention", make_attention(&part->said[i])));
    return all;
}

/* [for each call [for each part]]: a text that several calls read is there once. */
static json_t *make_steps(const lt_reading *r) {
    json_t *said = json_array(), *steps = json_array();
    for (size_t i = 0; i < r->part_count; i++) json_array_append_new(said, make_said(&r->parts[i]));
    for (int call = 0; call < r->calls; call++) {
        json_t *row = json_array();
        for (size_t i = 0; i < r->part_count; i++)
            json_array_append(row, json_array_get(json_array_get(said, i), r->parts[i].used[call]));
        json_array_append_new(steps, row);
    }
    json_decref(said);
    return steps;
}

/* ---- The command ---- */

static lt_status print_reading(const char *text) {
    lt_reading reading;
    if (o.negative)
        o.request.negative_prompt = text;
    else
        o.request.prompt = text;
    LT_TRY(lt_read_prompt(&o.request, o.negative, o.steps_before, &reading));
    json_t *row = json_pack("{s:o, s:o, s:o, s:o}", "text", make_text(text), "clean", make_text(reading.text),
                            "networks", make_networks(&reading), "steps", make_steps(&reading));
    const lt_status status = row ? LT_OK : lt_fail(LT_ERROR_MEMORY, "out of memory");
    if (row && json_dumpf(row, stdout, JSON_COMPACT) == 0) printf("\n");
    json_decref(row);
    lt_reading_free(&reading);
    return status;
}

static lt_status print_word(const char *word) {
    char *text;
    LT_TRY(lt_prompt_read("prompt", word, &text));
    const lt_status status = print_reading(text);
    free(text);
    return status;
}

static int run(int count, char **words) {
    if (count < 1) return lt_complain(LT_EXIT_USAGE, "which text? see `latent prompt --help`");
    lt_status status = LT_OK;
    for (int i = 0; i < count && !status; i++) status = print_word(words[i]);
    return status ? lt_complain_error() : LT_EXIT_OK;
}

const lt_command lt_command_prompt = {
    "prompt",
    "show what each step reads of a prompt",
    "[--steps N] [--sampler NAME] TEXT...",
    "One JSON object for each text; - and @FILE read it. \"steps\" has, for each call of the U-Net, the parts between "
    "AND: their weight, their text, and its stretches with their weights.",
    "  latent prompt --steps 10 \"a [cat:dog:0.5] in the (snow:1.2)\"\n"
    "  latent prompt --steps 4 \"[a|b] <lora:ink:0.8> AND a tree :0.5\"\n",
    options,
    run,
    begin,
};
