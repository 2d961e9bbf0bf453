/* A model's weights with LoRAs added for good. */
#include "api/merge.h"

#include "adapters/lora_set.h"

#include <math.h>
#include <string.h>

/* The sums are made in float32, and rounded once. */
static lt_status narrow(lt_tensor *t, lt_dtype type) {
    const size_t count = lt_tensor_count(t);
    const float *values = t->data;
    if (type != LT_F16 && type != LT_BF16) return LT_OK;
    uint16_t *halves = lt_alloc(count * sizeof *halves);
    if (!halves) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++)
        halves[i] = type == LT_F16 ? lt_f32_to_f16(values[i]) : lt_f32_to_bf16(values[i]);
    lt_free((void *)(uintptr_t)t->data);
    t->data = halves;
    t->dtype = type;
    return LT_OK;
}

static bool are_finite(const lt_tensor *t) {
    bool finite = true;
    const uint16_t *halves = t->data;
    const size_t count = lt_tensor_count(t);
    if (t->dtype == LT_F32) return lt_all_finite(t->data, count);
    for (size_t i = 0; i < count; i++)
        finite &= isfinite(t->dtype == LT_F16 ? lt_f16_to_f32(halves[i]) : lt_bf16_to_f32(halves[i])) != 0;
    return finite;
}

static lt_status merge(const lt_weight *weight, lt_delta_list list, const lt_dtype *type, lt_tensor *t) {
    lt_weight_source source;
    lt_status status = lt_weight_source_open(&weight->tensor, list, LT_ISA_BEST, &source);
    if (!status) status = lt_weight_source_copy(&source, t);
    lt_weight_source_close(&source);
    if (!status) status = narrow(t, type ? *type : weight->tensor.dtype);
    if (status || are_finite(t)) return status;
    return lt_fail(LT_ERROR_MODEL, "%s would hold numbers that are not finite as %s", t->name, lt_dtype_name(t->dtype));
}

static lt_status merge_all(const lt_model *model, const lt_deltas *deltas, const lt_dtype *type, lt_merged *m) {
    m->tensors = lt_calloc(model->tensors.count, sizeof *m->tensors);
    m->owned = lt_calloc(model->tensors.count, sizeof *m->owned);
    if (!m->tensors || !m->owned) return LT_ERROR_MEMORY;
    m->count = model->tensors.count;
    for (size_t i = 0; i < m->count; i++) {
        lt_tensor *t = &m->tensors[i];
        *t = model->tensors.tensors[i];
        const lt_weight *w = lt_weights_find(model->parts.weights, t->name);
        const lt_delta_list list = lt_deltas_of(deltas, w);
        if (!list.count) continue;
        lt_tensor copy = *t;
        const lt_status status = merge(w, list, type, &copy);
        if (copy.data != t->data) m->owned[i] = (void *)(uintptr_t)copy.data;
        if (status) return status;
        *t = copy;
    }
    return LT_OK;
}

lt_status lt_model_merge(const lt_model *model, const lt_lora *loras, size_t count, const lt_dtype *type,
                         lt_merged *merged) {
    static const lt_lora_set *const kept[2];
    lt_lora_set *set = NULL;
    *merged = (lt_merged){0};
    LT_TRY(lt_loras_check(loras, count));
    LT_TRY(lt_lora_set_make(loras, count, model->parts.weights, &model->parts.listener, kept, &set));
    lt_status status = merge_all(model, set->deltas, type, merged);
    if (status == LT_ERROR_MODEL) status = lt_lora_set_blame(set, status);
    if (status == LT_ERROR_MODEL && set->count == 1) status = lt_fail_in(status, "%s", set->loras[0].file);
    lt_lora_set_free(set);
    return status;
}

void lt_merged_free(lt_merged *merged) {
    for (size_t i = 0; i < merged->count; i++) lt_free(merged->owned[i]);
    lt_free(merged->owned);
    lt_free(merged->tensors);
    *merged = (lt_merged){0};
}
