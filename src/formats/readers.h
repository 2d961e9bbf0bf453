/* The readers of checkpoint files, each of one format. They add the tensors of a file's bytes, which must outlive
 * checkpoint, to those that are there and not yet sorted. Which one a file is for, checkpoint.c tells. */
#ifndef LT_READERS_H
#define LT_READERS_H

#include "formats/listing.h"

lt_status lt_safetensors_read(const uint8_t *data, size_t size, lt_checkpoint *checkpoint);
lt_status lt_torch_zip_read(const uint8_t *data, size_t size, lt_checkpoint *checkpoint);
lt_status lt_torch_stream_read(const uint8_t *data, size_t size, lt_checkpoint *checkpoint);
lt_status lt_gguf_read(const uint8_t *data, size_t size, lt_checkpoint *checkpoint);
bool lt_torch_is_stream(const uint8_t *data, size_t size); /* by its first bytes */

#endif
