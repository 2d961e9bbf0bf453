/* formats: checkpoints as people have them are read right, and safetensors are written as the reference writes them. */
#include "formats/formats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN(name) LT_GOLDEN_DIR "/formats/" name

static char folder[64];
static char path[96];

static int enter(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/latent-test-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/out.safetensors", folder);
    return 0;
}

/* Expects the folder empty but for what path names: no temporary file may be left. */
static int leave(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void open_or_fail(const char *file, lt_checkpoint *checkpoint) {
    if (lt_checkpoint_open(file, checkpoint) != LT_OK) fail_msg("%s", lt_error_message());
}

/* ---- Reading ---- */

static void test_safetensors(void **state) {
    (void)state;
    lt_checkpoint c;
    open_or_fail(LT_GOLDEN_DIR "/tiny/inpaint9_ddim.safetensors", &c);
    assert_string_equal(c.format, "safetensors");
    assert_int_equal(c.count, 6);
    for (size_t i = 1; i < c.count; i++) assert_true(strcmp(c.tensors[i - 1].name, c.tensors[i].name) < 0);
    const lt_tensor *latents = lt_checkpoint_find(&c, "latents");
    assert_non_null(latents);
    assert_true(lt_tensor_has_shape(latents, 5, (size_t[]){11, 1, 4, 16, 16}));
    assert_int_equal(latents->dtype, LT_F32);
    assert_true(lt_tensor_contiguous(latents));
    assert_null(lt_checkpoint_find(&c, "latent "));
    assert_string_equal(lt_checkpoint_metadata(&c, "negative"), "blurry, ugly");
    assert_null(lt_checkpoint_metadata(&c, "latent"));

    /* the last of the steps is the latent */
    const lt_tensor *latent = lt_checkpoint_find(&c, "latent");
    assert_memory_equal(latent->data, (const float *)latents->data + 10 * 1024, 4096);
    lt_checkpoint_close(&c);
    assert_null(c.tensors);
    assert_null(lt_checkpoint_find(&c, "latent"));
    lt_checkpoint_close(&c);
}

/* Both files hold the same names, types, shapes and values. */
static void assert_same_tensors(const lt_checkpoint *a, const lt_checkpoint *b) {
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const lt_tensor *x = &a->tensors[i], *y = &b->tensors[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->dtype, y->dtype);
        assert_true(lt_tensor_has_shape(x, y->rank, y->shape));
        const size_t bytes = lt_tensor_count(x) * lt_dtype_size(x->dtype);
        uint8_t *p = malloc(bytes + 1), *q = malloc(bytes + 1);
        lt_tensor_read_raw(x, p);
        lt_tensor_read_raw(y, q);
        if (bytes) assert_memory_equal(p, q, bytes);
        free(p);
        free(q);
    }
}

/* Every type, transposed, strided, shared, empty and single values; a training checkpoint full of strangers; the newest
 * protocol. */
static void test_torch(void **state) {
    (void)state;
    static const char zip[] = "pytorch zip", old[] = "pytorch before 1.6";
    static const char *const cases[][3] = {
        {GOLDEN("nested.ckpt"), GOLDEN("nested.safetensors"), zip},
        {GOLDEN("small.ckpt"), GOLDEN("small.safetensors"), zip},
        {GOLDEN("protocol5.ckpt"), GOLDEN("small.safetensors"), zip},
        {GOLDEN("lightning.ckpt"), GOLDEN("small.safetensors"), zip},
        {GOLDEN("float8.ckpt"), GOLDEN("float8.safetensors"), zip},
        {GOLDEN("shown.ckpt"), GOLDEN("shown.safetensors"), zip},
        {GOLDEN("old_nested.ckpt"), GOLDEN("nested.safetensors"), old},
        {GOLDEN("old_small.ckpt"), GOLDEN("small.safetensors"), old},
        {GOLDEN("old_protocol5.ckpt"), GOLDEN("small.safetensors"), old},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_checkpoint c, expected;
        open_or_fail(cases[i][0], &c);
        open_or_fail(cases[i][1], &expected);
        assert_string_equal(c.format, cases[i][2]);
        assert_same_tensors(&c, &expected);
        lt_checkpoint_close(&c);
        lt_checkpoint_close(&expected);
    }
}

