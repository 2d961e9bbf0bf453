/* What there is to draw with: models, and the fields of a job with what they take. */
#include "jobs_api.h"
#include "models.h"
#include "openapi.h"
#include "tools.h"

#include <stdlib.h>
#include <string.h>

static lt_models *models_of(const lt_http_request *r) { return lt_server_models(lt_http_server(r)); }

/* ---- Models ---- */

/* The path is nobody's business; what a job names is the name. One that is no UTF-8 no job can name: NULL. */
static json_t *model_json(const lt_shelf_item *item) {
    json_t *name = json_string(item->name);
    if (!name) return NULL;
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:b, s:o, s:I, s:o}", "name", name, "kind",
                     lt_shelf_kind_name(item->kind), "family", lt_text_json(item->family), "details",
                     lt_text_json(item->details), "words", lt_text_json(item->words), "preview", item->preview != NULL,
                     "fault", lt_text_json(item->fault), "size", (json_int_t)item->size, "sha256",
                     lt_text_json(item->sha256));
}

static void get_models(lt_http_request *r) {
    lt_models_listing listing;
    if (lt_models_list(models_of(r), &listing)) {
        lt_http_fail(r, 500, "%s", lt_error_message());
        return;
    }
    json_t *rows = json_array();
    for (size_t i = 0; i < listing.count; i++) json_array_append_new(rows, model_json(&listing.items[i]));
    lt_models_release(models_of(r), &listing);
    char *usual = lt_models_default(models_of(r));
    lt_http_answer_json(r, 200, json_pack("{s:o, s:o}", "default", lt_text_json(usual), "models", rows));
    free(usual);
}

static void post_refresh(lt_http_request *r) {
    lt_models_refresh(models_of(r));
    get_models(r);
}

/* {"model": NAME}: that is drawn with from now on where a job names none. */
static void post_default(lt_http_request *r) {
    json_t *body = lt_http_json(r);
    if (!body) return;
    const char *name = json_string_value(json_object_get(body, "model"));
    if (!name)
        lt_http_fail(r, 400, "model: a name is wanted, as GET /latent/v1/models has it");
    else if (!lt_models_set_default(models_of(r), name))
        lt_http_fail(r, 404, "%s", lt_error_message());
    else
        get_models(r);
    json_decref(body);
}

static void post_unload(lt_http_request *r) {
    lt_http_answer_json(r, 200, json_pack("{s:i}", "closed", lt_models_unload(models_of(r))));
}

/* ---- Fields ---- */

static json_t *names_json(const char *const *names) {
    json_t *list = json_array();
    for (; names && *names; names++) json_array_append_new(list, json_string(*names));
    return list;
}

static const char *kind_name(lt_field_kind kind) {
    switch (kind) {
    case LT_FIELD_BOOL: return "boolean";
    case LT_FIELD_INT:
    case LT_FIELD_LONG:
    case LT_FIELD_SEED: return "integer";
    case LT_FIELD_FLOAT:
    case LT_FIELD_DOUBLE: return "number";
    case LT_FIELD_RANGE: return "range";
    case LT_FIELD_ENUM:
    case LT_FIELD_CHOICE: return "choice";
    default: return "text";
    }
}

static json_t *field_json(const lt_field *f) {
    const bool ranged = f->high > f->low;
    const char *const *choices = lt_field_choices(f);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "name", f->name, "kind", kind_name(f->kind), "help",
                     f->help ? f->help : "", "low", ranged ? json_real(f->low) : json_null(), "high",
                     ranged ? json_real(f->high) : json_null(), "choices", choices ? names_json(choices) : json_null());
}

static json_t *fields_json(const lt_field *f) {
    json_t *list = json_array();
    for (; f->name; f++)
        if (f->kind != LT_FIELD_RESERVED) json_array_append_new(list, field_json(f));
    return list;
}

static json_t *limits_json(const lt_server_options *o) {
    return json_pack("{s:f, s:i, s:i, s:i, s:I}", "megapixels", o->most_pixels, "steps", o->most_steps, "count",
                     o->most_count, "queue", o->queue, "body", (json_int_t)o->most_body);
}

static void get_options(lt_http_request *r) {
    const lt_server_options *o = lt_server_options_of(lt_http_server(r));
    lt_http_answer_json(r, 200,
                        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "version", lt_version(), "samplers",
                                  names_json(lt_samplers()), "schedules", names_json(lt_schedules()), "annotators",
                                  names_json(lt_annotators()), "request", fields_json(lt_request_fields()), "control",
                                  fields_json(lt_control_fields()), "limits", limits_json(o)));
}

static void get_openapi(lt_http_request *r) {
    lt_http_answer(r, 200, "application/json", lt_openapi, lt_openapi_size());
}

static const lt_http_route routes[] = {
    {"GET", "/latent/v1/models", get_models, 0},
    {"POST", "/latent/v1/models/refresh", post_refresh, 0},
    {"POST", "/latent/v1/models/default", post_default, 0},
    {"POST", "/latent/v1/models/unload", post_unload, 0},
    {"GET", "/latent/v1/options", get_options, 0},
    {"GET", "/latent/v1/openapi.json", get_openapi, 0},
    {0},
};
const lt_http_api lt_models_api = {"/latent/v1", routes, NULL};
