/* Prompt syntax against any text: what comes out must always be whole chunks with finite weights. */
#include "fuzz_text.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const lt_tokenizer *tokenizer, const char *text, bool syntax, int32_t pad) {
    lt_prompt prompt;
    if (lt_prompt_parse(tokenizer, text, syntax, pad, &prompt) != LT_OK) abort();
    if (prompt.chunks < 1 || (!syntax && prompt.chunks > 1) || (syntax && prompt.cut)) abort();
    float *context = lt_calloc(prompt.chunks * LT_CONTEXT_TOKENS, sizeof *context);
    for (size_t i = 0; i < prompt.chunks * LT_CONTEXT_TOKENS; i++) {
        const size_t place = i % LT_CONTEXT_TOKENS;
        if (prompt.ids[i] < 0 || prompt.ids[i] > LT_TOKEN_END || !isfinite(prompt.weights[i])) abort();
        if (place == 0 && (prompt.ids[i] != LT_TOKEN_START || prompt.weights[i] != 1)) abort();
        if (context) context[i] = (float)prompt.ids[i];
    }
    if (context) lt_prompt_weigh(&prompt, context, 1);
    lt_free(context);
    lt_prompt_free(&prompt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static lt_tokenizer *tokenizer;
    if (!tokenizer) tokenizer = open_tokenizer();
    char *text = lt_strndup((const char *)data, size);
    if (!text) return 0;
    check(tokenizer, text, true, LT_TOKEN_END);
    check(tokenizer, text, true, 0);
    check(tokenizer, text, false, LT_TOKEN_END);
    lt_free(text);
    return 0;
}
