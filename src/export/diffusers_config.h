/* The config.json of each component of a diffusers folder: what api/configuration.c reads, and what diffusers asks for.
 */
#ifndef LT_DIFFUSERS_CONFIG_H
#define LT_DIFFUSERS_CONFIG_H

#include "pipeline/components.h"

/* Whose rules these files follow. */
extern const char lt_diffusers_version[];

/* Each returns a new JSON object, or NULL without memory. */
typedef struct json_t *(*lt_component_config_fn)(const lt_components *parts);
struct json_t *lt_unet_config(const lt_components *parts);
struct json_t *lt_vae_config(const lt_components *parts);
struct json_t *lt_text_config(const lt_components *parts);
struct json_t *lt_text_2_config(const lt_components *parts);
struct json_t *lt_scheduler_config(const lt_noise_schedule *schedule);
/* The scheduler's class in diffusers. */
const char *lt_scheduler_class(const lt_noise_schedule *schedule);

#endif
