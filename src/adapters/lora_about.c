/* What an adapter's file says of itself. */
#include "adapters/lora_about.h"

#include "adapters/lora_key.h"

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
static const char *by_width(size_t width) {
    return width == 768 ? SD1 : width == 1024 ? SD2 : width == 2048 ? XL : NULL;
}

static const char *by_tensor(const lt_tensor *t) {
    lt_lora_key key;
    const char *family = find_mark(of_names, LT_COUNT(of_names), t->name);
    if (family || !lt_lora_key_read(t->name, &key)) return family;
    const char *reads = strstr(key.layer, "attn2_to_k"), *also = strstr(key.layer, "attn2_to_v");
    const bool wide = key.part == LT_PART_DOWN || key.part == LT_PART_HADA_W1_B || key.part == LT_PART_DIFF;
    return (reads || also) && wide && t->rank >= 2 ? by_width(t->shape[1]) : NULL;
}

const char *lt_lora_made_for(const lt_checkpoint *file) {
    const char *family = by_metadata(file);
    for (size_t i = 0; i < file->count && !family; i++) family = by_tensor(&file->tensors[i]);
    return family;
}
