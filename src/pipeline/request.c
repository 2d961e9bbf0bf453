/* Requests and results: plain data. */
#include "base/base.h"

lt_request lt_request_defaults(void) {
    return (lt_request){
        .prompt = "",
        .negative_prompt = "",
        .clip_skip = 1,
        .steps = 20,
        .guidance = 7.5f,
        .deep_cache = 1,
        .classifier_scale = 1,
        .refiner_start = 0.8f,
        .clip_guidance = 100,
        .sampler = "dpmpp_2m",
        .random_seed = true,
        .count = 1,
        .strength = 0.75,
        .mask_padding = 32,
        .hires_upscaler = "latent",
        .hires_strength = 0.7,
    };
}

lt_image_prompt lt_image_prompt_defaults(void) { return (lt_image_prompt){.scale = 1, .end = 1}; }

void lt_result_free(lt_result *result) {
    if (!result) return;
    for (int i = 0; i < result->count; i++) {
        if (result->images) lt_image_free(&result->images[i]);
        if (result->parameters) lt_free(result->parameters[i]);
        if (result->latents) lt_free(result->latents[i]);
        if (result->step_latents) lt_free(result->step_latents[i]);
    }
    lt_free(result->images);
    lt_free(result->seeds);
    lt_free(result->parameters);
    lt_free(result->latents);
    lt_free(result->step_latents);
    *result = (lt_result){0};
}
