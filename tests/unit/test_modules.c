/* Every module of the tiny checkpoint against diffusers and transformers, with each instruction set that this machine
 * has. */
#include "modules.h"

/* PyTorch's own f32 rounding is about 2.5e-5 of the tiny U-Net's output: our reference kernels, which sum in double
 * precision, differ from the recording by that. The other modules are calmer. */
static const double UNET_LIMIT = 1e-4, LIMIT = 1e-5;

static void check_all(lt_isa isa) {
    lt_session_options options = lt_session_options_defaults();
    options.isa = isa;
    lt_session *session;
    assert_ok(open_session(synthetic_checkpoint("tiny"), &options, &session));
    check_module(session, "clip-text", "tiny/clip_text.safetensors", LIMIT);
    check_module(session, "vae-encoder", "tiny/vae_encoder.safetensors", LIMIT);
    check_module(session, "vae-decoder", "tiny/vae_decoder.safetensors", LIMIT);
    check_module(session, "unet", "tiny/unet_t1.safetensors", UNET_LIMIT);
    check_module(session, "unet", "tiny/unet_t501.safetensors", UNET_LIMIT);
    check_module(session, "unet", "tiny/unet_t999.safetensors", UNET_LIMIT);
    lt_session_close(session);
}

static void test_scalar(void **state) {
    (void)state;
    check_all(LT_ISA_SCALAR);
}

static void test_avx2(void **state) {
    (void)state;
    if (lt_isa_choose(LT_ISA_AVX2) != LT_ISA_AVX2) skip();
    check_all(LT_ISA_AVX2);
}

static void test_avx512(void **state) {
    (void)state;
    if (lt_isa_choose(LT_ISA_AVX512) != LT_ISA_AVX512) skip();
    check_all(LT_ISA_AVX512);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalar),
        cmocka_unit_test(test_avx2),
        cmocka_unit_test(test_avx512),
    };
    const int failed = cmocka_run_group_tests_name("modules", tests, NULL, NULL);
    remove_scratch();
    return failed;
}
