/* The web UIs' names of files' contents. */
#include "adapters/lora_hash.h"

#include "base/map.h"
#include "base/sha256.h"

#include <stdio.h>
#include <string.h>

static bool is_hash(const char *text) { return text && strspn(text, "0123456789abcdefABCDEF") >= LT_SHORT_HASH - 1; }

/* From byte `from` on. */
static void hash_file(const char *path, size_t from, char text[LT_SHORT_HASH]) {
    char all[LT_SHA256_TEXT] = "";
    lt_map map;
    text[0] = '\0';
    if (lt_map_open(path, &map)) return;
    if (from <= map.size) lt_sha256(map.data + from, map.size - from, all);
    if (lt_map_finish(&map, LT_OK) == LT_OK) snprintf(text, LT_SHORT_HASH, "%.12s", all);
}

/* Where the tensors of a safetensors file begin: behind eight bytes, which say how long the header is. */
static size_t header_size(const char *path) {
    uint64_t size = SIZE_MAX - 8;
    lt_map map;
    if (lt_map_open(path, &map)) return SIZE_MAX;
    if (map.size >= 8) memcpy(&size, map.data, 8);
    lt_map_close(&map);
    return size < SIZE_MAX - 8 ? (size_t)size + 8 : SIZE_MAX;
}

void lt_lora_hash(const char *path, const lt_checkpoint *file, char text[LT_SHORT_HASH]) {
    const char *said = lt_checkpoint_metadata(file, "sshs_model_hash");
    if (is_hash(said))
        snprintf(text, LT_SHORT_HASH, "%.12s", said);
    else
        hash_file(path, strcmp(file->format, "safetensors") ? 0 : header_size(path), text);
}

void lt_file_hash(const char *path, char text[LT_SHORT_HASH]) { hash_file(path, 0, text); }
