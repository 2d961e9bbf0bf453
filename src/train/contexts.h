/* What the text encoder makes of each caption of a data set, computed once and kept in float16: half the room of what
 * may be a quarter of a million captions, and all the digits that a bf16 product reads. */
#ifndef LT_CONTEXTS_H
#define LT_CONTEXTS_H

#include "train/cache.h"
#include "train/task.h"

typedef struct lt_contexts {
    const char **texts; /* [count], each once, sorted; the empty one is the first */
    size_t count;
    int width;
    lt_cache cache; /* [count, LT_CONTEXT_TOKENS, width], LT_F16 */
    int32_t *ids;   /* [count, LT_CONTEXT_TOKENS], where the text encoder learns and each text is read anew */
} lt_contexts;

/* Says how wide they are. models->text must be there. */
lt_status lt_contexts_open(const lt_training *t, lt_contexts *c);
/* Encodes every text of the data set, if they aren't cached. */
lt_status lt_contexts_start(lt_training *t, lt_contexts *c);
/* Reads every text's tokens in place of that. word (NULL: none): one that stands for vectors; a text in which it isn't
 * begins with it, but for the empty one. */
lt_status lt_contexts_start_tokens(const lt_training *t, const lt_vector_word *word, lt_contexts *c);
const int32_t *lt_contexts_tokens(const lt_contexts *c, const char *text);

/* The context [LT_CONTEXT_TOKENS, width] of one of the data set's texts, or of "", to a sample of a port of contexts.
 */
void lt_contexts_read(const lt_training *t, const lt_contexts *c, const char *text, lt_port port, size_t sample);
void lt_contexts_close(lt_contexts *c); /* a zeroed one is fine */

#endif
