/* Token merging: against tomesd's own (recorded), and both kernels over random odd shapes, with one thread and two. */
#include "golden.h"
#include "kernels/merge.h"
#include "team.h"

enum { MAX_THREADS = 2 };
static unsigned seed = 1;

static size_t random_size(size_t from, size_t to) { return from + (size_t)rand_r(&seed) % (to - from + 1); }

/* n numbers of [-1, 1], to be freed by lt_free. */
static float *random_floats(size_t n) {
    float *x = lt_alloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = 2 * (float)rand_r(&seed) / (float)RAND_MAX - 1;
    return x;
}

/* Matches x, merges y along it and parts it again, with a residual of zeros. */
static void merge_there_and_back(const lt_merging *kernels, lt_match_args match, const float *y, int32_t *places,
                                 float *merged, float *back) {
    const size_t tokens = match.h * match.w, kept = tokens - match.merged, most = match.n * tokens * match.c;
    float *shares = random_floats(match.n * kept), *zeros = lt_calloc(most, sizeof *zeros);
    assert_non_null(zeros);
    match.scratch = random_floats(kernels->match_scratch(&match, MAX_THREADS));
    match.places = places;
    kernels->match(&match);
    lt_merge_args a = {match.n, tokens, kept, match.c, places, .x = y, .y = merged, .shares = shares};
    kernels->merge(&a);
    a.x = merged;
    a.y = back;
    a.residual = zeros;
    kernels->unmerge(&a);
    lt_free(match.scratch);
    lt_free(shares);
    lt_free(zeros);
}

/* Recorded with 2 samples of 24 channels. The order of what stays is ours; each token gets what it gets there. */
static void check_recorded(size_t h, size_t w) {
    char name[64];
    lt_checkpoint golden;
    size_t count;
    snprintf(name, sizeof name, "fewer/merge_%zux%zu.safetensors", h, w);
    open_golden(name, &golden);
    float *x = golden_values(&golden, "x", &count), *y = golden_values(&golden, "y", &count);
    float *ratio = golden_values(&golden, "ratio", &(size_t){0});
    const size_t merged = lt_min((size_t)((float)(h * w) * *ratio), lt_merge_sources(h, w));
    float *means = random_floats(count), *back = random_floats(count);
    int32_t *places = lt_alloc(2 * h * w * sizeof *places);
    const lt_merging *const both[] = {&lt_merging_fast, &lt_merging_reference};
    for (size_t k = 0; k < 2; k++) {
        merge_there_and_back(both[k], (lt_match_args){2, h, w, 24, merged, LT_ISA_BEST, x}, y, places, means, back);
        assert_golden(&golden, "unmerged", back, count, 1e-6);
    }
    lt_free(means);
    lt_free(back);
    lt_free(places);
    free(x);
    free(y);
    free(ratio);
    lt_checkpoint_close(&golden);
}

static void test_recorded(void **state) {
    (void)state;
    check_recorded(8, 8);
    check_recorded(7, 9); /* a last row and column that no tile has; fewer than a quarter merged */
    check_recorded(6, 5); /* more than there are sources */
}

static void test_kernels(void **state) {
    (void)state;
    for (int i = 0; i < 60; i++) {
        lt_match_args a = {random_size(1, 2), random_size(1, 24), random_size(1, 24), random_size(5, 70)};
        const size_t tokens = a.h * a.w, count = a.n * tokens * a.c;
        float *x = random_floats(count), *y = random_floats(count);
        float *means[3], *back[3];
        int32_t *places[3];
        a.x = x;
        a.merged = random_size(0, lt_merge_sources(a.h, a.w));
        a.isa = i % 3 == 1 ? LT_ISA_AVX2 : i % 3 ? LT_ISA_SCALAR : LT_ISA_BEST;
        for (int k = 0; k < 3; k++) {
            means[k] = random_floats(count);
            back[k] = random_floats(count);
            places[k] = lt_alloc(a.n * tokens * sizeof(int32_t));
            use_threads(k ? MAX_THREADS : 1);
            merge_there_and_back(k < 2 ? &lt_merging_fast : &lt_merging_reference, a, y, places[k], means[k], back[k]);
        }
        const size_t kept = a.n * (tokens - a.merged) * a.c;
        assert_memory_equal(places[0], places[1], a.n * tokens * sizeof(int32_t));
        assert_memory_equal(places[0], places[2], a.n * tokens * sizeof(int32_t));
        assert_memory_equal(means[0], means[1], kept * sizeof(float));
        assert_memory_equal(back[0], back[1], count * sizeof(float));
        assert_true(relative_error(means[0], means[2], kept) < 3e-7);
        assert_true(relative_error(back[0], back[2], count) < 3e-7);
        for (int k = 0; k < 3; k++) lt_free(means[k]), lt_free(back[k]), lt_free(places[k]);
        lt_free(x);
        lt_free(y);
    }
}

/* Zeros and what is no number are tokens, too: every place is there, and within what stays. */
static void test_odd_values(void **state) {
    (void)state;
    float x[36 * 4] = {0}, scratch[4096];
    int32_t places[36];
    x[40] = NAN;
    x[80] = INFINITY;
    const lt_match_args a = {1, 6, 6, 4, 20, LT_ISA_BEST, x, places, scratch};
    assert_true(lt_merging_fast.match_scratch(&a, 1) <= LT_COUNT(scratch));
    use_threads(1);
    lt_merging_fast.match(&a);
    bool seen[16] = {false};
    for (int i = 0; i < 36; i++) {
        assert_in_range(places[i], 0, 15);
        seen[places[i]] = true;
    }
    for (int i = 0; i < 16; i++) assert_true(seen[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recorded), cmocka_unit_test(test_kernels),
                                       cmocka_unit_test(test_odd_values)};
    return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
