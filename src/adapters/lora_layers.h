/* The layers of a model by the names that adapters have for them. */
#ifndef LT_LORA_LAYERS_H
#define LT_LORA_LAYERS_H

#include "adapters/lora_key.h"

typedef struct lt_lora_layer_entry {
    lt_role role;
    char *name; /* as lt_lora_layer writes it, owned */
    const lt_weight *weight, *bias;
} lt_lora_layer_entry;

typedef struct lt_lora_layers {
    lt_lora_layer_entry *items; /* [count], sorted */
    size_t count, capacity;
} lt_lora_layers;

/* Of the U-Net and the text encoders among weights, under their names in LDM and in diffusers. */
lt_status lt_lora_layers_make(const lt_weights *weights, lt_lora_layers *layers);
void lt_lora_layers_free(lt_lora_layers *layers);
const lt_lora_layer_entry *lt_lora_layers_find(const lt_lora_layers *layers, const lt_lora_key *key); /* or NULL */

#endif
