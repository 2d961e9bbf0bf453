/* Models and LoRAs that were distilled to draw in few steps: which, and what suits them. */
#ifndef LT_FEW_STEPS_H
#define LT_FEW_STEPS_H

#include "formats/formats.h"

/* By the name of the file at path, its metadata, and tensors that only such a model has; NULL: nothing tells. */
const lt_few_steps *lt_few_steps_of(const char *path, const lt_checkpoint *file);

#endif
