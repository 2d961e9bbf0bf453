/* Embeddings (textual inversion) that A1111's web UI puts into pictures: JSON, as a PNG's text sd-ti-embedding in
 * base64, or packed and hidden in the lower halves of pixels' bytes (modules/textual_inversion/image_embedding.py
 * there). */
#ifndef LT_PICTURE_EMBEDDING_H
#define LT_PICTURE_EMBEDDING_H

#include "formats/image_codec.h"
#include "formats/listing.h"

/* The formats that may hold one: PNG and WebP. NULL: the file is neither. */
const lt_image_codec *lt_picture_holder(lt_bytes file);

/* Adds an embedding's tensors: called "string_to_param.*", or by their keys where they stand outermost. A picture
 * without one is LT_ERROR_FORMAT. */
lt_status lt_picture_embedding_read(const uint8_t *data, size_t size, lt_checkpoint *checkpoint);
/* The same of the JSON alone. */
lt_status lt_embedding_json_read(const char *text, size_t size, lt_checkpoint *checkpoint);

/* Whether the file at path is a picture that holds one, sound or not. LT_ERROR_MEMORY, or LT_ERROR_FILE. */
lt_status lt_picture_has_embedding(const char *path, bool *has);
/* Whether path is named as pictures are, and holds none: it shows what a file beside it makes. NAME.preview.png always
 * does. */
lt_status lt_is_preview(const char *path, bool *is);

/* The JSON that is hidden in pixels, in the order of their file; nothing where none is (picture_hidden.c). */
lt_status lt_hidden_text(const lt_pixels *pixels, lt_buffer *json);

#endif
