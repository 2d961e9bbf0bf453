/* The values that a training starts from.
 *
 *   - U-Net, VAE and classifier: PyTorch's own for convolutions and linear layers, uniform within 1/sqrt(fan-in), with
 * biases of 0; and what LDM sets to 0, so that each of the U-Net's blocks begins as the identity; the classifier's
 * class token and positions are normal with a deviation of 1/sqrt(width), as CLIP's.
 *   - What is added of low rank: up is 0, so that it begins as nothing, down as PyTorch's linear layers.
 *   - CLIP: normal, with the deviations of Radford et al. 2021 (transformers' CLIPPreTrainedModel._init_weights). */
#include "base/rng.h"
#include "models/shapes.h"
#include "train/parameters.h"

#include <math.h>
#include <string.h>

typedef struct rule {
    float constant;  /* what all values are, if both others are 0 */
    float deviation; /* of a normal distribution around 0 */
    float bound;     /* of a uniform one */
} rule;

static bool ends_in_any(const char *name, const char *const *endings) {
    for (; *endings; endings++)
        if (lt_name_ends(name, *endings)) return true;
    return false;
}

/* How many layers the tower has that name belongs to: as many as tensors that differ from it in the layer's number. */
static size_t layers_like(const lt_tensor_list *list, const char *name) {
    const char *layers = strstr(name, "layers."), *rest = layers ? strchr(layers + strlen("layers."), '.') : NULL;
    size_t count = 0;
    for (size_t i = 0; rest && i < list->count; i++) {
        const char *other = list->tensors[i].name;
        count += !strncmp(other, name, (size_t)(layers - name)) && lt_name_ends(other, rest);
    }
    return lt_max(count, 1);
}

static rule clip_rule(const lt_tensor_list *list, const lt_tensor *t) {
    static const char *const into_the_stream[] = {".out_proj.weight", ".fc2.weight", NULL};
    static const char *const attention[] = {".q_proj.weight", ".k_proj.weight", ".v_proj.weight", NULL};
    const double width = (double)t->shape[t->rank - 1], out = (double)t->shape[0];
    const double depth = 1 / sqrt(2.0 * (double)layers_like(list, t->name));
    if (lt_name_ends(t->name, "token_embedding.weight")) return (rule){.deviation = 0.02f};
    if (lt_name_ends(t->name, "position_embedding.weight")) return (rule){.deviation = 0.02f};
    if (lt_name_ends(t->name, "patch_embedding.weight")) return (rule){.deviation = 0.02f};
    if (lt_name_ends(t->name, "class_embedding")) return (rule){.deviation = (float)(1 / sqrt(width))};
    if (ends_in_any(t->name, attention)) return (rule){.deviation = (float)(depth / sqrt(width))};
    if (ends_in_any(t->name, into_the_stream)) return (rule){.deviation = (float)(depth / sqrt(out))};
    if (lt_name_ends(t->name, ".fc1.weight")) return (rule){.deviation = (float)(1 / sqrt(2 * width))};
    return (rule){.deviation = (float)(1 / sqrt(width))}; /* the projections */
}

static rule rule_of(const lt_tensor_list *list, const lt_tensor *t) {
    static const char *const zeros[] = {".out_layers.3.weight", ".proj_out.weight", ".out.2.weight", NULL};
    const size_t fan_in = lt_tensor_count(t) / lt_max(t->rank ? t->shape[0] : 1, 1);
    const rule uniform = {.bound = (float)(1 / sqrt((double)lt_max(fan_in, 1)))};
    if (lt_name_ends(t->name, ".lora_up.weight")) return (rule){0};
    if (lt_name_ends(t->name, ".lora_down.weight")) return uniform;
    if (!t->rank) return (rule){.constant = (float)log(1 / 0.07)}; /* logit_scale */
    if (lt_name_ends(t->name, ".bias")) return (rule){0};
    if (t->rank == 1 && lt_name_ends(t->name, ".weight")) return (rule){.constant = 1};
    if (lt_is_text(t->name)) return clip_rule(list, t);
    const bool classifier = lt_is_classifier(t->name);
    if ((classifier || lt_is_unet(t->name)) && ends_in_any(t->name, zeros)) return (rule){0};
    if (classifier && strstr(t->name, "_embedding"))
        return (rule){.deviation = (float)(1 / sqrt((double)t->shape[t->rank - 1]))};
    return uniform;
}

/* Each tensor has random numbers of its own: what else a model has does not change them. */
static uint64_t seed_of(const char *name, uint64_t seed) {
    const uint64_t hash = lt_hash_bytes(LT_HASH_START ^ seed, name, strlen(name));
    return hash ^ hash >> 32;
}

void lt_initial_values(const lt_tensor_list *list, const lt_tensor *tensor, uint64_t seed, float *values) {
    const rule r = rule_of(list, tensor);
    const size_t count = lt_tensor_count(tensor);
    lt_rng rng;
    lt_rng_seed(&rng, LT_RNG_CPU, seed_of(tensor->name, seed));
    if (r.deviation > 0) {
        lt_rng_normal(&rng, values, count);
        for (size_t i = 0; i < count; i++) values[i] *= r.deviation;
    } else if (r.bound > 0) {
        lt_rng_uniform(&rng, values, count);
        for (size_t i = 0; i < count; i++) values[i] = r.bound * (2 * values[i] - 1);
    } else {
        for (size_t i = 0; i < count; i++) values[i] = r.constant;
    }
}
