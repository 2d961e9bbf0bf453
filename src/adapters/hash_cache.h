/* Hashes of files that are too large to read twice: kept in a file of a folder of ours, by path, size and time. */
#ifndef LT_HASH_CACHE_H
#define LT_HASH_CACHE_H

#include "base/sha256.h"

typedef struct lt_hash_cache {
    struct json_t *all; /* {path: {"size": N, "time": "S.NS", "sha256": TEXT, "tensors": TEXT}} */
    char *path;         /* of the file; NULL: nothing is kept */
    bool changed;
} lt_hash_cache;

/* Of all of a file, or of what is behind the header of a safetensors file. */
typedef enum lt_hash_of { LT_HASH_FILE, LT_HASH_TENSORS } lt_hash_of;

/* folder: NULL keeps nothing. One that is there and can't be read is as if it were empty. lt_hash_cache_close is due
 * even after a failure, which is LT_ERROR_MEMORY. */
lt_status lt_hash_cache_open(const char *folder, lt_hash_cache *cache);
/* The hash that is kept of path as it is now, or "". With compute it is made, and kept, where there is none;
 * LT_ERROR_FILE where the file can't be read. cache may be NULL. */
lt_status lt_hash_cache_ask(lt_hash_cache *cache, const char *path, lt_hash_of what, bool compute,
                            char text[LT_SHA256_TEXT]);
/* Writes what is new, beside what others have written meanwhile; the folder is made where it isn't there. */
lt_status lt_hash_cache_save(lt_hash_cache *cache);
void lt_hash_cache_close(lt_hash_cache *cache);

#endif
