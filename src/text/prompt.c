/* Prompts: from text to the chunks of 77 tokens, each with a weight, that the text encoder takes, as A1111's web UI
 * 1.10 has it (tokenize_line).
 *
 * Stretches of the same weight (attention.c) are tokenized as one text. A chunk has 75 tokens of the prompt. Where it
 * is full and a comma was among its last 20 (that UI's default), the tokens after the last comma move to the next
 * chunk. Where padding is another token than the end (SD 2.x), all that follows a chunk's first end token is padding.
 * Weights are kept finite. What changes with the steps, what makes several prompts out of one, and <...>, is taken out
 * before (script.c, networks.c). */
#include "text/text.h"

#include "text/attention.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    COMMA = 267,          /* the token of a comma that is a word: ",</w>" */
    COMMA_BACKTRACK = 20, /* how many tokens before a chunk's end a comma is looked for */
    START_PLACE = 1       /* where a chunk's own tokens start */
};

/* ---- Chunks ---- */

typedef struct chunks {
    lt_prompt prompt;
    lt_vector_words words;
    size_t capacity;    /* in chunks */
    bool open;          /* the last chunk takes further tokens */
    size_t used;        /* tokens in the last chunk */
    size_t after_comma; /* the tokens of the last chunk up to and with its last comma; 0: it has none */
} chunks;

static lt_status add_chunk(chunks *c) {
    lt_prompt *p = &c->prompt;
    if (p->chunks == c->capacity) {
        const size_t row = LT_CONTEXT_TOKENS, capacity = lt_max(2 * c->capacity, 1);
        int32_t *ids = lt_realloc(p->ids, p->chunks * row * sizeof *ids, capacity * row * sizeof *ids);
        if (!ids) return LT_ERROR_MEMORY;
        p->ids = ids;
        float *weights = lt_realloc(p->weights, p->chunks * row * sizeof *weights, capacity * row * sizeof *weights);
        if (!weights) return LT_ERROR_MEMORY;
        p->weights = weights;
        c->capacity = capacity;
    }
    const size_t first = p->chunks++ * LT_CONTEXT_TOKENS;
    for (size_t i = first; i < first + LT_CONTEXT_TOKENS; i++) {
        p->ids[i] = i == first ? LT_TOKEN_START : LT_TOKEN_END;
        p->weights[i] = 1;
    }
    c->used = c->after_comma = 0;
    c->open = true;
    return LT_OK;
}

/* Starts a chunk with the tokens that follow the last chunk's last comma. */
static lt_status move_after_comma(chunks *c) {
    const size_t stays = c->after_comma, moves = c->used - stays;
    LT_TRY(add_chunk(c));
    int32_t *ids = c->prompt.ids + (c->prompt.chunks - 1) * LT_CONTEXT_TOKENS + START_PLACE;
    float *weights = c->prompt.weights + (c->prompt.chunks - 1) * LT_CONTEXT_TOKENS + START_PLACE;
    for (size_t to = 0; to < moves; to++) {
        int32_t *id = ids + to - LT_CONTEXT_TOKENS + stays;
        float *weight = weights + to - LT_CONTEXT_TOKENS + stays;
        ids[to] = *id;
        weights[to] = *weight;
        *id = LT_TOKEN_END;
        *weight = 1;
    }
    c->used = moves;
    return LT_OK;
}

/* Opens another chunk where the last one has no room for count tokens, of which the first may be a comma. */
static lt_status make_room(chunks *c, size_t count, bool comma) {
    const bool full = c->open && c->used == LT_CHUNK_TOKENS;
    const bool comma_near = c->after_comma > 0 && c->used - c->after_comma < COMMA_BACKTRACK;
    if (full && comma_near && !comma)
        LT_TRY(move_after_comma(c));
    else if (full || !c->open)
        LT_TRY(add_chunk(c));
    return c->used + count > LT_CHUNK_TOKENS ? add_chunk(c) : LT_OK;
}

