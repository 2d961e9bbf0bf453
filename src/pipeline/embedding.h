/* CLIP's embeddings, as they are compared. */
#ifndef LT_EMBEDDING_H
#define LT_EMBEDDING_H

#include "pipeline/session.h"

/* The text's embedding [*dim], of length 1, allocated. plain: no prompt syntax, cut at 77 tokens with a notice; else
 * words weigh the same, whatever the syntax says, and what follows the first 75 tokens is left out. */
lt_status lt_text_embedding(lt_session *session, const char *text, bool plain, float **embedding, size_t *dim);
/* A picture's, likewise. */
lt_status lt_image_embedding(lt_session *session, const lt_image *image, float **embedding, size_t *dim);

/* A picture as the image tower reads it: cut to size x size, [size, size, 3], normalised; allocated. */
lt_status lt_clip_pixels(const lt_image *image, int size, float **pixels);

#endif
