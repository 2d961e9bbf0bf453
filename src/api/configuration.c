/* What tensors' shapes cannot tell. */
#include "api/configuration.h"

#include "api/schedule_config.h"
#include "api/unserved.h"
#include "models/openclip.h"
#include "models/settings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A whole number of a configuration within what makes sense, or what it was before. */
static int number(const lt_config *config, const char *key, int before) {
    const double v = lt_config_number(config, key, before);
    return v >= 1 && v <= 65536 ? (int)v : before;
}

/* ---- Components' config.json ---- */

static lt_status read_activation(const lt_config *config, const char *key, lt_activation *activation) {
    const char *name = lt_config_string(config, key);
    if (!name || lt_activation_find(name, activation)) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED, "config.json: %s is \"%s\"; quick_gelu, gelu and silu are known", key, name);
}

static lt_unet with_heads(lt_unet unet, int heads, int head_size) {
    unet.heads = heads;
    unet.head_size = head_size;
    return unet;
}

/* diffusers' attention_head_dim counts heads, whatever its name says: one number for all levels, or one for each, of
 * which the channels of a head are made, the same everywhere (SD 2.x: 64). */
static lt_status read_heads(lt_unet *unet, const lt_config *config) {
    double heads[LT_MAX_LEVELS] = {0};
    const size_t count = lt_config_numbers(config, "attention_head_dim", heads, LT_MAX_LEVELS);
    const lt_resolution *level = unet->level;
    bool one = count >= 1 && heads[0] >= 1 && heads[0] <= 65536, size = count == (size_t)unet->levels;
    for (size_t i = 1; i < lt_min(count, LT_MAX_LEVELS); i++) {
        size = size && fabs(level[i].channels * heads[0] - level[0].channels * heads[i]) < 0.5;
        one = one && fabs(heads[i] - heads[0]) < 0.5;
    }
    if (one) *unet = with_heads(*unet, (int)heads[0], 0);
    if (one || !count) return LT_OK;
    if (!size || !(heads[0] >= 1 && level[0].channels >= heads[0]))
        return lt_fail(LT_ERROR_UNSUPPORTED, "config.json: attention_head_dim: heads that are not equally wide");
    *unet = with_heads(*unet, 0, (int)(level[0].channels / heads[0]));
    return LT_OK;
}

static lt_status read_unet(lt_components *parts, const lt_config *config) {
    LT_TRY(read_heads(&parts->unet, config));
    const int head = number(config, "head_channels", 0);
    if (head) parts->unet = with_heads(parts->unet, 0, head);
    parts->unet.groups = number(config, "norm_num_groups", parts->unet.groups);
    parts->sample_size = number(config, "sample_size", parts->sample_size);
    return LT_OK;
}

static lt_status read_vae(lt_components *parts, const lt_config *config) {
    if (parts->vae.tiny) return LT_OK; /* nothing is to be said of it */
    parts->vae.groups = number(config, "norm_num_groups", parts->vae.groups);
    const double scaling = lt_config_number(config, "scaling_factor", (double)parts->vae.scaling);
    if (scaling > 0 && scaling < 1e6) parts->vae.scaling = (float)scaling;
    return LT_OK;
}

static lt_status read_tower(lt_clip_text *text, const lt_config *config) {
    text->heads = number(config, "num_attention_heads", text->heads);
    /* fewer than there are: a text encoder without its last ones */
    const int layers = number(config, "num_hidden_layers", text->layers);
    text->layers = layers < text->layers ? layers : text->layers;
    return read_activation(config, "hidden_act", &text->activation);
}

static lt_status read_text(lt_components *parts, const lt_config *config) { return read_tower(&parts->text, config); }

static lt_status read_text_2(lt_components *parts, const lt_config *config) {
    return read_tower(&parts->text_2, config);
}

static bool is_image_tower(const lt_config *config) {
    const char *type = lt_config_string(config, "model_type");
    return type && !strcmp(type, "clip_vision_model");
}

/* Of a tower alone: CLIPVisionModelWithProjection. */
static lt_status read_image(lt_components *parts, const lt_config *config) {
    parts->image.heads = number(config, "num_attention_heads", parts->image.heads);
    return read_activation(config, "hidden_act", &parts->image.activation);
}