static void put(chunks *c, int32_t id, float weight) {
    const size_t place = (c->prompt.chunks - 1) * LT_CONTEXT_TOKENS + START_PLACE + c->used++;
    c->prompt.ids[place] = id;
    c->prompt.weights[place] = weight;
    if (id == COMMA) c->after_comma = c->used;
}

static lt_status add_token(chunks *c, int32_t id, float weight) {
    LT_TRY(make_room(c, 1, id == COMMA));
    put(c, id, weight);
    return LT_OK;
}

static lt_status add_vectors(chunks *c, const lt_vector_word *word, float weight) {
    LT_TRY(make_room(c, word->vectors, false));
    for (size_t i = 0; i < word->vectors; i++) put(c, -1 - (int32_t)(word->row + i), weight);
    return LT_OK;
}

/* The word that begins at token i, or NULL. */
static const lt_vector_word *word_at(const chunks *c, const lt_tokens *tokens, size_t i) {
    for (size_t k = 0; k < c->words.count; k++) {
        const lt_vector_word *w = &c->words.items[k];
        if (w->count && w->count <= tokens->count - i && !memcmp(w->ids, tokens->ids + i, w->count * sizeof *w->ids))
            return w;
    }
    return NULL;
}

/* A weight that float32 holds: what is beyond its range stops there, and what is no number (0 times infinity) counts
 * as 1. */
static float as_float(double weight) {
    if (isnan(weight)) return 1;
    return weight > FLT_MAX ? FLT_MAX : weight < -FLT_MAX ? -FLT_MAX : (float)weight;
}

/* A BREAK ends the chunk that is open, or else an empty one. */
static lt_status end_chunk(chunks *c) {
    if (!c->open) LT_TRY(add_chunk(c));
    c->open = false;
    return LT_OK;
}

/* Adds the tokens of a text that is all of one weight. */
static lt_status add_weighted(chunks *c, const lt_tokenizer *tokenizer, const char *text, double weight) {
    lt_tokens tokens;
    LT_TRY(lt_tokenizer_read(tokenizer, text, &tokens));
    lt_status status = LT_OK;
    for (size_t i = 0; i < tokens.count && !status;) {
        const lt_vector_word *word = word_at(c, &tokens, i);
        status = word ? add_vectors(c, word, as_float(weight)) : add_token(c, tokens.ids[i], as_float(weight));
        i += word ? word->count : 1;
    }
    lt_tokens_free(&tokens);
    return status;
}

static lt_status fill(chunks *c, const lt_tokenizer *tokenizer, lt_attention *a) {
    for (size_t i = 0; i < a->count; i++) {
        const size_t begin = a->items[i].begin, end = lt_stretch_end(a, i);
        if (begin == end) continue;
        const char after = a->text.data[end];
        a->text.data[end] = '\0';
        LT_TRY(lt_stretch_breaks(a, i) ? end_chunk(c)
                                       : add_weighted(c, tokenizer, a->text.data + begin, a->items[i].weight));
        a->text.data[end] = after;
    }
    return c->prompt.chunks ? LT_OK : add_chunk(c);
}

void lt_prompt_pad(lt_prompt *p, int32_t pad) {
    for (size_t chunk = 0; chunk < p->chunks; chunk++) {
        int32_t *ids = p->ids + chunk * LT_CONTEXT_TOKENS;
        size_t i = 0;
        while (ids[i] != LT_TOKEN_END) i++; /* each chunk's last token is an end */
        for (i++; i < LT_CONTEXT_TOKENS; i++) ids[i] = pad;
    }
}

static lt_status parse_syntax(const lt_tokenizer *tokenizer, const char *text, bool literal, int32_t pad, chunks *c) {
    lt_attention attention;
    lt_status status = lt_attention_read(text, literal, &attention);
    if (!status) status = fill(c, tokenizer, &attention);
    if (!status && pad != LT_TOKEN_END) lt_prompt_pad(&c->prompt, pad);
    lt_attention_free(&attention);
    return status;
}

