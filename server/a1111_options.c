/* A1111's API: options. Those that say how is drawn are known here, and kept in the server's folder; the rest of that
 * web UI's are taken and forgotten, as clients post back the whole object that they got. */
#include "a1111_own.h"
#include "a1111_state.h"
#include "json_lax.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* sd_model_checkpoint is the server's: models.h has it. */
static const char defaults[] =
    "{\"samples_format\": \"png\", \"jpeg_quality\": 95, \"webp_lossless\": true, \"sd_vae\": \"Automatic\", "
    "\"CLIP_stop_at_last_layers\": 1,"
    " \"randn_source\": \"CPU\", \"emphasis\": \"Original\", \"eta_noise_seed_delta\": 0, \"token_merging_ratio\": 0.0,"
    " \"sd_noise_schedule\": \"Default\", \"live_previews_enable\": true, \"show_progress_every_n_steps\": 1,"
    " \"face_restoration_model\": null, \"upscaler_for_img2img\": null, \"return_grid\": false,"
    " \"enable_pnginfo\": true, \"control_net_unit_count\": 8, \"control_net_no_detectmap\": true}";
enum { SETTABLE = 11 }; /* of these, from the first on */

/* ---- Reading ---- */

static const lt_shelf_item *item_called(const lt_models_listing *listing, const char *name) {
    for (size_t i = 0; name && i < listing->count; i++)
        if (listing->items[i].kind == LT_SHELF_CHECKPOINT && !strcmp(listing->items[i].name, name))
            return &listing->items[i];
    return NULL;
}

static bool put_model(lt_server *server, json_t *options) {
    lt_models *models = lt_server_models(server);
    lt_models_listing listing;
    if (lt_models_list(models, &listing)) return false;
    char *name = lt_models_default(models);
    const lt_shelf_item *item = item_called(&listing, name);
    char *title = item ? lt_a1111_title(item) : NULL;
    json_object_set_new(options, "sd_model_checkpoint", title ? json_string(title) : json_null());
    json_object_set_new(options, "sd_checkpoint_hash", item && item->sha256 ? json_string(item->sha256) : json_null());
    free(title);
    free(name);
    lt_models_release(models, &listing);
    return true;
}

json_t *lt_a1111_options(lt_server *server) {
    lt_a1111 *a = lt_server_a1111(server);
    json_t *options = json_loads(defaults, 0, NULL);
    pthread_mutex_lock(&a->lock);
    bool good = options && !json_object_update(options, a->options);
    pthread_mutex_unlock(&a->lock);
    if (good && put_model(server, options)) return options;
    json_decref(options);
    return NULL;
}

void lt_a1111_get_options(lt_http_request *r) { lt_http_answer_json(r, 200, lt_a1111_options(lt_http_server(r))); }

/* ---- Writing ---- */

/* A value of the default's kind, so that what reads it finds one. NULL: it is none. */
static json_t *of_kind(const json_t *idle, const json_t *value) {
    json_int_t integer;
    double number;
    bool flag;
    if (json_is_string(idle)) return json_is_string(value) ? json_incref((json_t *)value) : NULL;
    if (json_is_boolean(idle)) return lt_lax_flag(value, &flag) ? json_boolean(flag) : NULL;
    if (json_is_integer(idle)) return lt_lax_int(value, &integer) ? json_integer(integer) : NULL;
    return lt_lax_number(value, &number) ? json_real(number) : NULL;
}

/* What of theirs is known, over those that were set before. */
static json_t *merge(const json_t *before, const json_t *theirs, lt_a1111_fault *fault) {
    json_t *idle = json_loads(defaults, 0, NULL), *all = json_copy((json_t *)before), *value;
    const char *key;
    int i = 0;
    json_object_foreach(idle, key, value) {
        const json_t *given = lt_lax_get(theirs, key);
        if (i++ >= SETTABLE || !given) continue;
        if (json_object_set_new(all, key, of_kind(value, given))) {
            lt_a1111_fail(fault, 422, "option %s: a value of another kind is wanted", key);
            break;
        }
    }
    json_decref(idle);
    if (!fault->status) return all;
    json_decref(all);
    return NULL;
}

