/* Comparing with recorded outputs of the reference implementations. */
#ifndef LT_TEST_GOLDEN_H
#define LT_TEST_GOLDEN_H

#include "formats/formats.h"
#include "models/synthetic.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define assert_ok(expression)                                                                                          \
    do {                                                                                                               \
        if ((expression) != LT_OK) fail_msg("%s", lt_error_message());                                                 \
    } while (0)

/* For whole models by plain C: minutes under a sanitizer, which sees its kernels in the tests of kernels. */
static inline void skip_under_sanitizers(void) {
#ifdef __SANITIZE_ADDRESS__
    skip();
#endif
}

/* A folder of this process's own, which remove_scratch deletes. */
static inline const char *scratch_folder(void) {
    static char folder[64];
    if (!*folder) {
        snprintf(folder, sizeof folder, "/tmp/latent-test-XXXXXX");
        assert_non_null(mkdtemp(folder));
    }
    return folder;
}

static inline const char *scratch_path(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

static inline void remove_scratch(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch_folder());
    if (system(command)) fail_msg("%s failed", command);
}

/* The synthetic checkpoint of that name, written on first use. */
static inline const char *synthetic_checkpoint(const char *name) {
    char file[64];
    snprintf(file, sizeof file, "%s.safetensors", name);
    const char *path = scratch_path(file);
    if (access(path, R_OK)) assert_ok(lt_synthesize(name, path, NULL));
    return path;
}

/* lt_model_open and lt_session_open; the session alone keeps the model open. */
static inline lt_status open_session(const char *path, const lt_session_options *options, lt_session **session) {
    lt_model *model;
    *session = NULL;
    LT_TRY(lt_model_open(path, NULL, &model));
    const lt_status status = lt_session_open(model, options, session);
    lt_model_close(model);
    return status;
}

/* A synthetic CLIP of both towers, written on first use. */
static inline lt_session *open_clip(void) {
    const char *folder = scratch_path("clip");
    if (access(folder, R_OK)) assert_ok(lt_synthetic_clip_write(lt_synthetic_clip_find("tiny"), folder, LT_F16));
    lt_session *session;
    assert_ok(open_session(folder, NULL, &session));
    return session;
}

static inline void open_golden(const char *name, lt_checkpoint *golden) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", LT_GOLDEN_DIR, name);
    assert_ok(lt_checkpoint_open(path, golden));
}

/* A recorded tensor's values; free() them. */
static inline float *golden_values(const lt_checkpoint *golden, const char *name, size_t *count) {
    const lt_tensor *t = lt_checkpoint_find(golden, name);
    if (!t) fail_msg("no recorded tensor %s", name);
    *count = lt_tensor_count(t);
    float *values = malloc((*count + 1) * sizeof *values);
    assert_non_null(values);
    lt_tensor_read_f32(t, values);
    return values;
}

/* ||a - b|| / ||b|| */
static inline double relative_error(const float *a, const float *b, size_t n) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        norm += (double)b[i] * b[i];
    }
    return sqrt(difference / norm);
}

/* values are as recorded, to a relative error of at most limit; prints the error. */
static inline void assert_golden(const lt_checkpoint *golden, const char *name, const float *values, size_t count,
                                 double limit) {
    size_t expected;
    float *reference = golden_values(golden, name, &expected);
    assert_int_equal(count, expected);
    const double error = relative_error(values, reference, count);
    free(reference);
    print_message("    %s: relative error %.2e (at most %.0e)\n", name, error, limit);
    if (!(error <= limit)) fail_msg("%s: relative error %g is over %g", name, error, limit);
}

static inline void assert_golden_array(const lt_checkpoint *golden, const lt_array *array, double limit) {
    size_t count = 1;
    for (int i = 0; i < array->rank; i++) count *= array->shape[i];
    assert_golden(golden, array->name, array->data, count, limit);
}

#endif
