/* Whether a file is a Chrome trace as --profile=FILE writes it: operations of a U-Net and of a VAE in one row, one
 * behind the other, with what their arguments say. usage: trace FILE */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *text(const json_t *of, const char *key) {
    const char *value = json_string_value(json_object_get(of, key));
    return value ? value : "";
}

static double number(const json_t *of, const char *key) {
    const json_t *value = json_object_get(of, key);
    return json_is_number(value) ? json_number_value(value) : -1;
}

static int fail(const char *what, size_t at) {
    fprintf(stderr, "event %zu: %s\n", at, what);
    return 1;
}

/* Microseconds are written with as many digits as doubles have. */
static int check_event(const json_t *e, size_t i, double *end) {
    const json_t *args = json_object_get(e, "args");
    if (strcmp(text(e, "ph"), "X") != 0 || !*text(e, "name") || number(e, "tid") != 1)
        return fail("no complete event", i);
    if (!(number(e, "ts") >= *end - 1e-3) || !(number(e, "dur") > 0)) return fail("not behind the one before", i);
    if (!*text(args, "module") || !*text(args, "kernel") || !(number(args, "gflop") >= 0))
        return fail("no arguments", i);
    if (json_array_size(json_object_get(args, "shape")) != 4) return fail("no shape", i);
    *end = number(e, "ts") + number(e, "dur");
    return 0;
}

int main(int argc, char **argv) {
    json_error_t error;
    json_t *trace = argc == 2 ? json_load_file(argv[1], 0, &error) : NULL;
    const json_t *events = json_object_get(trace, "traceEvents");
    double end = 0, gflop = 0;
    int convolutions = 0, decoded = 0, failed = json_array_size(events) < 100;
    for (size_t i = 0; i < json_array_size(events) && !failed; i++) {
        const json_t *e = json_array_get(events, i), *args = json_object_get(e, "args");
        if (!i) continue; /* the thread's name */
        failed = check_event(e, i, &end);
        convolutions += strncmp(text(e, "name"), "conv ", 5) == 0 && strcmp(text(args, "module"), "U-Net") == 0;
        decoded += strcmp(text(args, "module"), "VAE decoder") == 0;
        gflop += number(args, "gflop");
    }
    printf("%zu events, %d convolutions, %d of the decoder, %g GFLOP\n", json_array_size(events), convolutions, decoded,
           gflop);
    json_decref(trace);
    return failed || convolutions < 50 || decoded < 20 || !(gflop > 0.01);
}
