/* Models with weights in 8 bits: which layers are, what the file holds, how it is drawn, and scales that are none. */
#include "api/model.h"
#include "micro.h"
#include "models/scales.h"
#include "train/parameters.h"

#include <math.h>

static size_t last_done, last_count;

static bool hear(void *user, size_t done, size_t count) {
    last_done = done;
    last_count = count;
    return user == NULL;
}

/* scratch_path in memory of its own, for the whole test. */
static const char *named(const char *name) {
    static char *paths[8];
    const char *path = scratch_path(name);
    size_t i = 0;
    while (paths[i] && strcmp(paths[i], path)) i++;
    if (!paths[i]) paths[i] = strdup(path);
    return paths[i];
}

/* The micro model, for pictures of 32x32. */
static const char *original(void) {
    static const lt_metadata size = {"modelspec.resolution", "32x32"};
    const char *path = named("small.safetensors");
    lt_checkpoint file;
    if (!access(path, R_OK)) return path;
    assert_ok(lt_checkpoint_open(micro_checkpoint(), &file));
    assert_ok(lt_safetensors_write(path, file.tensors, file.count, &size, 1, NULL, NULL, NULL));
    lt_checkpoint_close(&file);
    return path;
}

/* That quantised, once for all tests. */
static const char *quantised(void) {
    const char *path = named("small8.safetensors");
    const lt_convert_options options = {.quantize = "int8", .progress = hear};
    if (access(path, R_OK)) assert_ok(lt_convert(original(), path, &options));
    return path;
}

static lt_model *open_model(const char *path) {
    lt_model *model;
    assert_ok(lt_model_open(path, NULL, &model));
    return model;
}

/* ---- The file ---- */

/* Each row: the nearest multiples of its greatest magnitude / 127. */
static void check_rows(const lt_tensor *t, const lt_tensor *original) {
    const size_t rows = t->shape[0], n = lt_tensor_count(t) / rows;
    float *values = lt_alloc(2 * rows * n * sizeof *values), *wanted = values + rows * n;
    const int8_t *q = t->data;
    lt_tensor_read_f32(t, values);
    lt_tensor_read_f32(original, wanted);
    for (size_t r = 0; r < rows; r++) {
        int most = 0;
        float scale;
        memcpy(&scale, (const char *)t->scales + r * sizeof scale, sizeof scale);
        for (size_t i = r * n; i < (r + 1) * n; i++) {
            most = abs(q[i]) > most ? abs(q[i]) : most;
            assert_true(fabsf(values[i] - wanted[i]) <= 0.5001f * scale);
        }
        assert_int_equal(most, 127);
    }
    lt_free(values);
}

static void test_file(void **state) {
    (void)state;
    lt_model *model = open_model(quantised()), *before = open_model(original());
    size_t narrow = 0, same = 0;
    assert_true(model->parts.quantised && !before->parts.quantised);
    for (size_t i = 0; i < before->tensors.count; i++) {
        const lt_tensor *was = &before->tensors.tensors[i];
        const lt_weight *is = lt_weights_find(model->parts.weights, was->name);
        assert_true(is && lt_tensor_has_shape(&is->tensor, was->rank, was->shape));
        assert_true(is->kept == !is->tensor.scales);
        if (is->tensor.scales) check_rows(&is->tensor, was);
        narrow += is->tensor.scales != NULL;
        same += is->tensor.dtype == was->dtype;
    }
    assert_true(narrow > 10 && narrow + same == before->tensors.count);
    assert_int_equal(last_done + 1, last_count);
    assert_true(last_count >= narrow);
    assert_false(lt_weights_find(model->parts.weights, "model.diffusion_model.out.2.weight")->tensor.scales);
    lt_model_close(model);
    lt_model_close(before);
}

/* ---- Drawing ---- */

static lt_result draw(const char *path, lt_precision precision) {
    lt_session_options options = lt_session_options_defaults();
    lt_request r = lt_request_defaults();
    lt_session *session;
    lt_result result;
    options.threads = 1;
    options.precision = precision;
    r.prompt = "a cat";
    r.width = r.height = 64;
    r.steps = 2;
    r.random_seed = false;
    assert_ok(open_session(path, &options, &session));
    if (!precision) assert_int_equal(lt_session_precision(session), LT_PRECISION_INT8);
    assert_ok(lt_generate(session, &r, &result));
    lt_session_close(session);
    return result;
}

static void assert_same(lt_result *a, lt_result *b) {
    assert_memory_equal(a->images[0].pixels, b->images[0].pixels, 64 * 64 * 3);
    lt_result_free(a);
    lt_result_free(b);
}

