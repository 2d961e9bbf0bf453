/* compare A B NAME LIMIT: tensor NAME of the checkpoint A is that of B to a relative error of at most LIMIT. NAME may
 * be NAME=OTHER, where B calls it OTHER. */
#include "formats/formats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ||a - b|| / ||b||, or infinity if the shapes differ. */
static double relative_error(const lt_tensor *a, const lt_tensor *b) {
    const size_t n = lt_tensor_count(b);
    double difference = 0, norm = 0;
    if (!lt_tensor_has_shape(a, b->rank, b->shape)) return INFINITY;
    float *x = lt_calloc(n, sizeof *x), *y = lt_calloc(n, sizeof *y);
    if (!x || !y) abort();
    lt_tensor_read_f32(a, x);
    lt_tensor_read_f32(b, y);
    for (size_t i = 0; i < n; i++) {
        difference += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
        norm += (double)y[i] * y[i];
    }
    lt_free(x);
    lt_free(y);
    return difference > 0 ? sqrt(difference / norm) : difference; /* a NaN stays one */
}

int main(int argc, char **argv) {
    lt_checkpoint files[2] = {{0}};
    const lt_tensor *tensors[2] = {NULL};
    if (argc != 5) {
        fprintf(stderr, "usage: compare A B NAME[=OTHER] LIMIT\n");
        return 2;
    }
    char *sign = strchr(argv[3], '=');
    if (sign) *sign = '\0';
    const char *const names[2] = {argv[3], sign ? sign + 1 : argv[3]};
    for (int i = 0; i < 2; i++) {
        if (lt_checkpoint_open(argv[1 + i], &files[i])) {
            fprintf(stderr, "%s\n", lt_error_message());
            return 1;
        }
        tensors[i] = lt_checkpoint_find(&files[i], names[i]);
        if (!tensors[i]) fprintf(stderr, "%s: no tensor %s\n", argv[1 + i], names[i]);
    }
    const double error = tensors[0] && tensors[1] ? relative_error(tensors[0], tensors[1]) : INFINITY;
    printf("%s: relative error %.2e\n", argv[3], error);
    for (int i = 0; i < 2; i++) lt_checkpoint_close(&files[i]);
    return error <= strtod(argv[4], NULL) ? 0 : 1;
}
