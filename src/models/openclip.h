/* OpenCLIP's names of towers, Stable Diffusion 2's text encoder, the second one of XL and image encoders: other words,
 * one matrix for queries, keys and values, and a projection that multiplies from the right. */
#ifndef LT_OPENCLIP_H
#define LT_OPENCLIP_H

#include "models/tensor_list.h"

/* Has a single file such a tower? tensors are sorted by name. */
bool lt_openclip_is_here(const lt_tensor *tensors, size_t count);

/* Adds all tensors to out, which ends up sorted, those of the tower under the canonical names: views,
 * of a third where one holds queries, keys and values, and turned of the projection. */
lt_status lt_openclip_expand(const lt_tensor *tensors, size_t count, lt_tensor_list *out);

#endif
