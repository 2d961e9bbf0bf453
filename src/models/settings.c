/* What tensors' shapes cannot tell of a model, as pairs of texts. */
#include "models/settings.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The place of key, or the first free one. */
static size_t place_of(const lt_settings *s, const char *key) {
    size_t i = 0;
    while (i < s->count && strcmp(s->keys[i], key)) i++;
    return i;
}

const char *lt_settings_find(const lt_settings *s, const char *key) {
    const size_t i = place_of(s, key);
    return i < s->count ? s->values[i] : NULL;
}

lt_status lt_settings_set_text(lt_settings *s, const char *key, const char *text) {
    const size_t i = place_of(s, key);
    if (i == LT_MAX_SETTINGS) return lt_fail(LT_ERROR_ARGUMENT, "%s: more settings than a model has", key);
    char *name = i < s->count ? s->keys[i] : lt_strdup(key), *value = lt_strdup(text);
    if (!name || !value) {
        if (i == s->count) lt_free(name);
        lt_free(value);
        return LT_ERROR_MEMORY;
    }
    lt_free(s->values[i]);
    s->keys[i] = name;
    s->values[i] = value;
    if (i == s->count) s->count++;
    return LT_OK;
}

lt_status lt_settings_set(lt_settings *s, const char *key, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return lt_settings_set_text(s, key, text);
}

lt_status lt_settings_add_unet(lt_settings *s, const lt_unet *unet) {
    LT_TRY(lt_settings_set(s, "latent.unet.norm_num_groups", "%d", unet->groups));
    if (unet->heads) return lt_settings_set(s, "latent.unet.attention_head_dim", "%d", unet->heads);
    if (unet->head_size == 64) return LT_OK; /* as the family has them */
    return lt_settings_set(s, "latent.unet.head_channels", "%d", unet->head_size);
}

lt_status lt_settings_add_vae(lt_settings *s, const lt_vae *vae) {
    LT_TRY(lt_settings_set(s, "latent.vae.norm_num_groups", "%d", vae->groups));
    return lt_settings_set(s, "latent.vae.scaling_factor", "%.9g", (double)vae->scaling);
}

lt_status lt_settings_add_text(lt_settings *s, const char *component, const lt_clip_text *text) {
    const lt_name heads = lt_name_of("latent.%s.num_attention_heads", component),
                  layers = lt_name_of("latent.%s.num_hidden_layers", component),
                  activation = lt_name_of("latent.%s.hidden_act", component);
    LT_TRY(lt_settings_set(s, heads.text, "%d", text->heads));
    if (text->layers < lt_clip_text_layers(text)) LT_TRY(lt_settings_set(s, layers.text, "%d", text->layers));
    return lt_settings_set(s, activation.text, "\"%s\"", lt_activation_name(text->activation));
}

lt_status lt_settings_add_image(lt_settings *s, const lt_clip_image *image) {
    LT_TRY(lt_settings_set(s, "latent.clip.vision_config.num_attention_heads", "%d", image->heads));
    return lt_settings_set(s, "latent.clip.vision_config.hidden_act", "\"%s\"", lt_activation_name(image->activation));
}

/* labels as a JSON list of strings. */
static lt_status set_labels(lt_settings *s, const char *const *labels, int count) {
    json_t *list = json_array();
    bool ok = list != NULL;
    for (int i = 0; i < count && ok; i++) ok = !json_array_append_new(list, json_string(labels[i]));
    char *text = ok ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    const lt_status status =
        text ? lt_settings_set_text(s, "latent.classifier.labels", text)
             : lt_fail(LT_ERROR_ARGUMENT, "the classes' names can't be written: memory is short, or one is not UTF-8");
    free(text);
    return status;
}

lt_status lt_settings_add_classifier(lt_settings *s, const lt_classifier *c, const char *const *labels) {
    LT_TRY(lt_settings_set(s, "latent.classifier.norm_num_groups", "%d", c->half.groups));
    LT_TRY(lt_settings_set(s, "latent.classifier.attention_head_dim", "%d", c->half.heads));
    LT_TRY(lt_settings_set(s, "latent.classifier.sample_size", "%d", c->size));
    return set_labels(s, labels, c->classes);
}

static lt_status set_json_text(lt_settings *s, const char *key, const char *value) {
    json_t *json = json_string(value);
    char *text = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;
    json_decref(json);
    const lt_status status = text ? lt_settings_set_text(s, key, text) : LT_OK;
    free(text);
    return status;
}

lt_status lt_settings_add_known(lt_settings *s, const char *words, const char *things) {
    LT_TRY(set_json_text(s, "latent.known.words", words));
    return set_json_text(s, "latent.known.things", things);
}

static const struct {
    const char *name;
    lt_activation activation;
} activations[] = {{"quick_gelu", LT_ACT_QUICK_GELU}, {"gelu", LT_ACT_GELU}, {"silu", LT_ACT_SILU}};

const char *lt_activation_name(lt_activation activation) {
    size_t i = 0;
    while (i + 1 < LT_COUNT(activations) && activations[i].activation != activation) i++;
    return activations[i].name;
}

bool lt_activation_find(const char *name, lt_activation *activation) {
    size_t i = 0;
    while (i < LT_COUNT(activations) && strcmp(activations[i].name, name)) i++;
    if (i == LT_COUNT(activations)) return false;
    *activation = activations[i].activation;
    return true;
}

void lt_settings_free(lt_settings *s) {
    for (size_t i = 0; i < s->count; i++) {
        lt_free(s->keys[i]);
        lt_free(s->values[i]);
    }
    *s = (lt_settings){0};
}
