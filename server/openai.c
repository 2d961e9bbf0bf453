/* OpenAI's API: its routes, errors and models. */
#include "openai.h"

#include "models.h"
#include "openai_own.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Errors ---- */

static json_t *error_json(const char *message, const char *type, const char *param, const char *code) {
    return json_pack("{s:{s:s, s:s, s:s?, s:s?}}", "error", "message", message, "type", type, "param", param, "code",
                     code);
}

json_t *lt_openai_error(int status, const char *message) {
    if (status == 401) return error_json(message, "invalid_request_error", NULL, "invalid_api_key");
    if (status == 429) return error_json(message, "requests", NULL, "rate_limit_exceeded");
    return error_json(message, status >= 500 ? "server_error" : "invalid_request_error", NULL, NULL);
}

json_t *lt_openai_fault_json(const lt_openai_fault *fault) {
    return error_json(fault->message, fault->status >= 500 ? "server_error" : "invalid_request_error", fault->param,
                      fault->code);
}

/* A message that quotes half a character is told by itself alone. */
void lt_openai_answer_fault(lt_http_request *r, const lt_openai_fault *fault) {
    json_t *json = lt_openai_fault_json(fault);
    if (json)
        lt_http_answer_json(r, fault->status, json);
    else
        lt_http_fail(r, fault->status, "%s", fault->message);
}

/* ---- Models ---- */

static json_t *model_json(const lt_shelf_item *item) {
    struct stat info;
    const bool known = !stat(item->path, &info);
    return json_pack("{s:s, s:s, s:I, s:s}", "id", item->name, "object", "model", "created",
                     known ? (json_int_t)info.st_mtime : (json_int_t)0, "owned_by", "latent");
}

/* Of two of a name, as when the shelf holds the model that comes along, the first is drawn with. */
static bool seen_before(const lt_models_listing *listing, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (listing->items[k].kind == LT_SHELF_CHECKPOINT && !strcmp(listing->items[k].name, listing->items[i].name))
            return true;
    return false;
}

static json_t *models_json(const lt_models_listing *listing) {
    json_t *rows = json_array();
    for (size_t i = 0; i < listing->count; i++)
        if (listing->items[i].kind == LT_SHELF_CHECKPOINT && !seen_before(listing, i))
            json_array_append_new(rows, model_json(&listing->items[i]));
    return rows;
}

/* The rows; NULL: answered. */
static json_t *list_models(lt_http_request *r) {
    lt_models *models = lt_server_models(lt_http_server(r));
    lt_models_listing listing;
    if (lt_models_list(models, &listing)) {
        lt_http_fail(r, 500, "%s", lt_error_message());
        return NULL;
    }
    json_t *rows = models_json(&listing);
    lt_models_release(models, &listing);
    return rows;
}

static void get_models(lt_http_request *r) {
    json_t *rows = list_models(r);
    if (rows) lt_http_answer_json(r, 200, json_pack("{s:s, s:o}", "object", "list", "data", rows));
}

static void answer_missing(lt_http_request *r, const char *name) {
    lt_openai_fault fault = {404, "model", "model_not_found"};
    snprintf(fault.message, sizeof fault.message, "The model '%.200s' does not exist", name);
    lt_openai_answer_fault(r, &fault);
}

static json_t *find_row(const json_t *rows, const char *name) {
    json_t *row;
    size_t i;
    json_array_foreach((json_t *)rows, i,
                       row) if (!strcmp(json_string_value(json_object_get(row, "id")), name)) return row;
    return NULL;
}

static void get_model(lt_http_request *r) {
    json_t *rows = list_models(r), *row = find_row(rows, lt_http_part(r, 0));
    if (row)
        lt_http_answer_json(r, 200, json_incref(row));
    else if (rows)
        answer_missing(r, lt_http_part(r, 0));
    json_decref(rows);
}

/* Files stay where they are. */
static void delete_model(lt_http_request *r) { lt_http_fail(r, 403, "Models are not deleted here."); }

static const lt_http_route routes[] = {
    {"POST", "/v1/images/generations", lt_openai_generate, 0},
    {"POST", "/v1/images/edits", lt_openai_edit, 0},
    {"POST", "/v1/images/variations", lt_openai_vary, 0},
    {"GET", "/v1/images/files/{}/{}", lt_openai_file, LT_HTTP_OPEN},
    {"GET", "/v1/models", get_models, 0},
    {"GET", "/v1/models/{}", get_model, 0},
    {"DELETE", "/v1/models/{}", delete_model, 0},
    {0},
};

const lt_http_api lt_openai_api = {"/v1", routes, lt_openai_error};
