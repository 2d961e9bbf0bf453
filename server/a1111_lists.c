/* A1111's API: what there is. Files are told by their names: where they lie is nobody's business. */
#include "a1111_lists.h"

#include "a1111_control.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Names of files ---- */

const char *lt_a1111_file(const lt_shelf_item *item) {
    const char *slash = strrchr(item->path, '/');
    return slash ? slash + 1 : item->path;
}

char *lt_a1111_title(const lt_shelf_item *item) {
    return item->sha256 ? tool_format("%s [%.10s]", lt_a1111_file(item), item->sha256)
                        : tool_strdup(lt_a1111_file(item));
}

/* ---- Samplers and schedules: the library's tables ---- */

json_t *lt_a1111_samplers_json(void) {
    json_t *rows = json_array();
    for (const char *const *name = lt_samplers(); *name; name++) {
        const char *schedule = lt_schedule_automatic(*name);
        json_t *options = schedule ? json_pack("{s:s}", "scheduler", schedule) : json_object();
        json_array_append_new(rows, json_pack("{s:s, s:[s], s:o}", "name", lt_sampler_label(*name), "aliases", *name,
                                              "options", options));
    }
    return rows;
}

static json_t *scheduler(const char *name, const char *label) {
    const double rho = !strcmp(name, "karras") ? 7 : !strcmp(name, "polyexponential") ? 1 : -1;
    return json_pack("{s:s, s:s, s:n, s:f, s:b}", "name", name, "label", label, "aliases", "default_rho", rho,
                     "need_inner_model", 0);
}

json_t *lt_a1111_schedulers_json(void) {
    json_t *rows = json_array();
    json_array_append_new(rows, scheduler("automatic", "Automatic"));
    for (const char *const *name = lt_schedules(); *name; name++)
        json_array_append_new(rows, scheduler(*name, lt_schedule_label(*name)));
    return rows;
}

json_t *lt_a1111_latent_modes_json(void) {
    return json_pack("[{s:s}, {s:s}, {s:s}, {s:s}, {s:s}, {s:s}]", "name", "Latent", "name", "Latent (antialiased)",
                     "name", "Latent (bicubic)", "name", "Latent (bicubic antialiased)", "name", "Latent (nearest)",
                     "name", "Latent (nearest-exact)");
}

/* ---- The shelf ---- */

/* row of each file of that kind, in a list. */
static json_t *list_of(const lt_models_listing *listing, lt_shelf_kind kind, json_t *rows,
                       json_t *(*row)(const lt_shelf_item *item)) {
    for (size_t i = 0; i < listing->count; i++)
        if (listing->items[i].kind == kind) json_array_append_new(rows, row(&listing->items[i]));
    return rows;
}

static json_t *model_row(const lt_shelf_item *item) {
    char *title = lt_a1111_title(item), hash[11] = "";
    if (item->sha256) memcpy(hash, item->sha256, 10);
    json_t *row =
        json_pack("{s:s, s:s, s:s?, s:s?, s:s, s:n}", "title", title ? title : item->name, "model_name", item->name,
                  "hash", *hash ? hash : NULL, "sha256", item->sha256, "filename", lt_a1111_file(item), "config");
    free(title);
    return row;
}

static json_t *vae_row(const lt_shelf_item *item) {
    return json_pack("{s:s, s:s}", "model_name", lt_a1111_file(item), "filename", lt_a1111_file(item));
}

static json_t *lora_row(const lt_shelf_item *item) {
    json_t *metadata = item->words ? json_pack("{s:s}", "words", item->words) : json_object();
    return json_pack("{s:s, s:s, s:s, s:o}", "name", item->name, "alias", item->name, "path", lt_a1111_file(item),
                     "metadata", metadata);
}

/* How often it enlarges is known when it is opened; 4 is what that web UI says of one that it hasn't opened. */
static json_t *upscaler_row(const lt_shelf_item *item) {
    return json_pack("{s:s, s:s, s:s, s:n, s:i}", "name", item->name, "model_name", item->name, "model_path",
                     lt_a1111_file(item), "model_url", "scale", 4);
}

static json_t *esrgan_row(const lt_shelf_item *item) {
    return json_pack("{s:s, s:s, s:i}", "name", item->name, "path", lt_a1111_file(item), "scale", 4);
}

static json_t *name_row(const lt_shelf_item *item) { return json_string(item->name); }

json_t *lt_a1111_models_json(const lt_models_listing *l) {
    return list_of(l, LT_SHELF_CHECKPOINT, json_array(), model_row);
}
json_t *lt_a1111_vaes_json(const lt_models_listing *l) { return list_of(l, LT_SHELF_VAE, json_array(), vae_row); }
json_t *lt_a1111_loras_json(const lt_models_listing *l) { return list_of(l, LT_SHELF_LORA, json_array(), lora_row); }
json_t *lt_a1111_esrgans_json(const lt_models_listing *l) {
    return list_of(l, LT_SHELF_UPSCALER, json_array(), esrgan_row);
}

