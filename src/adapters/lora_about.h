/* What an adapter's file says of itself. */
#ifndef LT_LORA_ABOUT_H
#define LT_LORA_ABOUT_H

#include "formats/formats.h"
#include "ops/weights.h"

/* The family of models that it was made for, "Stable Diffusion XL", by its metadata, names and shapes; NULL: nothing
 * tells. */
const char *lt_lora_made_for(const lt_checkpoint *file);
/* The family of the model that weights hold; NULL: none of these, or nothing tells. */
const char *lt_lora_family_of(const lt_weights *weights);
/* Whether a file that was made for one can't be for the other, of which both may be NULL. */
bool lt_lora_is_for_another(const char *made_for, const char *model);

/* The family whose contexts are so wide, and that which names of tensors tell; NULL: none of these, or nothing tells.
 */
const char *lt_lora_family_by_width(size_t width);
const char *lt_lora_family_by_names(const lt_checkpoint *file);

#endif
