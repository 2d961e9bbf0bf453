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
