/* Opening a checkpoint: files, then names, then parts. */
#include "adapters/few_steps.h"
#include "adapters/lora_info.h"
#include "adapters/shelf.h"
#include "api/configuration.h"
#include "base/door.h"
#include "base/fields.h"
#include "base/file.h"
#include "formats/packed.h"
#include "pipeline/precision.h"
#include "text/merges.h"
#include "train/state.h"

#include <string.h>
#include <unistd.h>

/* ---- Sources ---- */

static lt_status add_tensors(lt_model *model, const lt_checkpoint *c, unsigned roles, bool ema) {
    return lt_names_add(&model->tensors, c->tensors, c->count, roles, ema, &model->ignored);
}

static lt_status add_folder(lt_model *model, const lt_diffusers *folder, unsigned roles, bool ema) {
    for (size_t i = 0; i < folder->count; i++) {
        const lt_component *c = &folder->components[i];
        const unsigned wanted = roles & lt_component_roles(c->name);
        if (wanted && c->checkpoint.count)
            LT_TRY(add_tensors(model, &c->checkpoint, wanted, ema && !strcmp(c->name, "unet")));
    }
    return LT_OK;
}

/* In place of what says that no model was found in file: what it is that is added to one. */
static lt_status tell_adapter(const lt_checkpoint *file, lt_status status) {
    lt_lora_info info;
    if (status != LT_ERROR_MODEL) return status;
    lt_message before;
    lt_message_keep(&before);
    if (lt_lora_info_read(file, &info)) return lt_message_restore(&before), status;
    if (info.kinds)
        status = lt_fail(status, "no model that is known, but what is added to one: %s%s%s", info.kinds,
                         info.made_for ? ", for " : "", info.made_for ? info.made_for : "");
    lt_lora_info_free(&info);
    return status;
}

/* Opens the file or folder at path and adds the tensors that roles (a set) need. */
static lt_status add_source(lt_model *model, const char *path, lt_source *source, unsigned roles, bool ema) {
    LT_TRY(lt_source_open(path, source));
    if (!source->folder.count && lt_state_recognise(&source->file))
        return lt_fail(LT_ERROR_MODEL,
                       "%s: the state of a training, not a model: going on with the training makes the model", path);
    const lt_status status = source->folder.count
                                 ? add_folder(model, &source->folder, roles, ema)
                                 : tell_adapter(&source->file, add_tensors(model, &source->file, roles, ema));
    return status ? lt_fail_in(status, "%s", path) : LT_OK;
}

static bool has_role(const lt_model *model, lt_role role) {
    for (size_t i = 0; i < model->tensors.count; i++)
        if (lt_name_after(model->tensors.tensors[i].name, lt_role_prefix(role))) return true;
    return false;
}

/* "taesd_encoder.safetensors" of "taesd_decoder.safetensors", if there is such a file; *path is NULL without. */
static lt_status find_encoder(const char *decoder, char **path) {
    static const char word[] = "decoder";
    const char *slash = strrchr(decoder, '/'), *at = strstr(slash ? slash : decoder, word);
    *path = NULL;
    if (!at) return LT_OK;
    char *made = lt_format("%.*sencoder%s", (int)(at - decoder), decoder, at + strlen(word));
    if (made && !access(made, R_OK))
        *path = made;
    else
        lt_free(made);
    return made ? LT_OK : LT_ERROR_MEMORY;
}

/* The VAE that replaces the model's own. */
static lt_status add_vae(lt_model *model, const char *path) {
    LT_TRY(add_source(model, path, &model->vae, LT_ROLES_VAE, false));
    if (!has_role(model, LT_ROLE_TAESD_DECODER) || has_role(model, LT_ROLE_TAESD_ENCODER)) return LT_OK;
    char *encoder;
    LT_TRY(find_encoder(path, &encoder));
    const unsigned half = 1u << LT_ROLE_TAESD_ENCODER;
    const lt_status status = encoder ? add_source(model, encoder, &model->vae_encoder, half, false) : LT_OK;
    lt_free(encoder);
    return status;
}

/* What makes previews: the TAESD that is the VAE's stand-in, if there is one, or path's. */
static lt_status add_preview(lt_model *model, const char *path) {
    model->parts.previews = path;
    if (!path || has_role(model, LT_ROLE_TAESD_DECODER)) return LT_OK;
    return add_source(model, path, &model->preview, 1u << LT_ROLE_TAESD_DECODER, false);
}

