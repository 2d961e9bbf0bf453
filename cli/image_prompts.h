/* Image prompts of the command line: what their files hold. */
#ifndef LT_CLI_IMAGE_PROMPTS_H
#define LT_CLI_IMAGE_PROMPTS_H

#include "cli.h"

/* What the options of commands that draw with image prompts are. */
typedef struct lt_image_prompt_options {
    lt_image_prompt_list list;
    const char *encoder;
} lt_image_prompt_options;
/* clang-format off */
#define LT_IMAGE_PROMPT_OPTIONS(o, ...)                                                                                     \
    {"image-prompt", 0, LT_OPTION_IMAGE_PROMPT, "ADAPTER:IMAGE[:S]",                                                   \
     "what to draw, as a picture, by an IP-Adapter", &(o).list, __VA_ARGS__},    \
    {"image-encoder", 0, LT_OPTION_FILE, "FILE", "the CLIP image tower that reads the pictures of --image-prompt",     \
     &(o).encoder, .also = "clip-vision"}
/* clang-format on */

/* The models and pictures; zeroed: none. */
typedef struct lt_image_prompts {
    lt_model *encoder;
    lt_image_prompt items[LT_MOST_IMAGE_PROMPTS];
    lt_model *adapters[LT_MOST_IMAGE_PROMPTS];
    lt_image images[LT_MOST_IMAGE_PROMPTS], masks[LT_MOST_IMAGE_PROMPTS];
    size_t count;
} lt_image_prompts;

/* Whether there is an encoder where one is needed: an exit status, after a message. */
int lt_image_prompts_check(const lt_image_prompt_options *options);
/* models: a folder in which names are looked for, or NULL. lt_image_prompts_close is due even after a failure. */
lt_status lt_image_prompts_open(const lt_image_prompt_options *options, const char *models, lt_image_prompts *prompts);
void lt_image_prompts_close(lt_image_prompts *prompts);

#endif
