/* Hashes that are kept. */
#include "adapters/hash_cache.h"

#include "base/file.h"
#include "formats/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static lt_status read_kept(const char *path, json_t **all) {
    lt_map map;
    LT_TRY(lt_map_open(path, &map));
    const lt_status status = lt_json_read((const char *)map.data, map.size, 0, all);
    return lt_map_finish(&map, status);
}

lt_status lt_hash_cache_open(const char *folder, lt_hash_cache *cache) {
    *cache = (lt_hash_cache){0};
    if (folder && !(cache->path = lt_format("%s/hashes.json", folder))) return LT_ERROR_MEMORY;
    if (folder && read_kept(cache->path, &cache->all) == LT_ERROR_MEMORY) return LT_ERROR_MEMORY;
    if (json_is_object(cache->all)) return LT_OK;
    json_decref(cache->all);
    cache->all = json_object();
    return cache->all ? LT_OK : lt_fail(LT_ERROR_MEMORY, "out of memory");
}

/* When a file was last written, to the nanosecond. */
static void tell_time(const struct stat *info, char text[48]) {
    snprintf(text, 48, "%lld.%09ld", (long long)info->st_mtim.tv_sec, info->st_mtim.tv_nsec);
}

static const char *const keys[] = {[LT_HASH_FILE] = "sha256", [LT_HASH_TENSORS] = "tensors"};

/* What is kept of a file that is still the same; NULL: nothing. */
static json_t *find_row(const lt_hash_cache *cache, const char *path, const struct stat *info) {
    json_t *row = cache ? json_object_get(cache->all, path) : NULL;
    const char *time = json_string_value(json_object_get(row, "time"));
    const json_int_t size = json_integer_value(json_object_get(row, "size"));
    char now[48];
    tell_time(info, now);
    return time && !strcmp(time, now) && size == (json_int_t)info->st_size ? row : NULL;
}

static const char *find(const lt_hash_cache *cache, const char *path, const struct stat *info, lt_hash_of what) {
    const char *hash = json_string_value(json_object_get(find_row(cache, path, info), keys[what]));
    return hash && strlen(hash) == LT_SHA256_TEXT - 1 ? hash : NULL;
}

/* A name that is not UTF-8 is not kept. */
static void keep(lt_hash_cache *cache, const char *path, const struct stat *info, lt_hash_of what, const char *hash) {
    char now[48];
    tell_time(info, now);
    json_t *row = find_row(cache, path, info);
    row = row ? json_incref(row) : json_pack("{s:I, s:s}", "size", (json_int_t)info->st_size, "time", now);
    const bool whole = row && !json_object_set_new(row, keys[what], json_string(hash));
    if (whole && !json_object_set(cache->all, path, row)) cache->changed = true;
    json_decref(row);
}

/* Where the tensors of a safetensors file begin: behind eight bytes, which say how long the header is. */
static size_t header_size(const lt_map *map) {
    uint64_t size = SIZE_MAX;
    if (map->size >= 8) memcpy(&size, map->data, 8);
    return map->size >= 8 && size <= map->size - 8 ? (size_t)size + 8 : map->size;
}

static lt_status hash_file(const char *path, lt_hash_of what, char text[LT_SHA256_TEXT]) {
    lt_map map;
    LT_TRY(lt_map_open(path, &map));
    const size_t from = what == LT_HASH_TENSORS ? header_size(&map) : 0;
    lt_sha256(map.data + from, map.size - from, text);
    return lt_map_finish(&map, LT_OK);
}

lt_status lt_hash_cache_ask(lt_hash_cache *cache, const char *path, lt_hash_of what, bool compute,
                            char text[LT_SHA256_TEXT]) {
    struct stat info;
    char *whole = realpath(path, NULL);
    const char *key = whole ? whole : path, *kept = NULL;
    lt_status status = LT_OK;
    text[0] = '\0';
    const bool there = !stat(path, &info) && S_ISREG(info.st_mode);
    if (there) kept = find(cache, key, &info, what);
    if (kept) memcpy(text, kept, LT_SHA256_TEXT);
    if (there && !kept && compute) status = hash_file(path, what, text);
    if (cache && !status && text[0] && !kept) keep(cache, key, &info, what, text);
    free(whole);
    return status;
}

/* With all folders that it is in. */
static lt_status make_folder(const char *path) {
    char *folder = lt_strdup(path);
    if (!folder) return LT_ERROR_MEMORY;
    for (char *at = folder + 1;; at++) {
        const char sign = *at;
        if (sign && sign != '/') continue;
        *at = '\0';
        const bool made = !mkdir(folder, 0777) || errno == EEXIST;
        *at = sign;
        if (made && sign) continue;
        lt_free(folder);
        return made ? LT_OK : lt_fail(LT_ERROR_FILE, "%s: the folder can't be made: %s", path, strerror(errno));
    }
}

/* Adds what another program has written since. */
static lt_status merge(const lt_hash_cache *cache) {
    json_t *others = NULL;
    const lt_status status = read_kept(cache->path, &others);
    if (json_is_object(others)) json_object_update_missing(cache->all, others);
    json_decref(others);
    return status == LT_ERROR_MEMORY ? status : LT_OK;
}

lt_status lt_hash_cache_save(lt_hash_cache *cache) {
    if (!cache->path || !cache->changed) return LT_OK;
    LT_TRY(merge(cache));
    char *folder = lt_folder_of(cache->path), *text = json_dumps(cache->all, JSON_INDENT(1) | JSON_SORT_KEYS);
    lt_status status = folder && text ? make_folder(folder) : lt_fail(LT_ERROR_MEMORY, "out of memory");
    if (!status) status = lt_file_write(cache->path, text, strlen(text));
    cache->changed = status != LT_OK;
    lt_free(folder);
    free(text);
    return status;
}

void lt_hash_cache_close(lt_hash_cache *cache) {
    json_decref(cache->all);
    lt_free(cache->path);
    *cache = (lt_hash_cache){0};
}
