/* Weights of 8 bits: X.weight in I8, and beside it X.weight_scale, float32, a number for each row that multiplies it.
 */
#ifndef LT_SCALES_H
#define LT_SCALES_H

#include "base/tensor.h"

/* How the scales of a weight are called: its name and this. */
#define LT_SCALES_SUFFIX "_scale"

/* Gives view, one of tensors [count] (sorted by name), its scales where it has some. LT_ERROR_MODEL where they aren't
 * as many numbers above 0 as it has rows; LT_ERROR_UNSUPPORTED where view itself scales something else. */
lt_status lt_scales_take(const lt_tensor *tensors, size_t count, lt_tensor *view);
/* Whether name is that of a weight's scales. */
bool lt_is_scales(const char *name);

#endif
