/* Recorded tensors for the tests of rng and diffusion. Everything here fails the test where a file or tensor is
 * missing. */
#ifndef DIFFUSION_GOLDEN_H
#define DIFFUSION_GOLDEN_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "formats/formats.h"

static inline void open_golden(const char *name, lt_checkpoint *file) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", LT_GOLDEN_DIR, name);
    if (lt_checkpoint_open(path, file) != LT_OK) fail_msg("%s", lt_error_message());
}

/* A recorded tensor as floats, to be given to lt_free; NULL where the file has none of that name. */
static inline float *maybe_golden(const lt_checkpoint *file, const char *name, size_t *count) {
    *count = 0;
    const lt_tensor *tensor = lt_checkpoint_find(file, name);
    if (!tensor) return NULL;
    *count = lt_tensor_count(tensor);
    float *values = lt_alloc(*count * sizeof *values);
    assert_non_null(values);
    lt_tensor_read_f32(tensor, values);
    return values;
}

static inline float *golden(const lt_checkpoint *file, const char *name, size_t *count) {
    float *values = maybe_golden(file, name, count);
    if (!values) fail_msg("%s isn't recorded", name);
    return values;
}

/* |ours - reference| / |reference|, both norms Euclidean; infinite where something isn't finite. */
static inline double relative_error(const float *ours, const float *reference, size_t n) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(ours[i])) return INFINITY;
        difference += pow((double)ours[i] - reference[i], 2);
        norm += pow(reference[i], 2);
    }
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

static inline void assert_close(const char *what, const float *ours, const float *reference, size_t n,
                                double tolerance) {
    const double error = relative_error(ours, reference, n);
    if (!(error <= tolerance)) fail_msg("%s: relative error %g, over %g", what, error, tolerance);
}

#endif
