/* Weights in 8 bits, as models/scales.h has them. */
#ifndef LT_EXPORT_INT8_H
#define LT_EXPORT_INT8_H

#include "models/tensor_list.h"
#include "ops/weights.h"

/* Tensors of which some are in 8 bits, and their memory. */
typedef struct lt_quantised {
    lt_tensor_list list; /* sorted by name */
    void **blocks;       /* [count] */
    size_t count;
} lt_quantised;

/* All weights; those that are not kept in 8 bits: of each row the nearest multiples of its greatest magnitude / 127,
 * and beside them these scales. LT_ERROR_MODEL where one is no number. The others are views. lt_quantised_free is due
 * even after a failure. */
lt_status lt_quantise(const lt_weights *weights, lt_quantised *out);
void lt_quantised_free(lt_quantised *q);

#endif