/* ---- Parts ---- */

static lt_status open_unet(lt_components *parts) {
    lt_weights *w = parts->weights;
    if (!lt_weights_has_prefix(w, lt_role_prefix(LT_ROLE_UNET))) return LT_OK;
    LT_TRY(lt_unet_open(w, &parts->unet));
    parts->has[LT_MODULE_UNET] = true;
    return LT_OK;
}

static lt_status open_taesd(lt_components *parts) {
    lt_weights *w = parts->weights;
    const bool encodes = lt_weights_has_prefix(w, lt_role_prefix(LT_ROLE_TAESD_ENCODER));
    const bool decodes = lt_weights_has_prefix(w, lt_role_prefix(LT_ROLE_TAESD_DECODER));
    if (encodes || decodes) LT_TRY(lt_taesd_open(w, &parts->taesd));
    parts->has[LT_MODULE_TAESD_ENCODER] = encodes;
    parts->has[LT_MODULE_TAESD_DECODER] = decodes;
    return LT_OK;
}

/* Behind the U-Net: one of pixels needs no VAE. */
static lt_status open_vae(lt_components *parts) {
    lt_weights *w = parts->weights;
    LT_TRY(open_taesd(parts));
    if (lt_weights_has_prefix(w, lt_role_prefix(LT_ROLE_VAE))) {
        LT_TRY(lt_vae_open(w, &parts->vae));
        parts->has[LT_MODULE_VAE_ENCODER] = parts->vae.has_encoder;
        parts->has[LT_MODULE_VAE_DECODER] = true;
    } else if (parts->has[LT_MODULE_UNET] && parts->unet.out_channels == 3) {
        parts->pixels = true; /* Ho et al. 2020 */
        parts->vae = (lt_vae){.latent_channels = 3, .factor = 1, .scaling = 1};
    } else if (parts->has[LT_MODULE_TAESD_ENCODER] || parts->has[LT_MODULE_TAESD_DECODER]) {
        parts->vae = lt_vae_of_taesd(&parts->taesd);
        parts->has[LT_MODULE_VAE_ENCODER] = parts->has[LT_MODULE_TAESD_ENCODER];
        parts->has[LT_MODULE_VAE_DECODER] = parts->has[LT_MODULE_TAESD_DECODER];
    }
    return LT_OK;
}

static lt_status open_upscaler(lt_components *parts) {
    if (!lt_weights_has_prefix(parts->weights, lt_role_prefix(LT_ROLE_UPSCALER))) return LT_OK;
    LT_TRY(lt_upscaler_open(parts->weights, &parts->upscaler));
    parts->has[LT_MODULE_UPSCALER] = true;
    return LT_OK;
}

static lt_status open_control(lt_components *parts) {
    if (lt_weights_has_prefix(parts->weights, lt_role_prefix(LT_ROLE_CONTROL))) {
        LT_TRY(lt_controlnet_open(parts->weights, &parts->control));
        parts->has[LT_MODULE_HINT] = parts->has[LT_MODULE_CONTROL] = true;
    }
    if (!lt_weights_has_prefix(parts->weights, lt_role_prefix(LT_ROLE_ADAPTER))) return LT_OK;
    LT_TRY(lt_t2i_open(parts->weights, &parts->adapter));
    parts->has[LT_MODULE_ADAPTER] = true;
    return LT_OK;
}

static lt_status open_towers(lt_components *parts) {
    lt_weights *w = parts->weights;
    LT_TRY(lt_clip_texts_open(w, &parts->text, &parts->text_2));
    parts->has[LT_MODULE_TEXT] = parts->text.prefix;
    parts->has[LT_MODULE_TEXT_2] = parts->text_2.prefix;
    if (lt_weights_has_prefix(w, "vision_model.")) {
        LT_TRY(lt_clip_image_open(w, &parts->image));
        parts->has[LT_MODULE_IMAGE] = true;
    }
    if (lt_weights_has_prefix(w, "ip_adapter.")) {
        LT_TRY(lt_ip_adapter_open(w, &parts->image_prompt));
        parts->has[LT_MODULE_IMAGE_PROMPT] = true;
    }
    if (lt_weights_has_prefix(w, lt_role_prefix(LT_ROLE_CLASSIFIER))) {
        LT_TRY(lt_classifier_open(w, &parts->classifier));
        parts->has[LT_MODULE_CLASSIFIER] = true;
    }
    return LT_OK;
}

