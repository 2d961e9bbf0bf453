/* Random numbers against torch's, as recorded in rng.safetensors, to the bit. */
#include "base/rng.h"

#include <stdio.h>
#include <string.h>

#include "diffusion_golden.h"

static void assert_same(const char *what, const float *ours, const float *reference, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(ours + i, reference + i, sizeof *ours) != 0)
            fail_msg("%s: element %zu is %.9g, not %.9g", what, i, (double)ours[i], (double)reference[i]);
}

/* Every "cpu.SEED.N" and "philox.SEED.N": one call; over 1000 elements the first and last 32 are recorded. */
static void test_one_call(void **state) {
    (void)state;
    static float ours[4 * 64 * 64];
    int compared = 0;
    lt_checkpoint file;
    open_golden("rng.safetensors", &file);
    for (size_t i = 0; i < file.count; i++) {
        char kind[16], rest;
        unsigned long long seed, n;
        const char *name = file.tensors[i].name;
        if (sscanf(name, "%15[a-z].%llu.%llu%c", kind, &seed, &n, &rest) != 3) continue;
        size_t count;
        float *reference = golden(&file, name, &count);
        lt_rng rng;
        lt_rng_seed(&rng, strcmp(kind, "cpu") == 0 ? LT_RNG_CPU : LT_RNG_PHILOX, seed);
        assert_true(n <= LT_COUNT(ours));
        lt_rng_normal(&rng, ours, n);
        if (n > 1000) memmove(ours + 32, ours + n - 32, 32 * sizeof *ours);
        assert_same(name, ours, reference, count);
        lt_free(reference);
        compared++;
    }
    assert_int_equal(compared, 6 * (9 + 3));
    lt_checkpoint_close(&file);
}

/* randn 256, 256, 5, then rand 4 of one generator; and philox's second call. */
static void test_sequences(void **state) {
    (void)state;
    static const uint64_t seeds[] = {0, 1, 42, 1234567890, (1ull << 32) + 5, (1ull << 63) - 1};
    lt_checkpoint file;
    open_golden("rng.safetensors", &file);
    for (size_t i = 0; i < LT_COUNT(seeds); i++) {
        char name[64];
        float ours[256 + 256 + 5 + 4];
        size_t count;
        lt_rng rng;
        snprintf(name, sizeof name, "cpu.sequence.%llu", (unsigned long long)seeds[i]);
        float *reference = golden(&file, name, &count);
        assert_int_equal(count, LT_COUNT(ours));
        lt_rng_seed(&rng, LT_RNG_CPU, seeds[i]);
        lt_rng_normal(&rng, ours, 256);
        lt_rng_normal(&rng, ours + 256, 256);
        lt_rng_normal(&rng, ours + 512, 5);
        lt_rng_uniform(&rng, ours + 517, 4);
        assert_same(name, ours, reference, count);
        lt_free(reference);

        snprintf(name, sizeof name, "philox.second_call.%llu", (unsigned long long)seeds[i]);
        reference = golden(&file, name, &count);
        lt_rng_seed(&rng, LT_RNG_PHILOX, seeds[i]);
        lt_rng_normal(&rng, ours, 10);
        lt_rng_normal(&rng, ours, count);
        assert_same(name, ours, reference, count);
        lt_free(reference);
    }
    lt_checkpoint_close(&file);
}

/* A pair's second half waits for the next short call, past a long one between. From torch.manual_seed(7):
 * randn(3), randn(20)[-2:], randn(2). */
static void test_cached_half(void **state) {
    (void)state;
    static const float first[] = {-0.146795094f, 0.786141276f, 0.94682163f};
    static const float middle[] = {1.64093328f, -1.05668414f};
    static const float last[] = {-1.114344f, -0.457818896f};
    float ours[20];
    lt_rng rng;
    lt_rng_seed(&rng, LT_RNG_CPU, 7);
    lt_rng_normal(&rng, ours, 3);
    assert_same("randn(3)", ours, first, 3);
    lt_rng_normal(&rng, ours, 20);
    assert_same("randn(20)", ours + 18, middle, 2);
    lt_rng_normal(&rng, ours, 2);
    assert_same("randn(2)", ours, last, 2);
}

static void test_uniform_range(void **state) {
    (void)state;
    for (int kind = LT_RNG_CPU; kind <= LT_RNG_PHILOX; kind++) {
        static float ours[100000];
        double sum = 0;
        lt_rng rng;
        lt_rng_seed(&rng, (lt_rng_kind)kind, 3);
        lt_rng_uniform(&rng, ours, LT_COUNT(ours));
        for (size_t i = 0; i < LT_COUNT(ours); i++) {
            assert_true(ours[i] >= 0 && ours[i] < 1);
            sum += ours[i];
        }
        assert_true(fabs(sum / LT_COUNT(ours) - 0.5) < 0.005);
    }
}

static void test_nothing_asked(void **state) {
    (void)state;
    float one, two;
    lt_rng a, b;
    lt_rng_seed(&a, LT_RNG_CPU, 1);
    lt_rng_seed(&b, LT_RNG_CPU, 1);
    lt_rng_normal(&a, NULL, 0);
    lt_rng_uniform(&a, NULL, 0);
    lt_rng_normal(&a, &one, 1);
    lt_rng_normal(&b, &two, 1);
    assert_true(one == two);
}

static void test_random_seed(void **state) {
    (void)state;
    assert_true(lt_random_seed() < (1ull << 32));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_call),      cmocka_unit_test(test_sequences),     cmocka_unit_test(test_cached_half),
        cmocka_unit_test(test_uniform_range), cmocka_unit_test(test_nothing_asked), cmocka_unit_test(test_random_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
