/* The smallest model that does all there is. */
#ifndef LT_TEST_MICRO_H
#define LT_TEST_MICRO_H

#include "golden.h"

/* The same graph as Stable Diffusion, as small as it goes: what is tested here is not the numbers. */
static const lt_sd_architecture micro = {
    .name = "micro",
    .unet = {.in_channels = 4,
             .out_channels = 4,
             .channels = 32,
             .context_dim = 64,
             .levels = 2,
             .level = {{32, 1, 1}, {64, 1, 0}},
             .middle_depth = 1},
    .vae = {.latent_channels = 4,
            .channels = 32,
            .levels = 2,
            .level = {{32, 1}, {32, 1}},
            .attention = true,
            .quant_conv = true,
            .post_quant_conv = true},
    .text = {.width = 64, .hidden = 256, .layers = 2, .vocabulary = 49408, .positions = 77},
};

static inline const char *micro_checkpoint(void) {
    const char *path = scratch_path("micro.safetensors");
    if (access(path, R_OK)) assert_ok(lt_synthetic_sd_write(&micro, path, LT_F16));
    return path;
}

static inline lt_session *open_micro(int threads) {
    lt_session_options options = lt_session_options_defaults();
    options.threads = threads;
    lt_session *session;
    assert_ok(open_session(micro_checkpoint(), &options, &session));
    return session;
}

#endif
