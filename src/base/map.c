/* Files as memory, and what happens when one of them is cut short. */
#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uintptr_t page_size(void) { return (uintptr_t)sysconf(_SC_PAGESIZE); }

/* ---- The register of maps, which the handler reads without a lock ---- */

/* Never freed, so that the handler may walk the list at any time; taken again for later maps. */
typedef struct entry {
    struct entry *next; /* set before the entry is in the list, and then for good */
    atomic_bool taken;
    atomic_uintptr_t begin; /* 0: no map */
    atomic_size_t size;
    atomic_bool failed; /* a page of it could not be read */
    char *path;         /* this and what follows is the owner's alone */
    dev_t device;
    ino_t inode;
    struct timespec written;
} entry;

static _Atomic(entry *) entries;

static entry *add_entry(void) {
    entry *e = lt_calloc(1, sizeof *e);
    if (!e) return NULL;
    atomic_store(&e->taken, true);
    e->next = atomic_load(&entries);
    while (!atomic_compare_exchange_weak(&entries, &e->next, e)) continue;
    return e;
}

static entry *take_entry(void) {
    for (entry *e = atomic_load(&entries); e; e = e->next)
        if (!atomic_exchange(&e->taken, true)) return e;
    return add_entry();
}

static void leave_entry(entry *e) {
    if (!e) return;
    lt_free(e->path);
    e->path = NULL;
    atomic_store(&e->taken, false);
}

static void publish(entry *e, const lt_map *map, const struct stat *info) {
    e->device = info->st_dev;
    e->inode = info->st_ino;
    e->written = info->st_mtim;
    atomic_store(&e->failed, false);
    atomic_store(&e->size, map->size);
    atomic_store(&e->begin, (uintptr_t)map->data);
}

/* Before the pages go, so that no address of a later map is taken for one of this. */
static void withdraw(entry *e) { atomic_store(&e->begin, 0); }

/* Is address in e's map, which ends at *end? The beginning is read twice: the entry may change hands in between. */
static bool holds(entry *e, uintptr_t address, uintptr_t *end) {
    const uintptr_t begin = atomic_load(&e->begin);
    *end = begin + atomic_load(&e->size);
    return begin && atomic_load(&e->begin) == begin && address >= begin && address < *end;
}

static entry *find_entry(const void *data, uintptr_t *end) {
    for (entry *e = atomic_load(&entries); e; e = e->next)
        if (holds(e, (uintptr_t)data, end)) return e;
    return NULL;
}

/* ---- Faults ---- */

/* Puts zeros where the map can't be read: from that page to its end, because one range costs the system less than many.
 * What they hide, if anything, nobody relies on any more. */
static bool put_zeros(uintptr_t address, uintptr_t end) {
    const uintptr_t page = address / page_size() * page_size();
    const int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    return mmap((void *)page, end - page, PROT_READ, flags, -1, 0) != MAP_FAILED; /* a system call: it takes no lock */
}

static bool mend(const void *address) {
    uintptr_t end;
    entry *e = find_entry(address, &end);
    if (!e) return false;
    atomic_store(&e->failed, true);
    return put_zeros((uintptr_t)address, end);
}

/* A fault comes again when the handler returns, and then ends the process, as a signal does that was sent. */
static void pass_on(const struct sigaction *before, int number, siginfo_t *info, void *context) {
    const bool sent = info->si_code <= 0;
    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(number, info, context);
    } else if (before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN) {
        if (sent && before->sa_handler == SIG_IGN) return;
        signal(number, SIG_DFL);
        if (sent) raise(number);
    } else {
        before->sa_handler(number);
    }
}

static void on_fault(const struct sigaction *before, int number, siginfo_t *info, void *context) {
    const int kept = errno;
    if (info->si_code != BUS_ADRERR || !mend(info->si_addr)) pass_on(before, number, info, context);
    errno = kept;
}

/* ---- The guard: a handler before that of the program, which may set its own at any time ---- */

typedef void handler(int number, siginfo_t *info, void *context);
static handler first, second, third, fourth;

/* One for each handler that was met, so that a later one which calls ours comes to what was before it, not to itself.
 */
static struct {
    handler *ours;
    struct sigaction before;
    bool used;
} guards[] = {{.ours = first}, {.ours = second}, {.ours = third}, {.ours = fourth}};

static void first(int number, siginfo_t *info, void *context) { on_fault(&guards[0].before, number, info, context); }
static void second(int number, siginfo_t *info, void *context) { on_fault(&guards[1].before, number, info, context); }
static void third(int number, siginfo_t *info, void *context) { on_fault(&guards[2].before, number, info, context); }
static void fourth(int number, siginfo_t *info, void *context) { on_fault(&guards[3].before, number, info, context); }

static bool is_ours(const struct sigaction *now) {
    for (size_t i = 0; i < LT_COUNT(guards); i++)
        if ((now->sa_flags & SA_SIGINFO) && now->sa_sigaction == guards[i].ours) return true;
    return false;
}

