/* Tensor names: whatever a file calls its tensors, the models see one set of names, the canonical ones.
 *
 * Canonical are the names of a single-file SD 1.x checkpoint, as LDM wrote them:
 *     model.diffusion_model.*                      the U-Net
 *     first_stage_model.*                          the VAE
 *     cond_stage_model.transformer.text_model.*    the text encoder
 *     conditioner.embedders.1.transformer.*        the second one of Stable Diffusion XL, in transformers' names: ours
 *     taesd_encoder.*, taesd_decoder.*             a TAESD's two halves, as ComfyUI calls them
 *     upscaler.*                                   an upscaler, in BasicSR's names
 *     classifier.*                                 a classifier of noisy latents: ours, no other program has it
 *     control_model.*                              a ControlNet, which is in a file of its own
 *     t2i_adapter.*                                a T2I-Adapter, likewise; TencentARC's names behind a prefix of ours
 * A CLIP of two towers keeps transformers' names: text_model.*, vision_model.*, visual_projection.weight,
 * text_projection.weight, logit_scale.
 */
#ifndef LT_NAMES_H
#define LT_NAMES_H

#include "models/layout.h"

/* ---- Layers ---- */

/* Visits every layer that a role's model among weights has, or could have under an older name: what it is called in
 * each naming, behind lt_role_prefix ("input_blocks.1.1.proj_in", "down_blocks.0.attentions.0.proj_in"). */
typedef lt_status lt_layer_fn(void *user, const char *const name[LT_NAMINGS]);
lt_status lt_names_visit(const lt_weights *weights, lt_role role, lt_layer_fn *visit, void *user);

/* ---- There and back ---- */

/* Adds to list, under canonical names and with canonical shapes (diffusers keeps a VAE's 1x1 convolutions as [c, c],
 * LDM as [c, c, 1, 1]), a view of every tensor that the roles (a set) need. The list ends up sorted, so that several
 * files, such as the components of a diffusers folder, add up to one model. tensors are sorted by name and must outlive
 * the list. ema: the U-Net's weights are the averaged ones (model_ema.*); LT_ERROR_MODEL if the file has none; a file
 * that has only those is taken as it is. A module may be called as in the other layout. ignored,
 * if not NULL, grows by the number of tensors that were not needed. Fails with LT_ERROR_MODEL if no asked role is in
 * the file or two tensors stand for the same one. On failure the list is emptied. */
lt_status lt_names_add(lt_tensor_list *list, const lt_tensor *tensors, size_t count, unsigned roles, bool ema,
                       size_t *ignored);

/* The way back: the tensors of one role among canonical ones (sorted), with the names and shapes of that component's
 * file in a diffusers folder; out, emptied first, is sorted. */
lt_status lt_names_to_diffusers(const lt_tensor *tensors, size_t count, lt_role role, lt_tensor_list *out);

#endif
