/* What the tests of kernels share: numbers, comparisons, and a run for each instruction set of this machine. */
#ifndef LT_TEST_KERNELS_H
#define LT_TEST_KERNELS_H

#include "base/tensor.h"
#include "kernels/bf16.h"
#include "kernels/kernels.h"
#include "team.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_THREADS = 2 };

/* ---- Numbers ---- */

static uint64_t state = 1;

static inline uint32_t next_random(void) { /* a linear congruential generator: Knuth's MMIX */
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static inline int random_int(int from, int to) { return from + (int)(next_random() % (uint32_t)(to - from + 1)); }

static inline float random_float(float from, float to) {
    return from + (to - from) * (float)(next_random() >> 8) * 0x1p-24f;
}

static inline float *random_floats(size_t n, float from, float to) {
    float *x = lt_alloc(n * sizeof *x); /* exactly n: reading or writing past it is seen by the address sanitiser */
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = random_float(from, to);
    return x;
}

static inline float *copy_floats(const float *x, size_t n) {
    float *copy = lt_alloc(n * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, x, n * sizeof *copy);
    return copy;
}

static inline double relative_error(const float *ours, const float *reference, size_t n) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        difference += pow((double)ours[i] - (double)reference[i], 2);
        norm += pow((double)reference[i], 2);
    }
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

static inline void check_close_of(const char *what, lt_isa isa, const float *ours, const float *reference, size_t n,
                                  double tolerance) {
    const double error = relative_error(ours, reference, n);
    if (!(error <= tolerance))
        fail_msg("%s, %s: relative error %g, allowed %g", lt_isa_name(isa), what, error, tolerance);
}

static inline void check_close(const char *what, const lt_kernels *k, const float *ours, const float *reference,
                               size_t n, double tolerance) {
    check_close_of(what, k->isa, ours, reference, n, tolerance);
}

/* The same numbers as bf16, to the nearest. */
static inline uint16_t *narrowed(const float *x, size_t n) {
    uint16_t *narrow = lt_alloc(n * sizeof *narrow);
    assert_non_null(narrow);
    lt_bf16_write(x, narrow, n);
    return narrow;
}

/* That what a kernel wrote as bf16 is what it writes as float32, rounded; frees ours. */
static inline void check_narrow(const float *expected, uint16_t *ours, size_t n) {
    uint16_t *rounded = narrowed(expected, n);
    assert_memory_equal(ours, rounded, n * sizeof *ours);
    lt_free(rounded);
    lt_free(ours);
}

/* ---- For each instruction set ---- */

static inline const lt_kernels *reference(void) { return lt_kernels_get(LT_ISA_SCALAR); }

static inline void for_each_isa(void (*test)(const lt_kernels *)) {
    assert_int_equal(reference()->isa, LT_ISA_SCALAR);
    bool any = false;
    for (lt_isa isa = LT_ISA_AVX2; isa < LT_ISA_BEST; isa++) {
        const lt_kernels *k = lt_kernels_get(isa);
        if (k->isa != isa) continue; /* not on this machine */
        any = true;
        state = 1;
        test(k);
    }
    if (!any) skip();
}

#endif
