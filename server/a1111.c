/* A1111's API: its routes, its errors, and what it tells that needs no more than a line. */
#include "a1111.h"

#include "a1111_lists.h"
#include "a1111_own.h"
#include "json_lax.h"
#include "memory.h"

#include <string.h>

lt_a1111 *lt_a1111_of(const lt_http_request *r) { return lt_server_a1111(lt_http_server(r)); }

size_t lt_a1111_most_pixels(const lt_http_request *r) {
    return (size_t)(1e6 * lt_server_options_of(lt_http_server(r))->most_pixels);
}

/* ---- Errors: {error, detail, body, errors} ---- */

static json_t *error_json(const char *error, json_t *detail, const char *errors) {
    return json_pack("{s:s, s:o, s:s, s:s}", "error", error, "detail", detail, "body", "", "errors", errors);
}

json_t *lt_a1111_error(int status, const char *message) {
    if (status == 500) return error_json("RuntimeError", json_string(""), message);
    return error_json("HTTPException", json_string(status == 404 && !*message ? "Not Found" : message), "");
}

void lt_a1111_answer_nothing(lt_http_request *r) { lt_http_answer(r, 200, "application/json", "null", strlen("null")); }

/* A value of a wrong kind, as pydantic tells it. */
static json_t *field_error(const lt_a1111_fault *fault) {
    return json_pack("{s:s, s:[{s:s, s:[s,s], s:s}], s:s, s:s}", "error", "RequestValidationError", "detail", "type",
                     "value_error", "loc", "body", fault->field, "msg", fault->detail, "body", "", "errors",
                     fault->detail);
}

void lt_a1111_answer_fault(lt_http_request *r, const lt_a1111_fault *fault) {
    if (fault->field)
        lt_http_answer_json(r, fault->status, field_error(fault));
    else
        lt_http_fail(r, fault->status, "%s", fault->detail);
}

/* ---- Lists ---- */

static void answer_list(lt_http_request *r, json_t *(*list)(const lt_models_listing *listing)) {
    lt_models *models = lt_server_models(lt_http_server(r));
    lt_models_listing listing;
    if (lt_models_list(models, &listing)) {
        lt_http_fail(r, 500, "%s", lt_error_message());
        return;
    }
    lt_http_answer_json(r, 200, list(&listing));
    lt_models_release(models, &listing);
}

static json_t *control_models(const lt_models_listing *listing) {
    return json_pack("{s:o}", "model_list", lt_a1111_controls_json(listing));
}

static void get_models(lt_http_request *r) { answer_list(r, lt_a1111_models_json); }
static void get_vaes(lt_http_request *r) { answer_list(r, lt_a1111_vaes_json); }
static void get_loras(lt_http_request *r) { answer_list(r, lt_a1111_loras_json); }
static void get_embeddings(lt_http_request *r) { answer_list(r, lt_a1111_embeddings_json); }
static void get_upscalers(lt_http_request *r) { answer_list(r, lt_a1111_upscalers_json); }
static void get_esrgans(lt_http_request *r) { answer_list(r, lt_a1111_esrgans_json); }
static void get_control_models(lt_http_request *r) { answer_list(r, control_models); }
static void get_control_types(lt_http_request *r) { answer_list(r, lt_a1111_control_types_json); }

static void get_samplers(lt_http_request *r) { lt_http_answer_json(r, 200, lt_a1111_samplers_json()); }
static void get_schedulers(lt_http_request *r) { lt_http_answer_json(r, 200, lt_a1111_schedulers_json()); }
static void get_latent_modes(lt_http_request *r) { lt_http_answer_json(r, 200, lt_a1111_latent_modes_json()); }
static void get_control_modules(lt_http_request *r) {
    lt_http_answer_json(r, 200, json_pack("{s:o}", "module_list", lt_a1111_control_modules_json()));
}

/* There are none of these: hypernetworks, face restorers, styles, extensions. */
static void get_none(lt_http_request *r) { lt_http_answer_json(r, 200, json_array()); }

/* ---- Scripts: the one that is served ---- */

static void get_scripts(lt_http_request *r) {
    lt_http_answer_json(r, 200, json_pack("{s:[s], s:[s]}", "txt2img", "controlnet", "img2img", "controlnet"));
}

static json_t *script_info(bool img2img) {
    return json_pack("{s:s, s:b, s:b, s:[]}", "name", "controlnet", "is_alwayson", 1, "is_img2img", img2img, "args");
}

static void get_script_info(lt_http_request *r) {
    lt_http_answer_json(r, 200, json_pack("[o, o]", script_info(false), script_info(true)));
}

/* ---- The server itself ---- */

static void get_memory(lt_http_request *r) {
    const double total = server_memory_machine(), used = server_memory_resident();
    lt_http_answer_json(r, 200,
                        json_pack("{s:{s:f, s:f, s:f}, s:{s:s}}", "ram", "free", total - used, "used", used, "total",
                                  total, "cuda", "error", "unavailable"));
}

static void get_flags(lt_http_request *r) {
    const lt_server_options *o = lt_server_options_of(lt_http_server(r));
    lt_http_answer_json(r, 200,
                        json_pack("{s:b, s:b, s:s, s:i, s:b, s:n, s:n, s:b, s:b}", "api", 1, "nowebui", 0,
                                  "server_name", o->host, "port", o->port, "listen", strcmp(o->host, "127.0.0.1") != 0,
                                  "ckpt", "api_auth", "autolaunch", 0, "use_cpu", 1));
}

