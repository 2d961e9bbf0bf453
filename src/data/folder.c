/* Data sets in a folder: the pictures that metadata.jsonl lists, or shards, or every picture that is there. */
#include "data/readers.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- metadata.jsonl ---- */

/* The size of dataset's file called name. A picture is opened when it is wanted; that it is there is checked now. */
static lt_status measure(const lt_dataset *dataset, const char *name, size_t *size) {
    struct stat info;
    char *path = lt_format("%s/%s", dataset->root, name);
    if (!path) return LT_ERROR_MEMORY;
    const int reason = stat(path, &info) == 0 ? 0 : errno;
    lt_free(path);
    if (reason) return lt_fail(LT_ERROR_FILE, "%s can't be found in the folder: %s", name, strerror(reason));
    if (!S_ISREG(info.st_mode)) return lt_fail(LT_ERROR_FILE, "%s is not a regular file", name);
    *size = (size_t)info.st_size;
    return LT_OK;
}

static lt_status read_line(lt_dataset *dataset, lt_bytes text, size_t number) {
    lt_sample sample = {.line = number};
    LT_TRY(lt_record_from_json(&dataset->arena, text, &sample.name, &sample.record));
    LT_TRY(lt_check_relative_name(sample.name));
    LT_TRY(measure(dataset, sample.name, &sample.size));
    sample.key_size = strlen(sample.name);
    return lt_dataset_add(dataset, &sample);
}

static lt_status read_lines(lt_dataset *dataset, lt_bytes text) {
    lt_bytes line;
    for (size_t number = 0; lt_next_line(&text, &line, &number);) {
        const lt_status status = read_line(dataset, line, number);
        if (status) return lt_fail_in(status, "%s/metadata.jsonl: line %zu", dataset->root, number);
    }
    return LT_OK;
}

static lt_status read_metadata(lt_dataset *dataset, const char *path) {
    lt_map map;
    LT_TRY(lt_map_open(path, &map));
    lt_status status = read_lines(dataset, (lt_bytes){map.data, map.size});
    if (!status && !dataset->count) status = lt_fail(LT_ERROR_FORMAT, "%s lists no picture", path);
    return lt_map_finish(&map, status);
}

/* ---- Pictures without metadata.jsonl ---- */

static lt_status read_text_file(lt_dataset *dataset, const char *path, lt_record *record) {
    lt_map map;
    LT_TRY(lt_map_open(path, &map));
    const lt_status status =
        lt_map_finish(&map, lt_record_texts(&dataset->arena, (lt_bytes){map.data, map.size}, record));
    return status ? lt_fail_in(status, "%s", path) : LT_OK;
}

/* Also of a link that leads nowhere: what is meant to be there and can't be read is told, not passed over. */
static bool has_entry(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0;
}

/* A folder beside a picture is one, however it is called. */
static bool has_text(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

/* The lines of picture.txt instead of picture.png, if there is such a file, or of picture.caption. */
static lt_status read_text_beside(lt_dataset *dataset, const char *picture, lt_record *record) {
    static const char *const endings[] = {"txt", "caption"};
    const char *dot = strrchr(picture, '.');
    lt_status status = LT_OK;
    for (size_t i = 0; i < LT_COUNT(endings) && !record->text_count && !status; i++) {
        char *path = lt_format("%.*s.%s", (int)(dot - picture), picture, endings[i]);
        if (!path) return LT_ERROR_MEMORY;
        if (has_text(path)) status = read_text_file(dataset, path, record);
        lt_free(path);
    }
    return status;
}

static lt_status add_file(lt_dataset *dataset, const char *path) {
    lt_sample sample = {0};
    const char *name = path + strlen(dataset->root);
    name += strspn(name, "/");
    sample.key_size = strlen(name);
    sample.name = lt_arena_strndup(&dataset->arena, name, sample.key_size);
    if (!sample.name) return LT_ERROR_MEMORY;
    const lt_status status = measure(dataset, sample.name, &sample.size);
    if (status) return lt_fail_in(status, "%s", dataset->root);
    LT_TRY(read_text_beside(dataset, path, &sample.record));
    return lt_dataset_add(dataset, &sample);
}

/* Remembers the first list of captions that is there and not read. */
static lt_status note_list(lt_dataset *dataset, const char *path) {
    static const char *const lists[] = {"metadata.jsonl", "metadata.csv", "metadata.parquet"};
    const char *name = strrchr(path, '/');
    for (size_t i = 0; i < LT_COUNT(lists) && name && !dataset->unread_list; i++)
        if (!strcmp(name + 1, lists[i]) &&
            !(dataset->unread_list = lt_arena_strndup(&dataset->arena, path, strlen(path))))
            return LT_ERROR_MEMORY;
    return LT_OK;
}

/* Links to files count, as caches of downloads are made of them; links to folders don't, as they may go in circles. A
 * pipe, a socket or a device that is called like a picture is refused with the rest that is no file. */
static lt_status add_entry(lt_dataset *dataset, const FTSENT *entry) {
    switch (entry->fts_info) {
    case FTS_F:
    case FTS_SL:
    case FTS_DEFAULT:
        if (entry->fts_name[0] == '.') return LT_OK;
        if (!lt_is_picture_name(entry->fts_name)) return note_list(dataset, entry->fts_path);
        return add_file(dataset, entry->fts_path);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS: return lt_fail(LT_ERROR_FILE, "%s: can't be read: %s", entry->fts_path, strerror(entry->fts_errno));
    default: return LT_OK;
    }
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const lt_sample *)a)->name, ((const lt_sample *)b)->name);
}

static lt_status walk(lt_dataset *dataset) {
    char *const roots[] = {dataset->root, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    if (!tree) return lt_fail(LT_ERROR_FILE, "%s: can't be read: %s", dataset->root, strerror(errno));
    lt_status status = LT_OK;
    errno = 0; /* fts_read tells its end from a failure by it */
    for (const FTSENT *entry; !status && (entry = fts_read(tree)); errno = 0) status = add_entry(dataset, entry);
    if (!status && errno) status = lt_fail(LT_ERROR_FILE, "%s: can't be read: %s", dataset->root, strerror(errno));
    fts_close(tree);
    /* a folder's own order differs from machine to machine */
    if (!status && dataset->count) qsort(dataset->samples, dataset->count, sizeof *dataset->samples, compare_names);
    return status;
}

lt_status lt_dataset_read_folder(lt_dataset *dataset) {
    char *metadata = lt_format("%s/metadata.jsonl", dataset->root);
    if (!metadata) return LT_ERROR_MEMORY;
    const bool listed = has_entry(metadata);
    bool shards = false;
    lt_status status = listed ? read_metadata(dataset, metadata) : lt_dataset_read_shards(dataset, &shards);
    if (!status && !listed && !shards) status = walk(dataset);
    lt_free(metadata);
    return status;
}
