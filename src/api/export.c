/* Writing models. */
#include "api/export.h"

#include "api/component_config.h"
#include "api/vocabulary.h"
#include "base/file.h"
#include "diffusion/schedule_settings.h"
#include "nn/nn.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- One file of tensors ---- */

static bool is_floating(lt_dtype type) {
    return type == LT_F32 || type == LT_F16 || type == LT_BF16 || type == LT_F64 || type == LT_F8_E4M3 ||
           type == LT_F8_E5M2;
}

/* What a file written as type holds tensor in. */
static lt_dtype stored_as(const lt_tensor *tensor, const lt_dtype *type) {
    return type && is_floating(tensor->dtype) && tensor->rank > 0 ? *type : tensor->dtype;
}

/* Types that hold less than float32: what rounds to infinity, and what to say of it. */
static const struct {
    float limit;
    double most;
    const char *name, *instead;
} narrow_types[LT_DTYPE_COUNT] = {
    [LT_F16] = {65520, 65504, "f16", "bf16 or f32"}, [LT_BF16] = {0x1.FFp127f, 0x1.FEp127, "bf16", "f32"}};

/* values [count] of a tensor are numbers, and stay so in type. */
static lt_status check_values(const char *name, const float *values, size_t count, lt_dtype type) {
    const float limit = narrow_types[type].limit;
    float largest = 0;
    if (!lt_all_finite(values, count))
        return lt_fail(LT_ERROR_MODEL,
                       "tensor %s holds a NaN, an infinity or what float32 can't hold: nothing can be "
                       "drawn with it; fetch the file again, or ask who trained it",
                       name);
    for (size_t i = 0; i < count; i++) largest = fmaxf(largest, fabsf(values[i]));
    if (!(limit > 0) || largest < limit) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "tensor %s holds %g, but %s goes up to %g: use %s", name, (double)largest,
                   narrow_types[type].name, narrow_types[type].most, narrow_types[type].instead);
}

/* A tensor of floating-point numbers, before it is written as type. */
static lt_status check_tensor(const lt_tensor *tensor, lt_dtype type) {
    const size_t count = lt_tensor_count(tensor);
    LT_TRY(lt_writer_ask());
    if (!is_floating(tensor->dtype)) return LT_OK;
    float *values = lt_calloc(count, sizeof *values);
    if (!values) return LT_ERROR_MEMORY;
    lt_tensor_read_f32(tensor, values);
    const lt_status status = check_values(tensor->name, values, count, type);
    lt_free(values);
    return status;
}

/* Puts tensors [count], which are sorted by name, in the order of the file: wider types first. Foreign ones, which no
 * part of the model needs, are left out; returns how many the others are. */
static size_t arrange(const lt_tensor *tensors, size_t count, const lt_dtype *type, lt_tensor *out, lt_dtype *types) {
    size_t n = 0;
    for (size_t size = 8; size; size /= 2)
        for (size_t i = 0; i < count; i++) {
            if (lt_dtype_size(stored_as(&tensors[i], type)) != size) continue;
            types[n] = stored_as(&tensors[i], type);
            out[n++] = tensors[i];
        }
    return n;
}

lt_status lt_export_tensors(const char *path, const lt_tensor *tensors, size_t count, const lt_metadata *metadata,
                            size_t metadata_count, const lt_dtype *type) {
    lt_tensor *arranged = lt_calloc(count, sizeof *arranged);
    lt_dtype *types = lt_calloc(count, sizeof *types);
    lt_status status = arranged && types ? LT_OK : LT_ERROR_MEMORY;
    if (status == LT_OK) count = arrange(tensors, count, type, arranged, types);
    for (size_t i = 0; i < count && status == LT_OK; i++) status = check_tensor(&arranged[i], types[i]);
    if (status == LT_OK)
        status = lt_safetensors_write(path, arranged, count, metadata, metadata_count, types, NULL, NULL);
    lt_free(types);
    lt_free(arranged);
    return status;
}

/* ---- Metadata ---- */

/* The source's: of a folder, what the first component with any has. "format" says which program may read a component
 * ("pt"): that goes with folders only. */
enum { MAX_EXTRA = 2 + LT_MAX_SETTINGS };

typedef struct metadata {
    lt_metadata *items; /* freed by the owner; the texts belong to the source */
    size_t count;
} metadata;

static const lt_checkpoint *metadata_source(const lt_source *source) {
    for (size_t i = 0; i < source->folder.count; i++)
        if (source->folder.components[i].checkpoint.metadata_count) return &source->folder.components[i].checkpoint;
    return &source->file;
}

/* What is told anew of the model as it is open: the source's own words may be out of date. */
static bool is_told(const char *key) {
    static const char *const told[] = {"format",
                                       "latent.unet.",
                                       "latent.vae.",
                                       "latent.text_encoder.",
                                       "latent.clip.",
                                       "latent.scheduler.",
                                       "modelspec.prediction_type",
                                       "modelspec.predict_key"};
    for (size_t i = 0; i < LT_COUNT(told); i++)
        if (!strncmp(key, told[i], strlen(told[i]))) return true;
    return false;
}

