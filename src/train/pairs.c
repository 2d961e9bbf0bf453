/* The pairs of low rank that a LoRA is made of. */
#include "train/pairs.h"

#include <string.h>

static const char down[] = ".lora_down.weight", up[] = ".lora_up.weight", alpha[] = ".alpha";

/* ---- Which layers ---- */

/* Options of which layers of a transformer, and what these have in their names. */
static const struct {
    const char *option, *part;
} families[] = {{"transformer", ""}, {"attention", ".attn"}, {"cross-attention", ".attn2."}};

static const char *family_of(const lt_train_options *o) {
    for (size_t i = 0; o->lora.layers && i < LT_COUNT(families); i++)
        if (!strcmp(o->lora.layers, families[i].option)) return families[i].part;
    return families[0].part;
}

static bool takes(const lt_train_options *o, lt_role role) {
    const char *towers = o->lora.towers ? o->lora.towers : "unet";
    return !strcmp(towers, "both") || !strcmp(towers, role == LT_ROLE_UNET ? "unet" : "text");
}

/* name: in diffusers. */
static bool is_chosen(const lt_train_options *o, lt_role role, const char *name, const lt_tensor *weight) {
    if (weight->rank < 2) return false; /* a norm */
    if (role == LT_ROLE_TEXT) return strstr(name, "encoder.layers.");
    if (strstr(name, "resnets.") || strstr(name, "samplers.")) return o->lora.conv_rank > 0;
    return strstr(name, "attentions.") && strstr(name, family_of(o));
}

/* ---- Choosing ---- */

typedef struct choosing {
    const lt_weights *weights;
    const lt_train_options *options;
    lt_role role;
    lt_pairs *pairs;
} choosing;

static bool is_wide(const lt_tensor *weight) { return weight->rank == 4 && weight->shape[2] * weight->shape[3] > 1; }

static lt_status check_rank(const lt_pair *pair) {
    const size_t out = pair->weight->shape[0], in = lt_tensor_count(pair->weight) / lt_max(out, 1);
    if (pair->rank <= lt_min(in, out)) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "a `%s` of %zu is more than %s has, which makes %zu numbers of %zu",
                   is_wide(pair->weight) ? "conv_rank" : "rank", pair->rank, pair->layer, out, in);
}

/* "lora_te_text_model_encoder_layers_0_mlp_fc1" */
static char *kohyas_name(lt_role role, const char *name) {
    char *text = lt_format("%s%s", role == LT_ROLE_UNET ? "lora_unet_" : "lora_te_text_model_", name);
    for (char *c = text; c && *c; c++)
        if (*c == '.') *c = '_';
    return text;
}

static lt_status add_pair(const choosing *c, const lt_tensor *weight, const char *name) {
    const lt_train_options *o = c->options;
    const bool wide = is_wide(weight);
    const int rank = wide ? o->lora.conv_rank : o->lora.rank;
    const double asked = wide ? o->lora.conv_alpha : o->lora.alpha;
    LT_TRY(LT_GROW(c->pairs->items, c->pairs->count, c->pairs->capacity));
    lt_pair *pair = &c->pairs->items[c->pairs->count++];
    *pair = (lt_pair){.weight = weight,
                      .layer = lt_strndup(weight->name, strlen(weight->name) - strlen(".weight")),
                      .name = kohyas_name(c->role, name),
                      .rank = (size_t)rank,
                      .alpha = asked > 0 ? (float)asked : (float)rank};
    return pair->layer && pair->name ? check_rank(pair) : LT_ERROR_MEMORY;
}

static lt_status visit(void *user, const char *const name[LT_NAMINGS]) {
    const choosing *c = user;
    char *own = lt_format("%s%s.weight", lt_role_prefix(c->role), name[LT_NAMING_LDM]);
    if (!own) return LT_ERROR_MEMORY;
    const lt_weight *weight = lt_weights_find(c->weights, own);
    lt_free(own);
    const char *called = name[LT_NAMING_DIFFUSERS];
    if (!weight || !is_chosen(c->options, c->role, called, &weight->tensor)) return LT_OK;
    return add_pair(c, &weight->tensor, called);
}