/* The shelf's folder is read again at the next look. */
static void refresh(lt_http_request *r) {
    lt_models_refresh(lt_server_models(lt_http_server(r)));
    lt_a1111_answer_nothing(r);
}

static void unload(lt_http_request *r) {
    lt_models_unload(lt_server_models(lt_http_server(r)));
    lt_http_answer_json(r, 200, json_object());
}

/* A model is opened when it is drawn with. */
static void reload(lt_http_request *r) { lt_http_answer_json(r, 200, json_object()); }

/* No model that describes pictures is here. */
static void interrogate(lt_http_request *r) {
    json_t *body = lt_http_json(r);
    if (body) lt_http_fail(r, 404, *lt_lax_text(body, "image") ? "Model not found" : "Image not found");
    json_decref(body);
}

static void ping(lt_http_request *r) { lt_http_answer_json(r, 200, json_object()); }
static void get_control_version(lt_http_request *r) { lt_http_answer_json(r, 200, json_pack("{s:i}", "version", 2)); }
static void get_control_settings(lt_http_request *r) {
    lt_http_answer_json(r, 200, json_pack("{s:i}", "control_net_unit_count", LT_MAX_CONTROLS));
}

/* ---- Routes ---- */

static const lt_http_route routes[] = {
    {"POST", "/sdapi/v1/txt2img", lt_a1111_txt2img, 0},
    {"POST", "/sdapi/v1/img2img", lt_a1111_img2img, 0},
    {"POST", "/sdapi/v1/extra-single-image", lt_a1111_extra_single, 0},
    {"POST", "/sdapi/v1/extra-batch-images", lt_a1111_extra_batch, 0},
    {"POST", "/sdapi/v1/png-info", lt_a1111_png_info, 0},
    {"GET", "/sdapi/v1/progress", lt_a1111_progress, 0},
    {"POST", "/sdapi/v1/interrupt", lt_a1111_interrupt, 0},
    {"POST", "/sdapi/v1/skip", lt_a1111_skip, 0},
    {"POST", "/sdapi/v1/interrogate", interrogate, 0},
    {"GET", "/sdapi/v1/options", lt_a1111_get_options, 0},
    {"POST", "/sdapi/v1/options", lt_a1111_post_options, 0},
    {"GET", "/sdapi/v1/cmd-flags", get_flags, 0},
    {"GET", "/sdapi/v1/samplers", get_samplers, 0},
    {"GET", "/sdapi/v1/schedulers", get_schedulers, 0},
    {"GET", "/sdapi/v1/upscalers", get_upscalers, 0},
    {"GET", "/sdapi/v1/latent-upscale-modes", get_latent_modes, 0},
    {"GET", "/sdapi/v1/sd-models", get_models, 0},
    {"GET", "/sdapi/v1/sd-vae", get_vaes, 0},
    {"GET", "/sdapi/v1/sd-modules", get_vaes, 0},
    {"GET", "/sdapi/v1/loras", get_loras, 0},
    {"GET", "/sdapi/v1/embeddings", get_embeddings, 0},
    {"GET", "/sdapi/v1/hypernetworks", get_none, 0},
    {"GET", "/sdapi/v1/face-restorers", get_none, 0},
    {"GET", "/sdapi/v1/realesrgan-models", get_esrgans, 0},
    {"GET", "/sdapi/v1/prompt-styles", get_none, 0},
    {"GET", "/sdapi/v1/extensions", get_none, 0},
    {"GET", "/sdapi/v1/scripts", get_scripts, 0},
    {"GET", "/sdapi/v1/script-info", get_script_info, 0},
    {"POST", "/sdapi/v1/refresh-checkpoints", refresh, 0},
    {"POST", "/sdapi/v1/refresh-loras", refresh, 0},
    {"POST", "/sdapi/v1/refresh-vae", refresh, 0},
    {"POST", "/sdapi/v1/refresh-embeddings", refresh, 0},
    {"GET", "/sdapi/v1/memory", get_memory, 0},
    {"POST", "/sdapi/v1/unload-checkpoint", unload, 0},
    {"POST", "/sdapi/v1/reload-checkpoint", reload, 0},
    {0},
};
static const lt_http_route control_routes[] = {
    {"GET", "/controlnet/version", get_control_version, 0},
    {"GET", "/controlnet/settings", get_control_settings, 0},
    {"GET", "/controlnet/model_list", get_control_models, 0},
    {"GET", "/controlnet/module_list", get_control_modules, 0},
    {"GET", "/controlnet/control_types", get_control_types, 0},
    {"POST", "/controlnet/detect", lt_a1111_detect, 0},
    {0},
};
static const lt_http_route internal_routes[] = {{"GET", "/internal/ping", ping, 0}, {0}};

const lt_http_api lt_a1111_api = {"/sdapi/v1", routes, lt_a1111_error};
const lt_http_api lt_a1111_control_api = {"/controlnet", control_routes, lt_a1111_error};
const lt_http_api lt_a1111_internal_api = {"/internal", internal_routes, lt_a1111_error};
