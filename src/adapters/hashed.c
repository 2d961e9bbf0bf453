/* Which files names stood for when a picture was made. */
#include "adapters/hashed.h"

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

/* ---- Files ---- */

void lt_hashes_of(const char *path, lt_shelf_kind kind, char hash[LT_SHORT_HASH]) {
    lt_checkpoint file;
    hash[0] = '\0';
    if (kind != LT_SHELF_LORA) {
        lt_file_hash(path, hash);
    } else if (!lt_checkpoint_open(path, &file)) {
        lt_lora_hash(path, &file, hash);
        lt_checkpoint_close(&file);
    }
}

/* As far as both go. */
static bool has_hash(const char *path, lt_shelf_kind kind, const char *hash) {
    char own[LT_SHORT_HASH];
    lt_hashes_of(path, kind, own);
    return *own && !strncasecmp(own, hash, strlen(hash));
}

typedef struct wanted {
    const char *name, *hash, *found; /* found: what was found by its name, which is known */
    lt_shelf_kind kind;
    bool named; /* look at files of that name, or else at all others */
    char *path;
    lt_status status;
} wanted;

static bool is_wanted(void *user, const char *path, const char *name) {
    wanted *w = user;
    if (lt_hashes_same_name(name, w->name) != w->named || (w->found && !strcmp(path, w->found))) return false;
    if (!has_hash(path, w->kind, w->hash)) return false;
    w->path = lt_strdup(path);
    if (!w->path) w->status = LT_ERROR_MEMORY;
    return true;
}

lt_status lt_hashes_choose(const lt_shelf *shelf, lt_shelf_kind kind, const char *name, const char *hash, char **path,
                           bool *exact) {
    wanted w = {.name = name, .hash = hash, .found = *path, .kind = kind, .named = true};
    *exact = *path && has_hash(*path, kind, hash);
    if (*exact) return LT_OK;
    LT_TRY(lt_shelf_walk(shelf, kind, is_wanted, &w));
    w.named = false;
    if (!w.path && !w.status) LT_TRY(lt_shelf_walk(shelf, kind, is_wanted, &w));
    *exact = w.path != NULL;
    if (w.path) lt_free(*path);
    if (w.path) *path = w.path;
    return w.status;
}
