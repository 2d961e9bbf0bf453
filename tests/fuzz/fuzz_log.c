/* Any bytes as the log that a training goes on with, after the step that the first byte says: refused and untouched, or
 * cut behind whole rows, with a new one at its end. */
#include "fuzz_file.h"
#include "train/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Opens it after step; *kept is its size then. */
static lt_status open_log(const char *path, long step, lt_log *log, size_t *kept) {
    struct stat info;
    const lt_status status = lt_log_open(path, step, log);
    if (stat(path, &info)) __builtin_trap();
    *kept = (size_t)info.st_size;
    return status;
}

static void check_beginning(const char *path, const uint8_t *data, size_t size) {
    lt_map map;
    if (lt_map_open(path, &map) || map.size < size || (size && memcmp(map.data, data, size))) __builtin_trap();
    lt_map_close(&map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    const long step = *data++;
    const char *path = fuzz_path("log");
    lt_log log;
    size_t kept, more;
    fuzz_write(path, data, --size);
    const lt_status status = open_log(path, step, &log, &kept);
    if (kept > size || (status && kept != size)) __builtin_trap();
    check_beginning(path, data, kept);
    if (status) return 0;
    if (lt_log_write(&log, &(lt_log_row){.step = step + 1, .loss = 0.5})) __builtin_trap();
    lt_log_close(&log);
    if (open_log(path, step + 1, &log, &more) || more <= kept) __builtin_trap();
    lt_log_close(&log);
    if (open_log(path, step, &log, &more) || more != kept) __builtin_trap();
    lt_log_close(&log);
    check_beginning(path, data, kept);
    return 0;
}
