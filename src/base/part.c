/* Files and folders that are being written: made beside their place, locked, and renamed. */
#include "base/part.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_LINKS = 40 }; /* one behind the other; as many as Linux follows */

/* ---- Links ---- */

/* Where *path is a link, what it names takes its place. *linked: it was one; whatever else is there, or nothing, is
 * left to whoever opens it. */
static lt_status follow(char **path, bool *linked) {
    char named[PATH_MAX];
    const ssize_t size = readlink(*path, named, sizeof named - 1);
    *linked = size >= 0;
    if (!*linked) return LT_OK;
    named[size] = '\0';
    const char *slash = named[0] == '/' ? NULL : strrchr(*path, '/'); /* seen from the folder that the link is in */
    char *next = lt_format("%.*s%s", slash ? (int)(slash - *path) + 1 : 0, *path, named);
    if (!next) return LT_ERROR_MEMORY;
    lt_free(*path);
    *path = next;
    return LT_OK;
}

lt_status lt_link_target(const char *path, char **target) {
    bool linked = true;
    *target = lt_strdup(path);
    lt_status status = *target ? LT_OK : LT_ERROR_MEMORY;
    for (int links = 0; linked && !status; links++)
        status = links <= MOST_LINKS ? follow(target, &linked)
                                     : lt_fail(LT_ERROR_FILE, "%s: can't be written: links in a circle", path);
    if (!status) return LT_OK;
    lt_free(*target);
    *target = NULL;
    return status;
}

/* ---- Locks ---- */

typedef enum lock_state {
    TAKEN,
    HELD,   /* by somebody else */
    GONE,   /* what was opened has left its name meanwhile */
    UNKNOWN /* this file system has no locks */
} lock_state;

/* Locks what is open at path. It is only ours if it still has that name: whoever held it may have renamed or removed it
 * while it was being opened. */
static lock_state take_lock(int descriptor, const char *path) {
    struct stat open, named;
    if (flock(descriptor, LOCK_EX | LOCK_NB)) return errno == EWOULDBLOCK ? HELD : UNKNOWN;
    if (fstat(descriptor, &open) || lstat(path, &named)) return GONE;
    return open.st_dev == named.st_dev && open.st_ino == named.st_ino ? TAKEN : GONE;
}

/* ---- Removing ---- */

static int remove_at(int folder, const char *name);

/* What is in the folder name of folder. By system calls alone: handlers of signals come here. */
static void empty_at(int folder, const char *name) {
    _Alignas(struct dirent64) char entries[4096];
    const int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0) return;
    for (ssize_t size; (size = getdents64(inner, entries, sizeof entries)) > 0;)
        for (ssize_t at = 0; at < size;) {
            const struct dirent64 *e = (const void *)(entries + at);
            at += e->d_reclen;
            if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) remove_at(inner, e->d_name);
        }
    close(inner);
}

/* A file, or a folder with all that is in it; 0, or errno says why not. */
static int remove_at(int folder, const char *name) {
    if (!unlinkat(folder, name, 0)) return 0;
    if (errno != EISDIR) return -1;
    empty_at(folder, name);
    return unlinkat(folder, name, AT_REMOVEDIR);
}

static int remove_all(const char *path) { return remove_at(AT_FDCWD, path); }

/* ---- What this process has begun ---- */

enum { MOST_BEGUN = 64 }; /* one more is written all the same, and only not removed by lt_remove_unfinished */

static _Atomic(const char *) begun[MOST_BEGUN];

static void add_begun(const char *path) {
    for (size_t i = 0; i < MOST_BEGUN; i++) {
        const char *nobody = NULL;
        if (atomic_compare_exchange_strong(&begun[i], &nobody, path)) return;
    }
}

void lt_begun_end(const char *path) {
    for (size_t i = 0; i < MOST_BEGUN; i++) {
        const char *mine = path;
        if (atomic_compare_exchange_strong(&begun[i], &mine, NULL)) return;
    }
}

static _Thread_local sigset_t unheld;

/* Between the two no signal reaches the calling thread: what is made there is on the list before a handler looks. */
static void hold_signals(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &unheld);
}

static void release_signals(void) { pthread_sigmask(SIG_SETMASK, &unheld, NULL); }

void lt_remove_unfinished(void) {
    for (size_t i = 0; i < MOST_BEGUN; i++) {
        const char *path = atomic_load(&begun[i]);
        if (path) remove_all(path);
    }
}

