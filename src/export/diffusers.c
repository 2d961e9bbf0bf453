/* A diffusers folder. */
#include "export/diffusers_config.h"
#include "export/metadata.h"
#include "export/vocabulary.h"
#include "models/names.h"

#include <jansson.h>
#include <string.h>

/* Seven digits: what people write, and as many as a float keeps; nine give every float back. */
#define JSON_FLAGS     (JSON_INDENT(2) | JSON_REAL_PRECISION(7))
#define SCHEDULE_FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(9))

static const struct component {
    const char *name, *library, *class_name, *weights;
    lt_role role;
    lt_component_config_fn config;
} components[] = {
    {"text_encoder", "transformers", "CLIPTextModel", "model.safetensors", LT_ROLE_TEXT, lt_text_config},
    {"text_encoder_2", "transformers", "CLIPTextModelWithProjection", "model.safetensors", LT_ROLE_OPEN_TEXT,
     lt_text_2_config},
    {"unet", "diffusers", "UNet2DConditionModel", "diffusion_pytorch_model.safetensors", LT_ROLE_UNET, lt_unet_config},
    {"vae", "diffusers", "AutoencoderKL", "diffusion_pytorch_model.safetensors", LT_ROLE_VAE, lt_vae_config},
};

static const char clip_text_prefix[] = "text_model."; /* CLIP's text tower is a text encoder, too */

static bool has_role(const lt_exported *model, lt_role role) {
    return lt_weights_has_prefix(model->parts->weights, lt_role_prefix(role));
}

static bool has_component(const lt_exported *model, const struct component *c) {
    if (has_role(model, c->role)) return true;
    return c->role == LT_ROLE_TEXT && lt_weights_has_prefix(model->parts->weights, clip_text_prefix);
}

/* A component's tensors by their diffusers names. */
static lt_status list_component(const lt_exported *model, const struct component *c, lt_tensor_list *list) {
    const lt_tensor *all = model->tensors;
    if (has_role(model, c->role)) return lt_names_to_diffusers(all, model->count, c->role, list);
    size_t first = 0, end;
    while (strncmp(all[first].name, clip_text_prefix, strlen(clip_text_prefix))) first++;
    for (end = first; end < model->count; end++)
        if (strncmp(all[end].name, clip_text_prefix, strlen(clip_text_prefix))) break;
    return lt_names_to_diffusers(all + first, end - first, LT_ROLE_CLIP, list);
}

static lt_status write_component(const lt_exported *model, const struct component *c, const lt_metadata_list *m,
                                 const lt_dtype *type, const lt_folder_writer *folder) {
    lt_tensor_list list;
    LT_TRY(lt_folder_add(folder, c->name));
    LT_TRY(list_component(model, c, &list));
    char *path = lt_format("%s/%s/%s", folder->part.path, c->name, c->weights);
    const lt_name config = lt_name_of("%s/config.json", c->name);
    lt_status status =
        path ? lt_folder_write_json(folder, config.text, c->config(model->parts), JSON_FLAGS) : LT_ERROR_MEMORY;
    if (!status) status = lt_export_tensors(path, list.tensors, list.count, m->items, m->count, type, model->filling);
    lt_free(path);
    lt_tensor_list_free(&list);
    return status;
}

/* model_index.json: which class reads which folder; [null, null] is a component that is left out. */
static json_t *make_index(const lt_exported *model) {
    const bool two = model->parts->has[LT_MODULE_TEXT_2];
    json_t *index = json_pack("{s:s, s:s, s:[n, n], s:[n, n], s:b, s:[s, s], s:[s, s]}", "_class_name",
                              two ? "StableDiffusionXLPipeline" : "StableDiffusionPipeline", "_diffusers_version",
                              lt_diffusers_version, "feature_extractor", "safety_checker", "requires_safety_checker", 0,
                              "scheduler", "diffusers", lt_scheduler_class(&model->parts->schedule), "tokenizer",
                              "transformers", "CLIPTokenizer");
    if (two) json_object_set_new(index, "tokenizer_2", json_pack("[s, s]", "transformers", "CLIPTokenizer"));
    for (size_t i = 0; index && i < LT_COUNT(components); i++) {
        const struct component *c = &components[i];
        const bool here = has_component(model, c);
        if (here || c->role != LT_ROLE_OPEN_TEXT)
            json_object_set_new(index, c->name,
                                here ? json_pack("[s, s]", c->library, c->class_name) : json_pack("[n, n]"));
    }
    return index;
}

static lt_status write_tokenizers(const lt_components *parts, const lt_folder_writer *folder) {
    LT_TRY(lt_vocabulary_write(folder, "tokenizer", parts->has[LT_MODULE_TEXT] ? parts->text.pad : LT_TOKEN_END));
    return parts->has[LT_MODULE_TEXT_2] ? lt_vocabulary_write(folder, "tokenizer_2", parts->text_2.pad) : LT_OK;
}

static lt_status write_folder(const lt_exported *model, const lt_metadata_list *m, const lt_dtype *type,
                              const lt_folder_writer *folder) {
    for (size_t i = 0; i < LT_COUNT(components); i++)
        if (has_component(model, &components[i])) LT_TRY(write_component(model, &components[i], m, type, folder));
    LT_TRY(lt_folder_add(folder, "scheduler"));
    LT_TRY(lt_folder_write_json(folder, "scheduler/scheduler_config.json", lt_scheduler_config(&model->parts->schedule),
                                SCHEDULE_FLAGS));
    LT_TRY(write_tokenizers(model->parts, folder));
    return lt_folder_write_json(folder, "model_index.json", make_index(model), JSON_FLAGS);
}

lt_status lt_export_diffusers(const lt_exported *model, const char *path, const lt_dtype *type) {
    bool any = false;
    for (size_t i = 0; i < LT_COUNT(components); i++)
        any = any || has_role(model, components[i].role); /* CLIP alone is none */
    if (!any)
        return lt_fail(LT_ERROR_MODEL, "there is no text encoder, VAE or U-Net of Stable Diffusion in this model: it "
                                       "has no diffusers layout");
    LT_TRY(lt_parts_check(model->parts));
    if (model->parts->has[LT_MODULE_IMAGE])
        lt_notify(&model->parts->listener, "a diffusers folder has no place for CLIP's image encoder: it is left out");
    lt_metadata_list m;
    lt_folder_writer folder;
    LT_TRY(lt_metadata_read(model->source, &m));
    lt_metadata_set(&m, "format", "pt"); /* transformers refuses a file without it */
    lt_status status = lt_folder_open(path, &folder);
    if (!status) {
        status = write_folder(model, &m, type, &folder);
        if (!status)
            status = lt_folder_commit(&folder);
        else
            lt_folder_abort(&folder);
    }
    lt_free(m.items);
    return status;
}
