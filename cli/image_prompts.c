/* Image prompts of the command line. */
#include "image_prompts.h"

#include <string.h>

int lt_image_prompts_check(const lt_image_prompt_options *options) {
    if (!options->list.count || options->encoder) return LT_EXIT_OK;
    return lt_complain(LT_EXIT_USAGE, "--image-prompt: who reads the picture? name a CLIP image encoder with "
                                      "--image-encoder FILE");
}

static lt_status open_file(const char *path, lt_shelf_kind kind, const char *models, lt_model **model) {
    lt_model_options options = {.model = path, .kind = kind, .models = models};
    return lt_open_model(&options, model);
}

/* The adapter of prompt i: that of another prompt, if it is the same file. */
static lt_status open_adapter(const lt_image_prompt_list *list, size_t i, const char *models, lt_image_prompts *p) {
    for (size_t k = 0; k < i; k++)
        if (!strcmp(list->items[k].adapter, list->items[i].adapter)) {
            p->items[i].adapter = p->items[k].adapter;
            return LT_OK;
        }
    LT_TRY(open_file(list->items[i].adapter, LT_SHELF_IMAGE_PROMPT, models, &p->adapters[i]));
    p->items[i].adapter = p->adapters[i];
    return LT_OK;
}

static lt_status open_prompt(const lt_image_prompt_list *list, size_t i, const char *models, lt_image_prompts *p) {
    lt_image_prompt *item = &p->items[i];
    *item = lt_image_prompt_defaults();
    item->scale = list->items[i].scale;
    item->start = list->items[i].start;
    item->end = list->items[i].end;
    item->image = &p->images[i];
    LT_TRY(open_adapter(list, i, models, p));
    LT_TRY(lt_image_load(list->items[i].image, &p->images[i]));
    if (!list->items[i].mask) return LT_OK;
    item->mask = &p->masks[i];
    return lt_image_load(list->items[i].mask, &p->masks[i]);
}

lt_status lt_image_prompts_open(const lt_image_prompt_options *options, const char *models, lt_image_prompts *p) {
    *p = (lt_image_prompts){.count = options->list.count};
    if (options->encoder) LT_TRY(open_file(options->encoder, LT_SHELF_IMAGE_ENCODER, models, &p->encoder));
    for (size_t i = 0; i < p->count; i++) LT_TRY(open_prompt(&options->list, i, models, p));
    return LT_OK;
}

void lt_image_prompts_close(lt_image_prompts *p) {
    lt_model_close(p->encoder);
    for (size_t i = 0; i < p->count; i++) {
        lt_model_close(p->adapters[i]);
        lt_image_free(&p->images[i]);
        lt_image_free(&p->masks[i]);
    }
    *p = (lt_image_prompts){0};
}
