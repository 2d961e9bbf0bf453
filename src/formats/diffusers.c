/* Folders that hold a model: diffusers pipelines and single components. */
#include "formats/diffusers.h"
#include "formats/json.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- JSON configuration files ---- */

static lt_status parse(const char *path, const lt_map *map, lt_config *config) {
    json_t *root;
    const lt_status status = lt_json_read_lenient((const char *)map->data, map->size, 0, &root);
    if (status) return lt_fail_in(status, "%s", path);
    if (!json_is_object(root)) {
        json_decref(root);
        return lt_fail(LT_ERROR_FORMAT, "%s: not a JSON object", path);
    }
    config->root = root;
    return LT_OK;
}

lt_status lt_config_open(const char *path, lt_config *config) {
    *config = (lt_config){0};
    lt_map map;
    LT_TRY(lt_map_open(path, &map));
    const lt_status status = lt_map_finish(&map, parse(path, &map, config));
    if (status) lt_config_close(config);
    return status;
}

lt_status lt_config_from_metadata(const lt_checkpoint *checkpoint, const char *prefix, lt_config *config) {
    *config = (lt_config){json_object()};
    if (!config->root) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < checkpoint->metadata_count; i++) {
        const char *key = checkpoint->metadata[i].key, *value = checkpoint->metadata[i].value;
        if (strncmp(key, prefix, strlen(prefix))) continue;
        json_t *json;
        lt_status status = lt_json_read(value, strlen(value), JSON_DECODE_ANY, &json);
        if (status == LT_ERROR_FORMAT) continue; /* a stranger's words, not ours */
        if (!status && json_object_set_new(config->root, key + strlen(prefix), json)) status = LT_ERROR_MEMORY;
        if (status) {
            lt_config_close(config);
            return lt_fail(status, "out of memory for a model's settings");
        }
    }
    return LT_OK;
}

void lt_config_close(lt_config *config) {
    json_decref(config->root);
    *config = (lt_config){0};
}

/* The value that key leads to, or NULL. */
static const json_t *look_up(const lt_config *config, const char *key) {
    const json_t *at = config->root, *whole = json_object_get(at, key); /* metadata are flat */
    if (whole) return whole;
    for (const char *dot; (dot = strchr(key, '.')); key = dot + 1) at = json_object_getn(at, key, (size_t)(dot - key));
    return json_object_get(at, key);
}

static bool number_of(const json_t *value, double *number) {
    if (!json_is_number(value) && !json_is_boolean(value)) return false;
    *number = json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
    return true;
}

size_t lt_config_numbers(const lt_config *config, const char *key, double *values, size_t limit) {
    const json_t *value = look_up(config, key);
    const size_t count = json_is_array(value) ? json_array_size(value) : value ? 1 : 0;
    for (size_t i = 0; i < count; i++) {
        double number;
        if (!number_of(json_is_array(value) ? json_array_get(value, i) : value, &number)) return 0;
        if (i < limit) values[i] = number;
    }
    return count;
}

bool lt_config_has(const lt_config *config, const char *key) {
    const json_t *value = look_up(config, key);
    return value && !json_is_null(value);
}

double lt_config_number(const lt_config *config, const char *key, double fallback) {
    double number;
    return lt_config_numbers(config, key, &number, 1) ? number : fallback;
}

const char *lt_config_string(const lt_config *config, const char *key) {
    return json_string_value(look_up(config, key));
}

const char *lt_config_item(const lt_config *config, const char *key, size_t i) {
    return json_string_value(json_array_get(look_up(config, key), i));
}

/* ---- Weights ---- */

/* What a component's weights may be called, the preferred first: all the names of a variant before the next variant's,
 * of a type before the next type's, of a stem (diffusers' and transformers') before the next stem's, whole before in
 * shards. The first variant is the weights themselves. diffusers takes non_ema, which training goes on from, only where
 * it is asked to; here it is what remains. */
static const char *const variants[] = {"", "fp16", "bf16", "non_ema"};
static const char *const weight_types[] = {"safetensors", "bin"};
static const char *const stems[][2] = {{"diffusion_pytorch_model", "model"},          /* .safetensors */
                                       {"diffusion_pytorch_model", "pytorch_model"}}; /* .bin */

/* What stands behind the stem, of TYPE and VARIANT; releases have put the variant of an index in different places
 * (diffusers pipelines/pipeline_loading_utils.py "variant_compatible_siblings"). */
static const char *const plain_forms[] = {".TYPE", ".TYPE.index.json"};
static const char *const variant_forms[] = {".VARIANT.TYPE", ".TYPE.index.VARIANT.json", ".VARIANT.TYPE.index.json",
                                            ".TYPE.VARIANT.index.json"};

enum { FILE_NAME_SIZE = 128 };

static void make_name(const char *stem, const char *form, const char *type, const char *variant,
                      char name[FILE_NAME_SIZE]) {
    size_t at = (size_t)snprintf(name, FILE_NAME_SIZE, "%s", stem);
    while (*form) {
        const bool is_type = strncmp(form, "TYPE", 4) == 0, is_variant = strncmp(form, "VARIANT", 7) == 0;
        const char *part = is_type ? type : is_variant ? variant : form;
        const size_t size = is_type || is_variant ? strlen(part) : 1;
        at += (size_t)snprintf(name + at, FILE_NAME_SIZE - at, "%.*s", (int)size, part);
        form += is_type ? 4 : is_variant ? 7 : 1;
    }
}

