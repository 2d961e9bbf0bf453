/* What a set of names is: the roles that its tensors play, and which layout of names each is in. */
#ifndef LT_MODELS_LAYOUT_H
#define LT_MODELS_LAYOUT_H

#include "models/walk.h"

typedef enum lt_role {
    LT_ROLE_TEXT,
    LT_ROLE_OPEN_TEXT, /* Stable Diffusion XL's second text encoder, OpenCLIP's, with its projection */
    LT_ROLE_VAE,
    LT_ROLE_UNET,
    LT_ROLE_CLIP,
    LT_ROLE_CLASSIFIER,
    LT_ROLE_TAESD_ENCODER,
    LT_ROLE_TAESD_DECODER,
    LT_ROLE_UPSCALER,
    LT_ROLE_IMAGE_PROMPT, /* an IP-Adapter */
    LT_ROLE_CONTROL,      /* a ControlNet */
    LT_ROLE_ADAPTER,      /* a T2I-Adapter */
    LT_ROLE_COUNT
} lt_role;

/* Sets of roles, for lt_names_add: 1u << LT_ROLE_VAE, or all. */
#define LT_ROLES_ALL ((1u << LT_ROLE_COUNT) - 1)
/* What encodes and decodes: a VAE, or the two halves of a TAESD. */
#define LT_ROLES_VAE (1u << LT_ROLE_VAE | 1u << LT_ROLE_TAESD_ENCODER | 1u << LT_ROLE_TAESD_DECODER)

/* What reads prompts. */
#define LT_ROLES_TEXT (1u << LT_ROLE_TEXT | 1u << LT_ROLE_OPEN_TEXT)

typedef struct lt_layout {
    struct lt_layout_part {
        bool present;
        lt_naming naming;
        const char *prefix; /* static: what the file puts before the names of this model; may be "" */
    } parts[LT_ROLE_COUNT];
} lt_layout;

const char *lt_role_name(lt_role role);                        /* "U-Net" */
lt_role lt_role_of_component(const char *name);                /* "unet", of a diffusers folder; or LT_ROLE_COUNT */
unsigned lt_component_roles(const char *name);                 /* those that such a folder, or any other, can play */
const char *lt_role_prefix(lt_role role);                      /* of canonical names: "model.diffusion_model." */
const char *lt_role_prefix_in(lt_role role, lt_naming naming); /* to write */

/* Whose a canonical name is; text: CLIP's, both towers, which is what is none of the others. */
bool lt_is_unet(const char *name);
bool lt_is_vae(const char *name);
bool lt_is_classifier(const char *name);
bool lt_is_text(const char *name);

/* Tells by a few names that each kind of file must have: an LDM checkpoint or a part of one (with or without its
 * prefix), a diffusers U-Net, VAE or text encoder, a transformers CLIP. tensors are sorted by name, as lt_checkpoint
 * has them; roles, a set, are looked for: text encoders of folders have the same names, and are the first of them that
 * is. None of these: LT_ERROR_MODEL, and the message lists the names that were looked for. */
lt_status lt_layout_of(const lt_tensor *tensors, size_t count, unsigned roles, lt_layout *layout);

/* For a person: "LDM checkpoint: text encoder, VAE, U-Net"; "diffusers: U-Net"; "transformers: CLIP". */
void lt_layout_text(const lt_layout *layout, char *text, size_t size);

#endif
