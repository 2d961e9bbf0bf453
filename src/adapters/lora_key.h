/* Names of an adapter's tensors, taken apart: of which model, which layer, and which part of what is added to it.
 *
 * Whoever trains calls them as he likes. For a layer of the U-Net that diffusers calls "down_blocks.0.x.to_q":
 *     lora_unet_down_blocks_0_x_to_q.lora_down.weight       kohya, LyCORIS; lora_te_, lora_te1_, lora_te2_ for texts
 *     lora_unet_input_blocks_1_1_x_to_q.lora_down.weight    the same, by LDM's names
 *     unet.down_blocks.0.x.to_q.lora_A.weight               PEFT, diffusers; text_encoder., text_encoder_2.
 *     unet.down_blocks.0.x.to_q.lora.down.weight            diffusers before; .lora_linear_layer.down.weight
 *     unet.down_blocks.0.x.processor.to_q_lora.down.weight  the first ones; "unet." may be missing
 *     diffusion_model.input_blocks.1.1.x.to_q.lora_A.weight ComfyUI
 * Points and underscores are the same here, as kohya's names can't be told apart otherwise. */
#ifndef LT_LORA_KEY_H
#define LT_LORA_KEY_H

#include "models/names.h"

typedef enum lt_lora_part {
    LT_PART_ALPHA,
    LT_PART_UP,
    LT_PART_MID,
    LT_PART_DOWN,
    LT_PART_HADA_W1_A,
    LT_PART_HADA_W1_B,
    LT_PART_HADA_T1,
    LT_PART_HADA_W2_A,
    LT_PART_HADA_W2_B,
    LT_PART_HADA_T2,
    LT_PART_LOKR_W1,
    LT_PART_LOKR_W1_A,
    LT_PART_LOKR_W1_B,
    LT_PART_LOKR_W2,
    LT_PART_LOKR_W2_A,
    LT_PART_LOKR_W2_B,
    LT_PART_LOKR_T2,
    LT_PART_DIFF,
    LT_PART_DIFF_BIAS,
    LT_PART_MAGNITUDE,
    LT_PART_GLORA_A1,
    LT_PART_GLORA_A2,
    LT_PART_GLORA_B1,
    LT_PART_GLORA_B2,
    LT_PART_OFT_BLOCKS,
    LT_PART_OFT_RESCALE,
    LT_LORA_PARTS
} lt_lora_part;

typedef struct lt_lora_key {
    lt_role role;             /* LT_ROLE_UNET, LT_ROLE_TEXT or LT_ROLE_OPEN_TEXT */
    char layer[LT_NAME_SIZE]; /* as lt_lora_layer writes it: "down_blocks_0_x_to_q" */
    lt_lora_part part;
} lt_lora_key;

/* False: no adapter's name. */
bool lt_lora_key_read(const char *name, lt_lora_key *key);
/* The name of a layer, behind its role's prefix, in any naming, as keys have it. */
void lt_lora_layer(lt_role role, const char *name, char layer[LT_NAME_SIZE]);

#endif
