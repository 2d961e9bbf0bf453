/* Folders that hold a model: a diffusers pipeline (model_index.json and a folder for each component), or one component
 * by itself (config.json beside its weights), as transformers and diffusers write them. */
#ifndef LT_DIFFUSERS_H
#define LT_DIFFUSERS_H

#include "formats/formats.h"

/* ---- JSON configuration files ---- */

/* A JSON object. A zeroed one is empty: every key is absent. Python's NaN, Infinity and -Infinity, which diffusers
 * writes for limits that there are none, are read as null. */
typedef struct lt_config {
    struct json_t *root;
} lt_config;

lt_status lt_config_open(const char *path, lt_config *config);
/* From metadata of a checkpoint: those keys that begin with prefix, without it; values are JSON. What is no JSON is
 * left out. */
lt_status lt_config_from_metadata(const lt_checkpoint *checkpoint, const char *prefix, lt_config *config);
void lt_config_close(lt_config *config);

/* A key may lead into objects: "vision_config.patch_size". What is absent, null or of another kind gives the fallback,
 * 0 values or NULL. */

/* True if the key is there and not null. */
bool lt_config_has(const lt_config *config, const char *key);
/* A number, true as 1 and false as 0. Of a list, its first. */
double lt_config_number(const lt_config *config, const char *key, double fallback);
/* The first limit numbers of a list (attention_head_dim is one number or a list) into values; returns how many the list
 * has. */
size_t lt_config_numbers(const lt_config *config, const char *key, double *values, size_t limit);
/* Valid as long as config is open. */
const char *lt_config_string(const lt_config *config, const char *key);
/* The i-th string of a list, likewise. */
const char *lt_config_item(const lt_config *config, const char *key, size_t i);

/* ---- Folders ---- */

/* One component: its settings, and its weights if it has any. */
typedef struct lt_component {
    const char *name; /* static: "text_encoder", "text_encoder_2", "vae", "unet", "scheduler"; "" for a folder that is
                         one component */
    lt_config config; /* config.json; of the scheduler, scheduler_config.json */
    lt_checkpoint checkpoint; /* count 0 for the scheduler */
} lt_component;

enum { LT_MAX_COMPONENTS = 5 };

typedef struct lt_diffusers {
    lt_config index; /* model_index.json; of a folder that is one component, empty */
    lt_component components[LT_MAX_COMPONENTS];
    size_t count;
} lt_diffusers;

/* Opens every component of the folder that a Stable Diffusion model needs. Weights are looked for in full precision
 * first, then as the variants fp16, bf16 and non_ema; safetensors first, then PyTorch's; diffusers' names first, then
 * transformers'; whole first, then sharded. A component that model_index.json
 * doesn't list, or lists as null, is left out; one that it lists must be there, or the error names what was looked for.
 */
lt_status lt_diffusers_open(const char *path, lt_diffusers *folder);
void lt_diffusers_close(lt_diffusers *folder);

/* The component of that name, or NULL. */
const lt_component *lt_diffusers_find(const lt_diffusers *folder, const char *name);

#endif
