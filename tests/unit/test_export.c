/* Writing models: what the end-to-end tests can't see, above all every allocation failing in turn. */
#include "base/file.h"
#include "exporting.h"
#include "micro.h"

#include <sys/stat.h>

static const unsigned EVERY = 97; /* allocations apart: a prime, so that each kind of place is met */

static lt_model *open_tiny(void) {
    lt_model *model;
    assert_ok(lt_model_open(synthetic_checkpoint("tiny"), NULL, &model));
    return model;
}

static bool exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

/* write fails with each allocation in turn (the first ones, then some) and leaves nothing behind. */
static void check_failures(lt_status (*write)(const lt_model *, const char *, const lt_dtype *), const char *name) {
    lt_model *model = open_tiny();
    const char *path = scratch_path(name);
    const lt_dtype type = LT_BF16;
    size_t n = 0, failures = 0;
    lt_status status = LT_ERROR_MEMORY;
    for (; status; n += n < 30 ? 1 : EVERY) {
        lt_alloc_fail_at(n);
        status = write(model, path, &type);
        const bool reached = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_true(reached == (status != LT_OK));
        if (!reached) break;
        assert_int_equal(status, LT_ERROR_MEMORY);
        assert_false(exists(path));
        failures++;
    }
    assert_ok(status);
    assert_true(exists(path));
    assert_true(failures > 30);
    print_message("    %zu failures, the last at allocation %zu\n", failures, n);
    lt_model_close(model);
}

static void a_file_survives_failing_allocations(void **state) {
    (void)state;
    check_failures(export_ldm, "ldm.safetensors");
}

static void a_folder_survives_failing_allocations(void **state) {
    (void)state;
    check_failures(export_diffusers, "folder");
}

static bool seen_no_file;
static bool stop_before_the_file(void *user) {
    (void)user;
    seen_no_file = !exists(scratch_path("stopped.safetensors.latent.part"));
    return true;
}

/* All values are looked at before a file is begun; a stop is asked for then too. */
static void a_stop_is_asked_for_before_the_file_is_begun(void **state) {
    (void)state;
    lt_model *model = open_tiny();
    lt_watch_writing(stop_before_the_file);
    assert_int_equal(export_ldm(model, scratch_path("stopped.safetensors"), NULL), LT_ERROR_CANCELLED);
    lt_watch_writing(NULL);
    assert_true(seen_no_file);
    lt_model_close(model);
}

static void tensors_lie_on_multiples_of_their_size(void **state) {
    (void)state;
    const uint16_t half[3] = {0x3C00, 0, 0};
    const int64_t whole = 7;
    const float one = 1;
    lt_tensor tensors[] = {
        {.name = "a", .dtype = LT_F16, .rank = 1, .shape = {3}, .data = half},
        {.name = "b", .dtype = LT_I64, .rank = 1, .shape = {1}, .data = &whole},
        {.name = "c", .dtype = LT_F32, .rank = 0, .data = &one},
    };
    for (size_t i = 0; i < LT_COUNT(tensors); i++) lt_tensor_set_contiguous(&tensors[i]);
    const lt_dtype type = LT_F16;
    lt_checkpoint file;
    assert_ok(lt_export_tensors(scratch_path("mixed.safetensors"), tensors, LT_COUNT(tensors), NULL, 0, &type, NULL));
    assert_ok(lt_checkpoint_open(scratch_path("mixed.safetensors"), &file));
    assert_int_equal(file.count, LT_COUNT(tensors));
    for (size_t i = 0; i < file.count; i++) {
        assert_int_equal(file.tensors[i].dtype, tensors[i].dtype); /* whole numbers and single values stay */
        assert_int_equal((uintptr_t)file.tensors[i].data % lt_dtype_size(file.tensors[i].dtype), 0);
    }
    lt_checkpoint_close(&file);
}

static void what_f16_cannot_hold_is_refused(void **state) {
    (void)state;
    float values[2] = {65519, -65519}; /* rounds to 65504 */
    lt_tensor t = {.name = "w", .dtype = LT_F32, .rank = 1, .shape = {2}, .stride = {1}, .data = values};
    const lt_dtype type = LT_F16;
    assert_ok(lt_export_tensors(scratch_path("fits.safetensors"), &t, 1, NULL, 0, &type, NULL));
    values[0] = -65520;
    assert_int_equal(lt_export_tensors(scratch_path("over.safetensors"), &t, 1, NULL, 0, &type, NULL),
                     LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "tensor w holds 65520, but f16"));
    assert_false(exists(scratch_path("over.safetensors")));
}

