/* Reading a model's configuration from its tensors' names and shapes. */
#include "models/shapes.h"

#include <string.h>

lt_status lt_weight_dim(const char *model, lt_weights *weights, const char *name, int rank, int dim, int *value) {
    const lt_weight *w = lt_weights_find(weights, name);
    if (!w) return lt_fail(LT_ERROR_MODEL, "%s: the checkpoint has no tensor %s", model, name);
    const lt_status status = w->tensor.forms ? LT_OK : lt_tensor_readable(&w->tensor);
    if (status) return lt_fail_in(status, "%s", model);
    if (w->tensor.rank != rank || w->tensor.shape[dim] < 1 || w->tensor.shape[dim] > 1 << 20) {
        char found[128];
        lt_tensor_shape_text(&w->tensor, found, sizeof found);
        return lt_fail(LT_ERROR_MODEL, "%s: %s has shape %s, expected %d dimension%s", model, name, found, rank,
                       LT_S(rank));
    }
    *value = (int)w->tensor.shape[dim];
    return LT_OK;
}

bool lt_name_ends(const char *name, const char *ending) {
    const size_t n = strlen(name), m = strlen(ending);
    return n >= m && !strcmp(name + n - m, ending);
}
