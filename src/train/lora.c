/* Training a LoRA: pairs of low rank beside the layers of a model that stays as it is (Hu et al. 2021). The file is as
 * kohya's scripts write it. */
#include "base/sha256.h"
#include "train/denoising.h"
#include "train/network_metadata.h"
#include "train/pairs.h"

#include <string.h>

typedef struct lora_state {
    lt_denoising denoising;
    lt_pairs pairs;
    uint16_t *halves; /* the file's numbers */
} lora_state;

/* ---- Opening ---- */

static lt_status make_parameters(lt_training *t, const lt_pairs *pairs) {
    lt_tensor_list list = {0};
    const lt_status status = lt_pairs_list(pairs, t->models->init, t->models->init_count, &list);
    if (!status) return lt_training_own_parameters(t, &list, lt_is_pairs);
    lt_tensor_list_free(&list);
    return status;
}

static lt_status open(lt_training *t) {
    lora_state *s = t->state;
    LT_TRY(lt_denoising_open(t, &s->denoising));
    LT_TRY(lt_pairs_choose(t->models->init, t->models->init_count, t->options, &s->pairs));
    LT_TRY(make_parameters(t, &s->pairs));
    if (lt_pairs_have_text(&s->pairs)) {
        s->denoising.text = *t->models->text;
        s->denoising.text.weights = t->parameters.weights;
    }
    return lt_denoising_build(t, &s->denoising);
}

/* ---- The file ---- */

static lt_status list_part(const lt_training *t, const lt_pair *pair, const char *part, lt_tensor_list *list) {
    char *own = lt_format("%s%s", pair->layer, part), *name = lt_format("%s%s", pair->name, part);
    lt_status status = own && name ? LT_OK : LT_ERROR_MEMORY;
    const lt_parameters *p = &t->parameters;
    if (!status) status = lt_tensor_list_add(list, name, lt_tensor_find(p->tensors.tensors, p->tensors.count, own));
    lt_free(own);
    lt_free(name);
    return status;
}

/* All of them in float16, one behind the other. */
static lt_status halve(lora_state *s, lt_tensor_list *list, size_t *size) {
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) count += lt_tensor_count(&list->tensors[i]);
    lt_free(s->halves);
    float *values = lt_alloc(count * sizeof *values);
    s->halves = lt_alloc(count * sizeof *s->halves);
    *size = count * sizeof *s->halves;
    for (size_t i = 0, at = 0; values && s->halves && i < list->count; i++) {
        lt_tensor *tensor = &list->tensors[i];
        const size_t n = lt_tensor_count(tensor);
        lt_tensor_read_f32(tensor, values);
        for (size_t k = 0; k < n; k++) s->halves[at + k] = lt_f32_to_f16(values[k]);
        tensor->dtype = LT_F16;
        tensor->data = s->halves + at;
        at += n;
    }
    const bool made = values && s->halves;
    lt_free(values);
    return made ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status describe(lt_training *t, lt_settings *settings, lt_tensor_list *list) {
    static const char *const parts[] = {".alpha", ".lora_down.weight", ".lora_up.weight"};
    lora_state *s = t->state;
    char hash[LT_SHA256_TEXT];
    size_t size;
    for (size_t i = 0; i < s->pairs.count; i++)
        for (size_t k = 0; k < LT_COUNT(parts); k++) LT_TRY(list_part(t, &s->pairs.items[i], parts[k], list));
    lt_tensor_list_sort(list);
    LT_TRY(halve(s, list, &size));
    lt_sha256(s->halves, size, hash);
    LT_TRY(lt_settings_set(settings, "sshs_model_hash", "%s", hash));
    return lt_describe_lora(t, settings);
}

static void close(lt_training *t) {
    lora_state *s = t->state;
    lt_denoising_close(t);
    lt_pairs_free(&s->pairs);
    lt_free(s->halves);
}

const lt_task lt_task_lora = {
    .name = "lora",
    .module = "the LoRA",
    .state_size = sizeof(lora_state),
    .alone = true,
    .open = open,
    .start = lt_denoising_start,
    .next = lt_denoising_next,
    .loss = lt_denoising_loss,
    .describe = describe,
    .close = close,
};
