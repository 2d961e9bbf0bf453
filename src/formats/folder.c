/* Folders, written beside and renamed. */
#include "formats/folder.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Nothing is there, or a folder with nothing in it; the same behind a link. */
static lt_status check_free(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0 && errno == ENOENT) return LT_OK;
    DIR *folder = opendir(path);
    if (!folder) return lt_fail(LT_ERROR_FILE, "%s: can't be made a folder: %s", path, strerror(errno));
    bool empty = true;
    for (const struct dirent *e; (e = readdir(folder));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) empty = false;
    closedir(folder);
    return empty ? LT_OK : lt_fail(LT_ERROR_FILE, "%s: the folder is there and not empty; name a new one", path);
}

lt_status lt_folder_open(const char *path, lt_folder_writer *w) {
    *w = (lt_folder_writer){0};
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') size--; /* the temporary folder stands beside it, not in it */
    w->path = lt_strndup(path, size);
    lt_status status = w->path ? check_free(w->path) : LT_ERROR_MEMORY;
    if (!status) status = lt_part_open(w->path, LT_PART_FOLDER, NULL, NULL, &w->part);
    if (status) lt_folder_abort(w);
    return status;
}

lt_status lt_folder_add(const lt_folder_writer *w, const char *name) {
    char *path = lt_format("%s/%s", w->part.path, name);
    if (!path) return LT_ERROR_MEMORY;
    const bool made = mkdir(path, 0777) == 0;
    const int reason = errno;
    lt_free(path);
    return made ? LT_OK : lt_fail(LT_ERROR_FILE, "%s/%s: can't be made: %s", w->path, name, strerror(reason));
}

lt_status lt_folder_write(const lt_folder_writer *w, const char *name, const char *text, size_t size) {
    char *path = lt_format("%s/%s", w->part.path, name);
    const lt_status status = path ? lt_file_write(path, text, size) : LT_ERROR_MEMORY;
    lt_free(path);
    return status;
}

lt_status lt_folder_write_json(const lt_folder_writer *w, const char *name, json_t *json, size_t flags) {
    char *text = json ? json_dumps(json, flags) : NULL;
    json_decref(json);
    if (!text) return lt_fail(LT_ERROR_MEMORY, "out of memory");
    const lt_status status = lt_folder_write(w, name, text, strlen(text));
    free(text);
    return status;
}

lt_status lt_folder_commit(lt_folder_writer *w) {
    const lt_status status = lt_part_commit(&w->part, w->path);
    lt_folder_abort(w);
    return status;
}

void lt_folder_abort(lt_folder_writer *w) {
    lt_part_abort(&w->part);
    lt_free(w->path);
    *w = (lt_folder_writer){0};
}
