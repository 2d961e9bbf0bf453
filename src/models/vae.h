/* The variational autoencoder between pictures and latents: Kingma & Welling 2013, Esser et al. 2021, Rombach et al.
 * 2022. */
#ifndef LT_VAE_H
#define LT_VAE_H

#include "graph/graph.h"

typedef struct lt_vae {
    lt_weights *weights;
    int latent_channels;
    int factor;    /* pixels to a latent, along each side: 8 */
    int groups;    /* of every group norm */
    float scaling; /* latents are scaled by this so that their deviation is about 1: 0.18215 */
    bool has_encoder;
} lt_vae;

/* Reads the configuration from weights named as in an LDM file ("first_stage_model...."). */
lt_status lt_vae_open(lt_weights *weights, lt_vae *vae);

/* Input: "x" [n,h,w,3] in [-1, 1], h and w multiples of factor. Output: "moments"
 * [n,h/factor,w/factor,2*latent_channels]: mean, then log-variance, not yet clamped. */
lt_status lt_vae_build_encoder(const lt_vae *vae, int n, int h, int w, lt_graph *graph);

/* Input: "z" [n,h,w,latent_channels], already divided by the scaling factor. Output: "out" [n,factor*h,factor*w,3],
 * about [-1, 1]. */
lt_status lt_vae_build_decoder(const lt_vae *vae, int n, int h, int w, lt_graph *graph);
/* The same behind a node of the graph, z. */
lt_status lt_vae_append_decoder(const lt_vae *vae, lt_node *z, lt_graph *graph);

#endif