/* Without a word it is drawn in int8, and of its layers only those in 8 bits are multiplied so. */
static void test_drawn(void **state) {
    (void)state;
    const lt_timing_options o = {.width = 64, .height = 64, .runs = 1, .operations = true};
    lt_session_options options = lt_session_options_defaults();
    lt_session *session;
    lt_timings t;
    size_t narrow = 0;
    options.isa = LT_ISA_AVX512VNNI; /* whose matrix product is of 8 bits alone */
    assert_ok(open_session(quantised(), &options, &session));
    const lt_weights *weights = session->parts->weights;
    assert_ok(lt_time_modules(session, &o, &t));
    for (size_t m = 0; m < t.module_count; m++)
        for (size_t i = 0; i < t.modules[m].operation_count; i++) {
            const lt_timed_operation *op = &t.modules[m].operations[i];
            const lt_weight *weight = strstr(op->kernel, "vnni") ? lt_weights_find(weights, op->weight) : NULL;
            if (!weight) continue; /* attention has none */
            if (strstr(op->kernel, ":gemm")) assert_non_null(weight->tensor.scales);
            narrow += weight->tensor.scales != NULL;
        }
    const bool vnni = lt_isa_has(LT_ISA_AVX512VNNI, LT_ISA_BEST) || lt_isa_has(LT_ISA_AVXVNNI, LT_ISA_BEST);
    assert_true(narrow > 10 || !vnni);
    lt_timings_free(&t);
    lt_session_close(session);
    lt_result automatic = draw(quantised(), LT_PRECISION_AUTO), asked = draw(quantised(), LT_PRECISION_INT8);
    assert_same(&automatic, &asked);
}

static lt_arrays run_unet(lt_precision precision, lt_isa isa) {
    static float x[4 * 16 * 16], context[77 * 64];
    static const float t = 500;
    static const lt_array in[] = {{"x", 4, {1, 4, 16, 16}, x}, {"t", 1, {1}, &t}, {"context", 3, {1, 77, 64}, context}};
    lt_session_options options = lt_session_options_defaults();
    lt_session *session;
    lt_arrays out;
    for (size_t i = 0; i < LT_COUNT(x); i++) x[i] = sinf((float)i);
    options.precision = precision;
    options.isa = isa;
    assert_ok(open_session(quantised(), &options, &session));
    assert_ok(lt_run(session, "unet", in, LT_COUNT(in), &out));
    lt_session_close(session);
    return out;
}

/* By kernels that read a weight where the file has it, and by those of no vectors, which copy it first. */
static void test_without_vectors(void **state) {
    (void)state;
    lt_arrays exact = run_unet(LT_PRECISION_F32, LT_ISA_BEST);
    for (lt_precision precision = LT_PRECISION_F32; precision <= LT_PRECISION_INT8; precision += 2) {
        lt_arrays plain = run_unet(precision, LT_ISA_SCALAR);
        const double error = relative_error(plain.items[0].data, exact.items[0].data, 4 * 16 * 16);
        assert_true(error < (precision == LT_PRECISION_F32 ? 1e-4 : 0.2)); /* made-up weights magnify what is rounded */
        lt_arrays_free(&plain);
    }
    lt_arrays_free(&exact);
}

static bool takes_all(const char *name) { return name != NULL; }

static void test_not_trained(void **state) {
    (void)state;
    lt_model *model = open_model(quantised());
    lt_parameters p;
    assert_int_equal(lt_parameters_create(model->tensors.tensors, model->tensors.count, takes_all, 0, &p),
                     LT_ERROR_UNSUPPORTED);
    assert_non_null(strstr(lt_error_message(), "is in 8 bits, too few to learn"));
    lt_model_close(model);
}

/* Into a folder and to another type: weights in 8 bits and their scales stay, and so does the picture. */
static void test_converted(void **state) {
    (void)state;
    const lt_convert_options folder = {.layout = "diffusers"}, bf16 = {.type = "bf16"};
    const char *to = named("folder8"), *other = named("bf16.safetensors");
    assert_ok(lt_convert(quantised(), to, &folder));
    lt_result ours = draw(quantised(), LT_PRECISION_AUTO), theirs = draw(to, LT_PRECISION_AUTO);
    assert_same(&ours, &theirs);
    assert_ok(lt_convert(quantised(), other, &bf16));
    lt_model *model = open_model(other), *before = open_model(quantised());
    for (size_t i = 0; i < model->tensors.count; i++) {
        const lt_dtype is = model->tensors.tensors[i].dtype, was = before->tensors.tensors[i].dtype;
        assert_true(is == (was == LT_F16 ? LT_BF16 : was));
    }
    lt_model_close(model);
    lt_model_close(before);
}

