/* A prompt's tokens. */
#include "explain_words.h"

#include <stdlib.h>
#include <string.h>

static lt_status refuse(const char *why) {
    return lt_fail(LT_ERROR_ARGUMENT,
                   "%s; a page shows where each word acts, of a prompt that is one text of up to %d tokens", why,
                   WORDS_MOST);
}

static lt_status add(explain_words *w, const lt_tokens *tokens, const char *text, double weight) {
    for (size_t i = 0; i < tokens->count; i++) {
        if (w->count == WORDS_MOST) return refuse("the prompt is longer");
        size_t from = i ? tokens->ends[i - 1] : 0;
        while (from < tokens->ends[i] && strchr(" \t\n\r", text[from])) from++;
        explain_word *word = &w->items[w->count];
        *word = (explain_word){.id = tokens->ids[i], .place = 1 + (int)w->count, .weight = weight};
        word->text = tool_strndup(text + from, tokens->ends[i] - from);
        if (!word->text) return LT_ERROR_MEMORY;
        w->count++;
    }
    return LT_OK;
}

/* Stretches of the same weight are tokenized as one text (docs/prompts.md). */
static lt_status add_stretch(explain_words *w, const lt_weighed *stretch) {
    lt_tokens tokens;
    if (stretch->weight < 0) return refuse("the prompt has a BREAK");
    char *text = tool_strndup(stretch->text, stretch->size);
    if (!text) return LT_ERROR_MEMORY;
    lt_status status = lt_tokenize(text, &tokens);
    if (!status) {
        status = add(w, &tokens, text, stretch->weight);
        lt_tokens_free(&tokens);
    }
    free(text);
    return status;
}

static lt_status read_parts(const lt_reading *reading, explain_words *w) {
    if (reading->part_count > 1) return refuse("the prompt has several parts");
    if (reading->parts[0].said_count > 1) return refuse("the prompt changes on the way");
    const lt_said *said = &reading->parts[0].said[0];
    for (size_t i = 0; i < said->attention_count; i++) LT_TRY(add_stretch(w, &said->attention[i]));
    return LT_OK;
}

lt_status words_read(const lt_request *request, explain_words *words) {
    lt_reading reading;
    *words = (explain_words){.count = 0};
    LT_TRY(lt_read_prompt(request, false, 0, &reading));
    const lt_status status = read_parts(&reading, words);
    lt_reading_free(&reading);
    return status;
}

void words_free(explain_words *words) {
    for (size_t i = 0; i < words->count; i++) free(words->items[i].text);
    words->count = 0;
}
