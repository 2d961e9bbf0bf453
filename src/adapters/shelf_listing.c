/* What there is on a shelf. */
#include "adapters/shelf_listing.h"

#include "adapters/hash_cache.h"
#include "adapters/shelf.h"
#include "adapters/shelf_kind.h"
#include "base/file.h"
#include "formats/picture_embedding.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* The texts of an item. */
typedef struct texts {
    char *path, *name, *details, *words, *preview, *fault, *sha256;
} texts;

typedef struct reading {
    lt_shelf_listing *listing;
    texts *all; /* [listing->count] */
    lt_status status;
} reading;

/* ---- Files ---- */

static lt_status grow(reading *r) {
    const size_t n = r->listing->count;
    lt_shelf_item *items = lt_realloc(r->listing->items, n * sizeof *items, (n + 1) * sizeof *items);
    if (items) r->listing->items = items;
    texts *all = lt_realloc(r->all, n * sizeof *all, (n + 1) * sizeof *all);
    if (all) r->all = all;
    if (!items || !all) return LT_ERROR_MEMORY;
    items[n] = (lt_shelf_item){0};
    all[n] = (texts){0};
    r->listing->count++;
    return LT_OK;
}

static lt_status add_file(reading *r, const char *path, const char *name) {
    bool preview;
    LT_TRY(lt_is_preview(path, &preview));
    if (preview) return LT_OK;
    LT_TRY(grow(r));
    texts *t = &r->all[r->listing->count - 1];
    t->path = lt_strdup(path);
    t->name = lt_strdup(name);
    return t->path && t->name ? LT_OK : LT_ERROR_MEMORY;
}

static bool found(void *user, const char *path, const char *name) {
    reading *r = user;
    r->status = add_file(r, path, name);
    return r->status != LT_OK;
}

/* ---- What each is ---- */

static uint64_t size_of(const char *path);