/* ---- What is refused ---- */

/* The first weight in 8 bits; its scales' name is its own and more. */
static const lt_tensor *find_quantised(const lt_checkpoint *file) {
    for (size_t i = 0; i < file->count; i++)
        if (file->tensors[i].dtype == LT_I8) return &file->tensors[i];
    fail_msg("none is quantised");
    return NULL;
}

static size_t rows_of_first(void) {
    lt_checkpoint file;
    assert_ok(lt_checkpoint_open(quantised(), &file));
    const size_t rows = find_quantised(&file)->shape[0];
    lt_checkpoint_close(&file);
    return rows;
}

/* The quantised file with other scales of one weight. */
static const char *with_scales(lt_dtype type, size_t count, float last) {
    const char *path = named("bad.safetensors");
    static float values[1024];
    lt_checkpoint file;
    for (size_t i = 0; i < LT_COUNT(values); i++) values[i] = i + 1 < count ? 0.01f : last;
    assert_ok(lt_checkpoint_open(quantised(), &file));
    const char *weight = find_quantised(&file)->name;
    for (size_t i = 0; i < file.count; i++) {
        lt_tensor *t = &file.tensors[i];
        if (strncmp(t->name, weight, strlen(weight)) || !lt_is_scales(t->name)) continue;
        t->dtype = type;
        t->shape[0] = count;
        t->data = values;
    }
    assert_ok(lt_safetensors_write(path, file.tensors, file.count, NULL, 0, NULL, NULL, NULL));
    lt_checkpoint_close(&file);
    return path;
}

static void expect_refusal(const char *path, const char *words) {
    lt_model *model = NULL;
    assert_int_equal(lt_model_open(path, NULL, &model), LT_ERROR_MODEL);
    assert_null(model);
    if (!strstr(lt_error_message(), words)) fail_msg("\"%s\", expected \"%s\"", lt_error_message(), words);
}

static void test_bad_scales(void **state) {
    (void)state;
    const size_t rows = rows_of_first();
    lt_model_close(open_model(with_scales(LT_F32, rows, 0.01f)));
    const float bad[] = {0, -0.01f, NAN, INFINITY};
    for (size_t i = 0; i < LT_COUNT(bad); i++)
        expect_refusal(with_scales(LT_F32, rows, bad[i]), "scales are above 0 and finite");
    expect_refusal(with_scales(LT_F32, rows - 1, 0.01f), "a number for each row");
    expect_refusal(with_scales(LT_F32, rows + 1, 0.01f), "a number for each row");
    expect_refusal(with_scales(LT_F16, rows, 0.01f), "expected F32");
}

static void expect_not(const char *in, lt_status status, const char *words, void *stop) {
    const char *path = named("none.safetensors");
    const lt_convert_options options = {.quantize = "int8", .progress = hear, .user = stop};
    assert_int_equal(lt_convert(in, path, &options), status);
    if (!strstr(lt_error_message(), words)) fail_msg("\"%s\", expected \"%s\"", lt_error_message(), words);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void test_refused(void **state) {
    (void)state;
    expect_not(quantised(), LT_ERROR_ARGUMENT, "it is quantised already", NULL);
    lt_session_close(open_clip());
    expect_not(named("clip"), LT_ERROR_MODEL, "has to draw", NULL);
    expect_not(original(), LT_ERROR_CANCELLED, "stopped", &last_done);
}

/* Memory that ends, early and late. */
static void test_without_memory(void **state) {
    (void)state;
    const lt_convert_options options = {.quantize = "int8"};
    const char *path = named("starved.safetensors");
    lt_status status = LT_ERROR_MEMORY;
    size_t failures = 0;
    for (size_t n = 0; status; n = 2 * n + 1, failures++) {
        lt_alloc_fail_at(n);
        status = lt_convert(original(), path, &options);
        lt_alloc_fail_at(SIZE_MAX);
        if (status) assert_int_equal(status, LT_ERROR_MEMORY);
        assert_int_equal(!access(path, F_OK), !status);
    }
    assert_true(failures > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_drawn),
        cmocka_unit_test(test_converted),
        cmocka_unit_test(test_bad_scales),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_without_vectors),
        cmocka_unit_test(test_not_trained),
    };
    const int failed = cmocka_run_group_tests_name("int8", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
