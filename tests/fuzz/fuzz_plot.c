/* Any bytes as a log to plot: refused, or drawn. The first two bytes say how. */
#include "fuzz_file.h"

#include "../../cli/plot.c" /* its parts are its own */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the command would say and write. */
int lt_complain(int status, const char *format, ...) { return (void)format, status; }
int lt_complain_error(void) { return LT_EXIT_FAILED; }
int lt_check_drawing(const char *path) { return (void)path, LT_EXIT_OK; }
int lt_check_apart(const char *option, const char *output, const char *input) {
    return (void)option, (void)output, (void)input, LT_EXIT_OK;
}
lt_status lt_write_drawing(const char *path, const lt_image *image) {
    if (image->width != o.width || image->height != o.height) __builtin_trap();
    return (void)path, LT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    char path[512];
    snprintf(path, sizeof path, "%s", fuzz_path("log"));
    fuzz_write(path, data + 2, size - 2);
    o.output = "picture.png";
    o.fields = data[0] & 1 ? "loss" : "loss,rate,loss";
    o.logarithmic = data[0] & 2;
    o.width = data[0] & 4 ? 200 : 333;
    o.height = 150;
    o.smooth = data[1];
    run(data[0] & 8 ? 2 : 1, (char *[]){path, path});
    return 0;
}
