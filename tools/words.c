/* A prompt's tokens in their chunks, as the library cuts it (docs/prompts.md). */
#include "words.h"

#include "tools.h"

#include <stdlib.h>
#include <string.h>

enum { COMMA = 267, COMMA_BACKTRACK = 20 }; /* ",</w>"; how many tokens before a chunk's end one is looked for */

/* Words as they come, with the chunk that takes them. */
typedef struct placing {
    const lt_tokenizer *tokenizer;
    tool_words *words;
    size_t room;
    size_t first;        /* the word that the chunk begins with */
    size_t behind_comma; /* the one behind its last comma; first: it has none */
    bool open;           /* the chunk takes further words */
} placing;

static lt_status refuse(const char *why) {
    return lt_fail(LT_ERROR_ARGUMENT, "%s: where each word acts can be told of a prompt that is one text", why);
}

/* ---- Chunks ---- */

static void begin_chunk(placing *p, size_t first) {
    tool_words *w = p->words;
    p->first = p->behind_comma = first;
    p->open = true;
    w->chunks++;
    for (size_t i = first; i < w->count; i++) {
        w->items[i].chunk = w->chunks - 1;
        w->items[i].place = (w->chunks - 1) * TOOL_WORDS_CONTEXT + 1 + (int)(i - first);
    }
}

/* What follows a comma near a full chunk's end moves to the next one. */
static void make_room(placing *p, bool comma) {
    const size_t count = p->words->count;
    const bool full = p->open && count - p->first == TOOL_WORDS_CHUNK;
    const bool comma_near = p->behind_comma > p->first && count - p->behind_comma < COMMA_BACKTRACK;
    if (full && comma_near && !comma)
        begin_chunk(p, p->behind_comma);
    else if (full || !p->open)
        begin_chunk(p, count);
}

static void end_chunk(placing *p) {
    if (!p->open) begin_chunk(p, p->words->count);
    p->open = false;
}

/* ---- Words ---- */

static lt_status make_memory(placing *p) {
    if (p->words->count < p->room) return LT_OK;
    const size_t room = p->room ? 2 * p->room : TOOL_WORDS_CHUNK;
    tool_word *grown = realloc(p->words->items, room * sizeof *grown);
    if (!grown) return lt_fail(LT_ERROR_MEMORY, "out of memory");
    p->words->items = grown;
    p->room = room;
    return LT_OK;
}

/* text [size]: what the token is. */
static lt_status add(placing *p, int32_t id, const char *text, size_t size, double weight) {
    tool_words *w = p->words;
    LT_TRY(make_memory(p));
    make_room(p, id == COMMA);
    tool_word *word = &w->items[w->count];
    *word = (tool_word){.text = tool_strndup(text, size), .id = id, .chunk = w->chunks - 1, .weight = weight};
    word->place = word->chunk * TOOL_WORDS_CONTEXT + 1 + (int)(w->count - p->first);
    if (!word->text) return LT_ERROR_MEMORY;
    w->count++;
    if (id == COMMA) p->behind_comma = w->count;
    return LT_OK;
}

static lt_status add_tokens(placing *p, const lt_tokens *tokens, const char *text, double weight) {
    for (size_t i = 0; i < tokens->count; i++) {
        size_t from = i ? tokens->ends[i - 1] : 0;
        while (from < tokens->ends[i] && strchr(" \t\n\r", text[from])) from++;
        LT_TRY(add(p, tokens->ids[i], text + from, tokens->ends[i] - from, weight));
    }
    return LT_OK;
}

/* Stretches of the same weight are tokenized as one text. */
static lt_status add_stretch(placing *p, const lt_weighed *stretch) {
    lt_tokens tokens;
    if (stretch->weight < 0) return end_chunk(p), LT_OK;
    char *text = tool_strndup(stretch->text, stretch->size);
    if (!text) return LT_ERROR_MEMORY;
    lt_status status = lt_tokenize_by(p->tokenizer, text, &tokens);
    if (!status) {
        status = add_tokens(p, &tokens, text, stretch->weight);
        lt_tokens_free(&tokens);
    }
    free(text);
    return status;
}

static lt_status read_parts(const lt_reading *reading, placing *p) {
    if (reading->part_count > 1) return refuse("the prompt has several parts");
    if (reading->parts[0].said_count > 1) return refuse("the prompt changes on the way");
    const lt_said *said = &reading->parts[0].said[0];
    for (size_t i = 0; i < said->attention_count; i++) LT_TRY(add_stretch(p, &said->attention[i]));
    if (!p->words->chunks) begin_chunk(p, 0);
    return LT_OK;
}

lt_status tool_words_read(const lt_tokenizer *tokenizer, const lt_request *request, bool negative, tool_words *words) {
    lt_reading reading;
    *words = (tool_words){0};
    LT_TRY(lt_read_prompt(request, negative, 0, &reading));
    const lt_status status = read_parts(&reading, &(placing){.tokenizer = tokenizer, .words = words});
    lt_reading_free(&reading);
    return status;
}

void tool_words_free(tool_words *words) {
    for (size_t i = 0; i < words->count; i++) free(words->items[i].text);
    free(words->items);
    *words = (tool_words){0};
}
