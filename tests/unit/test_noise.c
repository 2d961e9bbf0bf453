/* Starting noise: variations and other sizes against the web UIs' ImageRNG, with PyTorch's generators of both kinds. */
#include "pipeline/noise.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "diffusion_golden.h"

enum { FACTOR = 8 };

static size_t whole(const json_t *row, const char *key) {
    return (size_t)json_integer_value(json_object_get(row, key));
}

static lt_noise_plan plan_of(const json_t *row) {
    const char *name = json_string_value(json_object_get(row, "case"));
    const json_t *shape = json_object_get(row, "shape");
    return (lt_noise_plan){.kind = strncmp(name, "nv", 2) ? LT_RNG_CPU : LT_RNG_PHILOX,
                           .seed = whole(row, "seed"),
                           .variation = whole(row, "subseed"),
                           .strength = (float)json_number_value(json_object_get(row, "subseed_strength")),
                           .c = (size_t)json_integer_value(json_array_get(shape, 0)),
                           .h = (size_t)json_integer_value(json_array_get(shape, 1)),
                           .w = (size_t)json_integer_value(json_array_get(shape, 2)),
                           .from_h = whole(row, "seed_resize_from_h") / FACTOR,
                           .from_w = whole(row, "seed_resize_from_w") / FACTOR};
}

/* The starting noise, and what a sampler draws next. */
static void check_row(const lt_checkpoint *file, const json_t *row) {
    const lt_noise_plan plan = plan_of(row);
    const size_t n = plan.c * plan.h * plan.w;
    const char *name = json_string_value(json_object_get(row, "case")), *const draws[] = {"first", "second"};
    float *x = lt_alloc(n * sizeof *x);
    lt_rng rng;
    lt_rng_seed(&rng, plan.kind, plan.seed);
    for (int i = 0; i < 2; i++) {
        char key[64];
        size_t count;
        snprintf(key, sizeof key, "%s.%s", name, draws[i]);
        float *reference = golden(file, key, &count);
        assert_int_equal(count, n);
        if (i)
            lt_rng_normal(&rng, x, n);
        else
            assert_int_equal(lt_noise_make(&plan, &rng, x), LT_OK);
        assert_close(key, x, reference, n, 1e-6);
        lt_free(reference);
    }
    lt_free(x);
}

static void test_recorded(void **state) {
    (void)state;
    json_error_t error;
    json_t *rows = json_load_file(LT_GOLDEN_DIR "/webui/seeds.json", 0, &error), *row;
    if (!rows) fail_msg("seeds.json: %s", error.text);
    size_t i;
    lt_checkpoint file;
    open_golden("webui/seeds.safetensors", &file);
    json_array_foreach(rows, i, row) check_row(&file, row);
    assert_int_equal(json_array_size(rows), 16);
    json_decref(rows);
    lt_checkpoint_close(&file);
}

/* Columns of one number, between which there is no arc, and sizes of any kind. */
static void test_any_size(void **state) {
    (void)state;
    for (size_t side = 1; side < 9; side++)
        for (size_t from = 0; from < 9; from++) {
            float x[2 * 8 * 8];
            lt_rng rng;
            const lt_noise_plan plan = {LT_RNG_CPU, 1, 2, 0.5f, 2, side, 9 - side, from, 9 - from};
            lt_rng_seed(&rng, LT_RNG_CPU, 1);
            assert_int_equal(lt_noise_make(&plan, &rng, x), LT_OK);
            for (size_t i = 0; i < 2 * side * (9 - side); i++) assert_true(isfinite(x[i]));
        }
}

static void test_no_memory(void **state) {
    (void)state;
    const lt_noise_plan plan = {LT_RNG_CPU, 1, 2, 0.5f, 4, 8, 8, 4, 4};
    for (size_t n = 0;; n++) {
        float x[4 * 8 * 8];
        lt_rng rng;
        lt_rng_seed(&rng, LT_RNG_CPU, 1);
        lt_alloc_fail_at(n);
        const lt_status status = lt_noise_make(&plan, &rng, x);
        const bool failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
        if (!failed) break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_any_size),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