/* ---- Plain prompts ---- */

static lt_status parse_plain(const lt_tokenizer *tokenizer, const char *text, int32_t pad, chunks *c) {
    lt_tokens tokens;
    LT_TRY(add_chunk(c));
    LT_TRY(lt_tokenizer_read(tokenizer, text, &tokens));
    const size_t kept = lt_min(tokens.count, LT_CHUNK_TOKENS);
    for (size_t i = 0; i < kept; i++) c->prompt.ids[START_PLACE + i] = tokens.ids[i];
    for (size_t i = START_PLACE + kept + 1; i < LT_CONTEXT_TOKENS; i++) c->prompt.ids[i] = pad;
    lt_status status = LT_OK;
    if (tokens.count > kept) {
        const char *rest = text + tokens.ends[kept - 1];
        c->prompt.cut = lt_strdup(rest + strspn(rest, " \t\r\n"));
        if (!c->prompt.cut) status = LT_ERROR_MEMORY;
    }
    lt_tokens_free(&tokens);
    return status;
}

static lt_status finish(lt_status status, chunks *c, lt_prompt *prompt) {
    *prompt = c->prompt;
    if (status) lt_prompt_free(prompt);
    return status;
}

lt_status lt_prompt_parse(const lt_tokenizer *tokenizer, const char *text, bool syntax, int32_t pad,
                          lt_prompt *prompt) {
    chunks c = {0};
    return finish(syntax ? parse_syntax(tokenizer, text, false, pad, &c) : parse_plain(tokenizer, text, pad, &c), &c,
                  prompt);
}

lt_status lt_prompt_parse_words(const lt_tokenizer *tokenizer, lt_vector_words words, const char *text,
                                lt_emphasis emphasis, int32_t pad, lt_prompt *prompt) {
    chunks c = {.words = words};
    return finish(parse_syntax(tokenizer, text, emphasis == LT_EMPHASIS_NONE, pad, &c), &c, prompt);
}

void lt_prompt_free(lt_prompt *prompt) {
    lt_free(prompt->ids);
    lt_free(prompt->weights);
    lt_free(prompt->cut);
    *prompt = (lt_prompt){0};
}

/* ---- Emphasis ---- */

static double mean(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

static void weigh_rows(float *z, size_t width, const float *weights, double restore) {
    for (size_t t = 0; t < LT_CONTEXT_TOKENS; t++)
        for (size_t i = 0; i < width; i++) z[t * width + i] = (float)(z[t * width + i] * (weights[t] * restore));
}

/* What makes the mean of rows z [77, width] after their weights what it was before. Where it became 0 there is no way
 * back to it, and where it nearly did, none that float32 holds. */
static double restoring(const float *z, size_t width, const float *weights) {
    double weighed_sum = 0;
    for (size_t t = 0; t < LT_CONTEXT_TOKENS; t++) weighed_sum += weights[t] * mean(z + t * width, width);
    const double ratio = mean(z, LT_CONTEXT_TOKENS * width) / (weighed_sum / LT_CONTEXT_TOKENS);
    return fabs(ratio) <= FLT_MAX ? ratio : 1;
}

void lt_prompt_weigh(const lt_prompt *prompt, lt_emphasis emphasis, float *context, size_t width) {
    if (emphasis == LT_EMPHASIS_IGNORE) return;
    for (size_t chunk = 0; chunk < prompt->chunks; chunk++) {
        const float *weights = prompt->weights + chunk * LT_CONTEXT_TOKENS;
        float *z = context + chunk * LT_CONTEXT_TOKENS * width;
        bool weighed = false;
        for (size_t t = 0; t < LT_CONTEXT_TOKENS; t++) weighed = weighed || weights[t] != 1;
        if (weighed) weigh_rows(z, width, weights, emphasis == LT_EMPHASIS_NO_NORM ? 1 : restoring(z, width, weights));
    }
}
