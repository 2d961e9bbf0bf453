/* Training the U-Net on the noise that it predicts (Ho et al. 2020, algorithm 1), with dropped prompts so that guidance
 * can work (Ho & Salimans 2022). */
#include "diffusion/schedule_settings.h"
#include "text/known.h"
#include "train/denoising.h"

#include <string.h>

/* ---- Opening ---- */

static bool is_cross_attention(const char *name) { return lt_is_unet(name) && strstr(name, ".attn2."); }

/* Fresh weights, or those of options->init. */
static lt_status make_parameters(lt_training *t, const lt_denoising *d) {
    lt_sd_architecture a = {.unet = lt_training_unet(t, d->now->latents.shape.c)};
    a.unet.context_dim = d->contexts.width;
    lt_tensor_list list = {0};
    LT_TRY(lt_sd_list(&a, 1u << LT_ROLE_UNET, &list));
    return lt_training_make_parameters(t, &list, lt_is_unet, t->options->losses.only ? is_cross_attention : lt_is_unet);
}

static lt_status open(lt_training *t) {
    lt_denoising *d = t->state;
    LT_TRY(lt_denoising_open(t, d));
    LT_TRY(make_parameters(t, d));
    return lt_denoising_build(t, d);
}

/* ---- The model's file ---- */

/* The part of another model that this one needs to draw. */
static lt_status add_frozen(const lt_tensor *tensors, size_t count, lt_trains_fn part, lt_tensor_list *frozen) {
    for (size_t i = 0; i < count; i++)
        if (part(tensors[i].name)) LT_TRY(lt_tensor_list_add(frozen, tensors[i].name, &tensors[i]));
    return LT_OK;
}

enum { MOST_KNOWN = 20000 /* words, and things: who has learned more is not small */ };

/* The labels as people write them, a line each. */
static lt_status gather_things(const lt_dataset *data, lt_buffer *things) {
    const size_t count = lt_dataset_label_count(data);
    LT_TRY(lt_buffer_append(things, "", 0));
    for (size_t i = 0; i < count && count <= MOST_KNOWN; i++)
        LT_TRY(lt_buffer_printf(things, "%s%s", i ? "\n" : "", lt_dataset_label_name(data, i)));
    for (size_t i = 0; i < things->size; i++)
        if (things->data[i] == '-' || things->data[i] == '_') things->data[i] = ' ';
    return LT_OK;
}

/* What a model that knows nothing else has learned of words; one that goes on from another knows more. */
static lt_status describe_known(const lt_training *t, lt_settings *settings) {
    const lt_denoising *d = t->state;
    lt_buffer words = {0}, things = {0};
    if (t->models->init) return LT_OK;
    lt_status status = lt_known_gather(d->contexts.texts, d->contexts.count, MOST_KNOWN, &words);
    if (!status) status = gather_things(t->data, &things);
    if (!status && words.size) status = lt_settings_add_known(settings, words.data, things.data);
    lt_buffer_free(&words);
    lt_buffer_free(&things);
    return status;
}

static lt_status describe(lt_training *t, lt_settings *settings, lt_tensor_list *frozen) {
    const lt_denoising *d = t->state;
    const lt_train_models *m = t->models;
    const int size = t->options->pictures.size;
    LT_TRY(lt_settings_add_unet(settings, &d->unet));
    LT_TRY(lt_settings_add_schedule(settings, &d->schedule));
    LT_TRY(lt_settings_set(settings, "modelspec.resolution", "%dx%d", size, size));
    if (!t->options->losses.pixels) {
        LT_TRY(lt_settings_add_vae(settings, m->vae));
        LT_TRY(add_frozen(m->vae_tensors, m->vae_count, lt_is_vae, frozen));
    }
    if (!d->contexts.width) return LT_OK;
    LT_TRY(describe_known(t, settings));
    LT_TRY(lt_settings_add_text(settings, "text_encoder", m->text));
    if (m->image) LT_TRY(lt_settings_add_image(settings, m->image));
    return add_frozen(m->text_tensors, m->text_count, lt_is_text, frozen);
}

const lt_task lt_task_unet = {
    .name = "unet",
    .module = "the U-Net",
    .state_size = sizeof(lt_denoising),
    .open = open,
    .start = lt_denoising_start,
    .next = lt_denoising_next,
    .loss = lt_denoising_loss,
    .describe = describe,
    .close = lt_denoising_close,
};
