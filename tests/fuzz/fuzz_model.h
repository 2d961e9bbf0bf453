/* A small model for the targets that open one, and what they do with it. */
#ifndef LT_FUZZ_MODEL_H
#define LT_FUZZ_MODEL_H

#include "api/model.h"
#include "fuzz_file.h"
#include "models/architecture.h"

/* The same graph as Stable Diffusion, as small as it goes. */
static const lt_sd_architecture fuzz_architecture = {
    .name = "fuzz",
    .unet = {.in_channels = 4,
             .out_channels = 4,
             .channels = 32,
             .context_dim = 64,
             .levels = 2,
             .level = {{32, 1, 1}, {32, 1, 0}},
             .middle_depth = 1},
    .vae = {.latent_channels = 4,
            .channels = 32,
            .levels = 2,
            .level = {{32, 1}, {32, 1}},
            .attention = true,
            .quant_conv = true,
            .post_quant_conv = true},
    .text = {.width = 64, .hidden = 256, .layers = 1, .vocabulary = 49408, .positions = 77},
};

/* Bytes that a tensor takes at most, or SIZE_MAX: of numbers in blocks two each, and a block more. */
static inline size_t fuzz_bytes(const lt_tensor *t) {
    enum { BLOCK = 512 };
    size_t bytes = lt_in_blocks(t->dtype) ? 2 : lt_dtype_size(t->dtype);
    for (int i = 0; i < t->rank; i++)
        if (!lt_mul(bytes, t->shape[i], &bytes)) return SIZE_MAX;
    return lt_in_blocks(t->dtype) && bytes < SIZE_MAX - BLOCK ? bytes + BLOCK : bytes;
}

/* ---- One tokenizer for all models (the linker's --wrap, meson.build): to make one takes longer than the rest ---- */

lt_status __real_lt_tokenizer_create(const char *merges, size_t size, lt_tokenizer **tokenizer);
lt_status __wrap_lt_tokenizer_create(const char *merges, size_t size, lt_tokenizer **tokenizer);
void __wrap_lt_tokenizer_free(lt_tokenizer *tokenizer);

lt_status __wrap_lt_tokenizer_create(const char *merges, size_t size, lt_tokenizer **tokenizer) {
    static lt_tokenizer *shared;
    if (!shared && __real_lt_tokenizer_create(merges, size, &shared)) abort();
    *tokenizer = shared;
    return LT_OK;
}

void __wrap_lt_tokenizer_free(lt_tokenizer *tokenizer) { (void)tokenizer; }

/* ---- Use ---- */

/* Opens path; what is open must describe itself and be checked without a fault, and can be closed. */
static inline lt_session *fuzz_open(const char *path) {
    lt_session_options options = lt_session_options_defaults();
    lt_model *model;
    lt_session *session;
    options.threads = 1;
    if (lt_model_open(path, NULL, &model)) return NULL;
    (void)lt_model_describe(model);
    if (lt_session_open(model, &options, &session)) __builtin_trap();
    lt_model_close(model);
    return session;
}

/* A picture of 16 times 16 in one step, or an error. */
static inline void fuzz_draw(lt_session *session) {
    lt_request request = lt_request_defaults();
    lt_result result;
    request.prompt = "a";
    request.width = request.height = 16;
    request.steps = 1;
    (void)lt_generate(session, &request, &result);
    lt_result_free(&result);
}

#endif
