/* CLIP's embeddings, as they are compared. */
#ifndef LT_EMBEDDING_H
#define LT_EMBEDDING_H

#include "pipeline/session.h"

/* The text's embedding [projection], of length 1, allocated. plain: no prompt syntax, cut at 77 tokens with
 * a notice; else words weigh the same, whatever the syntax says, and what follows the first 75 tokens is left out. */
lt_status lt_text_embedding(lt_session *session, const char *text, bool plain, float **embedding);

/* An allocated copy of row [n], scaled to length 1. */
lt_status lt_normalised_copy(const float *row, size_t n, float **copy);

#endif
