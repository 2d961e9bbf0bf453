/* The networks that a prompt names as A1111's web UI has it (extra_networks_lora.py), which are none of its words:
 *
 *   <lora:NAME>  <lora:NAME:0.8>            of the text encoder and the U-Net (1)
 *   <lora:NAME:0.5:0.8>                     of the text encoder, of the U-Net
 *   <lora:NAME:te=0.5:unet=0.8>             the same by name
 *
 * "lyco" is another word for "lora". */
#ifndef LT_NETWORKS_H
#define LT_NETWORKS_H

#include "base/base.h"

typedef struct lt_network {
    char *tag, *name;              /* tag: all of it, as it stands in the prompt */
    float strength, text_strength; /* of the U-Net, of the text encoder */
    bool dynamic;                  /* a part of its rank is asked for */
} lt_network;

typedef struct lt_networks {
    lt_network *items; /* [count] */
    size_t count, capacity;
} lt_networks;

/* Takes them out of text: what is left, and them in their order; both are the caller's, after an error too.
 * LT_ERROR_ARGUMENT names a strength that is no number. */
lt_status lt_networks_take(const char *text, lt_buffer *left, lt_networks *networks);
void lt_networks_free(lt_networks *networks);

#endif