static lt_status read_metadata(const lt_source *source, metadata *m) {
    const lt_checkpoint *from = metadata_source(source);
    *m = (metadata){.items = lt_calloc(from->metadata_count + MAX_EXTRA, sizeof *m->items)};
    if (!m->items) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < from->metadata_count; i++)
        if (!is_told(from->metadata[i].key))
            m->items[m->count++] = (lt_metadata){from->metadata[i].key, from->metadata[i].value};
    return LT_OK;
}

/* Sets one of MAX_EXTRA keys; the texts stay with the caller. */
static void set(metadata *m, const char *key, const char *value) {
    size_t i = 0;
    while (i < m->count && strcmp(m->items[i].key, key)) i++;
    m->items[i] = (lt_metadata){key, value};
    if (i == m->count) m->count++;
}

/* ---- A single file ---- */

/* Does the model differ from what a single file's shapes and family tell? */
static bool is_unusual(const lt_model *model) {
    const lt_components *p = &model->parts;
    lt_unet unet = p->unet;
    lt_vae vae = p->vae;
    lt_clip_text text = p->text;
    lt_clip_image image = p->image;
    lt_noise_schedule schedule = p->schedule;
    if (p->has[LT_MODULE_UNET] && lt_unet_open(p->weights, &unet)) return true;
    if (p->has[LT_MODULE_VAE_DECODER] && lt_vae_open(p->weights, &vae)) return true;
    if (p->has[LT_MODULE_TEXT] && lt_clip_text_open(p->weights, &text)) return true;
    if (p->has[LT_MODULE_IMAGE] && lt_clip_image_open(p->weights, &image)) return true;
    if (lt_noise_schedule_init(&schedule, LT_BETA_SCALED_LINEAR, 0.00085, 0.012, p->schedule.prediction)) return true;
    return unet.heads != p->unet.heads || unet.head_size != p->unet.head_size || unet.groups != p->unet.groups ||
           vae.groups != p->vae.groups || vae.scaling < p->vae.scaling || vae.scaling > p->vae.scaling ||
           text.heads != p->text.heads || text.layers != p->text.layers || text.activation != p->text.activation ||
           image.heads != p->image.heads || image.activation != p->image.activation ||
           memcmp(schedule.sigmas, p->schedule.sigmas, sizeof schedule.sigmas) != 0 ||
           schedule.spacing != p->schedule.spacing || schedule.offset != p->schedule.offset ||
           schedule.to_one != p->schedule.to_one;
}

lt_status lt_export_settings(const lt_model *model, lt_settings *settings) {
    const lt_components *parts = &model->parts;
    if (!is_unusual(model)) return LT_OK;
    lt_notify(&parts->listener,
              "this model's heads, groups, activation, scaling or noise schedule are not Stable Diffusion's: in a "
              "single file Latent finds them among the metadata, other programs don't");
    if (parts->has[LT_MODULE_UNET]) {
        LT_TRY(lt_settings_add_unet(settings, &parts->unet));
        LT_TRY(lt_settings_add_schedule(settings, &parts->schedule));
    }
    if (parts->has[LT_MODULE_VAE_DECODER]) LT_TRY(lt_settings_add_vae(settings, &parts->vae));
    if (parts->has[LT_MODULE_TEXT]) LT_TRY(lt_settings_add_text(settings, &parts->text));
    return parts->has[LT_MODULE_IMAGE] ? lt_settings_add_image(settings, &parts->image) : LT_OK;
}

lt_status lt_export_ldm(const lt_model *model, const char *path, const lt_dtype *type) {
    const lt_components *parts = &model->parts;
    const lt_model_info info = lt_model_describe(model);
    char resolution[32];
    metadata m;
    LT_TRY(lt_parts_check(parts));
    LT_TRY(read_metadata(&model->main, &m));
    snprintf(resolution, sizeof resolution, "%dx%d", info.width, info.height);
    if (info.has_unet && parts->schedule.prediction == LT_PREDICT_V) set(&m, "modelspec.prediction_type", "v");
    if (info.draws && parts->sample_size != 64) set(&m, "modelspec.resolution", resolution);
    lt_settings settings = {0};
    lt_status status = lt_export_settings(model, &settings);
    for (size_t i = 0; i < settings.count; i++) set(&m, settings.keys[i], settings.values[i]);
    if (!status) status = lt_export_tensors(path, model->tensors.tensors, model->tensors.count, m.items, m.count, type);
    lt_settings_free(&settings);
    lt_free(m.items);
    return status;
}

/* ---- A diffusers folder ---- */

/* Seven digits: what people write, and as many as a float keeps; nine give every float back. */
#define JSON_FLAGS     (JSON_INDENT(2) | JSON_REAL_PRECISION(7))
#define SCHEDULE_FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(9))

