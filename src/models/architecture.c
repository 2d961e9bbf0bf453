/* Names and shapes of every tensor of a model, from its description. */
#include "models/architecture.h"

static lt_status finish(const lt_lister *l) {
    if (l->status) lt_tensor_list_free(l->list);
    return l->status;
}

lt_status lt_sd_list(const lt_sd_architecture *c, unsigned roles, lt_tensor_list *list) {
    *list = (lt_tensor_list){0};
    lt_lister l = {.list = list};
    for (int role = LT_ROLE_COUNT - 1; role >= 0; role--) {
        lt_walk walk = lt_walk_listing(&l);
        l.prefix = lt_role_prefix((lt_role)role);
        if (!(roles >> role & 1)) continue;
        if (role == LT_ROLE_UNET) lt_unet_walk(&c->unet, &walk);
        if (role == LT_ROLE_VAE) lt_vae_walk(&c->vae, &walk);
        if (role == LT_ROLE_TEXT) lt_clip_text_walk(&c->text, "", &walk);
    }
    return finish(&l);
}

/* Appends what role's walk has, in canonical names behind prefix. */
static lt_status list_role(const lt_part_architecture *c, lt_role role, const char *prefix, lt_tensor_list *list) {
    lt_lister l = {.list = list, .prefix = prefix};
    lt_walk walk = lt_walk_listing(&l);
    if (role == LT_ROLE_TAESD_ENCODER) lt_taesd_walk_encoder(&c->taesd, &walk);
    if (role == LT_ROLE_TAESD_DECODER) lt_taesd_walk_decoder(&c->taesd, &walk);
    if (role == LT_ROLE_UPSCALER) lt_upscaler_walk(&c->upscaler, &walk);
    if (role == LT_ROLE_CONTROL) lt_controlnet_walk(&c->control, &walk);
    if (role == LT_ROLE_ADAPTER) lt_t2i_walk(&c->adapter, &walk);
    if (role == LT_ROLE_IMAGE_PROMPT) return lt_ip_adapter_list(&c->image_prompt, &c->image_prompt_shape, list);
    if (role == LT_ROLE_CLIP) return lt_clip_image_list(&c->image, list);
    return l.status;
}

/* Appends it in the other naming. */
static lt_status list_translated(const lt_part_architecture *c, lt_role role, lt_tensor_list *list) {
    lt_tensor_list own = {0}, other = {0};
    lt_status status = list_role(c, role, lt_role_prefix(role), &own);
    lt_tensor_list_sort(&own);
    if (!status) status = lt_names_to_diffusers(own.tensors, own.count, role, &other);
    for (size_t i = 0; i < other.count && !status; i++)
        status = lt_tensor_list_add(list, other.tensors[i].name, &other.tensors[i]);
    lt_tensor_list_free(&other);
    lt_tensor_list_free(&own);
    return status;
}

lt_status lt_part_list(const lt_part_architecture *c, lt_tensor_list *list) {
    lt_status status = LT_OK;
    *list = (lt_tensor_list){0};
    for (int role = 0; role < LT_ROLE_COUNT && !status; role++) {
        if (!(c->roles >> role & 1)) continue;
        const char *prefix = c->prefixed ? lt_role_prefix((lt_role)role) : "";
        status = c->naming == LT_NAMING_LDM ? list_role(c, (lt_role)role, prefix, list)
                                            : list_translated(c, (lt_role)role, list);
    }
    if (status) lt_tensor_list_free(list);
    return status;
}

lt_status lt_classifier_list(const lt_unet *unet, int size, int classes, lt_tensor_list *list) {
    *list = (lt_tensor_list){0};
    lt_lister l = {.list = list, .prefix = lt_role_prefix(LT_ROLE_CLASSIFIER)};
    lt_walk walk = lt_walk_listing(&l);
    lt_classifier classifier = {.half = *unet, .size = size, .classes = classes};
    classifier.half.context_dim = 0;
    lt_classifier_walk(&classifier, &walk);
    return finish(&l);
}

lt_status lt_clip_list(const lt_clip_architecture *c, lt_tensor_list *list) {
    *list = (lt_tensor_list){0};
    lt_lister l = {.list = list, .prefix = ""};
    lt_walk walk = lt_walk_listing(&l);
    lt_clip_walk(&c->text, &c->image, &walk);
    return finish(&l);
}
