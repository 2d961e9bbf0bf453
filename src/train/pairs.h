/* The pairs of low rank that a LoRA is made of: which layers get one, and what others call them. */
#ifndef LT_PAIRS_H
#define LT_PAIRS_H

#include "models/names.h"

typedef struct lt_pair {
    const lt_tensor *weight; /* of the layer */
    char *layer, *name;      /* its name here, and kohya's: "lora_unet_down_blocks_0_attentions_0_proj_in" */
    size_t rank;
    float alpha; /* what is added is alpha / rank * up * down */
} lt_pair;

typedef struct lt_pairs {
    lt_pair *items; /* [count] */
    size_t count, capacity;
} lt_pairs;

/* For the layers of the U-Net and the text encoder among tensors [count], sorted and canonical, that the options name,
 * as kohya's networks.lora has them: of the U-Net's transformers all, or those of attention; with a conv_rank those of
 * its residual blocks and resampling, too; of the text encoder all of attention and network. LT_ERROR_ARGUMENT: none of
 * them, or one is smaller than a rank. */
lt_status lt_pairs_choose(const lt_tensor *tensors, size_t count, const lt_train_options *options, lt_pairs *pairs);
void lt_pairs_free(lt_pairs *pairs); /* a zeroed one is fine */

bool lt_pairs_have_text(const lt_pairs *pairs); /* is one beside the text encoder? */

/* What is needed of the model to train them, the U-Net and, where it has pairs, the text encoder; and of each pair
 * LAYER.lora_down.weight and LAYER.lora_up.weight, without data, and LAYER.alpha, as nn/nn.h reads them. The pairs must
 * outlive list. */
lt_status lt_pairs_list(const lt_pairs *pairs, const lt_tensor *tensors, size_t count, lt_tensor_list *list);
bool lt_is_pairs(const char *name); /* is it a tensor that learns? */

#endif
