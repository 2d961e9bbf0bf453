/* A1111's API: what there is. */
#ifndef LT_A1111_LISTS_H
#define LT_A1111_LISTS_H

#include "a1111_own.h"

/* The rows of lists that are the same in all servers. */
json_t *lt_a1111_samplers_json(void);
json_t *lt_a1111_schedulers_json(void);
json_t *lt_a1111_latent_modes_json(void);
/* Of what is on the shelf. */
json_t *lt_a1111_models_json(const lt_models_listing *listing);
json_t *lt_a1111_vaes_json(const lt_models_listing *listing);
json_t *lt_a1111_loras_json(const lt_models_listing *listing);
json_t *lt_a1111_embeddings_json(const lt_models_listing *listing);
json_t *lt_a1111_upscalers_json(const lt_models_listing *listing);
json_t *lt_a1111_esrgans_json(const lt_models_listing *listing);
json_t *lt_a1111_controls_json(const lt_models_listing *listing);
json_t *lt_a1111_control_modules_json(void);
json_t *lt_a1111_control_types_json(const lt_models_listing *listing);

#endif
