/* What a prompt has that is none of its words, as A1111's web UI has it (extra_networks.py, extra_networks_lora.py,
 * comments.py):
 *
 *   <KIND:NAME:ARGUMENT...>                 a network; arguments stand in their order or are named, te=0.5
 *   <lora:NAME>  <lora:NAME:0.8>            of the text encoder and the U-Net (1)
 *   <lora:NAME:0.5:0.8>                     of the text encoder, of the U-Net
 *   <lora:NAME:te=0.5:unet=0.8>             the same by name
 *   # words                                 to the end of the line: a comment
 *
 * "lyco" is another word for "lora"; other kinds do nothing here. Unlike there a file's name may hold a '#': none is a
 * comment's within a network that ends on its line. */
#ifndef LT_NETWORKS_H
#define LT_NETWORKS_H

#include "base/base.h"

typedef struct lt_network {
    char *tag;        /* all of it, as it stands in the prompt */
    char *kind;       /* "lora" */
    char **arguments; /* [argument_count], at least 1: the name, "0.8", "te=0.5" */
    size_t argument_count;
} lt_network;

typedef struct lt_networks {
    lt_network *items; /* [count] */
    size_t count, capacity;
} lt_networks;

/* Takes them out of text: what is left, and them in their order; both are the caller's, after an error too. */
lt_status lt_networks_take(const char *text, lt_buffer *left, lt_networks *networks);
void lt_networks_free(lt_networks *networks);
/* text without those of them, in their order, for which out is true, and without white space that would begin or end it
 * for that; left is the caller's, after an error too. */
lt_status lt_networks_leave_out(const char *text, const bool *out, lt_buffer *left);
/* Whether a network begins in text and doesn't end: what is written behind it would be a part of that. */
bool lt_networks_open(const char *text);

/* What a network of the kind "lora" asks for. */
typedef struct lt_lora_tag {
    float strength, text_strength; /* of the U-Net, of the text encoder */
    bool dynamic;                  /* a part of its rank is asked for */
    const char *unknown;           /* the first argument that nobody knows, of the network; NULL: there is none */
} lt_lora_tag;
bool lt_network_is_lora(const lt_network *network);
/* LT_ERROR_ARGUMENT names a strength that is none. */
lt_status lt_network_weigh(const lt_network *network, lt_lora_tag *lora);

/* Takes comments out: each becomes the end of its line. left is the caller's, after an error too. */
lt_status lt_comments_take(const char *text, lt_buffer *left);

#endif
