/* The smallest model that does all there is. */
#ifndef LT_TEST_MICRO_H
#define LT_TEST_MICRO_H

#include "golden.h"

/* The same graph as Stable Diffusion, as small as it goes: what is tested here is not the numbers. */
static const lt_sd_architecture micro = {
    .name = "micro",
    .model_channels = 32,
    .in_channels = 4,
    .latent_channels = 4,
    .context_dim = 64,
    .levels = 2,
    .num_res_blocks = 1,
    .channel_mult = {1, 2},
    .attention = {true, false},
    .vae_channels = 32,
    .vae_levels = 2,
    .vae_res_blocks = 1,
    .vae_mult = {1, 1},
    .clip_width = 64,
    .clip_vocab = 49408,
    .clip_positions = 77,
    .clip_layers = 2,
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
