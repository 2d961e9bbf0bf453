/* Files written beside and renamed. */
#include "base/file.h"

#include "base/door.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *lt_folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? lt_strndup(path, lt_max((size_t)(slash - path), 1)) : lt_strdup(".");
}

const char *lt_base_name(const char *path) {
    size_t at = strlen(path);
    while (at > 1 && path[at - 1] == '/') at--;
    while (at > 0 && path[at - 1] != '/') at--;
    return path + at;
}

/* ---- Writing ---- */

static lt_status refuse(const lt_writer *w) {
    return lt_fail(LT_ERROR_FILE, "%s: can't be written: %s", w->path, strerror(errno));
}

/* The stream has a descriptor of its own: the part's keeps the lock until the file has its name. */
static lt_status open_stream(lt_writer *w) {
    const int descriptor = dup(w->part.descriptor);
    w->file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    if (w->file) return LT_OK;
    const lt_status status = refuse(w);
    if (descriptor >= 0) close(descriptor);
    return status;
}

lt_status lt_writer_wait(const char *path, lt_status (*poll)(void *user), void *user, lt_writer *w) {
    *w = (lt_writer){0};
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) /* a device would be replaced by a file */
        return lt_fail(LT_ERROR_FILE, "%s: can't be written: not a regular file", path);
    w->path = lt_strdup(path);
    lt_status status = w->path ? lt_part_open(w->path, LT_PART_FILE, poll, user, &w->part) : LT_ERROR_MEMORY;
    if (!status) status = open_stream(w);
    if (status) lt_writer_abort(w);
    return status;
}

lt_status lt_writer_open(const char *path, lt_writer *w) { return lt_writer_wait(path, NULL, NULL, w); }

static _Thread_local bool (*is_stopped)(void *user);

void lt_watch_writing(bool (*stopped)(void *user)) { is_stopped = stopped; }

lt_status lt_writer_ask(void) {
    return is_stopped && is_stopped(NULL) ? lt_fail(LT_ERROR_CANCELLED, "stopped; nothing was written") : LT_OK;
}

lt_status lt_writer_write(lt_writer *w, const void *data, size_t size) {
    LT_TRY(lt_writer_ask());
    return size && fwrite(data, 1, size, w->file) != size ? refuse(w) : LT_OK;
}

/* Brings what is written to the disk, which may take many seconds: a stop is asked for between pieces. */
static lt_status synchronize(const lt_writer *w) {
    enum { PIECE = 1 << 24 };
    const unsigned wait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    const int descriptor = fileno(w->file);
    const off_t size = lseek(descriptor, 0, SEEK_CUR);
    for (off_t at = 0; at < size; at += PIECE) {
        LT_TRY(lt_writer_ask());
        const bool done = !sync_file_range(descriptor, at, PIECE, wait);
        if (!done && errno != EINVAL && errno != ENOSYS && errno != ESPIPE) return refuse(w); /* these: not here */
    }
    LT_TRY(lt_writer_ask());
    return fsync(descriptor) ? refuse(w) : LT_OK;
}

lt_status lt_writer_commit(lt_writer *w) {
    lt_status status = fflush(w->file) ? refuse(w) : synchronize(w);
    if (fclose(w->file) && !status) status = refuse(w);
    w->file = NULL;
    if (!status) status = lt_part_commit(&w->part, w->path);
    lt_writer_abort(w);
    return status;
}

void lt_writer_abort(lt_writer *w) {
    if (w->file) fclose(w->file);
    lt_part_abort(&w->part);
    lt_free(w->path);
    *w = (lt_writer){0};
}

lt_status lt_file_write(const char *path, const void *data, size_t size) {
    lt_writer w;
    LT_TRY(lt_writer_open(path, &w));
    const lt_status status = lt_writer_write(&w, data, size);
    if (!status) return lt_writer_commit(&w);
    lt_writer_abort(&w);
    return status;
}

/* ---- Beforehand ---- */

/* What keeps files from being made in folder: an errno, or 0. */
static int blocked_by(const char *folder) {
    struct stat info;
    if (stat(folder, &info)) return errno;
    if (!S_ISDIR(info.st_mode)) return ENOTDIR;
    return access(folder, W_OK | X_OK) ? errno : 0;
}

static lt_status check_writable(const char *path) {
    struct stat info;
    char *target, *folder; /* of a link */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return lt_fail(LT_ERROR_FILE, "%s: not a file that can be written over", path);
    LT_TRY(lt_link_target(path, &target));
    folder = lt_folder_of(target);
    lt_free(target);
    if (!folder) return LT_ERROR_MEMORY;
    const int blocked = blocked_by(folder);
    lt_free(folder);
    return blocked ? lt_fail(LT_ERROR_FILE, "%s: can't write there: %s", path, strerror(blocked)) : LT_OK;
}

lt_status lt_check_writable(const char *path) {
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(path)};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = check_writable(path);
    return lt_leave(&door, status);
}
