/* TAESD against the recorded numbers of diffusers' AutoencoderTiny, in both layouts of names; in the VAE's place, and
 * as what makes previews. */
#include "modules.h"
#include "pipeline/latent.h"

static const double LIMIT = 1e-5;

static const char *file_of(const char *name) {
    static char path[4][256];
    static int turn;
    char *out = path[turn++ % 4];
    snprintf(out, sizeof path[0], "%s", synthetic_checkpoint(name));
    return out;
}

static lt_session *open_with(const char *model, const char *vae, const char *preview) {
    lt_open_options options = lt_open_options_defaults();
    lt_model *opened;
    lt_session *session;
    options.vae = vae;
    options.preview_vae = preview;
    assert_ok(lt_model_open(model, &options, &opened));
    assert_ok(lt_session_open(opened, NULL, &session));
    lt_model_close(opened);
    return session;
}

/* ---- Modules ---- */

static void check_half(const char *model, const char *module, const char *file) {
    for (lt_isa isa = LT_ISA_SCALAR; isa <= LT_ISA_AVX512; isa++) {
        lt_session_options options = lt_session_options_defaults();
        lt_session *session;
        options.isa = isa;
        if (lt_isa_choose(isa) != isa) continue;
        assert_ok(open_session(file_of(model), &options, &session));
        check_module(session, module, file, LIMIT);
        lt_session_close(session);
    }
}

static void test_two_files(void **state) {
    (void)state;
    check_half("tiny-taesd-encoder", "taesd-encoder", "upscale/taesd.safetensors");
    check_half("tiny-taesd-decoder", "taesd-decoder", "upscale/taesd.safetensors");
}

static void test_diffusers(void **state) {
    (void)state;
    check_half("tiny-taesd-diffusers", "taesd-encoder", "upscale/taesd_diffusers.safetensors");
    check_half("tiny-taesd-diffusers", "taesd-decoder", "upscale/taesd_diffusers.safetensors");
}

/* In narrow numbers, where the processor has them. */
static void test_rounded(void **state) {
    (void)state;
    lt_session_options options = lt_session_options_defaults();
    lt_session *session;
    options.precision = LT_PRECISION_BF16;
    const lt_status status = open_session(file_of("tiny-taesd-diffusers"), &options, &session);
    if (status == LT_ERROR_UNSUPPORTED) skip();
    assert_ok(status);
    check_module(session, "taesd-encoder", "upscale/taesd_diffusers.safetensors", 1e-2);
    check_module(session, "taesd-decoder", "upscale/taesd_diffusers.safetensors", 1e-2);
    lt_session_close(session);
}

static void test_has_no_posterior(void **state) {
    (void)state;
    lt_session *session = open_with(file_of("tiny-taesd-diffusers"), NULL, NULL);
    float pixels[3 * 8 * 8] = {0};
    const lt_array x = {"x", 4, {1, 3, 8, 8}, pixels};
    lt_arrays out;
    assert_int_equal(lt_run(session, "vae-encoder", &x, 1, &out), LT_ERROR_UNSUPPORTED);
    assert_non_null(strstr(lt_error_message(), "taesd-encoder"));
    lt_session_close(session);
}

/* ---- In the VAE's place ---- */

/* Of the recorded z, through the public door: bytes of the recorded image. */
static void test_decodes(void **state) {
    (void)state;
    lt_session *session = open_with(file_of("tiny"), file_of("tiny-taesd-diffusers"), NULL);
    lt_checkpoint golden;
    lt_image image;
    size_t count;
    open_golden("upscale/taesd_diffusers.safetensors", &golden);
    float *z = golden_values(&golden, "z", &count), *expected = golden_values(&golden, "image", &count);
    const lt_tensor *t = lt_checkpoint_find(&golden, "z");
    const int shape[3] = {4, (int)t->shape[2], (int)t->shape[3]};
    assert_ok(lt_decode(session, z, shape, false, &image));
    const size_t pixels = (size_t)image.width * (size_t)image.height;
    assert_int_equal(count, 3 * pixels);
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++) {
            const float v = fminf(fmaxf(expected[c * pixels + i], 0), 1) * 255;
            assert_true(fabsf(v - image.pixels[3 * i + c]) < 0.51f);
        }
    lt_image_free(&image);
    free(z);
    free(expected);
    lt_checkpoint_close(&golden);
    lt_session_close(session);
}

/* There and back through the tiny autoencoder's halves: the latent is the one of its encoder alone, whatever is drawn.
 */
