/* Architectures: descriptions that make up a whole checkpoint, and the list of its tensors. */
#ifndef LT_ARCHITECTURE_H
#define LT_ARCHITECTURE_H

#include "models/classifier.h"
#include "models/clip.h"
#include "models/controlnet.h"
#include "models/image_prompt_list.h"
#include "models/names.h"
#include "models/t2i.h"
#include "models/taesd.h"
#include "models/unet.h"
#include "models/upscaler.h"
#include "models/vae.h"

/* A Stable Diffusion checkpoint. */
typedef struct lt_sd_architecture {
    const char *name;
    lt_unet unet;
    lt_vae vae;
    lt_clip_text text, open_text; /* OpenCLIP's: beside the other XL's, alone Stable Diffusion 2's or the refiner's */
} lt_sd_architecture;

/* A CLIP of two towers, in transformers' layout. */
typedef struct lt_clip_architecture {
    const char *name;
    lt_clip_text text;
    lt_clip_image image;
} lt_clip_architecture;

/* A model beside a checkpoint, as its files have it. */
typedef struct lt_part_architecture {
    const char *name;
    unsigned roles; /* in one file */
    lt_naming naming;
    bool prefixed; /* in LDM's naming: with the roles' prefixes */
    lt_taesd taesd;
    lt_upscaler upscaler;
    lt_controlnet control;
    lt_t2i adapter;
    lt_ip_adapter image_prompt;
    lt_ip_adapter_shape image_prompt_shape;
    lt_clip_image image; /* alone */
} lt_part_architecture;

/* Names and shapes of every tensor of the models that roles (a set of text encoder, VAE, U-Net) asks for, in the file's
 * order, without data; list, emptied first, is the caller's to free. */
lt_status lt_sd_list(const lt_sd_architecture *config, unsigned roles, lt_tensor_list *list);
lt_status lt_part_list(const lt_part_architecture *config, lt_tensor_list *list);
lt_status lt_clip_list(const lt_clip_architecture *config, lt_tensor_list *list);
/* A classifier over the way down of a U-Net, without its context, for squares of size latents a side. */
lt_status lt_classifier_list(const lt_unet *unet, int size, int classes, lt_tensor_list *list);

#endif
