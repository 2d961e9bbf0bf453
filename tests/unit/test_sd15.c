/* The modules of a full-size Stable Diffusion 1.x against diffusers and transformers: 1.07 G parameters, made on the
 * spot. */
#include "modules.h"

static lt_session *open_sd15(void) {
    lt_session *session;
    assert_ok(open_session(synthetic_checkpoint("sd15"), NULL, &session));
    return session;
}

static void check(const char *module, const char *file, double limit) {
    lt_session *session = open_sd15();
    check_module(session, module, file, limit);
    lt_session_close(session);
}

static void test_clip_text(void **state) {
    (void)state;
    check("clip-text", "sd15/clip_text.safetensors", 1e-5);
}

static void test_vae_encoder(void **state) {
    (void)state;
    check("vae-encoder", "sd15/vae_encoder.safetensors", 1e-5);
}

static void test_vae_decoder(void **state) {
    (void)state;
    check("vae-decoder", "sd15/vae_decoder.safetensors", 1e-5);
}

static void test_unet(void **state) {
    (void)state;
    check("unet", "sd15/unet_t501.safetensors", 1e-4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clip_text),
        cmocka_unit_test(test_vae_encoder),
        cmocka_unit_test(test_vae_decoder),
        cmocka_unit_test(test_unet),
    };
    const int failed = cmocka_run_group_tests_name("sd15", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
