/* The name that the web UIs give to the content of what is added to a model, in the parameters text of a picture. */
#ifndef LT_LORA_HASH_H
#define LT_LORA_HASH_H

#include "adapters/hash_cache.h"
#include "formats/formats.h"

enum { LT_SHORT_HASH = 13 }; /* 12 digits and a NUL */

/* Of a LoRA that is open at path: the first digits of what its metadata say (sshs_model_hash), or else of the SHA-256
 * of the file, without its header if it is safetensors. "" where it can't be read any more. kept: where such sums are;
 * may be NULL. */
void lt_lora_hash(lt_hash_cache *kept, const char *path, const lt_checkpoint *file, char text[LT_SHORT_HASH]);
/* Of a whole file, as of embeddings. */
void lt_file_hash(lt_hash_cache *kept, const char *path, char text[LT_SHORT_HASH]);

#endif