/* Two that need no file come first, as clients count on "None" being the first. */
json_t *lt_a1111_upscalers_json(const lt_models_listing *listing) {
    json_t *rows =
        json_pack("[{s:s, s:n, s:n, s:n, s:i}, {s:s, s:n, s:n, s:n, s:i}]", "name", "None", "model_name", "model_path",
                  "model_url", "scale", 4, "name", "Lanczos", "model_name", "model_path", "model_url", "scale", 4);
    return list_of(listing, LT_SHELF_UPSCALER, rows, upscaler_row);
}

/* "2 vectors" of a family whose text encoder is that wide. */
static json_t *embedding_row(const lt_shelf_item *item) {
    const char *family = item->family ? item->family : "";
    const int vectors = item->details ? atoi(item->details) : 1;
    const int shape = strstr(family, "XL") ? 2048 : strstr(family, "2") ? 1024 : 768;
    return json_pack("{s:n, s:n, s:n, s:i, s:i}", "step", "sd_checkpoint", "sd_checkpoint_name", "shape", shape,
                     "vectors", vectors > 0 ? vectors : 1);
}

json_t *lt_a1111_embeddings_json(const lt_models_listing *listing) {
    json_t *loaded = json_object();
    for (size_t i = 0; i < listing->count; i++)
        if (listing->items[i].kind == LT_SHELF_EMBEDDING)
            json_object_set_new(loaded, listing->items[i].name, embedding_row(&listing->items[i]));
    return json_pack("{s:o, s:{}}", "loaded", loaded, "skipped");
}

/* ---- ControlNet ---- */

json_t *lt_a1111_controls_json(const lt_models_listing *listing) {
    json_t *names = list_of(listing, LT_SHELF_CONTROL, json_array(), name_row);
    return list_of(listing, LT_SHELF_IMAGE_PROMPT, names, name_row);
}

json_t *lt_a1111_control_modules_json(void) {
    json_t *names = json_array();
    for (int i = 0; lt_a1111_module(i); i++) json_array_append_new(names, json_string(lt_a1111_module(i)));
    return names;
}

/* A control type's words are in the names of its modules and models. */
static const struct type {
    const char *name, *words[3], *module;
} types[] = {
    {"Canny", {"canny"}, "canny"},
    {"Depth", {"depth"}, "none"},
    {"IP-Adapter", {"ip-adapter", "ip_adapter", "ipadapter"}, "ip-adapter-auto"},
    {"Inpaint", {"inpaint"}, "inpaint_only"},
    {"Lineart", {"lineart"}, "lineart_standard (from white bg & black line)"},
    {"OpenPose", {"openpose"}, "none"},
    {"Recolor", {"recolor"}, "recolor_luminance"},
    {"Scribble", {"scribble", "sketch"}, "scribble_xdog"},
    {"SoftEdge", {"softedge", "hed"}, "none"},
    {"T2I-Adapter", {"t2i", "t2ia"}, "none"},
    {"Tile", {"tile", "blur"}, "tile_resample"},
};

static bool is_of_type(const struct type *type, const char *name) {
    for (size_t i = 0; i < LT_COUNT(type->words) && type->words[i]; i++)
        if (strcasestr(name, type->words[i])) return true;
    return false;
}

/* first, and those of names that are of the type; of NULL all. */
static json_t *choose(const struct type *type, const char *first, const json_t *names) {
    json_t *chosen = json_pack("[s]", first), *name;
    size_t i;
    json_array_foreach((json_t *)names, i, name) {
        const char *text = json_string_value(name);
        if (strcasecmp(text, first) && (!type || is_of_type(type, text))) json_array_append(chosen, name);
    }
    return chosen;
}

static json_t *type_json(const struct type *type, const json_t *modules, const json_t *models) {
    json_t *own = choose(type, "None", models);
    const char *model = json_string_value(json_array_get(own, type && json_array_size(own) > 1 ? 1 : 0));
    return json_pack("{s:o, s:o, s:s, s:s}", "module_list", choose(type, "none", modules), "model_list", own,
                     "default_option", type ? type->module : "none", "default_model", model);
}

json_t *lt_a1111_control_types_json(const lt_models_listing *listing) {
    json_t *modules = lt_a1111_control_modules_json(), *models = lt_a1111_controls_json(listing), *all = json_object();
    json_object_set_new(all, "All", type_json(NULL, modules, models));
    for (size_t i = 0; i < LT_COUNT(types); i++)
        json_object_set_new(all, types[i].name, type_json(&types[i], modules, models));
    json_decref(modules);
    json_decref(models);
    return json_pack("{s:o}", "control_types", all);
}
