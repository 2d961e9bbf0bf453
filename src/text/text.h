/* From a prompt to what CLIP's text encoder reads: byte-pair encoding, and the prompt syntax of A1111's web UI. */
#ifndef LT_TEXT_H
#define LT_TEXT_H

#include "base/base.h"

enum { LT_CONTEXT_TOKENS = 77, LT_CHUNK_TOKENS = 75 };

/* merges: the text of data/clip-merges.txt (size bytes); it is not kept. */
lt_status lt_tokenizer_create(const char *merges, size_t size, lt_tokenizer **tokenizer);
void lt_tokenizer_free(lt_tokenizer *tokenizer);

/* text's tokens without start and end, exactly as transformers' CLIPTokenizer. Bytes that are not UTF-8 become U+FFFD.
 */
lt_status lt_tokenizer_read(const lt_tokenizer *tokenizer, const char *text, lt_tokens *tokens);

/* A word that stands for vectors of its own: its tokens, and rows of a table. */
typedef struct lt_vector_word {
    const int32_t *ids; /* [count] */
    size_t count, row, vectors;
} lt_vector_word;
typedef struct lt_vector_words {
    const lt_vector_word *items; /* [count]; of those that begin alike the longest is first */
    size_t count;
} lt_vector_words;

/* A prompt as the text encoder takes it: count chunks of 77 tokens (start, 75, end and padding) and a weight for each.
 */
typedef struct lt_prompt {
    size_t chunks;  /* at least 1 */
    int32_t *ids;   /* [chunks, 77]; -1 - i stands for row i of the words' table */
    float *weights; /* [chunks, 77]; start, end and padding have 1 */
    char *cut;      /* plain prompts only: the text that did not fit, or NULL */
} lt_prompt;

/* syntax: (word) [word] (word:1.3) \( BREAK, and further chunks beyond 75 tokens, as A1111's web UI. Without it every
 * character stands for itself and the prompt is cut at 77 tokens, as diffusers. pad: the token that fills a chunk after
 * its end (49407 for SD 1.x). */
lt_status lt_prompt_parse(const lt_tokenizer *tokenizer, const char *text, bool syntax, int32_t pad, lt_prompt *prompt);
/* The same with syntax and with words that stand for vectors, which are found among the tokens, as A1111's web UI does:
 * what doesn't fit into a chunk whole begins the next one. With LT_EMPHASIS_NONE brackets and BREAK are words. */
lt_status lt_prompt_parse_words(const lt_tokenizer *tokenizer, lt_vector_words words, const char *text,
                                lt_emphasis emphasis, int32_t pad, lt_prompt *prompt);
/* Fills each chunk behind its first end token with another one, for a second text encoder. */
void lt_prompt_pad(lt_prompt *prompt, int32_t pad);
void lt_prompt_free(lt_prompt *prompt);

/* Multiplies each token's row of context [chunks, 77, width] by its weight, in place, and then the chunk's by what
 * restores their mean, as A1111's "original" emphasis; "no norm" doesn't restore it, "ignore" and "none" do nothing. */
void lt_prompt_weigh(const lt_prompt *prompt, lt_emphasis emphasis, float *context, size_t width);

#endif