static lt_status read_clip(lt_components *parts, const lt_config *config) {
    if (is_image_tower(config)) return read_image(parts, config);
    parts->text.heads = number(config, "text_config.num_attention_heads", parts->text.heads);
    parts->image.heads = number(config, "vision_config.num_attention_heads", parts->image.heads);
    LT_TRY(read_activation(config, "text_config.hidden_act", &parts->text.activation));
    return read_activation(config, "vision_config.hidden_act", &parts->image.activation);
}

/* The classes' names, or their numbers where the file has no names. */
static lt_status read_labels(lt_components *parts, const lt_config *config) {
    const size_t count = (size_t)parts->classifier.classes;
    parts->labels = lt_calloc(count, sizeof *parts->labels);
    if (!parts->labels) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const char *name = lt_config_item(config, "labels", i);
        parts->labels[i] = name ? lt_strdup(name) : lt_format("%zu", i);
        if (!parts->labels[i]) return LT_ERROR_MEMORY;
    }
    return LT_OK;
}

static lt_status read_classifier(lt_components *parts, const lt_config *config) {
    if (!parts->has[LT_MODULE_CLASSIFIER]) return LT_OK;
    parts->classifier.half.groups = number(config, "norm_num_groups", parts->classifier.half.groups);
    parts->classifier.half.heads = number(config, "attention_head_dim", parts->classifier.half.heads);
    parts->classifier.size = number(config, "sample_size", parts->classifier.size);
    return read_labels(parts, config);
}

static lt_status read_control(lt_components *parts, const lt_config *config) {
    lt_unet *half = &parts->control.half;
    LT_TRY(read_heads(half, config));
    half->groups = number(config, "norm_num_groups", half->groups);
    parts->control.pooled = lt_config_number(config, "global_pool_conditions", 0) > 0;
    return LT_OK;
}

/* What a component is: by its name in a pipeline's folder, or by its class where it is a folder of its own. */
static lt_role role_of(const lt_component *c) {
    const char *class = lt_config_string(&c->config, "_class_name");
    if (*c->name) return lt_role_of_component(c->name);
    if (class && !strcmp(class, "UNet2DConditionModel")) return LT_ROLE_UNET;
    if (class && !strcmp(class, "AutoencoderKL")) return LT_ROLE_VAE;
    if (class && !strcmp(class, "AutoencoderTiny")) return LT_ROLE_TAESD_DECODER;
    if (class && !strcmp(class, "ControlNetModel")) return LT_ROLE_CONTROL;
    if (class && !strcmp(class, "T2IAdapter")) return LT_ROLE_ADAPTER;
    return is_image_tower(&c->config) || lt_config_number(&c->config, "vision_config.patch_size", 0) > 0 ? LT_ROLE_CLIP
                                                                                                         : LT_ROLE_TEXT;
}

/* NULL: its shapes tell all. */
static lt_status (*const readers[LT_ROLE_COUNT])(lt_components *parts, const lt_config *config) = {
    [LT_ROLE_TEXT] = read_text,      [LT_ROLE_OPEN_TEXT] = read_text_2, [LT_ROLE_VAE] = read_vae,
    [LT_ROLE_UNET] = read_unet,      [LT_ROLE_CLIP] = read_clip,        [LT_ROLE_CLASSIFIER] = read_classifier,
    [LT_ROLE_CONTROL] = read_control};

/* Reads the settings of the components whose roles are in the set. */
static lt_status read_folder(lt_components *parts, const lt_diffusers *folder, unsigned roles) {
    for (size_t i = 0; i < folder->count; i++) {
        const lt_component *c = &folder->components[i];
        const lt_role role = role_of(c);
        if (role == LT_ROLE_COUNT || !(roles & 1u << role) || !readers[role]) continue;
        const lt_status status = readers[role](parts, &c->config);
        if (status) return lt_fail_in(status, "%s", lt_role_name(role));
    }
    return LT_OK;
}

