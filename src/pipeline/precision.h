/* In which precision a model is drawn where nobody says. */
#ifndef LT_PIPELINE_PRECISION_H
#define LT_PIPELINE_PRECISION_H

#include "pipeline/components.h"

/* The fastest of those that keep to the table of docs/precision.md, by rule: the same for a model and instruction sets
 * up to isa each time. Never LT_PRECISION_AUTO. */
lt_precision lt_precision_automatic(const lt_components *parts, lt_isa isa);

/* Behind opening: of a file with weights of the U-Net in 8 bits its other ones are kept from being multiplied so. */
void lt_precision_follow_file(lt_components *parts);

#endif