static bool same(const struct sigaction *a, const struct sigaction *b) {
    if ((a->sa_flags ^ b->sa_flags) & SA_SIGINFO) return false;
    return a->sa_flags & SA_SIGINFO ? a->sa_sigaction == b->sa_sigaction : a->sa_handler == b->sa_handler;
}

/* Puts ours before now. A program that goes on changing its handlers keeps them in the end. */
static void install(const struct sigaction *now) {
    size_t i = 0;
    while (i < LT_COUNT(guards) && guards[i].used && !same(&guards[i].before, now)) i++;
    if (i == LT_COUNT(guards)) return;
    if (!guards[i].used) guards[i].before = *now;
    guards[i].used = true;
    struct sigaction action = {.sa_sigaction = guards[i].ours, .sa_mask = now->sa_mask};
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | (now->sa_flags & SA_NODEFER);
    sigaction(SIGBUS, &action, NULL);
}

static void guard(void) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct sigaction now;
    pthread_mutex_lock(&lock);
    if (!sigaction(SIGBUS, NULL, &now) && !is_ours(&now)) install(&now);
    pthread_mutex_unlock(&lock);
}

/* ---- Opening ---- */

static lt_status refuse(const char *path, const char *what) {
    return lt_fail(LT_ERROR_FILE, "%s: can't be %s: %s", path, what, strerror(errno));
}

static lt_status check_kind(const char *path, int descriptor, struct stat *info) {
    if (fstat(descriptor, info) != 0 || !S_ISREG(info->st_mode))
        return lt_fail(LT_ERROR_FILE, "%s: not a regular file", path);
    if ((uintmax_t)info->st_size > SIZE_MAX)
        return lt_fail(LT_ERROR_FILE, "%s: too large for this machine's address space", path);
    return LT_OK;
}

/* The size is of a moment ago: a file that has become shorter since is one that is cut while it is open. */
static lt_status map_file(const char *path, int descriptor, entry *e, lt_map *map) {
    struct stat info;
    LT_TRY(check_kind(path, descriptor, &info));
    if (info.st_size == 0) return LT_OK;
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) return refuse(path, "mapped");
    *map = (lt_map){data, (size_t)info.st_size};
    publish(e, map, &info);
    return LT_OK;
}

lt_status lt_map_open(const char *path, lt_map *map) {
    *map = (lt_map){0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe with no writer must not hold us up */
    if (fd < 0) return refuse(path, "opened");
    guard();
    entry *e = take_entry();
    lt_status status = e && (e->path = lt_strdup(path)) ? LT_OK : LT_ERROR_MEMORY;
    if (!status) status = map_file(path, fd, e, map);
    if (!map->data) leave_entry(e);
    close(fd);
    return status;
}

void lt_map_close(lt_map *map) {
    uintptr_t end;
    entry *e = map->data ? find_entry(map->data, &end) : NULL;
    if (e) {
        withdraw(e);
        munmap((void *)(uintptr_t)map->data, map->size);
        leave_entry(e);
    }
    *map = (lt_map){0};
}

void lt_map_release(const void *data, size_t size) {
    const uintptr_t page = page_size();
    const uintptr_t begin = ((uintptr_t)data + page - 1) / page * page, end = ((uintptr_t)data + size) / page * page;
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* ---- Checking ---- */

/* Bytes behind the end but in its page read as zeros without a fault, so the size is looked at, too; but another file
 * of that name, put in its place, leaves what is mapped as it was. */
static bool is_shorter(entry *e) {
    struct stat info;
    return stat(e->path, &info) == 0 && info.st_dev == e->device && info.st_ino == e->inode &&
           (uintmax_t)info.st_size < atomic_load(&e->size);
}

lt_status lt_map_check(const void *data, lt_status status) {
    uintptr_t end;
    entry *e = find_entry(data, &end);
    if (!e) return status;
    if (is_shorter(e)) return lt_fail(LT_ERROR_FILE, "%s: was cut short while it was open", e->path);
    if (!atomic_load(&e->failed)) return status;
    return lt_fail(LT_ERROR_FILE, "%s: could not be read: it was changed while it was open, or its disk fails",
                   e->path);
}

bool lt_map_changed(const void *data) {
    uintptr_t end;
    struct stat info;
    entry *e = data ? find_entry(data, &end) : NULL;
    if (!e || stat(e->path, &info)) return false;
    const bool same_file = info.st_dev == e->device && info.st_ino == e->inode;
    const bool same_size = (uintmax_t)info.st_size == atomic_load(&e->size);
    return !same_file || !same_size || info.st_mtim.tv_sec != e->written.tv_sec ||
           info.st_mtim.tv_nsec != e->written.tv_nsec;
}

lt_status lt_map_finish(lt_map *map, lt_status status) {
    const lt_status found = lt_map_check(map->data, status);
    lt_map_close(map);
    return found;
}
