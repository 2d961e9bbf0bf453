/* Files: read by memory map, written beside and renamed. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

lt_status lt_map_open(const char *path, lt_map *map) {
    *map = (lt_map){0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe with no writer must not hold us up */
    if (fd < 0) return lt_fail(LT_ERROR_FILE, "%s: can't be opened: %s", path, strerror(errno));
    lt_status status = LT_OK;
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = lt_fail(LT_ERROR_FILE, "%s: not a regular file", path);
    } else if ((uintmax_t)info.st_size > SIZE_MAX) {
        status = lt_fail(LT_ERROR_FILE, "%s: too large for this machine's address space", path);
    } else if (info.st_size > 0) {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            status = lt_fail(LT_ERROR_FILE, "%s: can't be mapped: %s", path, strerror(errno));
        else
            *map = (lt_map){data, (size_t)info.st_size};
    }
    close(fd);
    return status;
}

void lt_map_close(lt_map *map) {
    if (map->data) munmap((void *)(uintptr_t)map->data, map->size);
    *map = (lt_map){0};
}

void lt_map_release(const void *data, size_t size) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)data + page - 1) / page * page, end = ((uintptr_t)data + size) / page * page;
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* Makes the temporary file, which must be new: a stranger's link of that name is not followed, another thread's file
 * not shared. */
static lt_status create_temporary(lt_writer *w) {
    for (int attempt = 0; attempt < 1000; attempt++) {
        w->temporary = lt_format("%s.%ld-%d.part", w->path, (long)getpid(), attempt);
        if (!w->temporary) return LT_ERROR_MEMORY;
        const int fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 && (w->file = fdopen(fd, "wb"))) return LT_OK;
        const int reason = errno;
        if (fd >= 0) {
            close(fd);
            unlink(w->temporary);
        }
        lt_free(w->temporary);
        w->temporary = NULL;
        errno = reason;
        if (reason != EEXIST) break;
    }
    return lt_fail(LT_ERROR_FILE, "%s: can't be written: %s", w->path, strerror(errno));
}

/* True of the name of a temporary file of the file called name whose maker has ended. */
static bool is_leftover(const char *entry, const char *name) {
    const size_t n = strlen(name);
    long maker;
    int used = 0;
    if (strncmp(entry, name, n) || sscanf(entry + n, ".%ld-%*d.part%n", &maker, &used) != 1 || !used) return false;
    return entry[n + (size_t)used] == '\0' && maker > 0 && kill((pid_t)maker, 0) && errno == ESRCH;
}

char *lt_folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? lt_strndup(path, lt_max((size_t)(slash - path), 1)) : lt_strdup(".");
}

lt_status lt_writer_remove_leftovers(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder = lt_folder_of(path);
    if (!folder) return LT_ERROR_MEMORY;
    DIR *entries = opendir(folder); /* NULL: writing will say why */
    for (const struct dirent *e; entries && (e = readdir(entries));)
        if (is_leftover(e->d_name, name)) unlinkat(dirfd(entries), e->d_name, 0);
    if (entries) closedir(entries);
    lt_free(folder);
    return LT_OK;
}

lt_status lt_writer_open(const char *path, lt_writer *w) {
    *w = (lt_writer){0};
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) /* a device would be replaced by a file */
        return lt_fail(LT_ERROR_FILE, "%s: can't be written: not a regular file", path);
    w->path = lt_strdup(path);
    const lt_status status = w->path ? create_temporary(w) : LT_ERROR_MEMORY;
    if (status != LT_OK) lt_writer_abort(w);
    return status;
}

static _Thread_local bool (*is_stopped)(void *user);

void lt_writer_watch(bool (*stopped)(void *user)) { is_stopped = stopped; }

static lt_status check_stop(void) {
    return is_stopped && is_stopped(NULL) ? lt_fail(LT_ERROR_CANCELLED, "stopped; nothing was written") : LT_OK;
}

lt_status lt_writer_write(lt_writer *w, const void *data, size_t size) {
    LT_TRY(check_stop());
    if (size && fwrite(data, 1, size, w->file) != size)
        return lt_fail(LT_ERROR_FILE, "%s: can't be written: %s", w->path, strerror(errno));
    return LT_OK;
}

lt_status lt_writer_commit(lt_writer *w) {
    if (check_stop()) {
        lt_writer_abort(w);
        return LT_ERROR_CANCELLED;
    }
    bool ok = fflush(w->file) == 0 && fsync(fileno(w->file)) == 0;
    ok = fclose(w->file) == 0 && ok;
    w->file = NULL;
    ok = ok && rename(w->temporary, w->path) == 0;
    const lt_status status = ok ? LT_OK : lt_fail(LT_ERROR_FILE, "%s: can't be written: %s", w->path, strerror(errno));
    if (ok) {
        lt_free(w->temporary);
        w->temporary = NULL;
    }
    lt_writer_abort(w);
    return status;
}

void lt_writer_abort(lt_writer *w) {
    if (w->file) fclose(w->file);
    if (w->temporary) unlink(w->temporary);
    lt_free(w->path);
    lt_free(w->temporary);
    *w = (lt_writer){0};
}
