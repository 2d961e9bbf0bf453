/* The rule of auto: see docs/precision.md, where the numbers behind it are. */
#include "pipeline/precision.h"

#include "models/layout.h"

#include <string.h>

/* Parameters of a U-Net. Of smaller ones a picture takes a fraction of a second in float32, of which rounding would
 * save a tenth. */
static const size_t large = 100000000;

static size_t unet_parameters(const lt_weights *weights) {
    const char *prefix = lt_role_prefix(LT_ROLE_UNET);
    size_t count = 0;
    for (size_t i = 0; i < lt_weights_count(weights); i++) {
        const lt_tensor *t = &lt_weights_at(weights, i)->tensor;
        if (!strncmp(t->name, prefix, strlen(prefix))) count += lt_tensor_count(t);
    }
    return count;
}

lt_precision lt_precision_automatic(const lt_components *parts, lt_isa isa) {
    const bool gains = lt_isa_has(LT_ISA_AVX512BF16, isa) && unet_parameters(parts->weights) >= large;
    return gains ? LT_PRECISION_BF16 : LT_PRECISION_F32;
}
