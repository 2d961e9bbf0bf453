/* The names of averaged U-Net tensors. */
#include "models/average.h"

#include "models/walk.h"

#include <stdio.h>
#include <string.h>

bool lt_ema_name(const char *name, char *text, size_t size) {
    /* LDM averages the parameters of the module "model", so that part of the name is not in it; dots can't be in it. */
    const char *rest = lt_name_after(name, lt_role_prefix(LT_ROLE_UNET)) ? lt_name_after(name, "model.") : NULL;
    if (!rest || size == 0) return false;
    size_t at = (size_t)snprintf(text, size, "model_ema.");
    for (; *rest && at < size; rest++)
        if (*rest != '.') text[at++] = *rest;
    if (at >= size) return false;
    text[at] = '\0';
    return true;
}

/* What the parts of an averaged U-Net tensor's name can be, a longer one before those that it begins with. */
static const char *const ema_words[] = {
    "time_embed",
    "label_emb",
    "input_blocks",
    "middle_block",
    "output_blocks",
    "in_layers",
    "emb_layers",
    "out_layers",
    "out",
    "transformer_blocks",
    "attn1",
    "attn2",
    "to_q",
    "to_k",
    "to_v",
    "to_out",
    "ff",
    "net",
    "norm1",
    "norm2",
    "norm3",
    "skip_connection",
    "norm",
    "proj_in",
    "proj_out",
    "proj",
    "conv",
    "op",
    "weight",
    "bias",
};

/* The length of the part that rest begins with, or 0. In a list of blocks the last digit is a number of its own. */
static size_t ema_part(const char *rest, bool in_blocks) {
    const size_t digits = strspn(rest, "0123456789");
    if (digits) return in_blocks && digits > 1 ? digits - 1 : digits;
    for (size_t i = 0; i < LT_COUNT(ema_words); i++)
        if (lt_name_after(rest, ema_words[i])) return strlen(ema_words[i]);
    return 0;
}

/* The way back: the canonical name, into text [LT_NAME_SIZE], of what LDM calls so in its average. */
static bool from_ema_name(const char *name, char *text) {
    const char *rest = lt_name_after(name, "model_ema.diffusion_model");
    size_t at = (size_t)snprintf(text, LT_NAME_SIZE, "model.diffusion_model");
    for (bool in_blocks = false; rest && *rest;) {
        const size_t n = ema_part(rest, in_blocks);
        if (!n || n + 2 > LT_NAME_SIZE - at) return false;
        at += (size_t)snprintf(text + at, LT_NAME_SIZE - at, ".%.*s", (int)n, rest);
        in_blocks = lt_name_after(rest, "input_blocks") || lt_name_after(rest, "output_blocks");
        rest += n;
    }
    return rest != NULL;
}

lt_status lt_average_expand(const lt_tensor *tensors, size_t count, lt_tensor_list *out) {
    lt_status status = LT_OK;
    for (size_t i = 0; i < count && !status; i++) {
        char name[LT_NAME_SIZE];
        status = lt_tensor_list_add(out, from_ema_name(tensors[i].name, name) ? name : tensors[i].name, &tensors[i]);
    }
    if (!status) lt_tensor_list_sort(out);
    return status;
}

bool lt_average_alone(const lt_tensor *tensors, size_t count) {
    return lt_tensor_find(tensors, count, "model_ema.diffusion_modelinput_blocks00weight") &&
           !lt_tensor_find(tensors, count, "model.diffusion_model.input_blocks.0.0.weight");
}

lt_status lt_average_take(const lt_tensor *tensors, size_t count, const char *name, lt_tensor *view) {
    char ema[LT_NAME_SIZE + 8] = "";
    const lt_tensor *average = lt_ema_name(name, ema, sizeof ema) ? lt_tensor_find(tensors, count, ema) : NULL;
    if (!average)
        return lt_fail(LT_ERROR_MODEL, "no averaged (EMA) weights: %s is not in the file; open it without them", ema);
    if (!lt_tensor_has_shape(average, view->rank, view->shape)) {
        char found[128], expected[128];
        lt_tensor_shape_text(average, found, sizeof found);
        lt_tensor_shape_text(view, expected, sizeof expected);
        return lt_fail(LT_ERROR_MODEL, "%s has shape %s, expected %s", ema, found, expected);
    }
    *view = *average;
    return LT_OK;
}
