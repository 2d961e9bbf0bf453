/* ControlNets that are kept as what they add to a U-Net's first half: differences, and factors of low rank
 * (control-LoRAs, as ComfyUI reads them). */
#ifndef LT_CONTROL_DELTA_H
#define LT_CONTROL_DELTA_H

#include "formats/formats.h"
#include "models/tensor_list.h"
#include "ops/deltas.h"

typedef enum lt_control_kind {
    LT_CONTROL_WHOLE,
    LT_CONTROL_DIFFERENCE, /* each tensor that the U-Net has, too, is to be added to that one */
    LT_CONTROL_LORA        /* X.up and X.down are to be added to the U-Net's X.weight, which is not there */
} lt_control_kind;

/* By the tensor that says so: "difference", "lora_controlnet". */
lt_control_kind lt_control_kind_of(const lt_checkpoint *file);

/* What is added to which weight. Zero it to begin. */
typedef struct lt_control_delta {
    lt_tensor_list changes; /* of a difference, by the names of the weights */
    lt_delta *deltas;       /* [count] */
    size_t count;
    lt_deltas *set;
} lt_control_delta;

/* Makes tensors, canonical and sorted, those of a whole ControlNet, with the data of the U-Net's among unet where that
 * is added to; unet outlives them. LT_ERROR_MODEL: there is no U-Net. */
lt_status lt_control_complete(lt_control_kind kind, const lt_weights *unet, lt_tensor_list *tensors,
                              lt_control_delta *delta);
/* Makes the set for the weights of those tensors. LT_ERROR_MODEL: something does not fit what it is added to. */
lt_status lt_control_delta_make(lt_control_kind kind, const lt_weights *weights, lt_control_delta *delta);
void lt_control_delta_free(lt_control_delta *delta); /* a zeroed one is fine */

#endif