static lt_status choose(const lt_weights *weights, const lt_train_options *options, lt_pairs *pairs) {
    static const lt_role roles[] = {LT_ROLE_UNET, LT_ROLE_TEXT};
    for (size_t i = 0; i < LT_COUNT(roles); i++) {
        choosing c = {weights, options, roles[i], pairs};
        const size_t before = pairs->count;
        if (!takes(options, roles[i])) continue;
        LT_TRY(lt_names_visit(weights, roles[i], visit, &c));
        if (pairs->count == before)
            return lt_fail(LT_ERROR_MODEL, "%s has no layers of a %s that a LoRA could be trained for",
                           options->files.init, lt_role_name(roles[i]));
    }
    return LT_OK;
}

lt_status lt_pairs_choose(const lt_tensor *tensors, size_t count, const lt_train_options *options, lt_pairs *pairs) {
    lt_weights *weights;
    *pairs = (lt_pairs){0};
    LT_TRY(lt_weights_create(tensors, count, &weights));
    const lt_status status = choose(weights, options, pairs);
    for (size_t i = 0; i < pairs->count; i++) /* the store goes, its tensors are copies */
        pairs->items[i].weight = lt_tensor_find(tensors, count, pairs->items[i].weight->name);
    lt_weights_free(weights);
    return status;
}

void lt_pairs_free(lt_pairs *pairs) {
    for (size_t i = 0; i < pairs->count; i++) {
        lt_free(pairs->items[i].layer);
        lt_free(pairs->items[i].name);
    }
    lt_free(pairs->items);
    *pairs = (lt_pairs){0};
}

/* ---- Their tensors ---- */

static lt_status add_tensor(lt_tensor_list *list, const lt_pair *pair, const char *part, const lt_tensor *tensor) {
    char *name = lt_format("%s%s", pair->layer, part);
    lt_tensor t = *tensor;
    lt_tensor_set_contiguous(&t);
    const lt_status status = name ? lt_tensor_list_add(list, name, &t) : LT_ERROR_MEMORY;
    lt_free(name);
    return status;
}

/* down has the layer's shape but for rank outputs; up is 1x1 where that is a convolution. */
static lt_status list_pair(const lt_pair *pair, lt_tensor_list *list) {
    const lt_tensor *w = pair->weight;
    lt_tensor narrow = {.dtype = LT_F32, .rank = w->rank}, wide = {.dtype = LT_F32, .rank = w->rank};
    const lt_tensor scale = {.dtype = LT_F32, .data = &pair->alpha};
    for (int i = 0; i < w->rank; i++) {
        narrow.shape[i] = i ? w->shape[i] : pair->rank;
        wide.shape[i] = i == 0 ? w->shape[0] : i == 1 ? pair->rank : 1;
    }
    LT_TRY(add_tensor(list, pair, down, &narrow));
    LT_TRY(add_tensor(list, pair, up, &wide));
    return add_tensor(list, pair, alpha, &scale);
}

bool lt_pairs_have_text(const lt_pairs *pairs) {
    for (size_t i = 0; i < pairs->count; i++)
        if (lt_is_text(pairs->items[i].layer)) return true;
    return false;
}

lt_status lt_pairs_list(const lt_pairs *pairs, const lt_tensor *tensors, size_t count, lt_tensor_list *list) {
    const bool text = lt_pairs_have_text(pairs);
    for (size_t i = 0; i < count; i++)
        if (lt_is_unet(tensors[i].name) || (text && lt_is_text(tensors[i].name)))
            LT_TRY(lt_tensor_list_add(list, tensors[i].name, &tensors[i]));
    for (size_t i = 0; i < pairs->count; i++) LT_TRY(list_pair(&pairs->items[i], list));
    return LT_OK;
}

bool lt_is_pairs(const char *name) { return strstr(name, ".lora_"); }
