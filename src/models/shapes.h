/* Reading a model's configuration from its tensors' names and shapes. */
#ifndef LT_SHAPES_H
#define LT_SHAPES_H

#include "ops/weights.h"

/* Dimension dim of the tensor called name, which has rank dimensions; LT_ERROR_MODEL if it is missing or misshapen. */
lt_status lt_weight_dim(const char *model, lt_weights *weights, const char *name, int rank, int dim, int *value);

bool lt_name_ends(const char *name, const char *ending);

#endif
