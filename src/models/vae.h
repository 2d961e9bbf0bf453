/* The variational autoencoder between pictures and latents: Kingma & Welling 2013, Esser et al. 2021, Rombach et al.
 * 2022. */
#ifndef LT_VAE_H
#define LT_VAE_H

#include "models/taesd.h"

/* Names and shapes tell all but groups and scaling. */
typedef struct lt_vae {
    lt_weights *weights; /* NULL: a description alone */
    int latent_channels;
    int channels; /* of the encoder's first convolution */
    int levels;   /* SD: 4 of two blocks each, 128, 256, 512 and 512 wide */
    lt_resolution level[LT_MAX_LEVELS];
    bool attention;                   /* in the middle */
    bool quant_conv, post_quant_conv; /* behind the encoder, before the decoder */
    bool has_encoder;
    bool tiny;     /* a TAESD stands for it: without a posterior, scaling 1 */
    int factor;    /* pixels to a latent, along each side: 8 */
    int groups;    /* of every group norm */
    float scaling; /* latents are scaled by this so that their deviation is about 1: 0.18215 */
} lt_vae;

/* Walks over all of it, or over one half without quant_conv and post_quant_conv. */
void lt_vae_walk(const lt_vae *vae, lt_walk *walk);
void lt_vae_walk_encoder(const lt_vae *vae, lt_walk *walk);
void lt_vae_walk_decoder(const lt_vae *vae, lt_walk *walk);

/* What names and shapes tell, as lt_unet_read does. */
lt_status lt_vae_read(const lt_names *names, lt_naming naming, lt_vae *vae);

/* Reads the description from weights named as in an LDM file ("first_stage_model...."). */
lt_status lt_vae_open(lt_weights *weights, lt_vae *vae);

/* The VAE that a TAESD stands for. */
lt_vae lt_vae_of_taesd(const lt_taesd *taesd);

/* Channels of what is encoded: of a mean and a log-variance, or of a TAESD's latent alone. */
static inline int lt_vae_moments(const lt_vae *vae) { return (vae->tiny ? 1 : 2) * vae->latent_channels; }

/* Input: "x" [n,h,w,3] in [-1, 1], h and w multiples of factor. Output: "moments"
 * [n,h/factor,w/factor,lt_vae_moments]: mean, then log-variance, not yet clamped. */
lt_status lt_vae_build_encoder(const lt_vae *vae, int n, int h, int w, lt_graph *graph);

/* Input: "z" [n,h,w,latent_channels], already divided by the scaling factor. Output: "out" [n,factor*h,factor*w,3],
 * about [-1, 1]. */
lt_status lt_vae_build_decoder(const lt_vae *vae, int n, int h, int w, lt_graph *graph);
/* The same behind a node of the graph, z. */
lt_status lt_vae_append_decoder(const lt_vae *vae, lt_node *z, lt_graph *graph);

#endif
