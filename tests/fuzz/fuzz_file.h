/* Files for the targets whose functions take a path: in a folder of this process's own, in memory where there is such a
 * place, removed at the end. */
#ifndef LT_FUZZ_FILE_H
#define LT_FUZZ_FILE_H

#include "base/file.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char fuzz_folder[64];

static inline int fuzz_remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info, (void)kind, (void)place;
    return remove(path);
}

/* Links are removed, not followed. */
static inline void fuzz_remove(const char *path) { nftw(path, fuzz_remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

static inline void fuzz_end(void) { fuzz_remove(fuzz_folder); }

/* The path of name in the folder; valid until the next call. */
static inline const char *fuzz_path(const char *name) {
    static char path[512];
    if (!*fuzz_folder) {
        snprintf(fuzz_folder, sizeof fuzz_folder, "%s/latent-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
        if (!mkdtemp(fuzz_folder)) abort();
        atexit(fuzz_end);
    }
    snprintf(path, sizeof path, "%s/%s", fuzz_folder, name);
    return path;
}

static inline void fuzz_write(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file)) abort();
}

#endif