/* Storages that lie behind those of types that we can't read. */
static void test_old_torch_of_many_types(void **state) {
    (void)state;
    lt_checkpoint c, expected;
    open_or_fail(GOLDEN("old_mixed.ckpt"), &c);
    open_or_fail(GOLDEN("small.safetensors"), &expected);
    assert_string_equal(lt_tensor_type(lt_checkpoint_find(&c, "odd")), "torch.ComplexFloatStorage");
    assert_string_equal(lt_tensor_type(lt_checkpoint_find(&c, "odder")), "torch.uint32");
    size_t kept = 0;
    for (size_t i = 0; i < c.count; i++)
        if (lt_tensor_readable(&c.tensors[i]) == LT_OK) c.tensors[kept++] = c.tensors[i];
    c.count = kept;
    assert_same_tensors(&c, &expected);
    lt_checkpoint_close(&c);
    lt_checkpoint_close(&expected);
}

/* What we have no type for is listed, and only whoever needs it is refused. */
static void test_foreign_tensors(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {GOLDEN("expanded.ckpt"), "tensor wide has type F32 expanded from 1 values to 1099511627776, which"},
        {GOLDEN("sparse.ckpt"), "tensor odd has type torch._utils._rebuild_sparse_tensor, which"},
        {GOLDEN("quantized.ckpt"), "tensor odd has type torch._utils._rebuild_qtensor, which"},
        {GOLDEN("complex.ckpt"), "tensor odd has type torch.ComplexFloatStorage, which"},
        {GOLDEN("uint32.ckpt"), "tensor odd has type torch.uint32, which"},
        {GOLDEN("rank9.ckpt"), "tensor odd has type F32 of 9 dimensions, which"},
    };
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        lt_checkpoint c;
        open_or_fail(cases[i][0], &c);
        assert_int_equal(c.count, 1);
        assert_int_equal(lt_tensor_readable(&c.tensors[0]), LT_ERROR_UNSUPPORTED);
        if (!strstr(lt_error_message(), cases[i][1])) fail_msg("%s", lt_error_message());
        lt_checkpoint_close(&c);
    }
}

static void test_views_are_read_as_float(void **state) {
    (void)state;
    lt_checkpoint c, expected;
    open_or_fail(GOLDEN("nested.ckpt"), &c);
    open_or_fail(GOLDEN("nested.safetensors"), &expected);
    assert_false(lt_tensor_contiguous(lt_checkpoint_find(&c, "transposed")));
    for (size_t i = 0; i < c.count; i++) {
        float x[256], y[256];
        const size_t count = lt_tensor_count(&c.tensors[i]);
        assert_in_range(count, 0, 256);
        lt_tensor_read_f32(&c.tensors[i], x);
        lt_tensor_read_f32(&expected.tensors[i], y);
        if (count) assert_memory_equal(x, y, count * sizeof *x);
    }
    lt_checkpoint_close(&c);
    lt_checkpoint_close(&expected);
}

/* ---- Writing ---- */

static int by_place(const void *a, const void *b) {
    const char *x = ((const lt_tensor *)a)->data, *y = ((const lt_tensor *)b)->data;
    return x < y ? -1 : x > y;
}

static void assert_same_files(const char *a, const char *b) {
    lt_map x, y;
    assert_int_equal(lt_map_open(a, &x), LT_OK);
    assert_int_equal(lt_map_open(b, &y), LT_OK);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    lt_map_close(&x);
    lt_map_close(&y);
}