/* Which models the tensors make up. */
static lt_status open_parts(lt_components *parts) {
    LT_TRY(lt_module_fail(parts, LT_MODULE_UNET, open_unet(parts)));
    LT_TRY(lt_module_fail(parts, LT_MODULE_VAE_DECODER, open_vae(parts)));
    LT_TRY(lt_module_fail(parts, LT_MODULE_UPSCALER, open_upscaler(parts)));
    LT_TRY(lt_module_fail(parts, LT_MODULE_CONTROL, open_control(parts)));
    return lt_module_fail(parts, LT_MODULE_TEXT, open_towers(parts));
}

/* ---- Opening ---- */

/* "folder/name.safetensors" -> "name", "folder/v1.5/" -> "v1.5" */
static char *model_name(const char *path) {
    const char *name = lt_base_name(path);
    return lt_is_folder(path) ? lt_strndup(name, strcspn(name, "/")) : lt_shelf_name(path);
}

static lt_precision packed_for(const lt_checkpoint *file) {
    const char *name = file->count ? lt_checkpoint_metadata(file, LT_PACKED_PRECISION) : NULL;
    for (int p = LT_PRECISION_F32; name && lt_precision_choices[p]; p++)
        if (!strcmp(name, lt_precision_choices[p])) return (lt_precision)p;
    return LT_PRECISION_AUTO;
}

/* What errors and parameters texts call it. */
static lt_status name_model(lt_components *parts, const char *path, const lt_open_options *o) {
    parts->name = model_name(path);
    parts->file = lt_strdup(path);
    if (o->vae) parts->vae_file = lt_strdup(o->vae);
    if (o->text) parts->text_file = lt_strdup(o->text);
    if (o->preview_vae) parts->preview_file = lt_strdup(o->preview_vae);
    const bool vae = !o->vae || parts->vae_file, text = !o->text || parts->text_file;
    const bool named = vae && text && (!o->preview_vae || parts->preview_file);
    return parts->name && parts->file && named ? LT_OK : LT_ERROR_MEMORY;
}

static const lt_few_steps *few_steps_of(const char *path, const lt_source *source) {
    const lt_few_steps *found = source->folder.count ? NULL : lt_few_steps_of(path, &source->file);
    for (size_t i = 0; i < source->folder.count && !found; i++)
        found = lt_few_steps_of(path, &source->folder.components[i].checkpoint);
    return found;
}

/* A ControlNet that is kept as what it adds to a U-Net. */
static lt_status complete_control(lt_model *model, const char *path, lt_model *base) {
    const lt_control_kind kind = lt_control_kind_of(&model->main.file);
    if (kind == LT_CONTROL_WHOLE || !lt_tensor_list_has_prefix(&model->tensors, lt_role_prefix(LT_ROLE_CONTROL)))
        return LT_OK;
    if (!base)
        return lt_fail(LT_ERROR_MODEL,
                       "%s: this ControlNet is what is added to a model's U-Net: it takes that model (`base`)", path);
    atomic_fetch_add(&base->users, 1);
    model->base = base;
    return lt_control_complete(kind, base->parts.weights, &model->tensors, &model->delta);
}

static lt_status add_control_delta(lt_model *model) {
    const lt_control_kind kind = lt_control_kind_of(&model->main.file);
    if (!model->base) return LT_OK;
    const lt_status status = lt_control_delta_make(kind, model->parts.weights, &model->delta);
    model->parts.deltas = model->delta.set;
    return lt_module_fail(&model->parts, LT_MODULE_CONTROL, status);
}

static lt_status open_model(lt_model *model, const char *path, const lt_open_options *options) {
    LT_TRY(lt_fields_check(lt_open_fields(), options));
    LT_TRY(add_source(model, path, &model->main, LT_ROLES_ALL & ~lt_replaced_roles(options), options->ema));
    if (options->vae) LT_TRY(add_vae(model, options->vae));
    if (options->text) LT_TRY(add_source(model, options->text, &model->text, LT_ROLES_TEXT, false));
    LT_TRY(add_preview(model, options->preview_vae));
    LT_TRY(name_model(&model->parts, path, options));
    model->parts.few_steps = few_steps_of(path, &model->main);
    LT_TRY(complete_control(model, path, (lt_model *)(uintptr_t)options->base));
    LT_TRY(lt_weights_create(model->tensors.tensors, model->tensors.count, &model->parts.weights));
    model->parts.packed = packed_for(&model->main.file);
    lt_precision_follow_file(&model->parts);
    lt_weights_keep(model->parts.weights, options->memory);
    LT_TRY(add_control_delta(model));
    LT_TRY(open_parts(&model->parts));
    LT_TRY(lt_module_fail(&model->parts, LT_MODULE_UNET, lt_model_configure(model, options)));
    return lt_tokenizer_of_clip(&model->parts.tokenizer);
}

