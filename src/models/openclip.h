/* OpenCLIP's names of towers, Stable Diffusion 2's text encoder, the second one of XL and image encoders: other words,
 * one matrix for queries, keys and values, and a projection that multiplies from the right. */
#ifndef LT_OPENCLIP_H
#define LT_OPENCLIP_H

#include "models/clip.h"
#include "models/tensor_list.h"

/* Where single files have text towers that SD 1.x has not: XL's first, OpenAI's, and OpenCLIP's. */
#define LT_XL_TEXT       "conditioner.embedders.0.transformer.text_model."
#define LT_XL_OPEN_TEXT  "conditioner.embedders.1.model."
#define LT_REFINER_TEXT  "conditioner.embedders.0.model."
#define LT_SD2_OPEN_TEXT "cond_stage_model.model."

/* Has a single file such a tower? tensors are sorted by name. */
bool lt_openclip_is_here(const lt_tensor *tensors, size_t count);

/* Adds all tensors to out, which ends up sorted, those of the tower under the canonical names: views,
 * of a third where one holds queries, keys and values, and turned of the projection. */
lt_status lt_openclip_expand(const lt_tensor *tensors, size_t count, lt_tensor_list *out);

/* Appends the tensors of a text tower so described, as OpenCLIP calls them behind prefix, without data. */
lt_status lt_openclip_list(const lt_clip_text *text, const char *prefix, lt_tensor_list *list);

#endif
