/* What an adapter's file says of itself. */
#include "adapters/lora_about.h"

#include "adapters/lora_key.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char SD1[] = "Stable Diffusion 1", SD2[] = "Stable Diffusion 2", SD3[] = "Stable Diffusion 3",
                  XL[] = "Stable Diffusion XL", FLUX[] = "FLUX", CASCADE[] = "Stable Cascade";

/* What metadata or names have in them: the first that is there decides. */
typedef struct mark {
    const char *text, *family;
} mark;

static const mark of_metadata[] = {{"flux", FLUX}, {"sd3", SD3},   {"diffusion-3", SD3}, {"cascade", CASCADE},
                                   {"xl", XL},     {"sd_v2", SD2}, {"v2", SD2},          {"sd2", SD2},
                                   {"sd_2", SD2},  {"sd_v1", SD1}, {"v1", SD1},          {"sd1", SD1},
                                   {"sd_1", SD1}};
static const mark of_names[] = {{"lora_te2_", XL},       {"text_encoder_2.", XL}, {"joint_blocks", SD3},
                                {"double_blocks", FLUX}, {"single_blocks", FLUX}, {"single_transformer_blocks", FLUX},
                                {"lora_prior_", CASCADE}};

static const char *find_mark(const mark *marks, size_t count, const char *text) {
    for (size_t i = 0; text && i < count; i++)
        if (strcasestr(text, marks[i].text)) return marks[i].family;
    return NULL;
}

static const char *by_metadata(const lt_checkpoint *file) {
    static const char *const keys[] = {"modelspec.architecture", "ss_base_model_version", "ss_sd_model_name"};
    const char *family = NULL;
    for (size_t i = 0; i < LT_COUNT(keys) && !family; i++)
        family = find_mark(of_metadata, LT_COUNT(of_metadata), lt_checkpoint_metadata(file, keys[i]));
    return family;
}

/* What reads the text in cross-attention is as wide as the text encoder's states. */
const char *lt_lora_family_by_width(size_t width) {
    return width == 768 ? SD1 : width == 1024 ? SD2 : width == 2048 ? XL : NULL;
}

const char *lt_lora_family_by_names(const lt_checkpoint *file) {
    const char *family = NULL;
    for (size_t i = 0; i < file->count && !family; i++)
        family = find_mark(of_names, LT_COUNT(of_names), file->tensors[i].name);
    return family;
}

static const char *by_tensor(const lt_tensor *t) {
    lt_lora_key key;
    const char *family = find_mark(of_names, LT_COUNT(of_names), t->name);
    if (family || !lt_lora_key_read(t->name, &key)) return family;
    const char *reads = strstr(key.layer, "attn2_to_k"), *also = strstr(key.layer, "attn2_to_v");
    const bool wide = key.part == LT_PART_DOWN || key.part == LT_PART_HADA_W1_B || key.part == LT_PART_DIFF;
    return (reads || also) && wide && t->rank >= 2 ? lt_lora_family_by_width(t->shape[1]) : NULL;
}

const char *lt_lora_made_for(const lt_checkpoint *file) {
    const char *family = by_metadata(file);
    for (size_t i = 0; i < file->count && !family; i++) family = by_tensor(&file->tensors[i]);
    return family;
}

/* XL's U-Net reads a vector, and it has a second text encoder. */
static bool is_xl(const lt_weights *weights) {
    char vector[LT_NAME_SIZE];
    snprintf(vector, sizeof vector, "%slabel_emb.", lt_role_prefix(LT_ROLE_UNET));
    return lt_weights_has_prefix(weights, vector) || lt_weights_has_prefix(weights, lt_role_prefix(LT_ROLE_OPEN_TEXT));
}

const char *lt_lora_family_of(const lt_weights *weights) {
    if (is_xl(weights)) return XL;
    for (size_t i = 0; i < lt_weights_count(weights); i++) {
        const lt_tensor *t = &lt_weights_at(weights, i)->tensor;
        if (t->rank == 2 && strstr(t->name, ".attn2.to_k.weight")) return lt_lora_family_by_width(t->shape[1]);
    }
    return NULL;
}

bool lt_lora_is_for_another(const char *made_for, const char *model) {
    if (!made_for || made_for == model) return false;
    return model || made_for != SD1; /* a model of no known width may be a small one of the first kind */
}
