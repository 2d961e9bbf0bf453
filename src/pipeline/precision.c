/* The rule of auto: see docs/precision.md, where the numbers behind it are. */
#include "pipeline/precision.h"

#include "models/layout.h"

#include <string.h>

/* Parameters of a U-Net. Of smaller ones a picture takes a fraction of a second in float32, of which rounding would
 * save a third. */
static const size_t large = 100000000;

static bool is_unets(const lt_weight *weight) {
    const char *prefix = lt_role_prefix(LT_ROLE_UNET);
    return !strncmp(weight->tensor.name, prefix, strlen(prefix));
}

static size_t unet_parameters(const lt_weights *weights) {
    size_t count = 0;
    for (size_t i = 0; i < lt_weights_count(weights); i++) {
        const lt_weight *w = lt_weights_at(weights, i);
        if (is_unets(w)) count += lt_tensor_count(&w->tensor);
    }
    return count;
}

lt_precision lt_precision_automatic(const lt_components *parts, lt_isa isa) {
    if (parts->packed) return parts->packed;
    if (parts->quantised) return LT_PRECISION_INT8;
    return unet_parameters(parts->weights) >= large ? lt_isa_wider(isa) : LT_PRECISION_F32;
}

void lt_precision_follow_file(lt_components *parts) {
    const lt_weights *all = parts->weights;
    for (size_t i = 0; i < lt_weights_count(all); i++)
        parts->quantised |= is_unets(lt_weights_at(all, i)) && lt_weights_at(all, i)->tensor.scales;
    for (size_t i = 0; parts->quantised && i < lt_weights_count(all); i++)
        lt_weights_at(all, i)->kept = !lt_weights_at(all, i)->tensor.scales;
}
