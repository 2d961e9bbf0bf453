/* A single-file checkpoint. */
#include "diffusion/schedule_settings.h"
#include "export/metadata.h"
#include "nn/nn.h"

#include <string.h>

static bool is_other(const lt_clip_text *a, const lt_clip_text *b) {
    return a->heads != b->heads || a->layers != b->layers || a->activation != b->activation;
}

/* Does the model differ from what a single file's shapes and family tell? */
static bool is_unusual(const lt_components *p) {
    lt_unet unet = p->unet;
    lt_vae vae = p->vae;
    lt_clip_text text = p->text, text_2 = p->text_2;
    lt_clip_image image = p->image;
    lt_noise_schedule schedule = p->schedule;
    if (p->has[LT_MODULE_UNET] && lt_unet_open(p->weights, &unet)) return true;
    if (p->has[LT_MODULE_VAE_DECODER] && !vae.tiny && lt_vae_open(p->weights, &vae)) return true;
    if (lt_clip_texts_open(p->weights, &text, &text_2)) return true;
    if (p->has[LT_MODULE_IMAGE] && lt_clip_image_open(p->weights, &image)) return true;
    if (lt_noise_schedule_sd(&schedule, p->schedule.prediction)) return true;
    return unet.heads != p->unet.heads || unet.head_size != p->unet.head_size || unet.groups != p->unet.groups ||
           vae.groups != p->vae.groups || vae.scaling < p->vae.scaling || vae.scaling > p->vae.scaling ||
           is_other(&text, &p->text) || is_other(&text_2, &p->text_2) || image.heads != p->image.heads ||
           image.activation != p->image.activation ||
           memcmp(schedule.sigmas, p->schedule.sigmas, sizeof schedule.sigmas) != 0 ||
           schedule.spacing != p->schedule.spacing || schedule.offset != p->schedule.offset ||
           schedule.to_one != p->schedule.to_one;
}

lt_status lt_export_settings(const lt_components *parts, lt_settings *settings) {
    if (!is_unusual(parts)) return LT_OK;
    lt_notify(&parts->listener,
              "this model's heads, groups, activation, scaling or noise schedule are not Stable Diffusion's: in a "
              "single file Latent finds them among the metadata, other programs don't");
    if (parts->has[LT_MODULE_UNET]) {
        LT_TRY(lt_settings_add_unet(settings, &parts->unet));
        LT_TRY(lt_settings_add_schedule(settings, &parts->schedule));
    }
    if (parts->has[LT_MODULE_VAE_DECODER]) LT_TRY(lt_settings_add_vae(settings, &parts->vae));
    if (parts->has[LT_MODULE_TEXT]) LT_TRY(lt_settings_add_text(settings, "text_encoder", &parts->text));
    if (parts->has[LT_MODULE_TEXT_2]) LT_TRY(lt_settings_add_text(settings, "text_encoder_2", &parts->text_2));
    return parts->has[LT_MODULE_IMAGE] ? lt_settings_add_image(settings, &parts->image) : LT_OK;
}

lt_status lt_metadata_tell(const lt_exported *model, lt_metadata_list *m, lt_settings *settings) {
    const lt_components *parts = model->parts;
    const int side = parts->sample_size * parts->vae.factor;
    const bool has_unet = parts->has[LT_MODULE_UNET];
    if (has_unet && parts->schedule.prediction == LT_PREDICT_V) lt_metadata_set(m, "modelspec.prediction_type", "v");
    LT_TRY(lt_export_settings(parts, settings));
    if (lt_parts_draw(parts) && parts->sample_size != 64)
        LT_TRY(lt_settings_set(settings, "modelspec.resolution", "%dx%d", side, side));
    for (size_t i = 0; i < settings->count; i++) lt_metadata_set(m, settings->keys[i], settings->values[i]);
    for (size_t i = 0; model->more && i < model->more->count; i++)
        lt_metadata_set(m, model->more->keys[i], model->more->values[i]);
    return LT_OK;
}

static lt_status write_file(const lt_exported *model, lt_metadata_list *m, const char *path, const lt_dtype *type) {
    if (model->parts->has[LT_MODULE_TEXT_2])
        lt_notify(&model->parts->listener,
                  "in a single file Stable Diffusion XL's text encoders have names that Latent "
                  "alone knows: other programs read a diffusers folder");
    lt_settings settings = {0};
    lt_status status = lt_metadata_tell(model, m, &settings);
    if (!status)
        status = lt_export_tensors(path, model->tensors, model->count, m->items, m->count, type, model->filling);
    lt_settings_free(&settings);
    return status;
}

lt_status lt_export_ldm(const lt_exported *model, const char *path, const lt_dtype *type) {
    lt_metadata_list m;
    LT_TRY(lt_parts_check(model->parts));
    LT_TRY(lt_metadata_read(model->source, &m));
    const lt_status status = write_file(model, &m, path, type);
    lt_free(m.items);
    return status;
}