static void test_encodes_without_noise(void **state) {
    (void)state;
    lt_session *session = open_with(file_of("tiny"), file_of("tiny-taesd-diffusers"), NULL);
    const uint64_t seed = 7;
    lt_image image;
    float *mean, *drawn;
    int shape[3];
    assert_ok(lt_image_alloc(32, 24, &image));
    for (size_t i = 0; i < 32 * 24 * 3; i++) image.pixels[i] = (uint8_t)(i * 37 % 251);
    assert_ok(lt_encode(session, &image, NULL, false, &mean, shape));
    assert_ok(lt_encode(session, &image, &seed, false, &drawn, shape));
    assert_int_equal(shape[1], 3);
    assert_memory_equal(mean, drawn, (size_t)(4 * 3 * 4) * sizeof *mean);
    lt_floats_free(mean);
    lt_floats_free(drawn);
    lt_image_free(&image);
    lt_session_close(session);
}

/* A decoder's file finds the encoder's beside it, or decodes alone. */
static void test_finds_the_other_half(void **state) {
    (void)state;
    const char *decoder = file_of("tiny-taesd-decoder"), *encoder = file_of("tiny-taesd-encoder");
    lt_session *session = open_with(file_of("tiny"), decoder, NULL);
    assert_true(lt_model_describe(lt_session_model(session)).has_vae_encoder);
    lt_session_close(session);
    char *moved = lt_format("%s.away", encoder);
    assert_int_equal(rename(encoder, moved), 0);
    session = open_with(file_of("tiny"), decoder, NULL);
    assert_false(lt_model_describe(lt_session_model(session)).has_vae_encoder);
    assert_true(lt_model_describe(lt_session_model(session)).draws);
    lt_session_close(session);
    assert_int_equal(rename(moved, encoder), 0);
    lt_free(moved);
}

/* ---- Previews ---- */

static bool see(void *user, const lt_progress *progress) {
    int *seen = user;
    if (progress->preview) *seen = progress->preview->width * 1000 + progress->preview->height;
    return true;
}

static void draws_with_previews(lt_session *session, int expected) {
    lt_request request = lt_request_defaults();
    lt_result result;
    int seen = 0;
    request.width = 64;
    request.height = 48;
    request.steps = 2;
    request.preview = true;
    request.progress = see;
    request.user = &seen;
    assert_ok(lt_generate(session, &request, &result));
    assert_int_equal(seen, expected);
    lt_result_free(&result);
    lt_session_close(session);
}

static void test_previews(void **state) {
    (void)state;
    draws_with_previews(open_with(file_of("tiny"), NULL, NULL), 8006);
    draws_with_previews(open_with(file_of("tiny"), NULL, file_of("tiny-taesd-decoder")), 64048);
    draws_with_previews(open_with(file_of("tiny"), file_of("tiny-taesd-diffusers"), NULL), 8006);
    draws_with_previews(open_with(file_of("tiny"), file_of("tiny-taesd-diffusers"), file_of("tiny-taesd-decoder")),
                        64048);
}

/* ---- Wrong files ---- */

static void test_is_no_preview(void **state) {
    (void)state;
    lt_open_options options = lt_open_options_defaults();
    lt_model *model;
    options.preview_vae = file_of("tiny-taesd-encoder");
    assert_int_equal(lt_model_open(file_of("tiny"), &options, &model), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "TAESD encoder"));
}

/* Of latents of another model: its own file is named, for previews and in the VAE's place. */
static void test_is_for_another_model(void **state) {
    (void)state;
    lt_part_architecture wide = *lt_synthetic_part_find("tiny-taesd-diffusers");
    char path[512];
    snprintf(path, sizeof path, "%s", scratch_path("wide-taesd.safetensors"));
    wide.taesd.latent_channels = 16;
    assert_ok(lt_synthetic_part_write(&wide, path, LT_F32));
    for (int i = 0; i < 2; i++) {
        lt_session *session = open_with(file_of("tiny"), i ? path : NULL, i ? NULL : path);
        const lt_request request = lt_request_defaults();
        lt_result result;
        assert_int_equal(lt_generate(session, &request, &result), LT_ERROR_MODEL);
        assert_memory_equal(lt_error_message(), path, strlen(path));
        assert_non_null(
            strstr(lt_error_message(), i ? ": the U-Net takes 4 channels and makes 4; the VAE's latents have 16"
                                         : ": this TAESD takes latents of 16 channels; the model's have 4"));
        lt_session_close(session);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_files),
        cmocka_unit_test(test_diffusers),
        cmocka_unit_test(test_rounded),
        cmocka_unit_test(test_has_no_posterior),
        cmocka_unit_test(test_decodes),
        cmocka_unit_test(test_encodes_without_noise),
        cmocka_unit_test(test_finds_the_other_half),
        cmocka_unit_test(test_previews),
        cmocka_unit_test(test_is_no_preview),
        cmocka_unit_test(test_is_for_another_model),
    };
    const int failed = cmocka_run_group_tests_name("taesd", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