/* ---- What is there already ---- */

static lt_status in_the_way(const char *part, const char *why) {
    return lt_fail(LT_ERROR_FILE, "%s is in the way: %s; remove it if nobody writes it", part, why);
}

/* For reading and writing, as locks on shared disks want it, where that is possible. */
static int open_leftover(const char *part) {
    const int how = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, descriptor = open(part, O_RDWR | how);
    return descriptor < 0 && (errno == EISDIR || errno == EACCES) ? open(part, O_RDONLY | how) : descriptor;
}

/* Removes what stands at part if nobody writes it any more; *held: somebody does. */
static lt_status clear_way(const char *part, bool *held) {
    const int descriptor = open_leftover(part);
    if (descriptor < 0) return errno == ENOENT ? LT_OK : in_the_way(part, strerror(errno));
    const lock_state lock = take_lock(descriptor, part);
    lt_status status = LT_OK;
    *held = lock == HELD;
    if (lock == UNKNOWN) status = in_the_way(part, "whose it is can't be told, for there are no locks here");
    if (lock == TAKEN && remove_all(part)) status = in_the_way(part, strerror(errno));
    close(descriptor);
    return status;
}

/* ---- Making one ---- */

/* A new file or folder, never one that is there: a stranger's link of that name is not followed. */
static int create(const char *part, lt_part_kind kind) {
    if (kind == LT_PART_FILE) return open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (mkdir(part, 0777)) return -1;
    const int descriptor = open(part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0) errno = EEXIST; /* it was made, and has changed since: to be looked at again */
    return descriptor;
}

/* A new one, locked and on the list; *error: why it can't be made. */
static void try_create(lt_part_kind kind, lt_part *part, int *error) {
    const int descriptor = create(part->path, kind);
    *error = descriptor < 0 ? errno : 0;
    if (*error) return;
    const lock_state lock = take_lock(descriptor, part->path);
    if (lock == TAKEN || lock == UNKNOWN) {
        part->descriptor = descriptor;
        add_begun(part->path);
    } else { /* somebody took it for a leftover before it was locked, and removes it */
        close(descriptor);
    }
}

/* Tries once; part->descriptor stays -1, without an error, where another try makes sense. */
static lt_status try_open(const char *path, lt_part_kind kind, lt_part *part, bool *held) {
    int error;
    hold_signals();
    try_create(kind, part, &error);
    release_signals();
    *held = false;
    if (error == EEXIST) return clear_way(part->path, held);
    return error ? lt_fail(LT_ERROR_FILE, "%s: can't be written: %s", path, strerror(error)) : LT_OK;
}

/* A second in all, without a caller to ask. */
static lt_status wait_a_little(lt_status (*poll)(void *user), void *user, double since, const char *path) {
    if (poll) LT_TRY(poll(user));
    if (!poll && lt_now() - since > 1)
        return lt_fail(LT_ERROR_FILE, "%s: another program or thread is writing it", path);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    return LT_OK;
}

static void forget(lt_part *part) {
    lt_free(part->path);
    lt_free(part->target);
    *part = (lt_part){0};
}

lt_status lt_part_open(const char *path, lt_part_kind kind, lt_status (*poll)(void *user), void *user, lt_part *part) {
    const double since = lt_now();
    *part = (lt_part){.descriptor = -1};
    lt_status status = lt_link_target(path, &part->target);
    if (!status) part->path = lt_format("%s.latent.part", part->target);
    if (!status && !part->path) status = LT_ERROR_MEMORY;
    while (!status && part->descriptor < 0) {
        bool held;
        status = try_open(path, kind, part, &held);
        if (!status && held) status = wait_a_little(poll, user, since, path);
    }
    if (status) forget(part);
    return status;
}

/* ---- Its end ---- */

static void let_go(lt_part *part) {
    lt_begun_end(part->path);
    close(part->descriptor); /* and the lock with it: the name is another's or gone by now */
    forget(part);
}

lt_status lt_part_commit(lt_part *part, const char *path) {
    const int reason = rename(part->path, part->target) ? errno : 0;
    if (reason) remove_all(part->path);
    let_go(part);
    return reason ? lt_fail(LT_ERROR_FILE, "%s: can't be written: %s", path, strerror(reason)) : LT_OK;
}

void lt_part_abort(lt_part *part) {
    if (!part->path) return;
    remove_all(part->path);
    let_go(part);
}
