/* A model as GGUF: what each tensor is written as, and what is said of the model. */
#include "formats/gguf.h"
#include "export/metadata.h"
#include "models/layout.h"

#include <string.h>

/* ---- Types ---- */

/* Of those in blocks: what takes their place where rows are no whole blocks of 256, as llama.cpp does, and how a file
 * of them calls itself (`general.file_type`). */
static const struct {
    lt_dtype instead;
    uint32_t file_type;
} kinds[LT_DTYPE_COUNT] = {
    [LT_F32] = {LT_F32, 0},    [LT_F16] = {LT_F16, 1},    [LT_BF16] = {LT_BF16, 32}, [LT_Q4_0] = {LT_Q4_0, 2},
    [LT_Q4_1] = {LT_Q4_1, 3},  [LT_Q8_0] = {LT_Q8_0, 7},  [LT_Q5_0] = {LT_Q5_0, 8},  [LT_Q5_1] = {LT_Q5_1, 9},
    [LT_Q2_K] = {LT_Q4_0, 10}, [LT_Q3_K] = {LT_Q4_0, 12}, [LT_Q4_K] = {LT_Q5_0, 15}, [LT_Q5_K] = {LT_Q5_1, 17},
    [LT_Q6_K] = {LT_Q8_0, 18},
};

/* What is no layer's matrix, or small and felt everywhere: first and last layers, embeddings, the VAE. */
static bool is_kept(const lt_tensor *t) {
    static const char *const kept[] = {"embedding", "time_embed.", "label_emb.", "text_projection", "class_embed"};
    for (size_t i = 0; i < LT_COUNT(kept); i++)
        if (strstr(t->name, kept[i])) return true;
    return t->rank != 2 || lt_is_vae(t->name);
}

static bool fits(const lt_tensor *t, lt_dtype type) {
    return lt_block_format_of(type) && t->shape[t->rank - 1] % lt_block_format_of(type)->values == 0;
}

/* Scales and offsets are halves. */
static lt_dtype choose_quantised(const lt_tensor *t, lt_dtype quantised, float largest) {
    enum { MOST = 65504 };
    if (t->rank < 2 || largest > MOST) return LT_F32;
    if (!is_kept(t) && fits(t, quantised)) return quantised;
    if (!is_kept(t) && fits(t, kinds[quantised].instead)) return kinds[quantised].instead;
    return t->dtype == LT_BF16 ? LT_BF16 : LT_F16;
}

/* As it is, if GGUF has that. */
static lt_dtype choose_own(const lt_tensor *t) {
    if (lt_gguf_can_hold(t, t->dtype)) return t->dtype;
    return lt_in_blocks(t->dtype) || lt_dtype_size(t->dtype) == 1 ? LT_F16 : LT_F32;
}

static lt_status choose(const lt_tensor *t, const lt_dtype *type, const lt_dtype *quantised, lt_dtype *chosen) {
    float largest;
    LT_TRY(lt_export_largest(t, NULL, &largest));
    const lt_dtype own = choose_own(t), plain = type ? lt_export_type(t, type) : own;
    *chosen = quantised ? choose_quantised(t, *quantised, largest) : plain;
    if (quantised && type && !lt_in_blocks(*chosen) && t->rank > 1) *chosen = *type;
    LT_TRY(lt_export_check(t, *chosen, NULL));
    if (lt_gguf_can_hold(t, *chosen)) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED, "tensor %s has %d dimensions, and GGUF at most 4", t->name, t->rank);
}

/* ---- What is said of it ---- */

/* ComfyUI-GGUF knows by this that the file is a U-Net's. */
static const char *architecture_of(const lt_components *parts) {
    return !parts->has[LT_MODULE_UNET] ? "clip" : parts->unet.vector_dim ? "sdxl" : "sd1";
}

/* Texts that are one's own: other keys of GGUF's say what the file is, and no longer do. */
static size_t keep_metadata(lt_metadata *items, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(items[i].key, "general.", 8) != 0) items[kept++] = items[i];
    return kept;
}

static lt_status write_file(const lt_exported *model, lt_metadata_list *m, const char *path, const lt_dtype *types,
                            lt_dtype main) {
    const lt_gguf_number numbers[] = {{"general.quantization_version", 2},
                                      {"general.file_type", kinds[main].file_type}};
    lt_settings settings = {0};
    m->count = keep_metadata(m->items, m->count);
    lt_status status = lt_metadata_tell(model, m, &settings);
    lt_metadata_set(m, "general.architecture", architecture_of(model->parts));
    const lt_gguf_file file = {.tensors = model->tensors,
                               .types = types,
                               .count = model->count,
                               .metadata = m->items,
                               .metadata_count = m->count,
                               .numbers = numbers,
                               .number_count = LT_COUNT(numbers)};
    if (!status) status = lt_gguf_write(path, &file);
    lt_settings_free(&settings);
    return status;
}

/* The type of most parameters, of those in blocks if there are any. */
static lt_dtype main_type(const lt_exported *model, const lt_dtype *types) {
    size_t counts[LT_DTYPE_COUNT] = {0}, most = 0;
    for (size_t i = 0; i < model->count; i++) counts[types[i]] += lt_tensor_count(&model->tensors[i]);
    for (size_t t = 0; t < LT_DTYPE_COUNT; t++) {
        const bool before = lt_in_blocks((lt_dtype)most), now = lt_in_blocks((lt_dtype)t);
        if (counts[t] && (now > before || (now == before && counts[t] > counts[most]))) most = t;
    }
    return (lt_dtype)most;
}

lt_status lt_export_gguf(const lt_exported *model, const char *path, const lt_dtype *type, const lt_dtype *quantised) {
    lt_metadata_list m = {0};
    LT_TRY(lt_parts_check(model->parts));
    lt_dtype *types = lt_calloc(model->count, sizeof *types);
    lt_status status = types ? LT_OK : LT_ERROR_MEMORY;
    for (size_t i = 0; i < model->count && !status; i++)
        status = choose(&model->tensors[i], type, quantised, &types[i]);
    if (!status) status = lt_metadata_read(model->source, &m);
    if (!status) status = write_file(model, &m, path, types, quantised ? *quantised : main_type(model, types));
    lt_free(m.items);
    lt_free(types);
    return status;
}
