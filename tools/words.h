/* A prompt's tokens, and where each stands in what the U-Net reads. */
#ifndef TOOL_WORDS_H
#define TOOL_WORDS_H

#include "latent.h"

enum { TOOL_WORDS_CHUNK = 75, TOOL_WORDS_CONTEXT = 77 }; /* tokens of a chunk, alone and with its start and end */

typedef struct tool_word {
    char *text; /* what of the prompt the token is */
    int32_t id;
    int chunk; /* from 0 */
    int place; /* in what is read of all chunks, of which each begins with a start: the first word's is 1 */
    double weight;
} tool_word;

typedef struct tool_words {
    tool_word *items; /* [count] */
    size_t count;
    int chunks; /* at least 1 */
} tool_words;

/* Of request's prompt, or of its negative one. LT_ERROR_ARGUMENT: it has parts (AND), or changes on the way, so that a
 * token has no one place. tool_words_free is due even after a failure. Embeddings' names count as the words they are.
 */
lt_status tool_words_read(const lt_tokenizer *tokenizer, const lt_request *request, bool negative, tool_words *words);
void tool_words_free(tool_words *words);

#endif
