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

/* What is kept of a file that is still the same; NULL: nothing. */
static const char *find(const lt_hash_cache *cache, const char *path, const struct stat *info) {
    const json_t *row = json_object_get(cache->all, path);
    const char *time = json_string_value(json_object_get(row, "time"));
    const char *hash = json_string_value(json_object_get(row, "sha256"));
    const json_int_t size = json_integer_value(json_object_get(row, "size"));
    char now[48];
    tell_time(info, now);
    const bool same = time && !strcmp(time, now) && size == (json_int_t)info->st_size;
    return same && hash && strlen(hash) == LT_SHA256_TEXT - 1 ? hash : NULL;
}

/* A name that is not UTF-8 is not kept. */
static void keep(lt_hash_cache *cache, const char *path, const struct stat *info, const char *hash) {
    char now[48];
    tell_time(info, now);
    json_t *row = json_pack("{s:I, s:s, s:s}", "size", (json_int_t)info->st_size, "time", now, "sha256", hash);
    if (row && !json_object_set_new(cache->all, path, row)) cache->changed = true;
}

static lt_status hash_file(const char *path, char text[LT_SHA256_TEXT]) {
    lt_map map;
    LT_TRY(lt_map_open(path, &map));
    lt_sha256(map.data, map.size, text);
    return lt_map_finish(&map, LT_OK);
}

lt_status lt_hash_cache_ask(lt_hash_cache *cache, const char *path, bool compute, char text[LT_SHA256_TEXT]) {
    struct stat info;
    char *whole = realpath(path, NULL);
    const char *key = whole ? whole : path, *kept = NULL;
    lt_status status = LT_OK;
    text[0] = '\0';
    const bool there = !stat(path, &info) && S_ISREG(info.st_mode);
    if (there) kept = find(cache, key, &info);
    if (kept) memcpy(text, kept, LT_SHA256_TEXT);
    if (there && !kept && compute) status = hash_file(path, text);
    if (!status && text[0] && !kept) keep(cache, key, &info, text);
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

lt_status lt_hash_cache_save(const lt_hash_cache *cache) {
    if (!cache->path || !cache->changed) return LT_OK;
    char *folder = lt_folder_of(cache->path), *text = json_dumps(cache->all, JSON_INDENT(1) | JSON_SORT_KEYS);
    lt_status status = folder && text ? make_folder(folder) : lt_fail(LT_ERROR_MEMORY, "out of memory");
    if (!status) status = lt_file_write(cache->path, text, strlen(text));
    lt_free(folder);
    free(text);
    return status;
}

void lt_hash_cache_close(lt_hash_cache *cache) {
    json_decref(cache->all);
    lt_free(cache->path);
    *cache = (lt_hash_cache){0};
}