static const struct component {
    const char *name, *library, *class_name, *weights;
    lt_role role;
    lt_component_config_fn config;
} components[] = {
    {"text_encoder", "transformers", "CLIPTextModel", "model.safetensors", LT_ROLE_TEXT, lt_text_config},
    {"unet", "diffusers", "UNet2DConditionModel", "diffusion_pytorch_model.safetensors", LT_ROLE_UNET, lt_unet_config},
    {"vae", "diffusers", "AutoencoderKL", "diffusion_pytorch_model.safetensors", LT_ROLE_VAE, lt_vae_config},
};

static const char clip_text_prefix[] = "text_model."; /* CLIP's text tower is a text encoder, too */

static bool has_role(const lt_model *model, lt_role role) {
    return lt_weights_has_prefix(model->parts.weights, lt_role_prefix(role));
}

static bool has_component(const lt_model *model, const struct component *c) {
    if (has_role(model, c->role)) return true;
    return c->role == LT_ROLE_TEXT && lt_weights_has_prefix(model->parts.weights, clip_text_prefix);
}

/* A component's tensors by their diffusers names. */
static lt_status list_component(const lt_model *model, const struct component *c, lt_tensor_list *list) {
    const lt_tensor *all = model->tensors.tensors;
    if (has_role(model, c->role)) return lt_names_to_diffusers(all, model->tensors.count, c->role, list);
    size_t first = 0, end;
    while (strncmp(all[first].name, clip_text_prefix, strlen(clip_text_prefix))) first++;
    for (end = first; end < model->tensors.count; end++)
        if (strncmp(all[end].name, clip_text_prefix, strlen(clip_text_prefix))) break;
    return lt_names_to_diffusers(all + first, end - first, LT_ROLE_CLIP, list);
}

static lt_status write_component(const lt_model *model, const struct component *c, const metadata *m,
                                 const lt_dtype *type, const lt_folder_writer *folder) {
    lt_tensor_list list;
    LT_TRY(lt_folder_add(folder, c->name));
    LT_TRY(list_component(model, c, &list));
    char *path = lt_format("%s/%s/%s", folder->part.path, c->name, c->weights);
    const lt_name config = lt_name_of("%s/config.json", c->name);
    lt_status status = path ? lt_folder_write_json(folder, config.text, c->config(model), JSON_FLAGS) : LT_ERROR_MEMORY;
    if (status == LT_OK) status = lt_export_tensors(path, list.tensors, list.count, m->items, m->count, type);
    lt_free(path);
    lt_tensor_list_free(&list);
    return status;
}

/* model_index.json: which class reads which folder; [null, null] is a component that is left out. */
static json_t *make_index(const lt_model *model) {
    json_t *index = json_pack("{s:s, s:s, s:[n, n], s:[n, n], s:b, s:[s, s], s:[s, s]}", "_class_name",
                              "StableDiffusionPipeline", "_diffusers_version", lt_diffusers_version,
                              "feature_extractor", "safety_checker", "requires_safety_checker", 0, "scheduler",
                              "diffusers", lt_scheduler_class(model), "tokenizer", "transformers", "CLIPTokenizer");
    for (size_t i = 0; index && i < LT_COUNT(components); i++) {
        const struct component *c = &components[i];
        const bool here = has_component(model, c);
        json_object_set_new(index, c->name,
                            here ? json_pack("[s, s]", c->library, c->class_name) : json_pack("[n, n]"));
    }
    return index;
}

static lt_status write_folder(const lt_model *model, const metadata *m, const lt_dtype *type,
                              const lt_folder_writer *folder) {
    for (size_t i = 0; i < LT_COUNT(components); i++)
        if (has_component(model, &components[i])) LT_TRY(write_component(model, &components[i], m, type, folder));
    LT_TRY(lt_folder_add(folder, "scheduler"));
    LT_TRY(lt_folder_write_json(folder, "scheduler/scheduler_config.json", lt_scheduler_config(model), SCHEDULE_FLAGS));
    LT_TRY(lt_vocabulary_write(folder));
    return lt_folder_write_json(folder, "model_index.json", make_index(model), JSON_FLAGS);
}

lt_status lt_export_diffusers(const lt_model *model, const char *path, const lt_dtype *type) {
    bool any = false;
    for (size_t i = 0; i < LT_COUNT(components); i++)
        any = any || has_role(model, components[i].role); /* CLIP alone is none */
    if (!any)
        return lt_fail(LT_ERROR_MODEL, "there is no text encoder, VAE or U-Net of Stable Diffusion in this model: it "
                                       "has no diffusers layout");
    LT_TRY(lt_parts_check(&model->parts));
    if (model->parts.has[LT_MODULE_IMAGE])
        lt_notify(&model->parts.listener, "a diffusers folder has no place for CLIP's image encoder: it is left out");
    metadata m;
    lt_folder_writer folder;
    LT_TRY(read_metadata(&model->main, &m));
    set(&m, "format", "pt"); /* transformers refuses a file without it */
    lt_status status = lt_folder_open(path, &folder);
    if (status == LT_OK) {
        status = write_folder(model, &m, type, &folder);
        if (status == LT_OK)
            status = lt_folder_commit(&folder);
        else
            lt_folder_abort(&folder);
    }
    lt_free(m.items);
    return status;
}
