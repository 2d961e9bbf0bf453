/* What tensors' shapes cannot tell of a model, as metadata of its safetensors file: "latent.vae.scaling_factor". The
 * keys behind "latent.COMPONENT." are those of diffusers' config.json, but for the U-Net's head_channels (channels of a
 * head); values are JSON. */
#ifndef LT_SETTINGS_H
#define LT_SETTINGS_H

#include "models/classifier.h"
#include "models/clip.h"
#include "models/unet.h"
#include "models/vae.h"

enum { LT_MAX_SETTINGS = 64 };

typedef struct lt_settings {
    char *keys[LT_MAX_SETTINGS], *values[LT_MAX_SETTINGS];
    size_t count;
} lt_settings;

/* Adds or replaces one, the value printf style. */
lt_status lt_settings_set(lt_settings *s, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a text of any length, as it stands. */
lt_status lt_settings_set_text(lt_settings *s, const char *key, const char *text);

/* The value of key, or NULL. */
const char *lt_settings_find(const lt_settings *s, const char *key);

/* All that the openers of models/ can't tell from shapes. */
lt_status lt_settings_add_unet(lt_settings *s, const lt_unet *unet);
lt_status lt_settings_add_vae(lt_settings *s, const lt_vae *vae);
lt_status lt_settings_add_text(lt_settings *s, const char *component, const lt_clip_text *text); /* "text_encoder" */
lt_status lt_settings_add_image(lt_settings *s, const lt_clip_image *image);
/* labels [classifier->classes]: the classes' names. */
lt_status lt_settings_add_classifier(lt_settings *s, const lt_classifier *classifier, const char *const *labels);

/* What a small model has learned (text/known.h); of what is not UTF-8 nothing is said. */
lt_status lt_settings_add_known(lt_settings *s, const char *words, const char *things);

void lt_settings_free(lt_settings *s);

/* transformers' name of an activation, "quick_gelu", and back; false: no such name. */
const char *lt_activation_name(lt_activation activation);
bool lt_activation_find(const char *name, lt_activation *activation);

#endif
