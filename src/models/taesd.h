/* TAESD, the tiny autoencoder of O. B. Bohan (taesd.py): a VAE's stand-in, of convolutions and ReLU alone, whose
 * latents are scaled as the U-Net has them and whose pixels are in [0, 1]. */
#ifndef LT_TAESD_H
#define LT_TAESD_H

#include "models/walk.h"

typedef struct lt_taesd {
    lt_weights *weights; /* NULL: a description alone */
    int latent_channels; /* 4; 16 of later families */
    int width;           /* channels everywhere between: 64 */
    bool has_encoder, has_decoder;
} lt_taesd;

enum { LT_TAESD_FACTOR = 8 }; /* pixels to a latent, along each side */

void lt_taesd_walk_encoder(const lt_taesd *taesd, lt_walk *walk);
void lt_taesd_walk_decoder(const lt_taesd *taesd, lt_walk *walk);

/* What the names and shapes of one half tell. */
void lt_taesd_read_encoder(const lt_names *names, lt_naming naming, lt_taesd *taesd);
void lt_taesd_read_decoder(const lt_names *names, lt_naming naming, lt_taesd *taesd);

/* Reads the description from weights named "taesd_encoder....", "taesd_decoder....", of which either may be missing. */
lt_status lt_taesd_open(lt_weights *weights, lt_taesd *taesd);

/* x [n,h,w,3] in [0, 1], h and w multiples of the factor -> the latent [n,h/8,w/8,latent_channels]. */
lt_node *lt_taesd_encode(const lt_taesd *taesd, lt_node *x, lt_graph *graph);
/* z [n,h,w,latent_channels] -> [n,8h,8w,3], about [0, 1]. */
lt_node *lt_taesd_decode(const lt_taesd *taesd, lt_node *z, lt_graph *graph);

/* Input: "x". Output: "latent". */
lt_status lt_taesd_build_encoder(const lt_taesd *taesd, int n, int h, int w, lt_graph *graph);
/* Input: "z". Output: "image". */
lt_status lt_taesd_build_decoder(const lt_taesd *taesd, int n, int h, int w, lt_graph *graph);

#endif
