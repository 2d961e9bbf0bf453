/* Embeddings (textual inversion, Gal et al. 2022): words that stand for vectors of their own in place of the token
 * table's rows. */
#ifndef LT_EMBEDDING_FILE_H
#define LT_EMBEDDING_FILE_H

#include "text/text.h"

enum { LT_TEXT_TOWERS = 2 }; /* XL has two text encoders */

enum { LT_EMBEDDING_NAMES = 2 }; /* "NAME", as A1111 has it, and ComfyUI's "embedding:NAME" */

typedef struct lt_inversion {
    char *path, *name; /* name: the file's, without its ending, or what it is called in its place */
    size_t vectors;
    lt_tokens tokens[LT_EMBEDDING_NAMES]; /* of its names */
} lt_inversion;

/* Those that a request's prompts may name. Zero it to begin. */
typedef struct lt_inversions {
    lt_inversion *items; /* [count] */
    size_t count;
    size_t widths[LT_TEXT_TOWERS]; /* of the text encoders; 0: it isn't there */
    float *tables[LT_TEXT_TOWERS]; /* [rows, width]: their vectors, one after the other */
    size_t rows;
    lt_vector_word *words; /* [LT_EMBEDDING_NAMES * count], for lt_prompt_parse_words */
} lt_inversions;

/* Adds the vectors of the file at path under a name (NULL: its own), which are as wide as the text encoders': A1111's
 * .pt (string_to_param) and .safetensors (emb_params), diffusers' one tensor called by its token, clip_l and clip_g of
 * a file for both encoders of XL, and what A1111 has put into a PNG or a WebP. LT_ERROR_MODEL: it is none of these, is
 * for another model, has over 75 vectors, or one that is no number. */
lt_status lt_inversions_add(lt_inversions *all, const char *path, const char *name, const size_t widths[LT_TEXT_TOWERS],
                            const lt_tokenizer *tokenizer);
void lt_inversions_free(lt_inversions *all);

/* NULL of NULL: no words. */
lt_vector_words lt_inversions_words(const lt_inversions *all);

#endif