/* The i-th name, or false behind the last. */
static bool weight_file(size_t i, char name[FILE_NAME_SIZE]) {
    enum { STEMS = LT_COUNT(*stems), TYPES = LT_COUNT(weight_types) };
    const size_t plain = STEMS * TYPES * LT_COUNT(plain_forms), each = STEMS * TYPES * LT_COUNT(variant_forms);
    const bool has_variant = i >= plain;
    const size_t forms = has_variant ? LT_COUNT(variant_forms) : LT_COUNT(plain_forms);
    const size_t variant = has_variant ? 1 + (i - plain) / each : 0, rest = has_variant ? (i - plain) % each : i;
    if (variant == LT_COUNT(variants)) return false;
    const size_t type = rest / forms / STEMS;
    make_name(stems[type][rest / forms % STEMS], (has_variant ? variant_forms : plain_forms)[rest % forms],
              weight_types[type], variants[variant], name);
    return true;
}

static bool is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static lt_status no_weights(const char *folder) {
    return lt_fail(LT_ERROR_FILE,
                   "%s: no weights here; looked for diffusion_pytorch_model.safetensors, model.safetensors, "
                   "diffusion_pytorch_model.bin and pytorch_model.bin, each also in shards (.index.json) and as a "
                   "variant (.fp16, .bf16, .non_ema)",
                   folder);
}

static lt_status open_weights(const char *folder, lt_checkpoint *checkpoint) {
    char name[FILE_NAME_SIZE];
    for (size_t i = 0; weight_file(i, name); i++) {
        char *path = lt_format("%s/%s", folder, name);
        if (!path) return LT_ERROR_MEMORY;
        const bool found = is_file(path), sharded = strstr(name, ".index.");
        lt_status status = LT_OK;
        if (found)
            status = sharded ? lt_checkpoint_open_sharded(path, checkpoint) : lt_checkpoint_open(path, checkpoint);
        lt_free(path);
        if (found) return status;
    }
    return no_weights(folder);
}

/* ---- Folders ---- */

static const struct {
    const char *name, *config;
    bool weights;
} known[] = {
    {"text_encoder", "config.json", true}, {"text_encoder_2", "config.json", true},       {"vae", "config.json", true},
    {"unet", "config.json", true},         {"scheduler", "scheduler_config.json", false},
};
_Static_assert(LT_COUNT(known) <= LT_MAX_COMPONENTS, "a place for every component");

/* Adds the component in folder; what was opened before a failure is the caller's to close, as part of all. */
static lt_status add_component(lt_diffusers *all, const char *folder, const char *name, const char *config,
                               bool weights) {
    lt_component *c = &all->components[all->count++];
    *c = (lt_component){.name = name};
    char *path = lt_format("%s/%s", folder, config);
    if (!path) return LT_ERROR_MEMORY;
    lt_status status = lt_config_open(path, &c->config);
    lt_free(path);
    if (!status && weights) status = open_weights(folder, &c->checkpoint);
    return status;
}

/* The components that the index lists as ["library", "class"]; [null, null] is a component that was left out. */
static lt_status add_components(lt_diffusers *all, const char *path) {
    for (size_t i = 0; i < LT_COUNT(known); i++) {
        if (!lt_config_item(&all->index, known[i].name, 1)) continue;
        char *folder = lt_format("%s/%s", path, known[i].name);
        if (!folder) return LT_ERROR_MEMORY;
        const lt_status status = add_component(all, folder, known[i].name, known[i].config, known[i].weights);
        lt_free(folder);
        LT_TRY(status);
    }
    if (all->count) return LT_OK;
    return lt_fail(LT_ERROR_MODEL, "%s/model_index.json lists no text_encoder, text_encoder_2, vae, unet or scheduler",
                   path);
}

lt_status lt_diffusers_open(const char *path, lt_diffusers *folder) {
    *folder = (lt_diffusers){0};
    lt_status status = LT_ERROR_MEMORY;
    char *index_path = lt_format("%s/model_index.json", path), *config_path = lt_format("%s/config.json", path);
    if (index_path && config_path) {
        if (is_file(index_path)) {
            status = lt_config_open(index_path, &folder->index);
            if (!status) status = add_components(folder, path);
        } else if (is_file(config_path)) {
            status = add_component(folder, path, "", "config.json", true);
        } else {
            status = lt_fail(LT_ERROR_FILE,
                             "%s: not a model's folder: neither model_index.json (diffusers) nor config.json is there",
                             path);
        }
    }
    lt_free(index_path);
    lt_free(config_path);
    if (status) lt_diffusers_close(folder);
    return status;
}

void lt_diffusers_close(lt_diffusers *folder) {
    lt_config_close(&folder->index);
    for (size_t i = 0; i < folder->count; i++) {
        lt_config_close(&folder->components[i].config);
        lt_checkpoint_close(&folder->components[i].checkpoint);
    }
    *folder = (lt_diffusers){0};
}

const lt_component *lt_diffusers_find(const lt_diffusers *folder, const char *name) {
    for (size_t i = 0; i < folder->count; i++)
        if (strcmp(folder->components[i].name, name) == 0) return &folder->components[i];
    return NULL;
}