/* The micro checkpoint without its tensor i, or with that one in a shape of its own. */
static const char *damaged(size_t i, bool misshapen) {
    static char path[300];
    lt_checkpoint file;
    assert_ok(lt_checkpoint_open(micro_checkpoint(), &file));
    snprintf(path, sizeof path, "%s", scratch_path("damaged.safetensors"));
    lt_tensor *t = &file.tensors[i];
    if (!misshapen) memmove(t, t + 1, (--file.count - i) * sizeof *t);
    if (misshapen) t->shape[0]++;
    void *zeros = calloc(lt_tensor_count(t), 8);
    assert_non_null(zeros);
    if (misshapen) t->data = zeros;
    assert_ok(lt_safetensors_write(path, file.tensors, file.count, NULL, 0, NULL, NULL, NULL));
    free(zeros);
    lt_checkpoint_close(&file);
    return path;
}

/* What drawing would find out is found before anything is written: any tensor that is missing or misshapen. */
static void what_cannot_draw_is_not_converted(void **state) {
    (void)state;
    enum { EVERY_TENSOR = 6 };
    lt_checkpoint file;
    assert_ok(lt_checkpoint_open(micro_checkpoint(), &file));
    const size_t count = file.count;
    lt_checkpoint_close(&file);
    for (size_t i = 2; i < count; i += EVERY_TENSOR) /* the first two, embeddings, may be of any length */
        for (int misshapen = 0; misshapen < 2; misshapen++) {
            lt_model *model;
            if (lt_model_open(damaged(i, misshapen), NULL, &model)) continue;
            assert_int_equal(export_ldm(model, scratch_path("no.safetensors"), NULL), LT_ERROR_MODEL);
            assert_int_equal(export_diffusers(model, scratch_path("no"), NULL), LT_ERROR_MODEL);
            assert_false(exists(scratch_path("no.safetensors")) || exists(scratch_path("no")));
            lt_model_close(model);
        }
}

static void what_bf16_cannot_hold_is_refused(void **state) {
    (void)state;
    float values[2] = {0x1.FEFFFEp127f, 1}; /* rounds down */
    lt_tensor t = {.name = "w", .dtype = LT_F32, .rank = 1, .shape = {2}, .stride = {1}, .data = values};
    const lt_dtype type = LT_BF16;
    assert_ok(lt_export_tensors(scratch_path("fits.safetensors"), &t, 1, NULL, 0, &type, NULL));
    values[0] = 0x1.FFp127f;
    assert_int_equal(lt_export_tensors(scratch_path("over.safetensors"), &t, 1, NULL, 0, &type, NULL),
                     LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "tensor w holds 3.39618e+38, but bf16"));
    assert_false(exists(scratch_path("over.safetensors")));
}

/* Whatever it is written as, as it is too, and also where it is a single value; whole numbers are not asked. */
static void what_is_no_number_is_refused(void **state) {
    (void)state;
    const double wide[2] = {1e300, 0};
    const float infinite[2] = {1, -INFINITY}, nan = NAN;
    const uint16_t half[2] = {0x7E00, 0}, brain[2] = {0, 0x7F80};
    const uint16_t whole[2] = {0x7E00, 0};
    const lt_tensor bad[] = {
        {.name = "w", .dtype = LT_F64, .rank = 1, .shape = {2}, .stride = {1}, .data = wide},
        {.name = "w", .dtype = LT_F32, .rank = 1, .shape = {2}, .stride = {1}, .data = infinite},
        {.name = "w", .dtype = LT_F32, .rank = 0, .data = &nan},
        {.name = "w", .dtype = LT_F16, .rank = 1, .shape = {2}, .stride = {1}, .data = half},
        {.name = "w", .dtype = LT_BF16, .rank = 1, .shape = {2}, .stride = {1}, .data = brain},
    };
    const lt_tensor good = {.name = "w", .dtype = LT_I16, .rank = 1, .shape = {2}, .stride = {1}, .data = whole};
    const lt_dtype f16 = LT_F16, f32 = LT_F32, *const types[] = {&f16, &f32, NULL};
    const char *path = scratch_path("none.safetensors");
    for (size_t i = 0; i < LT_COUNT(bad); i++)
        for (size_t k = 0; k < LT_COUNT(types); k++) {
            assert_int_equal(lt_export_tensors(path, &bad[i], 1, NULL, 0, types[k], NULL), LT_ERROR_MODEL);
            assert_non_null(strstr(lt_error_message(), "tensor w holds a NaN"));
            assert_false(exists(path));
        }
    assert_ok(lt_export_tensors(path, &good, 1, NULL, 0, &f16, NULL));
}

static int clean(void **state) {
    (void)state;
    remove_scratch();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_survives_failing_allocations),
        cmocka_unit_test(a_folder_survives_failing_allocations),
        cmocka_unit_test(a_stop_is_asked_for_before_the_file_is_begun),
        cmocka_unit_test(tensors_lie_on_multiples_of_their_size),
        cmocka_unit_test(what_f16_cannot_hold_is_refused),
        cmocka_unit_test(what_cannot_draw_is_not_converted),
        cmocka_unit_test(what_bf16_cannot_hold_is_refused),
        cmocka_unit_test(what_is_no_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