/* What the reference implementation wrote, written again in the file's order, is the same byte for byte. */
static void test_write_again(void **state) {
    (void)state;
    static const char *const files[] = {LT_GOLDEN_DIR "/tiny/inpaint9_ddim.safetensors",
                                        LT_GOLDEN_DIR "/schedule.safetensors", GOLDEN("rounding.safetensors")};
    for (size_t f = 0; f < LT_COUNT(files); f++) {
        lt_checkpoint c;
        open_or_fail(files[f], &c);
        lt_tensor *tensors = malloc(c.count * sizeof *tensors);
        memcpy(tensors, c.tensors, c.count * sizeof *tensors);
        qsort(tensors, c.count, sizeof *tensors, by_place);
        lt_metadata metadata[16];
        for (size_t i = 0; i < c.metadata_count; i++)
            metadata[i] = (lt_metadata){c.metadata[i].key, c.metadata[i].value};
        assert_int_equal(lt_safetensors_write(path, tensors, c.count, metadata, c.metadata_count, NULL, NULL, NULL),
                         LT_OK);
        assert_same_files(path, files[f]);
        free(tensors);
        lt_checkpoint_close(&c);
    }
}

/* f32 written as f16 and bf16 is what numpy and PyTorch make of it; the table is longer than one block. */
static void test_write_rounds(void **state) {
    (void)state;
    lt_checkpoint c, back;
    open_or_fail(GOLDEN("rounding.safetensors"), &c);
    const lt_tensor *f32 = lt_checkpoint_find(&c, "f32");
    enum { TIMES = 20 };
    const size_t count = lt_tensor_count(f32);
    float *values = malloc(TIMES * count * sizeof *values);
    for (size_t i = 0; i < TIMES; i++) lt_tensor_read_f32(f32, values + i * count);
    lt_tensor many = {.name = "f16", .dtype = LT_F32, .rank = 2, .shape = {TIMES, count}, .data = values};
    lt_tensor_set_contiguous(&many);
    lt_tensor tensors[] = {many, many};
    tensors[1].name = "bf16";
    const lt_dtype types[] = {LT_F16, LT_BF16};
    assert_int_equal(lt_safetensors_write(path, tensors, 2, NULL, 0, types, NULL, NULL), LT_OK);
    open_or_fail(path, &back);
    for (size_t t = 0; t < 2; t++) {
        const lt_tensor *expected = lt_checkpoint_find(&c, tensors[t].name),
                        *got = lt_checkpoint_find(&back, tensors[t].name);
        assert_int_equal(got->dtype, types[t]);
        for (size_t i = 0; i < TIMES; i++)
            assert_memory_equal((const uint16_t *)got->data + i * count, expected->data, count * 2);
    }
    free(values);
    lt_checkpoint_close(&back);
    lt_checkpoint_close(&c);
}

static lt_status fill_counting(void *user, const lt_tensor *tensor, float *values) {
    const float scale = *(const float *)user;
    if (strcmp(tensor->name, "bad") == 0) return lt_fail(LT_ERROR_MODEL, "no values");
    for (size_t i = 0; i < lt_tensor_count(tensor); i++) values[i] = scale * ((float)i - 1);
    return LT_OK;
}

