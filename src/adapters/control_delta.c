/* ControlNets that are kept as what they add to a U-Net's first half. */
#include "adapters/control_delta.h"

#include "models/layout.h"
#include "models/shapes.h"

#include <stdio.h>
#include <string.h>

lt_control_kind lt_control_kind_of(const lt_checkpoint *file) {
    if (lt_checkpoint_find(file, "lora_controlnet")) return LT_CONTROL_LORA;
    return lt_checkpoint_find(file, "difference") ? LT_CONTROL_DIFFERENCE : LT_CONTROL_WHOLE;
}

/* ---- Completing the tensors ---- */

/* The name that a U-Net's tensor has in a ControlNet; false: it has none, being of what comes up. */
static bool control_name(const char *name, char text[LT_NAME_SIZE]) {
    const char *rest = lt_name_after(name, lt_role_prefix(LT_ROLE_UNET));
    if (!rest || lt_name_after(rest, "output_blocks.") || lt_name_after(rest, "out.")) return false;
    return snprintf(text, LT_NAME_SIZE, "%s%s", lt_role_prefix(LT_ROLE_CONTROL), rest) < LT_NAME_SIZE;
}

static bool same_shape(const lt_tensor *a, const lt_tensor *b) { return lt_tensor_has_shape(a, b->rank, b->shape); }

/* The difference goes to the changes, and the U-Net's data stand in its place. */
static lt_status part(lt_tensor *own, const lt_tensor *base, lt_control_delta *delta) {
    if (!same_shape(own, base)) return LT_OK;
    LT_TRY(lt_tensor_list_add(&delta->changes, own->name, own));
    const char *name = own->name;
    *own = *base;
    own->name = name;
    return LT_OK;
}

static lt_status complete_one(lt_control_kind kind, const lt_tensor *base, const lt_tensor_list *tensors,
                              lt_control_delta *delta, lt_tensor_list *more) {
    char name[LT_NAME_SIZE];
    if (!control_name(base->name, name)) return LT_OK;
    if (base->forms)
        return lt_fail(LT_ERROR_UNSUPPORTED,
                       "base: this is a packed file, whose weights are ready for its own U-Net alone");
    lt_tensor *own = (lt_tensor *)(uintptr_t)lt_tensor_find(tensors->tensors, tensors->count, name);
    if (kind == LT_CONTROL_DIFFERENCE) return own ? part(own, base, delta) : LT_OK;
    return own ? LT_OK : lt_tensor_list_add(more, name, base);
}

static lt_status append(lt_tensor_list *tensors, const lt_tensor_list *more) {
    for (size_t i = 0; i < more->count; i++)
        LT_TRY(lt_tensor_list_add(tensors, more->tensors[i].name, &more->tensors[i]));
    lt_tensor_list_sort(tensors);
    return LT_OK;
}

lt_status lt_control_complete(lt_control_kind kind, const lt_weights *unet, lt_tensor_list *tensors,
                              lt_control_delta *delta) {
    lt_tensor_list more = {0};
    lt_status status = LT_OK;
    if (!lt_weights_has_prefix(unet, lt_role_prefix(LT_ROLE_UNET)))
        return lt_fail(LT_ERROR_MODEL, "base: this model has no U-Net");
    for (size_t i = 0; i < lt_weights_count(unet) && !status; i++)
        status = complete_one(kind, &lt_weights_at(unet, i)->tensor, tensors, delta, &more);
    if (!status) status = append(tensors, &more);
    lt_tensor_list_free(&more);
    return status;
}

/* ---- The deltas ---- */

/* The weight that the tensor of that name changes, and what it adds; false: none. */
static bool read_low_rank(const lt_weights *weights, const lt_tensor *up, lt_weight **weight, lt_delta *delta) {
    const char *ending = ".up";
    if (!lt_name_after(up->name, lt_role_prefix(LT_ROLE_CONTROL)) || !lt_name_ends(up->name, ending)) return false;
    const int length = (int)(strlen(up->name) - strlen(ending));
    const lt_weight *down = lt_weights_find(weights, lt_name_of("%.*s.down", length, up->name).text);
    *weight = lt_weights_find(weights, lt_name_of("%.*s.weight", length, up->name).text);
    if (!down || !*weight) return false;
    *delta = (lt_delta){.kind = LT_DELTA_SUM, .factor = {{.up = *up, .down = down->tensor}}, .scale = 1};
    return true;
}

static bool read_difference(const lt_weights *weights, const lt_tensor *change, lt_weight **weight, lt_delta *delta) {
    *weight = lt_weights_find(weights, change->name);
    *delta = (lt_delta){.kind = LT_DELTA_SUM, .factor = {{.up = *change}}, .scale = 1};
    return *weight;
}

static lt_status check(lt_delta *delta, const lt_weight *weight) {
    LT_TRY(lt_tensor_readable(&delta->factor[0].up));
    if (delta->factor[0].down.data) LT_TRY(lt_tensor_readable(&delta->factor[0].down));
    return lt_delta_check(delta, &weight->tensor);
}

static lt_status fill(lt_control_kind kind, const lt_weights *weights, lt_control_delta *d, lt_delta_use *uses,
                      size_t most) {
    for (size_t i = 0; i < most; i++) {
        lt_weight *weight;
        lt_delta *delta = &d->deltas[d->count];
        const bool found = kind == LT_CONTROL_LORA
                               ? read_low_rank(weights, &lt_weights_at(weights, i)->tensor, &weight, delta)
                               : read_difference(weights, &d->changes.tensors[i], &weight, delta);
        if (!found) continue;
        LT_TRY(check(delta, weight));
        uses[d->count++] = (lt_delta_use){weight, delta, 1};
    }
    return lt_deltas_create(uses, d->count, &d->set);
}

lt_status lt_control_delta_make(lt_control_kind kind, const lt_weights *weights, lt_control_delta *d) {
    const size_t most = kind == LT_CONTROL_LORA ? lt_weights_count(weights) : d->changes.count;
    lt_delta_use *uses = lt_calloc(most, sizeof *uses);
    d->deltas = lt_calloc(most, sizeof *d->deltas);
    const lt_status status = uses && d->deltas ? fill(kind, weights, d, uses, most) : LT_ERROR_MEMORY;
    lt_free(uses);
    return status;
}

void lt_control_delta_free(lt_control_delta *d) {
    lt_deltas_free(d->set);
    lt_free(d->deltas);
    lt_tensor_list_free(&d->changes);
    *d = (lt_control_delta){0};
}
