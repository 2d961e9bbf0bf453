/* Architectures: the numbers that make a model, and the names and shapes of the tensors that follow from them. */
#ifndef LT_ARCHITECTURE_H
#define LT_ARCHITECTURE_H

#include "models/names.h"

/* A Stable Diffusion 1.x checkpoint's numbers, with the names that LDM's configuration files give them. */
typedef struct lt_sd_architecture {
    const char *name;
    size_t model_channels, in_channels, latent_channels;
    size_t context_dim; /* 0: no cross-attention */
    int levels, num_res_blocks;
    size_t channel_mult[LT_MAX_LEVELS];
    bool attention[LT_MAX_LEVELS];
    size_t vae_channels;
    int vae_levels, vae_res_blocks;
    size_t vae_mult[LT_MAX_LEVELS];
    size_t clip_width, clip_vocab, clip_positions;
    int clip_layers;
} lt_sd_architecture;

/* A CLIP of two towers, in transformers' layout. Heads are 64 wide, the hidden layers four times as wide as their
 * tower. */
typedef struct lt_clip_architecture {
    const char *name;
    size_t text_width, vocab, positions;
    int text_layers;
    size_t image_width, image_size, patch_size;
    int image_layers;
    size_t projection;
} lt_clip_architecture;

/* Names and shapes of every tensor of the models that roles (a set of text encoder, VAE, U-Net) asks for, in the file's
 * order, without data; list, emptied first, is the caller's to free. */
lt_status lt_sd_list(const lt_sd_architecture *config, unsigned roles, lt_tensor_list *list);
lt_status lt_clip_list(const lt_clip_architecture *config, lt_tensor_list *list);
/* A classifier over the U-Net's way down (models/classifier.h), without context, for squares of size latents a side. */
lt_status lt_classifier_list(const lt_sd_architecture *config, size_t size, size_t classes, lt_tensor_list *list);

#endif
