/* Which files names stood for when a picture was made. */
#include "adapters/hashed.h"

#include "adapters/shelf_kind.h"

#include <ctype.h>
#include <string.h>

enum { LEAST_DIGITS = 8 }; /* of what is a hash */

/* ---- Lists ---- */

static bool parts(char c) { return c == ':' || c == ','; }

lt_status lt_hashes_add(lt_buffer *list, const char *name, const char *hash) {
    LT_TRY(lt_buffer_printf(list, "%s", list->size ? ", " : ""));
    for (; *name; name++)
        if (!parts(*name)) LT_TRY(lt_buffer_append(list, name, 1));
    return lt_buffer_printf(list, ": %s", hash);
}

/* Whether name is text [size], but for what parts names. */
static bool is_name(const char *text, size_t size, const char *name) {
    for (;; text++, size--, name++) {
        while (size && parts(*text)) text++, size--;
        while (parts(*name)) name++;
        if (!size || !*name) return !size && !*name;
        if (*text != *name) return false;
    }
}

bool lt_hashes_same_name(const char *a, const char *b) { return is_name(a, strlen(a), b); }

const char *lt_hashes_next(const char **at, size_t *size) {
    while (**at == ',' || isspace((unsigned char)**at)) ++*at;
    const char *begin = *at, *end = begin + strcspn(begin, ",");
    const char *colon = memrchr(begin, ':', (size_t)(end - begin)), *stop = colon ? colon : end;
    *at = end;
    while (stop > begin && isspace((unsigned char)stop[-1])) stop--;
    *size = (size_t)(stop - begin);
    return *begin ? begin : NULL;
}

/* Of the entry whose name ends at text. */
static bool read_hash(const char *text, char hash[LT_SHORT_HASH]) {
    const char *digits = text + strcspn(text, ":,");
    size_t n = 0;
    digits += *digits == ':';
    while (isspace((unsigned char)*digits)) digits++;
    for (; n < LT_SHORT_HASH - 1 && isxdigit((unsigned char)digits[n]); n++)
        hash[n] = (char)tolower((unsigned char)digits[n]);
    hash[n] = '\0';
    return n >= LEAST_DIGITS;
}

bool lt_hashes_find(const char *list, const char *name, size_t use, char hash[LT_SHORT_HASH]) {
    const char *entry, *last = NULL;
    size_t size, found = 0;
    for (const char *at = list; list && found <= use && (entry = lt_hashes_next(&at, &size));)
        if (is_name(entry, size, name)) last = entry + size, found++;
    return last && read_hash(last, hash);
}

const char *lt_hashes_unsound(const char *list, size_t *size) {
    char hash[LT_SHORT_HASH];
    const char *entry;
    for (const char *at = list; list && (entry = lt_hashes_next(&at, size));)
        if (!read_hash(entry + *size, hash)) return *size = (size_t)(at - entry), entry;
    return NULL;
}

/* ---- Files ---- */

/* By its names alone: a checkpoint among LoRAs is not read. What is called as one wants, and isn't known, may be an
 * embedding. */
static bool is_of_kind(const lt_checkpoint *file, lt_shelf_kind kind) {
    lt_shelf_about about;
    const bool told = !lt_shelf_about_file(file, &about);
    const bool is = told && (about.kind == kind || (kind == LT_SHELF_EMBEDDING && about.kind == LT_SHELF_OTHER));
    lt_shelf_about_free(&about);
    return is;
}

void lt_hashes_of(lt_hash_cache *kept, const char *path, lt_shelf_kind kind, char hash[LT_SHORT_HASH]) {
    lt_checkpoint file;
    hash[0] = '\0';
    if (lt_checkpoint_open(path, &file)) return;
    const bool is = is_of_kind(&file, kind);
    if (is && kind == LT_SHELF_LORA) lt_lora_hash(kept, path, &file, hash);
    lt_checkpoint_close(&file);
    if (is && kind != LT_SHELF_LORA) lt_file_hash(kept, path, hash);
}

bool lt_hashes_has(lt_hash_cache *kept, const char *path, lt_shelf_kind kind, const char *hash) {
    char own[LT_SHORT_HASH];
    lt_hashes_of(kept, path, kind, own);
    return *own && !strncasecmp(own, hash, strlen(hash));
}

typedef struct search {
    const lt_hashed *wanted;
    lt_hash_cache *kept;
    const char *found; /* by its name, which is known */
    bool named;        /* look at files of that name, or else at all others */
    char *path;
    lt_status status;
} search;

static bool is_wanted(void *user, const char *path, const char *name) {
    search *s = user;
    if (lt_hashes_same_name(name, s->wanted->name) != s->named || (s->found && !strcmp(path, s->found))) return false;
    if (!lt_hashes_has(s->kept, path, s->wanted->kind, s->wanted->hash)) return false;
    s->path = lt_strdup(path);
    if (!s->path) s->status = LT_ERROR_MEMORY;
    return true;
}

lt_status lt_hashes_choose(lt_hash_cache *kept, const lt_shelf *shelf, const lt_hashed *wanted, char **path,
                           bool *exact) {
    search s = {.wanted = wanted, .kept = kept, .found = *path, .named = true};
    *exact = *path && lt_hashes_has(kept, *path, wanted->kind, wanted->hash);
    if (*exact) return LT_OK;
    LT_TRY(lt_shelf_walk(shelf, wanted->kind, is_wanted, &s));
    s.named = false;
    if (!s.path && !s.status) LT_TRY(lt_shelf_walk(shelf, wanted->kind, is_wanted, &s));
    *exact = s.path != NULL;
    if (s.path) lt_free(*path);
    if (s.path) *path = s.path;
    return s.status;
}
