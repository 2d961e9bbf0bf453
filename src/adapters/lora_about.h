/* What an adapter's file says of itself. */
#ifndef LT_LORA_ABOUT_H
#define LT_LORA_ABOUT_H

#include "formats/formats.h"

/* The family of models that it was made for, "Stable Diffusion XL", by its metadata, names and shapes; NULL: nothing
 * tells. */
const char *lt_lora_made_for(const lt_checkpoint *file);

#endif
