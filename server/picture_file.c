/* Files of pictures. */
#include "picture_file.h"

#include "tools.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char begun[] = ".part"; /* ending of what is being written */

static void remove_begun(const char *folder) {
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        const size_t size = strlen(entry->d_name), ending = sizeof begun - 1;
        if (size > ending && !strcmp(entry->d_name + size - ending, begun)) unlinkat(dirfd(entries), entry->d_name, 0);
    }
    if (entries) closedir(entries);
}

static bool make_folder(const char *path) { return !mkdir(path, 0700) || errno == EEXIST; }

lt_status lt_picture_folder_make(const char *store) {
    char *path = tool_format("%s/pictures", store);
    if (!path) return LT_ERROR_MEMORY;
    const lt_status status =
        make_folder(path) ? LT_OK : lt_fail(LT_ERROR_FILE, "%s: can't be made: %s", path, strerror(errno));
    remove_begun(path);
    free(path);
    return status;
}

static bool write_all(int file, const char *bytes, size_t size) {
    while (size) {
        const ssize_t written = write(file, bytes, size);
        if (written < 0 && errno != EINTR) return false;
        bytes += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* Somebody may have removed the folder with all pictures in it. */
static int create(const char *folder, const char *path) {
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, file = open(path, flags, 0600);
    return file < 0 && errno == ENOENT && make_folder(folder) ? open(path, flags, 0600) : file;
}

static bool write_file(const char *folder, const char *path, const void *bytes, size_t size) {
    const int file = create(folder, path);
    if (file < 0) return false;
    const bool written = write_all(file, bytes, size) && !fsync(file);
    return !close(file) && written;
}

/* The name itself is on the disk when the folder is. */
static bool sync_folder(const char *folder) {
    const int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = file >= 0 && !fsync(file);
    if (file >= 0) close(file);
    return synced;
}

static lt_status write_beside(const char *folder, const char *path, const void *bytes, size_t size) {
    char *part = tool_format("%s%s", path, begun);
    if (!part) return LT_ERROR_MEMORY;
    const bool done = write_file(folder, part, bytes, size) && !rename(part, path) && sync_folder(folder);
    const int reason = errno;
    if (!done) unlink(part);
    free(part);
    return done ? LT_OK : lt_fail(LT_ERROR_FILE, "%s: can't be written: %s", path, strerror(reason));
}

lt_status lt_picture_file_write(const char *store, const char *job, int number, const char *ending, const void *bytes,
                                size_t size, char **name) {
    *name = tool_format("pictures/%s-%d.%s", job, number, ending);
    char *path = *name ? tool_format("%s/%s", store, *name) : NULL;
    char *folder = path ? tool_format("%s/pictures", store) : NULL;
    const lt_status status = folder ? write_beside(folder, path, bytes, size) : LT_ERROR_MEMORY;
    free(folder);
    free(path);
    if (status) free(*name), *name = NULL;
    return status;
}

void *lt_picture_file_read(const char *path, size_t *size) {
    FILE *file = fopen(path, "rbe");
    struct stat info;
    char *bytes = file && !fstat(fileno(file), &info) ? tool_calloc((size_t)info.st_size + 1, 1) : NULL;
    *size = bytes ? fread(bytes, 1, (size_t)info.st_size, file) : 0;
    const bool whole = bytes && *size == (size_t)info.st_size;
    if (file) fclose(file);
    if (!whole) lt_fail(LT_ERROR_FILE, "%s: can't be read", path);
    if (!whole) free(bytes);
    return whole ? bytes : NULL;
}
