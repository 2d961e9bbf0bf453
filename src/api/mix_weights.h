/* How much of another model each part and each block of a U-Net takes where models are merged: "merge block weighted",
 * as the web UIs' extensions have it. */
#ifndef LT_MIX_WEIGHTS_H
#define LT_MIX_WEIGHTS_H

#include "base/tensor.h"

enum { LT_MOST_BLOCKS = 64 }; /* on the way down, and up */

typedef struct lt_mix_weights {
    int inputs, outputs;                 /* blocks; 0 without a U-Net */
    float text, vae;                     /* text: all that is neither the U-Net nor the VAE */
    float block[2 * LT_MOST_BLOCKS + 1]; /* [inputs + 1 + outputs], as they run */
} lt_mix_weights;

/* Those of tensors [count], by their canonical names: weight everywhere, but where blocks, if not NULL, says otherwise:
 * the numbers of BASE (all but the U-Net), IN00, ..., M00, OUT00, ..., with commas between, or NAME=NUMBER of some of
 * these, of IN, OUT, unet, text or vae, of which the last one counts. LT_ERROR_ARGUMENT says what is possible. */
lt_status lt_mix_weights_read(const char *blocks, float weight, const lt_tensor *tensors, size_t count,
                              lt_mix_weights *weights);

/* The weight of the tensor of that canonical name. The time embedding and the vector's go with IN00, the layers behind
 * the last block with that. */
float lt_mix_weight_of(const lt_mix_weights *weights, const char *name);

#endif
