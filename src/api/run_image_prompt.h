/* Image prompts in lt_run_with. */
#ifndef LT_RUN_IMAGE_PROMPT_H
#define LT_RUN_IMAGE_PROMPT_H

#include "api/model.h"
#include "pipeline/image_prompts.h"

/* The module "image-prompt" of latent.h. */
lt_status lt_run_image_prompt(lt_session *session, const lt_run_options *options, const lt_tensor *in, size_t in_count,
                              lt_arrays *out);
/* What the options' image prompts add to the U-Net that reads in. lt_image_contexts_free is due even after a failure.
 */
lt_status lt_run_image_contexts(const lt_session *session, const lt_run_options *options, const lt_tensor *in,
                                size_t in_count, lt_image_contexts *contexts);

#endif