static lt_status make_model(const char *path, const lt_open_options *options, lt_model **model) {
    const lt_open_options defaults = lt_open_options_defaults();
    lt_model *m = lt_calloc(1, sizeof *m);
    if (!m) return LT_ERROR_MEMORY;
    m->users = 1;
    const lt_status status = open_model(m, path, options ? options : &defaults);
    if (status)
        lt_model_close(m);
    else
        *model = m;
    return status;
}

lt_status lt_model_open(const char *path, const lt_open_options *options, lt_model **model) {
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(path), {"model", .out = model, .size = sizeof *model}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = make_model(path, options, model);
    return lt_leave(&door, status);
}

void lt_model_close(lt_model *model) {
    if (!model || atomic_fetch_sub(&model->users, 1) > 1) return;
    lt_control_delta_free(&model->delta);
    lt_components_free(&model->parts);
    lt_tensor_list_free(&model->tensors);
    lt_model_close(model->base);
    lt_source_close(&model->main);
    lt_source_close(&model->vae);
    lt_source_close(&model->vae_encoder);
    lt_source_close(&model->text);
    lt_source_close(&model->preview);
    lt_free(model);
}

bool lt_model_changed(const lt_model *model) {
    return model && (lt_source_changed(&model->main) || lt_source_changed(&model->vae) ||
                     lt_source_changed(&model->vae_encoder) || lt_source_changed(&model->preview) ||
                     lt_model_changed(model->base));
}

lt_exported lt_model_exported(const lt_model *model) {
    return (lt_exported){&model->parts, model->tensors.tensors, model->tensors.count, &model->main};
}

lt_model_info lt_model_describe(const lt_model *model) {
    if (!model) return (lt_model_info){0};
    const lt_components *p = &model->parts;
    const bool pictures = p->has[LT_MODULE_UNET] && (p->pixels || p->has[LT_MODULE_VAE_DECODER]);
    return (lt_model_info){
        .draws = lt_parts_draw(p),
        .has_text_encoder = p->has[LT_MODULE_TEXT] || p->has[LT_MODULE_TEXT_2],
        .has_vae_encoder = p->has[LT_MODULE_VAE_ENCODER],
        .has_vae_decoder = p->has[LT_MODULE_VAE_DECODER],
        .has_unet = p->has[LT_MODULE_UNET],
        .has_image_encoder = p->has[LT_MODULE_IMAGE],
        .has_classifier = p->has[LT_MODULE_CLASSIFIER],
        .has_image_prompt = p->has[LT_MODULE_IMAGE_PROMPT],
        .width = pictures ? p->sample_size * p->vae.factor : 0,
        .height = pictures ? p->sample_size * p->vae.factor : 0,
        .factor = p->vae.factor,
        .latent_channels = p->vae.latent_channels,
        .unet_channels = p->unet.in_channels,
        .context_dim = p->unet.context_dim,
        .text_embedding_dim = p->text.projection,
        .prediction = lt_prediction_name(p->schedule.prediction),
        .betas = p->schedule.given ? "its own" : lt_beta_name(p->schedule.kind),
        .zero_terminal_snr = lt_ends_in_noise(&p->schedule),
        .class_count = p->classifier.classes,
        .upscale = p->has[LT_MODULE_UPSCALER] ? p->upscaler.scale : 0,
        .class_names = (const char *const *)p->labels,
        .family = p->has[LT_MODULE_UNET] ? lt_unet_family(&p->unet) : NULL,
        .control = p->has[LT_MODULE_CONTROL]   ? lt_module_name(LT_MODULE_CONTROL)
                   : p->has[LT_MODULE_ADAPTER] ? lt_module_name(LT_MODULE_ADAPTER)
                                               : NULL,
        .automatic = lt_precision_automatic(p, LT_ISA_BEST),
    };
}