static void test_write_fills_every_type(void **state) {
    (void)state;
    lt_tensor tensors[LT_F8_E4M3] = {{0}};
    lt_dtype types[LT_F8_E4M3];
    for (int t = 0; t < LT_F8_E4M3; t++) {
        types[t] = (lt_dtype)t;
        tensors[t] = (lt_tensor){.name = lt_dtype_name(types[t]), .dtype = LT_F32, .rank = 1, .shape = {4}};
        lt_tensor_set_contiguous(&tensors[t]);
    }
    float scale = 100;
    assert_int_equal(lt_safetensors_write(path, tensors, LT_F8_E4M3, NULL, 0, types, fill_counting, &scale), LT_OK);
    lt_checkpoint c;
    open_or_fail(path, &c);
    for (int t = 0; t < LT_F8_E4M3; t++) {
        float out[4], expected[4] = {-100, 0, 100, 200};
        if (t == LT_I8) expected[3] = 127;
        if (t == LT_U8) expected[0] = 0;
        if (t == LT_BOOL) memcpy(expected, (float[]){1, 0, 1, 1}, sizeof expected);
        lt_tensor_read_f32(lt_checkpoint_find(&c, lt_dtype_name((lt_dtype)t)), out);
        assert_memory_equal(out, expected, sizeof out);
    }
    lt_checkpoint_close(&c);
    tensors[3].name = "bad";
    assert_int_equal(lt_safetensors_write(path, tensors, LT_F8_E4M3, NULL, 0, types, fill_counting, &scale),
                     LT_ERROR_MODEL);
    open_or_fail(path, &c); /* the old file is still there, whole */
    lt_checkpoint_close(&c);
}

/* Saturation and NaN: no value is undefined behaviour. */
static void test_write_saturates(void **state) {
    (void)state;
    const float values[] = {-1e30f, 1e30f, 0x1p63f, -0x1p63f, 2.5f, 0};
    float nan;
    memcpy(&nan, &(uint32_t){0x7FC00000}, 4);
    float all[LT_COUNT(values) + 1];
    memcpy(all, values, sizeof values);
    all[LT_COUNT(values)] = nan;
    lt_tensor t = {.name = "x", .dtype = LT_F32, .rank = 1, .shape = {LT_COUNT(all)}, .stride = {1}, .data = all};
    const lt_dtype type = LT_I64;
    assert_int_equal(lt_safetensors_write(path, &t, 1, NULL, 0, &type, NULL, NULL), LT_OK);
    lt_checkpoint c;
    open_or_fail(path, &c);
    const int64_t expected[] = {INT64_MIN, INT64_MAX, INT64_MAX, INT64_MIN, 2, 0, 0};
    assert_memory_equal(c.tensors[0].data, expected, sizeof expected);
    lt_checkpoint_close(&c);
}

/* A .ckpt's views become plain tensors; integers that a float can't hold stay as they are. */
static void test_write_views(void **state) {
    (void)state;
    lt_checkpoint c, expected, back;
    open_or_fail(GOLDEN("nested.ckpt"), &c);
    open_or_fail(GOLDEN("nested.safetensors"), &expected);
    assert_int_equal(lt_safetensors_write(path, c.tensors, c.count, NULL, 0, NULL, NULL, NULL), LT_OK);
    open_or_fail(path, &back);
    assert_same_tensors(&back, &expected);
    lt_checkpoint_close(&back);
    lt_checkpoint_close(&expected);
    lt_checkpoint_close(&c);
}

/* Whatever is written can be read again. */
static void test_write_names(void **state) {
    (void)state;
    const lt_tensor same[] = {{.name = "b", .data = ""}, {.name = "a", .data = ""}, {.name = "b", .data = ""}};
    const lt_tensor own = {.name = "__metadata__", .data = ""};
    assert_int_equal(lt_safetensors_write(path, same, 3, NULL, 0, NULL, NULL, NULL), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "two tensors are called b"));
    assert_int_equal(lt_safetensors_write(path, &own, 1, NULL, 0, NULL, NULL, NULL), LT_ERROR_ARGUMENT);
    assert_non_null(strstr(lt_error_message(), "__metadata__"));
}

