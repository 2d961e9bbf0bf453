/* Whatever a path may name that holds tensors. */
#include "formats/source.h"

#include <string.h>
#include <sys/stat.h>

bool lt_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_index(const char *path) {
    static const char ending[] = ".index.json";
    const size_t n = strlen(path), m = sizeof ending - 1;
    return n >= m && strcmp(path + n - m, ending) == 0;
}

lt_status lt_source_open(const char *path, lt_source *source) {
    *source = (lt_source){0};
    if (lt_is_folder(path)) return lt_diffusers_open(path, &source->folder);
    if (is_index(path)) return lt_checkpoint_open_sharded(path, &source->file);
    return lt_checkpoint_open(path, &source->file);
}

void lt_source_close(lt_source *source) {
    lt_checkpoint_close(&source->file);
    lt_diffusers_close(&source->folder);
}
