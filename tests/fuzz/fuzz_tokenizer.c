/* The tokenizer against any text, and its creation against any merge list. */
#include "fuzz_text.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static lt_tokenizer *tokenizer;
    if (!tokenizer) tokenizer = open_tokenizer();
    char *text = lt_strndup((const char *)data, size);
    if (!text) return 0;
    lt_tokens tokens;
    if (lt_tokenizer_read(tokenizer, text, &tokens) != LT_OK) abort();
    for (size_t i = 0; i < tokens.count; i++) {
        if (tokens.ids[i] < 0 || tokens.ids[i] > LT_TOKEN_END || tokens.ends[i] > strlen(text)) abort();
        if (i > 0 && tokens.ends[i] < tokens.ends[i - 1]) abort();
    }
    lt_tokens_free(&tokens);
    lt_free(text);

    lt_tokenizer
        *other; /* made only of what looks like a list, because making one takes long; it is always far too short */
    if (memchr(data, '\n', size) && lt_tokenizer_create((const char *)data, size, &other) == LT_OK) abort();
    return 0;
}