static uint64_t size_within(const char *folder) {
    struct dirent **entries;
    const int count = scandir(folder, &entries, NULL, NULL);
    uint64_t size = 0;
    for (int i = 0; i < count; i++) {
        char *path = entries[i]->d_name[0] == '.' ? NULL : lt_format("%s/%s", folder, entries[i]->d_name);
        if (path) size += size_of(path);
        lt_free(path);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    return size;
}

/* Of a folder, that of its files; links to folders are left alone, which may lead back. */
static uint64_t size_of(const char *path) {
    struct stat info;
    if (!lstat(path, &info) && S_ISDIR(info.st_mode)) return size_within(path);
    return !stat(path, &info) && S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
}

static lt_status find_preview(const char *path, const char *name, char **preview) {
    static const char *const endings[] = {".preview.png",  ".png",  ".preview.jpg",  ".jpg",
                                          ".preview.jpeg", ".jpeg", ".preview.webp", ".webp"};
    const int folder = (int)(lt_base_name(path) - path);
    for (size_t i = 0; i < LT_COUNT(endings); i++) {
        char *picture = lt_format("%.*s%s%s", folder, path, name, endings[i]);
        if (!picture) return LT_ERROR_MEMORY;
        if (!access(picture, R_OK)) *preview = picture;
        if (*preview) return LT_OK;
        lt_free(picture);
    }
    return LT_OK;
}

static lt_status note_fault(lt_shelf_item *item, texts *t) {
    const char *message = lt_error_message();
    const size_t path = strlen(t->path);
    const bool named = !strncmp(message, t->path, path) && !strncmp(message + path, ": ", 2);
    item->kind = LT_SHELF_BROKEN;
    t->fault = lt_strdup(named ? message + path + 2 : message);
    return t->fault ? LT_OK : LT_ERROR_MEMORY;
}

/* Only what says what it is is read; a file that can't be is listed with the reason. */
static lt_status look_at(lt_shelf_item *item, texts *t) {
    lt_source source;
    lt_shelf_about about = {0};
    lt_status status = lt_source_open(t->path, &source);
    if (status == LT_ERROR_MEMORY) return status;
    if (status) return note_fault(item, t);
    status = lt_shelf_about_read(&source, &about);
    item->kind = about.kind;
    item->family = about.family;
    t->details = about.details;
    t->words = about.words;
    lt_source_close(&source);
    return status == LT_ERROR_MEMORY || !status ? status : note_fault(item, t);
}

static void point_to(lt_shelf_item *item, const texts *t) {
    item->path = t->path;
    item->name = t->name;
    item->details = t->details;
    item->words = t->words;
    item->preview = t->preview;
    item->fault = t->fault;
    item->sha256 = t->sha256;
}

/* A hash that can't be computed is none. */
static lt_status take_hash(lt_hash_cache *hashes, bool compute, texts *t) {
    char hash[LT_SHA256_TEXT];
    const lt_status status = lt_hash_cache_ask(hashes, t->path, LT_HASH_FILE, compute, hash);
    if (status == LT_ERROR_MEMORY || !hash[0]) return status == LT_ERROR_MEMORY ? status : LT_OK;
    t->sha256 = lt_strdup(hash);
    return t->sha256 ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status describe(lt_shelf_item *item, texts *t, const lt_shelf_options *options, lt_hash_cache *hashes) {
    item->size = size_of(t->path);
    lt_status status = look_at(item, t);
    if (!status) status = find_preview(t->path, t->name, &t->preview);
    if (!status) status = take_hash(hashes, options->hashes, t);
    point_to(item, t);
    return status;
}

/* ---- All of them ---- */

static lt_status describe_all(reading *r, const lt_shelf_options *o, lt_hash_cache *hashes) {
    lt_shelf_listing *listing = r->listing;
    lt_status status = LT_OK;
    for (size_t i = 0; i < listing->count && !status; i++) {
        status = describe(&listing->items[i], &r->all[i], o, hashes);
        if (!status && o->progress && !o->progress(o->user, i + 1, listing->count))
            status = lt_fail(LT_ERROR_CANCELLED, "stopped after file %zu of %zu", i + 1, listing->count);
    }
    const lt_status saved = lt_hash_cache_save(hashes); /* what was computed is not lost with what failed */
    return status ? status : saved;
}

static int by_kind_and_name(const void *a, const void *b) {
    const lt_shelf_item *x = a, *y = b;
    if (x->kind != y->kind) return (x->kind > y->kind) - (x->kind < y->kind);
    const int names = strcasecmp(x->name, y->name);
    return names ? names : strcmp(x->path, y->path);
}

static lt_status read_all(reading *r, const char *folder, const lt_shelf_options *options) {
    lt_hash_cache hashes;
    LT_TRY(lt_shelf_walk_all(folder, found, r));
    LT_TRY(r->status);
    lt_status status = lt_hash_cache_open(options->cache, &hashes);
    if (!status) status = describe_all(r, options, &hashes);
    lt_hash_cache_close(&hashes);
    if (!status && r->listing->count)
        qsort(r->listing->items, r->listing->count, sizeof *r->listing->items, by_kind_and_name);
    return status;
}

static lt_status check_folder(const char *folder) {
    struct stat info;
    if (!stat(folder, &info) && S_ISDIR(info.st_mode) && !access(folder, R_OK | X_OK)) return LT_OK;
    return lt_fail(LT_ERROR_FILE, "%s: no folder that can be read", folder);
}

lt_status lt_shelf_listing_read(const char *folder, const lt_shelf_options *options, lt_shelf_listing *listing) {
    reading r = {.listing = listing};
    *listing = (lt_shelf_listing){0};
    LT_TRY(check_folder(folder));
    const lt_status status = read_all(&r, folder, options);
    listing->owner = r.all;
    if (status) lt_shelf_listing_free(listing);
    return status;
}

void lt_shelf_listing_free(lt_shelf_listing *listing) {
    texts *all = listing->owner;
    for (size_t i = 0; all && i < listing->count; i++) {
        char *const owned[] = {all[i].path,    all[i].name,  all[i].details, all[i].words,
                               all[i].preview, all[i].fault, all[i].sha256};
        for (size_t k = 0; k < LT_COUNT(owned); k++) lt_free(owned[k]);
    }
    lt_free(all);
    lt_free(listing->items);
    *listing = (lt_shelf_listing){0};
}