static void test_write_odd_texts(void **state) {
    (void)state;
    const lt_tensor t = {.name = "a \"quoted\"\\ \n name \xC3\xA9", .dtype = LT_U8, .data = "x"};
    const lt_metadata metadata = {"prompt \t", "\xE7\x8C\xAB \x01 </>"};
    assert_int_equal(lt_safetensors_write(path, &t, 1, &metadata, 1, NULL, NULL, NULL), LT_OK);
    lt_checkpoint c;
    open_or_fail(path, &c);
    assert_string_equal(c.tensors[0].name, t.name);
    assert_string_equal(lt_checkpoint_metadata(&c, metadata.key), metadata.value);
    lt_checkpoint_close(&c);
    const lt_tensor latin = {.name = "\xE9", .dtype = LT_U8, .data = "x"};
    assert_int_equal(lt_safetensors_write(path, &latin, 1, NULL, 0, NULL, NULL, NULL), LT_ERROR_ARGUMENT);
    assert_int_equal(strncmp(lt_error_message(), path, strlen(path)), 0);
    assert_int_equal(lt_safetensors_write(path, NULL, 0, NULL, 0, NULL, NULL, NULL), LT_OK);
    open_or_fail(path, &c);
    assert_int_equal(c.count, 0);
    lt_checkpoint_close(&c);
}

/* ---- Sharded sets ---- */

