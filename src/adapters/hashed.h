/* Which files names stood for when a picture was made, by the hashes that its parameters text has ("Lora hashes", "TI
 * hashes"):
 *
 *   ink: 0123456789ab, wash: ba9876543210
 *
 * Names are without the comma and the colon, which part them, as A1111 has it. One that is there several times is that
 * of several files: its n-th use in the prompt has the n-th hash. */
#ifndef LT_HASHED_H
#define LT_HASHED_H

#include "adapters/lora_hash.h"
#include "adapters/shelf.h"

lt_status lt_hashes_add(lt_buffer *list, const char *name, const char *hash);
/* The hash of use number `use` (from 0) of name; of further ones than there are the last. False: none is told, or what
 * is told is no hash. list may be NULL. */
bool lt_hashes_find(const char *list, const char *name, size_t use, char hash[LT_SHORT_HASH]);
/* Whether both are the same name there. */
bool lt_hashes_same_name(const char *a, const char *b);
/* The next name of a list, without white space around it, and how long it is; *at, first the list, moves on. NULL
 * behind the last. */
const char *lt_hashes_next(const char **at, size_t *size);
/* The first entry of a list whose hash is none, and how long it is; NULL: there is none. */
const char *lt_hashes_unsound(const char *list, size_t *size);

/* The hash of a file of that kind as the web UIs have it, "" where it can't be read, or is of another kind. kept: sums
 * that are known, to which others come; or NULL. */
void lt_hashes_of(lt_hash_cache *kept, const char *path, lt_shelf_kind kind, char hash[LT_SHORT_HASH]);
/* Whether it has that one, as far as both go. */
bool lt_hashes_has(lt_hash_cache *kept, const char *path, lt_shelf_kind kind, const char *hash);

/* What a picture's text says of a file. */
typedef struct lt_hashed {
    lt_shelf_kind kind;
    const char *name, *hash;
} lt_hashed;
/* Takes for *path (allocated, or NULL: nothing was found by its name) another file of the shelf, if that has the hash
 * and *path hasn't: first those that are called so. *exact: *path has it. */
lt_status lt_hashes_choose(lt_hash_cache *kept, const lt_shelf *shelf, const lt_hashed *wanted, char **path,
                           bool *exact);

#endif
