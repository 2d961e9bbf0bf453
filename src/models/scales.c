/* Weights of 8 bits and their scales: see scales.h. */
#include "models/scales.h"

#include "models/tensor_list.h"
#include "models/walk.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

static bool ends_in(const char *name, const char *end) {
    const size_t n = strlen(name), m = strlen(end);
    return n > m && !strcmp(name + n - m, end);
}

bool lt_is_scales(const char *name) { return ends_in(name, ".weight" LT_SCALES_SUFFIX); }

/* ComfyUI keeps F8 weights beside the number that multiplies them: drawing without it would be wrong. */
static lt_status check_scaler(const lt_tensor *tensors, size_t count, const char *name) {
    char weight[LT_NAME_SIZE] = "";
    if (!lt_is_scales(name) && !ends_in(name, ".scale_weight")) return LT_OK;
    const size_t length = strlen(name) - strlen(LT_SCALES_SUFFIX);
    if (length < sizeof weight) memcpy(weight, name, length);
    const lt_tensor *scaled = lt_is_scales(name) ? lt_tensor_find(tensors, count, weight) : NULL;
    if (scaled && scaled->dtype == LT_I8) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED,
                   "tensor %s scales its layer's weights, which is not served: use this model in F16 or BF16", name);
}

static lt_status check_values(const lt_tensor *scales) {
    for (size_t i = 0; i < scales->shape[0]; i++) {
        float scale;
        memcpy(&scale, (const char *)scales->data + i * sizeof scale, sizeof scale);
        if (!(scale > 0 && scale <= FLT_MAX))
            return lt_fail(LT_ERROR_MODEL, "tensor %s: number %zu is %g; scales are above 0 and finite", scales->name,
                           i + 1, (double)scale);
    }
    return LT_OK;
}

static lt_status check_scales(const lt_tensor *scales, const lt_tensor *weight) {
    if (scales->dtype == LT_F32 && weight->rank >= 2 && lt_tensor_contiguous(scales) &&
        lt_tensor_has_shape(scales, 1, weight->shape))
        return check_values(scales);
    char found[200];
    lt_tensor_shape_text(scales, found, sizeof found);
    return lt_fail(LT_ERROR_MODEL, "tensor %s is %s %s, expected F32 [%zu], a number for each row of %s", scales->name,
                   lt_tensor_type(scales), found, weight->rank ? weight->shape[0] : 1, weight->name);
}

lt_status lt_scales_take(const lt_tensor *tensors, size_t count, lt_tensor *view) {
    char name[LT_NAME_SIZE + sizeof LT_SCALES_SUFFIX];
    if (view->dtype != LT_I8) return check_scaler(tensors, count, view->name);
    snprintf(name, sizeof name, "%.*s%s", LT_NAME_SIZE, view->name, LT_SCALES_SUFFIX);
    const lt_tensor *scales = lt_tensor_find(tensors, count, name);
    if (!scales) return LT_OK;
    LT_TRY(check_scales(scales, view));
    view->scales = scales->data;
    return LT_OK;
}