static bool set_model(lt_server *server, const json_t *theirs, lt_a1111_fault *fault) {
    const char *model = lt_lax_text(theirs, "sd_model_checkpoint");
    if (!*model || lt_models_set_default(lt_server_models(server), model)) return true;
    return lt_a1111_fail(fault, 404, "model '%s' not found", model);
}

/* Whether there is a VAE of that name, before anything is drawn with it. */
static bool check_vae(lt_server *server, const json_t *theirs, lt_a1111_fault *fault) {
    const char *vae = lt_lax_text(theirs, "sd_vae");
    if (!*vae || !strcasecmp(vae, "Automatic") || !strcasecmp(vae, "None")) return true;
    char *path = lt_models_find(lt_server_models(server), LT_SHELF_VAE, vae);
    free(path);
    return path || lt_a1111_fail(fault, 404, "VAE '%s' not found", vae);
}

static char *file_of(const lt_server *server) {
    return tool_format("%s/a1111.json", lt_server_options_of(server)->data);
}

/* Kept for the next start, written beside and renamed; without that they hold until the end of this one. The lock is
 * held. */
static void keep(const lt_a1111 *a) {
    char *path = file_of(a->server), *part = path ? tool_format("%s.part", path) : NULL,
         *model = lt_models_default(lt_server_models(a->server));
    json_t *all = json_copy(a->options);
    if (model) json_object_set_new(all, "sd_model_checkpoint", json_string(model));
    if (part && all && (json_dump_file(all, part, JSON_INDENT(1)) || rename(part, path)))
        server_log(NULL, "options of A1111's API can't be kept: %s", path);
    json_decref(all);
    free(path);
    free(part);
    free(model);
}

bool lt_a1111_set_options(lt_server *server, const json_t *theirs, lt_a1111_fault *fault) {
    lt_a1111 *a = lt_server_a1111(server);
    if (!json_is_object(theirs)) return lt_a1111_fail(fault, 422, "Input should be a valid dictionary");
    if (!check_vae(server, theirs, fault)) return false;
    pthread_mutex_lock(&a->lock);
    json_t *merged = merge(a->options, theirs, fault);
    const bool good = merged && set_model(server, theirs, fault);
    if (good) {
        json_decref(a->options);
        a->options = merged;
        keep(a);
    } else
        json_decref(merged);
    pthread_mutex_unlock(&a->lock);
    return good;
}

void lt_a1111_post_options(lt_http_request *r) {
    lt_a1111_fault fault = {0};
    json_t *body = lt_http_json(r);
    if (!body) return;
    if (lt_a1111_set_options(lt_http_server(r), body, &fault))
        lt_a1111_answer_nothing(r);
    else
        lt_a1111_answer_fault(r, &fault);
    json_decref(body);
}

/* ---- Its life ---- */

/* What was kept; the model, unless the command line names one. */
static void take_up(lt_a1111 *a) {
    char *path = file_of(a->server);
    json_t *kept = path ? json_load_file(path, JSON_REJECT_DUPLICATES, NULL) : NULL;
    lt_a1111_fault fault = {0};
    json_t *merged = json_is_object(kept) ? merge(a->options, kept, &fault) : NULL;
    const char *model = lt_lax_text(kept, "sd_model_checkpoint");
    if (merged) json_object_update(a->options, merged);
    if (*model && !lt_server_options_of(a->server)->model) lt_models_set_default(lt_server_models(a->server), model);
    json_decref(merged);
    json_decref(kept);
    free(path);
}

lt_status lt_a1111_open(lt_server *server, lt_a1111 **a1111) {
    lt_a1111 *a = *a1111 = tool_calloc(1, sizeof *a);
    if (!a) return LT_ERROR_MEMORY;
    a->server = server;
    a->options = json_object();
    pthread_mutex_init(&a->lock, NULL);
    take_up(a);
    return a->options ? LT_OK : LT_ERROR_MEMORY;
}

void lt_a1111_close(lt_a1111 *a) {
    if (!a) return;
    json_decref(a->options);
    pthread_mutex_destroy(&a->lock);
    free(a);
}
