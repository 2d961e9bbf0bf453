/* The web UIs' names of files' contents. */
#include "adapters/lora_hash.h"

#include <stdio.h>
#include <string.h>

static bool is_hash(const char *text) { return text && strspn(text, "0123456789abcdefABCDEF") >= LT_SHORT_HASH - 1; }

static void ask(lt_hash_cache *kept, const char *path, lt_hash_of what, char text[LT_SHORT_HASH]) {
    char all[LT_SHA256_TEXT];
    const lt_status status = lt_hash_cache_ask(kept, path, what, true, all);
    snprintf(text, LT_SHORT_HASH, "%.12s", status ? "" : all);
}

void lt_lora_hash(lt_hash_cache *kept, const char *path, const lt_checkpoint *file, char text[LT_SHORT_HASH]) {
    const char *said = lt_checkpoint_metadata(file, "sshs_model_hash");
    if (is_hash(said))
        snprintf(text, LT_SHORT_HASH, "%.12s", said);
    else
        ask(kept, path, strcmp(file->format, "safetensors") ? LT_HASH_FILE : LT_HASH_TENSORS, text);
}

void lt_file_hash(lt_hash_cache *kept, const char *path, char text[LT_SHORT_HASH]) {
    ask(kept, path, LT_HASH_FILE, text);
}
