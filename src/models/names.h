/* Tensor names: whatever a file calls its tensors, the models see one set of names, the canonical ones.
 *
 * Canonical are the names of a single-file SD 1.x checkpoint, as LDM wrote them:
 *     model.diffusion_model.*                      the U-Net
 *     first_stage_model.*                          the VAE
 *     cond_stage_model.transformer.text_model.*    the text encoder
 *     classifier.*                                 a classifier of noisy latents: ours, no other program has it
 * A CLIP of two towers keeps transformers' names: text_model.*, vision_model.*, visual_projection.weight,
 * text_projection.weight, logit_scale.
 */
#ifndef LT_NAMES_H
#define LT_NAMES_H

#include "models/walk.h"

/* ---- What a set of names is ---- */

typedef enum lt_role {
    LT_ROLE_TEXT,
    LT_ROLE_VAE,
    LT_ROLE_UNET,
    LT_ROLE_CLIP,
    LT_ROLE_CLASSIFIER,
    LT_ROLE_COUNT
} lt_role;

/* Sets of roles, for lt_names_add: 1u << LT_ROLE_VAE, or all. */
#define LT_ROLES_ALL ((1u << LT_ROLE_COUNT) - 1)

typedef struct lt_layout {
    struct lt_layout_part {
        bool present;
        lt_naming naming;
        const char *prefix; /* static: what the file puts before the names of this model; may be "" */
    } parts[LT_ROLE_COUNT];
} lt_layout;

const char *lt_role_name(lt_role role);                        /* "U-Net" */
const char *lt_role_prefix(lt_role role);                      /* of canonical names: "model.diffusion_model." */
const char *lt_role_prefix_in(lt_role role, lt_naming naming); /* to write */

/* Whose a canonical name is; text: CLIP's, both towers, which is what is none of the others. */
bool lt_is_unet(const char *name);
bool lt_is_vae(const char *name);
bool lt_is_classifier(const char *name);
bool lt_is_text(const char *name);

/* Tells by a few names that each kind of file must have: an LDM checkpoint or a part of one (with or without its
 * prefix), a diffusers U-Net, VAE or text encoder, a transformers CLIP. tensors are sorted by name, as lt_checkpoint
 * has them. None of these: LT_ERROR_MODEL, and the message lists the names that were looked for. */
lt_status lt_layout_of(const lt_tensor *tensors, size_t count, lt_layout *layout);

/* For a person: "LDM checkpoint: text encoder, VAE, U-Net"; "diffusers: U-Net"; "transformers: CLIP". */
void lt_layout_text(const lt_layout *layout, char *text, size_t size);

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

/* The name under which LDM keeps the average of a canonical U-Net tensor:
 * model.diffusion_model.out.2.weight -> model_ema.diffusion_modelout2weight. False if name is none or text is too
 * small. */
bool lt_ema_name(const char *name, char *text, size_t size);

#endif
