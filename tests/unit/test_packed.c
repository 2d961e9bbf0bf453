/* Packed files: the same pictures, and one clear error for every byte that is another. */
#include "api/model.h"
#include "kernels/isa.h"
#include "micro.h"

/* The micro model, packed for a precision, in path [256]. */
static void pack(lt_precision precision, char *path) {
    const lt_convert_options options = {.pack = true, .precision = precision};
    char from[256];
    snprintf(from, sizeof from, "%s", micro_checkpoint());
    snprintf(path, 256, "%s", scratch_path("packed.safetensors"));
    assert_ok(lt_convert(from, path, &options));
}

static lt_status draw(const char *path, lt_precision precision, lt_isa isa, lt_result *result) {
    lt_session_options options = lt_session_options_defaults();
    lt_request r = lt_request_defaults();
    lt_session *session;
    options.threads = 2;
    options.precision = precision;
    options.isa = isa;
    r.prompt = "a cat";
    r.width = r.height = 64;
    r.steps = 2;
    r.random_seed = false;
    LT_TRY(open_session(path, &options, &session));
    const lt_status status = lt_generate(session, &r, result);
    lt_session_close(session);
    return status;
}

/* Without a word it is drawn in what it was packed for, to the bytes of the checkpoint. */
static void test_drawn(void **state) {
    (void)state;
    for (lt_precision p = LT_PRECISION_F32; p <= LT_PRECISION_INT8; p++) {
        char path[256];
        lt_result packed, before;
        if (p == LT_PRECISION_BF16 && !lt_isa_has(LT_ISA_AVX512BF16, LT_ISA_BEST)) continue;
        pack(p, path);
        assert_ok(draw(path, LT_PRECISION_AUTO, LT_ISA_BEST, &packed));
        assert_ok(draw(micro_checkpoint(), p, LT_ISA_BEST, &before));
        assert_memory_equal(packed.images[0].pixels, before.images[0].pixels, 64 * 64 * 3);
        lt_result_free(&packed);
        lt_result_free(&before);
    }
}

static void expect(lt_status got, lt_status wanted, const char *words) {
    assert_int_equal(got, wanted);
    if (!strstr(lt_error_message(), words)) fail_msg("\"%s\", expected \"%s\"", lt_error_message(), words);
}

/* For another processor or precision, and as what it is not. */
static void test_where_it_does_not_fit(void **state) {
    (void)state;
    char path[256], out[256];
    lt_result none;
    lt_arrays arrays;
    const lt_convert_options ldm = {.layout = "ldm"}, both = {.pack = true, .type = "f16"},
                             alone = {.precision = LT_PRECISION_F32};
    pack(LT_PRECISION_F32, path);
    snprintf(out, sizeof out, "%s", scratch_path("none.safetensors"));
    if (lt_isa_has(LT_ISA_AVX2, LT_ISA_BEST))
        expect(draw(path, LT_PRECISION_AUTO, LT_ISA_SCALAR, &none), LT_ERROR_UNSUPPORTED, "is packed for f32");
    expect(lt_convert(path, out, NULL), LT_ERROR_UNSUPPORTED, "is packed: use the checkpoint");
    expect(lt_convert(path, out, &ldm), LT_ERROR_UNSUPPORTED, "it is packed");
    expect(lt_convert(micro_checkpoint(), out, &both), LT_ERROR_ARGUMENT, "it goes without");
    expect(lt_convert(micro_checkpoint(), out, &alone), LT_ERROR_ARGUMENT, "it goes with `pack`");
    expect(lt_arrays_load(path, "model.diffusion_model.out.2.weight", &arrays), LT_ERROR_UNSUPPORTED, "is packed");
}

/* ---- Other bytes ---- */

static uint8_t *read_file(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

static lt_status open_bytes(const uint8_t *bytes, size_t size) {
    const char *path = scratch_path("other.safetensors");
    lt_model *model = NULL;
    FILE *f = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
    const lt_status status = lt_model_open(path, NULL, &model);
    lt_model_close(model);
    return status;
}

static void test_flipped_and_cut(void **state) {
    (void)state;
    char path[256];
    size_t size;
    pack(LT_PRECISION_F32, path);
    uint8_t *bytes = read_file(path, &size);
    assert_ok(open_bytes(bytes, size));
    for (size_t i = 0; i < 60; i++) {
        const size_t at = i < 20 ? i * 97 : (i - 20) * (size / 40) + i;
        bytes[at] ^= (uint8_t)(1 << i % 8);
        if (!open_bytes(bytes, size)) fail_msg("byte %zu of %zu is another, and nobody says so", at, size);
        bytes[at] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = 1; i < 8; i++) assert_int_not_equal(open_bytes(bytes, size - size / 8 * i), LT_OK);
    assert_ok(open_bytes(bytes, size));
    free(bytes);
}

static void test_another_version(void **state) {
    (void)state;
    char path[256];
    size_t size;
    pack(LT_PRECISION_F32, path);
    uint8_t *bytes = read_file(path, &size);
    static const char key[] = "\"latent.packed.version\":\"";
    uint8_t *at = memmem(bytes, size, key, sizeof key - 1);
    assert_non_null(at);
    at[sizeof key - 1] = '7';
    expect(open_bytes(bytes, size), LT_ERROR_UNSUPPORTED, "packed by Latent 7");
    free(bytes);
}

static void test_without_memory(void **state) {
    (void)state;
    char path[256];
    lt_status status = LT_ERROR_MEMORY;
    size_t failures = 0;
    pack(LT_PRECISION_F32, path);
    for (size_t n = 0; status; n += 1 + n / 8, failures++) {
        lt_model *model = NULL;
        lt_alloc_fail_at(n);
        status = lt_model_open(path, NULL, &model);
        lt_alloc_fail_at(SIZE_MAX);
        if (status) assert_int_equal(status, LT_ERROR_MEMORY);
        lt_model_close(model);
    }
    assert_true(failures > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drawn),           cmocka_unit_test(test_where_it_does_not_fit),
        cmocka_unit_test(test_flipped_and_cut), cmocka_unit_test(test_another_version),
        cmocka_unit_test(test_without_memory),
    };
    const int failed = cmocka_run_group_tests_name("packed", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
