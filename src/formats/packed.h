/* Packed files: a model's weights as one processor's kernels want them, so that nothing is made before the first step.
 *
 * A safetensors file whose metadata has an index (latent.packed, JSON). A tensor of the model is there as itself, or
 * as nothing but its packed forms, which the index lists with its type and shape. Everything is checked when such a
 * file is opened, byte by byte: what was flipped is found. */
#ifndef LT_PACKED_H
#define LT_PACKED_H

#include "formats/formats.h"

#define LT_PACKED_INDEX     "latent.packed"
#define LT_PACKED_PRECISION "latent.packed.precision"
#define LT_PACKED_ISA       "latent.packed.isa"
#define LT_PACKED_VERSION   "latent.packed.version"
#define LT_PACKED_SUM       "latent.packed.sum"
#define LT_PACKED_FORM      "latent.form." /* and a number: a form's bytes */

/* Counts changes of these files, and of what forms of the same key hold: others are refused. Forms begin, and end, at
 * multiples of the alignment. */
enum { LT_PACKED_REVISION = 1, LT_PACKED_ALIGNMENT = 64 };

static inline bool lt_checkpoint_is_packed(const lt_checkpoint *c) {
    return lt_checkpoint_metadata(c, LT_PACKED_INDEX) != NULL;
}

/* Puts the model's tensors in the place of those of the file. LT_ERROR_FORMAT where a sum is wrong or the index is
 * none, LT_ERROR_UNSUPPORTED where it is another version's. */
lt_status lt_packed_unfold(lt_checkpoint *checkpoint);

/* tensors [count] with those that have forms packed, and metadata. precision and isa: whose forms these are. */
typedef struct lt_packing {
    const lt_tensor *tensors; /* sorted by name */
    size_t count;
    const lt_metadata *metadata;
    size_t metadata_count;
    const char *precision, *isa;
} lt_packing;
lt_status lt_packed_write(const char *path, const lt_packing *packing);

#endif