static void write_text(const char *name, const char *text) {
    char file[160];
    snprintf(file, sizeof file, "%s/%s", folder, name);
    FILE *f = fopen(file, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void remove_file(const char *name) {
    char file[160];
    snprintf(file, sizeof file, "%s/%s", folder, name);
    unlink(file);
}

static void write_shard(const char *name, const char *tensor, const char *data) {
    char file[160];
    snprintf(file, sizeof file, "%s/%s", folder, name);
    const lt_tensor t = {.name = tensor, .dtype = LT_U8, .rank = 1, .shape = {1}, .stride = {1}, .data = data};
    const lt_metadata metadata = {"format", name};
    assert_int_equal(lt_safetensors_write(file, &t, 1, &metadata, 1, NULL, NULL, NULL), LT_OK);
}

static void assert_index_fails(const char *index, const char *expected) {
    lt_checkpoint c;
    write_text("out.safetensors", index); /* path */
    assert_int_not_equal(lt_checkpoint_open_sharded(path, &c), LT_OK);
    assert_null(c.files);
    if (!strstr(lt_error_message(), expected)) fail_msg("%s, not %s", lt_error_message(), expected);
}

static void test_sharded(void **state) {
    (void)state;
    write_shard("a.safetensors", "one", "1");
    write_shard("b.safetensors", "two", "2");
    write_shard("c.safetensors", "one", "3");
    write_text("out.safetensors",
               "{\"metadata\":{\"total_size\":2},\"weight_map\":{\"two\":\"b.safetensors\",\"one\":\"a."
               "safetensors\"}}");
    lt_checkpoint c;
    assert_int_equal(lt_checkpoint_open_sharded(path, &c), LT_OK);
    assert_int_equal(c.count, 2);
    assert_string_equal(c.format, "safetensors");
    assert_string_equal(lt_checkpoint_metadata(&c, "format"), "b.safetensors");
    assert_memory_equal(lt_checkpoint_find(&c, "one")->data, "1", 1);
    assert_memory_equal(lt_checkpoint_find(&c, "two")->data, "2", 1);
    lt_checkpoint_close(&c);

    assert_int_equal(lt_checkpoint_open(path, &c), LT_ERROR_FORMAT);
    assert_non_null(strstr(lt_error_message(), "JSON"));

    assert_index_fails("{\"weight_map\":{\"one\":\"../a.safetensors\"}}", "plain file");
    assert_index_fails("{\"weight_map\":{\"one\":\"/etc/passwd\"}}", "plain file");
    assert_index_fails("{\"weight_map\":{\"one\":\"..\"}}", "plain file");
    assert_index_fails("{\"weight_map\":{\"one\":\"\"}}", "plain file");
    assert_index_fails("{\"weight_map\":{\"one\":7}}", "plain file");
    assert_index_fails("{\"weight_map\":{\"one\":\"a\\u0000.safetensors\"}}", "JSON");
    assert_index_fails("{\"weight_map\":{\"one\":\"missing.safetensors\"}}", "missing.safetensors");
    assert_index_fails("{\"weight_map\":{\"three\":\"a.safetensors\"}}", "three");
    assert_index_fails("{\"weight_map\":{\"one\":\"a.safetensors\",\"two\":\"c.safetensors\"}}", "twice");
    assert_index_fails("{\"weight_map\":{}}", "weight_map");
    assert_index_fails("[]", "weight_map");
    assert_index_fails("", "JSON");
    remove_file("a.safetensors");
    remove_file("b.safetensors");
    remove_file("c.safetensors");
}

/* ---- Memory that runs out ---- */

/* Opening with each allocation failing in turn fails cleanly; then it succeeds. */
static void assert_survives_failing_allocations(const char *file, lt_status (*open)(const char *, lt_checkpoint *)) {
    for (size_t n = 0;; n++) {
        lt_checkpoint c;
        lt_alloc_fail_at(n);
        const lt_status status = open(file, &c);
        const bool failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
        if (failed) {
            assert_non_null(strstr(lt_error_message(), "memory"));
            assert_null(c.tensors);
            assert_null(c.files);
        } else {
            lt_checkpoint_close(&c);
            assert_true(n > 4);
            return;
        }
    }
}

static void test_failing_allocations(void **state) {
    (void)state;
    assert_survives_failing_allocations(LT_GOLDEN_DIR "/tiny/inpaint9_ddim.safetensors", lt_checkpoint_open);
    assert_survives_failing_allocations(LT_GOLDEN_DIR "/schedule.safetensors", lt_checkpoint_open);
    assert_survives_failing_allocations(GOLDEN("nested.ckpt"), lt_checkpoint_open);
    assert_survives_failing_allocations(GOLDEN("lightning.ckpt"), lt_checkpoint_open);
    assert_survives_failing_allocations(GOLDEN("old_nested.ckpt"), lt_checkpoint_open);
    write_shard("a.safetensors", "one", "1");
    write_text("out.safetensors", "{\"weight_map\":{\"one\":\"a.safetensors\"}}");
    assert_survives_failing_allocations(path, lt_checkpoint_open_sharded);
    remove_file("a.safetensors");
}

static void test_failing_allocations_of_the_writer(void **state) {
    (void)state;
    lt_checkpoint c;
    open_or_fail(GOLDEN("nested.ckpt"), &c);
    lt_dtype types[32];
    for (size_t i = 0; i < c.count; i++) types[i] = i % 2 ? LT_F16 : c.tensors[i].dtype;
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        lt_alloc_fail_at(n);
        const lt_status status = lt_safetensors_write(path, c.tensors, c.count, NULL, 0, types, NULL, NULL);
        failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
        assert_int_equal(access(path, F_OK), failed ? -1 : 0);
    }
    lt_checkpoint_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors),
        cmocka_unit_test(test_torch),
        cmocka_unit_test(test_old_torch_of_many_types),
        cmocka_unit_test(test_foreign_tensors),
        cmocka_unit_test(test_views_are_read_as_float),
        cmocka_unit_test_setup_teardown(test_write_again, enter, leave),
        cmocka_unit_test_setup_teardown(test_write_rounds, enter, leave),
        cmocka_unit_test_setup_teardown(test_write_fills_every_type, enter, leave),
        cmocka_unit_test_setup_teardown(test_write_saturates, enter, leave),
        cmocka_unit_test_setup_teardown(test_write_views, enter, leave),
        cmocka_unit_test_setup_teardown(test_write_names, enter, leave),
        cmocka_unit_test_setup_teardown(test_write_odd_texts, enter, leave),
        cmocka_unit_test_setup_teardown(test_sharded, enter, leave),
        cmocka_unit_test_setup_teardown(test_failing_allocations, enter, leave),
        cmocka_unit_test_setup_teardown(test_failing_allocations_of_the_writer, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
