/* Packed files: see pack.h. */
#include "export/pack.h"

#include "base/fields.h"
#include "export/metadata.h"
#include "formats/arena.h"
#include "formats/packed.h"
#include "pipeline/session.h"

#include <string.h>

/* ---- Making forms ---- */

static lt_status plan_module(lt_session *session, lt_module module, lt_module_size size) {
    lt_plan *plan;
    LT_TRY(lt_module_plan(session, module, &size, &plan));
    lt_module_rest(session, module);
    return LT_OK;
}

/* Forms stay in the store when their plans go. */
static lt_status make_forms(lt_session *session) {
    const lt_components *parts = session->parts;
    lt_module_size sizes[LT_MODULE_COUNT];
    lt_weights_keep(parts->weights, SIZE_MAX);
    lt_module_sizes(parts, parts->sample_size, parts->sample_size, sizes);
    for (int n = 1; n <= 2; n++)
        for (int m = 0; m < LT_MODULE_COUNT; m++) {
            sizes[m].n = n;
            if (parts->has[m]) LT_TRY(plan_module(session, (lt_module)m, sizes[m]));
        }
    return LT_OK;
}

/* ---- Collecting them ---- */

enum { MOST_FORMS = 16 };

/* The same bytes, filled up to the alignment. */
static lt_status fill_up(lt_ready_form *form, lt_arena *arena) {
    const size_t size = lt_round_up(form->size, LT_PACKED_ALIGNMENT);
    if (size == form->size) return LT_OK;
    char *copy = lt_arena_alloc(arena, size);
    if (!copy) return LT_ERROR_MEMORY;
    memcpy(copy, form->data, form->size);
    memset(copy + form->size, 0, size - form->size);
    form->data = copy;
    form->size = size;
    return LT_OK;
}

/* What is looked up row by row has no form, and the file none of its blocks. */
static lt_status widen(lt_tensor *t, lt_arena *arena) {
    float *values = lt_arena_alloc(arena, lt_tensor_count(t) * sizeof *values);
    if (!values) return LT_ERROR_MEMORY;
    lt_tensor_read_f32(t, values);
    t->dtype = LT_F32;
    t->data = values;
    t->first = 0;
    lt_tensor_set_contiguous(t);
    return LT_OK;
}

static lt_status collect(const lt_weight *weight, lt_tensor *t, lt_arena *arena) {
    lt_ready_form found[MOST_FORMS];
    const size_t count = lt_weight_forms(weight, found, MOST_FORMS);
    *t = weight->tensor;
    if (!count) return lt_in_blocks(t->dtype) ? widen(t, arena) : LT_OK;
    lt_ready_forms *forms = lt_arena_alloc(arena, sizeof *forms + count * sizeof *forms->items);
    if (!forms) return LT_ERROR_MEMORY;
    forms->count = count;
    for (size_t i = 0; i < count; i++) {
        LT_TRY(fill_up(&found[i], arena));
        forms->items[i] = found[i];
    }
    t->forms = forms;
    return LT_OK;
}

static lt_status collect_all(const lt_weights *weights, lt_tensor *tensors, lt_arena *arena) {
    for (size_t i = 0; i < lt_weights_count(weights); i++)
        LT_TRY(collect(lt_weights_at(weights, i), &tensors[i], arena));
    return LT_OK;
}

/* ---- Writing ---- */

static lt_status write_packed(const lt_exported *model, lt_session *session, lt_tensor *tensors, const char *path) {
    lt_metadata_list m;
    lt_settings settings = {0};
    LT_TRY(lt_metadata_read(model->source, &m));
    lt_status status = lt_metadata_tell(model, &m, &settings);
    const lt_packing packing = {.tensors = tensors,
                                .count = lt_weights_count(model->parts->weights),
                                .metadata = m.items,
                                .metadata_count = m.count,
                                .precision = lt_precision_choices[session->target.precision],
                                .isa = lt_isa_name(session->target.isa)};
    if (!status) status = lt_packed_write(path, &packing);
    lt_settings_free(&settings);
    lt_free(m.items);
    return status;
}

lt_status lt_export_packed(const lt_exported *model, lt_session *session, const char *path) {
    const lt_weights *weights = model->parts->weights;
    lt_arena arena = {0};
    LT_TRY(make_forms(session));
    lt_tensor *tensors = lt_calloc(lt_weights_count(weights), sizeof *tensors);
    lt_status status = tensors ? collect_all(weights, tensors, &arena) : LT_ERROR_MEMORY;
    if (!status) status = write_packed(model, session, tensors, path);
    lt_free(tensors);
    lt_arena_free(&arena);
    return status;
}
