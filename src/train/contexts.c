/* What the text encoder makes of each caption, computed once. */
#include "train/contexts.h"

#include "kernels/weight_format.h"

#include <stdlib.h>
#include <string.h>

enum { STEP = 32 /* texts that are encoded at once */, AT_ONCE = 4096 /* numbers that are read at once */ };

static int compare(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Every text of the data set and the empty one, each once. */
static lt_status gather(const lt_dataset *data, lt_contexts *c) {
    size_t total = 1;
    for (size_t i = 0; i < lt_dataset_count(data); i++) total += lt_dataset_text_count(data, i);
    c->texts = lt_alloc(total * sizeof *c->texts);
    if (!c->texts) return LT_ERROR_MEMORY;
    size_t n = 0;
    c->texts[n++] = "";
    for (size_t i = 0; i < lt_dataset_count(data); i++)
        for (size_t k = 0; k < lt_dataset_text_count(data, i); k++) c->texts[n++] = lt_dataset_text(data, i, k);
    qsort(c->texts, n, sizeof *c->texts, compare);
    for (size_t i = 0; i < n; i++)
        if (!i || strcmp(c->texts[i], c->texts[c->count - 1])) c->texts[c->count++] = c->texts[i];
    return LT_OK;
}

/* ---- Encoding ---- */

typedef struct encoding {
    lt_training *t;
    const lt_contexts *c;
    lt_plan *plan;
    lt_clip_inputs inputs;
    lt_port context;
    bool waiting; /* that has been said */
} encoding;

static lt_status read_tokens(const lt_training *t, const char *text, int32_t ids[LT_CONTEXT_TOKENS]) {
    lt_prompt prompt;
    LT_TRY(lt_prompt_parse(t->models->tokenizer, text, false, t->models->text->pad, &prompt));
    memcpy(ids, prompt.ids, LT_CONTEXT_TOKENS * sizeof *ids);
    lt_prompt_free(&prompt);
    return LT_OK;
}

static lt_status write_ids(const encoding *e, size_t row, const char *text) {
    int32_t ids[LT_CONTEXT_TOKENS];
    LT_TRY(read_tokens(e->t, text, ids));
    lt_clip_write_ids(&e->inputs, (int)row, ids);
    return LT_OK;
}

static lt_status poll_caller(void *training) { return lt_training_poll(training, "encoding texts"); }

static lt_status fill(void *user, size_t first, size_t n, float *rows) {
    const encoding *e = user;
    LT_TRY(poll_caller(e->t));
    for (size_t i = 0; i < STEP; i++) LT_TRY(write_ids(e, i, i < n ? e->c->texts[first + i] : ""));
    LT_TRY(lt_plan_run(e->plan, LT_RATE_PROMPT, poll_caller, e->t));
    lt_port_read(e->context, 0, rows, n * LT_CONTEXT_TOKENS * (size_t)e->c->width);
    return LT_OK;
}

static lt_status wait_for_other(void *user) {
    encoding *e = user;
    if (!e->waiting) lt_training_notify(e->t, "another training encodes the same texts: waiting for it");
    e->waiting = true;
    return lt_training_poll(e->t, "waiting for another training's contexts");
}

static uint64_t cache_key(const lt_training *t, const lt_contexts *c) {
    const lt_clip_text *text = t->models->text;
    uint64_t key = lt_hash_part(LT_HASH_START, t->models->text_tensors, t->models->text_count, lt_is_text);
    key = lt_hash_bytes(key, &text->layers, sizeof text->layers); /* a configuration may ask for fewer than there are */
    key = lt_hash_bytes(key, &text->heads, sizeof text->heads);
    key = lt_hash_bytes(key, &text->activation, sizeof text->activation);
    key = lt_hash_bytes(key, &text->pad, sizeof text->pad);
    for (size_t i = 0; i < c->count; i++) key = lt_hash_bytes(key, c->texts[i], strlen(c->texts[i]) + 1);
    return key;
}

static lt_status open_cache(lt_training *t, lt_contexts *c) {
    encoding e = {.t = t, .c = c};
    const lt_cache_maker maker = {fill, wait_for_other, &e, STEP};
    const lt_tensor shape = {.dtype = LT_F16, .rank = 3, .shape = {c->count, LT_CONTEXT_TOKENS, (size_t)c->width}};
    /* float32, as when a picture is drawn: what is learned must be what is read then */
    const lt_target target = {t->target.isa, t->target.team, LT_PRECISION_F32};
    lt_graph graph = {0};
    const lt_status built = lt_clip_text_build(t->models->text, STEP, 0, false, &graph);
    lt_status status = lt_plan_built(&graph, built, &target, &e.plan);
    if (!status) {
        e.inputs = lt_clip_inputs_of(e.plan);
        e.context = lt_plan_port(e.plan, "out");
    }
    if (!status) status = lt_cache_open(t->cache, "contexts", cache_key(t, c), &shape, &maker, &c->cache);
    lt_plan_free(e.plan);
    return status;
}

lt_status lt_contexts_open(const lt_training *t, lt_contexts *c) {
    const lt_clip_text *text = t->models->text;
    if (!text && t->options->files.text)
        return lt_fail(LT_ERROR_MODEL, "%s holds no text encoder", t->options->files.text);
    if (!text)
        return lt_fail(LT_ERROR_ARGUMENT,
                       "a text encoder is needed: name one with `text`, or train with `unconditional`");
    if (text->positions != LT_CONTEXT_TOKENS)
        return lt_fail(LT_ERROR_UNSUPPORTED, "the text encoder reads %d tokens, expected %d", text->positions,
                       LT_CONTEXT_TOKENS);
    if (strcmp(text->state, "out"))
        return lt_fail(LT_ERROR_UNSUPPORTED,
                       "the text encoder is one of Stable Diffusion XL's two: training with them is not served yet");
    c->width = text->width;
    return LT_OK;
}

lt_status lt_contexts_start(lt_training *t, lt_contexts *c) {
    LT_TRY(gather(t->data, c));
    return open_cache(t, c);
}

static bool stands_at(const lt_vector_word *word, const lt_tokens *tokens, size_t i) {
    return word && word->count <= tokens->count - i &&
           !memcmp(tokens->ids + i, word->ids, word->count * sizeof *word->ids);
}

static bool stands_in(const lt_vector_word *word, const lt_tokens *tokens) {
    bool found = false;
    for (size_t i = 0; i < tokens->count && !found; i++) found = stands_at(word, tokens, i);
    return found;
}

/* Behind ids [n] the word's vectors, as far as there is room for all of them. */
static size_t put_word(const lt_vector_word *word, int32_t *ids, size_t n) {
    if (n + word->vectors > LT_CHUNK_TOKENS) return n;
    for (size_t k = 0; k < word->vectors; k++) ids[n++] = -1 - (int32_t)(word->row + k);
    return n;
}

/* ids [LT_CHUNK_TOKENS] with the word's vectors where it stands, or before all else: how many. */
static size_t put_tokens(const lt_vector_word *word, const lt_tokens *tokens, int32_t *ids) {
    size_t n = stands_in(word, tokens) ? 0 : put_word(word, ids, 0);
    for (size_t i = 0; i < tokens->count && n < LT_CHUNK_TOKENS;) {
        const bool here = stands_at(word, tokens, i);
        if (here)
            n = put_word(word, ids, n);
        else
            ids[n++] = tokens->ids[i];
        i += here ? word->count : 1;
    }
    return n;
}

static lt_status read_with_word(const lt_training *t, const lt_vector_word *word, const char *text, int32_t *ids) {
    lt_tokens tokens;
    LT_TRY(read_tokens(t, "", ids)); /* a start, an end and the padding */
    LT_TRY(lt_tokenizer_read(t->models->tokenizer, text, &tokens));
    const size_t n = put_tokens(word, &tokens, ids + 1);
    ids[1 + n] = LT_TOKEN_END;
    lt_tokens_free(&tokens);
    return LT_OK;
}

lt_status lt_contexts_start_tokens(const lt_training *t, const lt_vector_word *word, lt_contexts *c) {
    LT_TRY(gather(t->data, c));
    c->ids = lt_alloc(c->count * LT_CONTEXT_TOKENS * sizeof *c->ids);
    if (!c->ids) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < c->count; i++) {
        const char *text = c->texts[i];
        int32_t *ids = c->ids + i * LT_CONTEXT_TOKENS;
        LT_TRY(word && *text ? read_with_word(t, word, text, ids) : read_tokens(t, text, ids));
    }
    return LT_OK;
}

static size_t place_of(const lt_contexts *c, const char *text) {
    const char **found = bsearch(&text, c->texts, c->count, sizeof *c->texts, compare);
    return found ? (size_t)(found - c->texts) : 0;
}

const int32_t *lt_contexts_tokens(const lt_contexts *c, const char *text) {
    return c->ids + place_of(c, text) * LT_CONTEXT_TOKENS;
}

void lt_contexts_read(const lt_training *t, const lt_contexts *c, const char *text, lt_port port, size_t sample) {
    const uint16_t *row = lt_cache_row(&c->cache, place_of(c, text));
    float values[AT_ONCE];
    for (size_t i = 0; i < c->cache.row; i += AT_ONCE) {
        const size_t n = lt_min(c->cache.row - i, AT_ONCE);
        lt_weight_widen(LT_WEIGHT_F16, t->target.isa, row + i, values, n);
        lt_port_write(port, sample * c->cache.row + i, values, n);
    }
}

void lt_contexts_close(lt_contexts *c) {
    lt_cache_close(&c->cache);
    lt_free(c->texts);
    lt_free(c->ids);
    *c = (lt_contexts){0};
}
