/* What a training takes of memory, found out before it starts: a machine that swaps is no use to anybody. */
#ifndef LT_TRAIN_MEMORY_H
#define LT_TRAIN_MEMORY_H

#include "train/task.h"

/* Bytes for `count` trained numbers: values, gradients, AdamW's two moments, and averages if there are any. */
double lt_training_parameter_bytes(const lt_training *t, size_t count);

/* LT_ERROR_MEMORY if the training needs more than options->memory, or than the machine has. parameters:
 * lt_training_parameter_bytes; others: activations and packed weights. */
lt_status lt_training_check_memory(const lt_training *t, double parameters, double others);

#endif