/* The same from a single file's metadata (models/settings.h). */
static lt_status read_settings(lt_components *parts, const lt_checkpoint *file, unsigned roles) {
    static const char *const prefixes[LT_ROLE_COUNT] = {
        [LT_ROLE_TEXT] = "latent.text_encoder.", [LT_ROLE_OPEN_TEXT] = "latent.text_encoder_2.",
        [LT_ROLE_VAE] = "latent.vae.",           [LT_ROLE_UNET] = "latent.unet.",
        [LT_ROLE_CLIP] = "latent.clip.",         [LT_ROLE_CLASSIFIER] = "latent.classifier.",
        [LT_ROLE_CONTROL] = "latent.control."};
    for (int role = 0; role < LT_ROLE_COUNT; role++) {
        if (!(roles & 1u << role) || !readers[role]) continue;
        lt_config config;
        LT_TRY(lt_config_from_metadata(file, prefixes[role], &config));
        const lt_status status = readers[role](parts, &config);
        lt_config_close(&config);
        if (status) return lt_fail_in(status, "%s", lt_role_name((lt_role)role));
    }
    return LT_OK;
}

/* What a small model says that it has learned. */
static lt_status read_known(lt_components *parts, const lt_checkpoint *file) {
    lt_config config;
    LT_TRY(lt_config_from_metadata(file, "latent.known.", &config));
    const char *words = lt_config_string(&config, "words"), *things = lt_config_string(&config, "things");
    const lt_status status = words ? lt_known_set(&parts->known, words, things ? things : "") : LT_OK;
    lt_config_close(&config);
    return status;
}

/* ---- All of it ---- */

/* "512x512", as the model specification of safetensors files has it. */
static void read_resolution(lt_model *model) {
    const char *text = lt_checkpoint_metadata(&model->main.file, "modelspec.resolution");
    int w = 0, h = 0;
    if (text && sscanf(text, "%6dx%6d", &w, &h) == 2 && w == h &&
        (model->parts.pixels || model->parts.has[LT_MODULE_VAE_DECODER]))
        model->parts.sample_size = w / model->parts.vae.factor > 0 ? w / model->parts.vae.factor : 64;
}

/* What its family has where nothing says otherwise. */
static void take_family(lt_components *parts) {
    const bool xl = parts->unet.vector_dim && parts->has[LT_MODULE_TEXT_2];
    parts->sample_size = xl ? 128 : 64;
    if (xl && !parts->vae.tiny) parts->vae.scaling = 0.13025f;
}

lt_status lt_model_configure(lt_model *model, const lt_open_options *options) {
    lt_components *parts = &model->parts;
    take_family(parts);
    parts->listener = (lt_listener){options->notice, options->notice_user};
    LT_TRY(lt_configuration_check(parts, &model->main.folder));
    const unsigned main_roles = LT_ROLES_ALL & ~lt_replaced_roles(options);
    const lt_source *text = options->text ? &model->text : &model->main;
    const bool open = lt_openclip_is_here(text->file.tensors, text->file.count);
    if (open && parts->has[LT_MODULE_TEXT] && !parts->has[LT_MODULE_TEXT_2]) {
        parts->text.activation = LT_ACT_GELU;
        parts->text.layers--; /* Stable Diffusion 2 reads what feeds the last one */
    }
    LT_TRY(read_folder(parts, &model->main.folder, main_roles));
    LT_TRY(read_settings(parts, &model->main.file, main_roles));
    if (options->text) LT_TRY(read_folder(parts, &model->text.folder, LT_ROLES_TEXT));
    if (options->text) LT_TRY(read_settings(parts, &model->text.file, LT_ROLES_TEXT));
    if (parts->text.activation == LT_ACT_GELU) parts->text.pad = 0; /* OpenCLIP's, whatever a file calls them */
    LT_TRY(read_known(parts, &model->main.file));
    if (options->vae) LT_TRY(read_folder(parts, &model->vae.folder, LT_ROLES_VAE));
    if (options->vae) LT_TRY(read_settings(parts, &model->vae.file, LT_ROLES_VAE));
    read_resolution(model);
    return lt_schedule_configure(model, options->prediction);
}
