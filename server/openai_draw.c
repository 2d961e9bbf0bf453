/* OpenAI's API: generations, edits, variations, and the files that their answers point to. */
#include "json_lax.h"
#include "models.h"
#include "openai_own.h"
#include "tools.h"
#include "tools/base64.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SERVED = 3600 }; /* seconds for which a picture's address is good */

static bool has_model(void *user, const char *name) {
    char *path = lt_models_find(user, LT_SHELF_CHECKPOINT, name);
    free(path);
    return path != NULL;
}

/* ---- Drawing ---- */

static void answer_refusal(lt_http_request *r, lt_refusal refusal) {
    if (refusal == LT_REFUSED_FULL || refusal == LT_REFUSED_CLOSING) lt_http_add_header(r, "Retry-After", "5");
    lt_http_fail(r, refusal == LT_REFUSED_LIMIT ? 400 : (int)refusal, "%s", lt_error_message());
}

static void answer_result(lt_http_request *r, const lt_openai_drawing *drawing, const char *id) {
    lt_job_result result;
    if (!lt_queue_result(lt_server_queue(lt_http_server(r)), id, 0, &result)) {
        lt_http_fail(r, 500, "%s", lt_error_message());
        return;
    }
    lt_http_answer_json(r, 200, lt_openai_response(drawing, id, &result, lt_http_base(r)));
    lt_job_result_free(&result);
}

static void wait_and_answer(lt_http_request *r, const lt_openai_drawing *drawing, const lt_order *order) {
    lt_job_snapshot job;
    if (!lt_order_wait(order, 0, &job)) {
        lt_order_cancel(order);
        lt_http_fail(r, 503, "The client has gone, or the server ends.");
    } else if (job.state == LT_JOB_DONE)
        answer_result(r, drawing, order->ids[0]);
    else if (job.state == LT_JOB_CANCELLED)
        lt_http_fail(r, 503, "The drawing was cancelled.");
    else
        lt_http_fail(r, lt_order_failure(&job) == 422 ? 400 : lt_order_failure(&job), "%s", job.error);
}

static void draw(lt_http_request *r, lt_openai_drawing *drawing) {
    lt_order order;
    drawing->tokenizer = lt_server_tokenizer(lt_http_server(r));
    const lt_refusal refusal = lt_order_place(&order, r, drawing->job);
    if (refusal)
        answer_refusal(r, refusal);
    else if (drawing->stream)
        lt_openai_stream(r, drawing, &order);
    else {
        wait_and_answer(r, drawing, &order);
        lt_order_free(&order);
    }
}

static void serve(lt_http_request *r, const json_t *body, lt_openai_kind kind) {
    const double most = lt_server_options_of(lt_http_server(r))->most_pixels;
    const lt_openai_host host = {has_model, (size_t)(1e6 * most), lt_server_models(lt_http_server(r))};
    lt_openai_drawing drawing;
    if (lt_openai_read(body, kind, &host, &drawing))
        draw(r, &drawing);
    else
        lt_openai_answer_fault(r, &drawing.fault);
    lt_openai_drawing_free(&drawing);
}

/* ---- Forms ---- */

/* A file as base64, a field as its text. */
static json_t *value_of(const lt_http_field *field, bool picture) {
    if (!picture) return json_stringn(field->value, field->size);
    char *text = lt_base64_write(field->value, field->size);
    json_t *value = text ? json_string(text) : NULL;
    free(text);
    return value;
}

/* "image" and any number of "image[]" are one list. */
static bool put_field(json_t *body, const lt_http_field *field) {
    const bool image = !strcmp(field->name, "image") || !strcmp(field->name, "image[]");
    json_t *value = value_of(field, image || !strcmp(field->name, "mask"));
    if (!image) return !json_object_set_new(body, field->name, value);
    json_t *list = json_object_get(body, "image");
    if (!list) json_object_set_new(body, "image", list = json_array());
    return !json_array_append_new(list, value);
}

/* The form as JSON would say it. NULL: answered. */
static json_t *read_form(lt_http_request *r) {
    lt_http_form form;
    if (!lt_http_read_form(r, &form)) return NULL;
    json_t *body = json_object();
    bool good = body != NULL;
    for (size_t i = 0; i < form.count && good; i++) good = put_field(body, &form.fields[i]);
    lt_http_form_free(&form);
    if (good) return body;
    json_decref(body);
    lt_http_fail(r, 400, "A field of the form is no text in UTF-8.");
    return NULL;
}

static json_t *read_body(lt_http_request *r) {
    const char *type = lt_http_header(r, "Content-Type");
    const bool json = type && !strncasecmp(type, "application/json", strlen("application/json"));
    return json ? lt_http_json(r) : read_form(r);
}

/* ---- The doors ---- */

static void serve_body(lt_http_request *r, json_t *body, lt_openai_kind kind) {
    if (body) serve(r, body, kind);
    json_decref(body);
}

void lt_openai_generate(lt_http_request *r) { serve_body(r, lt_http_json(r), LT_OPENAI_GENERATION); }
void lt_openai_edit(lt_http_request *r) { serve_body(r, read_body(r), LT_OPENAI_EDIT); }
void lt_openai_vary(lt_http_request *r) { serve_body(r, read_body(r), LT_OPENAI_VARIATION); }

/* ---- Files: /v1/images/files/JOB/NUMBER.ENDING ---- */

/* Nobody can guess a job's name, so that its address is key enough, for an hour. */
static bool is_served(lt_queue *queue, const char *id) {
    lt_job_snapshot job;
    return lt_queue_snapshot(queue, id, &job) && job.finished > 0 && server_time() - job.finished < SERVED;
}

static void answer_file(lt_http_request *r, lt_queue *queue, const char *id, int number) {
    lt_job_result result;
    if (!lt_queue_result(queue, id, number, &result)) {
        lt_http_fail(r, 404, "There is no such file.");
        return;
    }
    if (result.count && result.pictures[0].number == number)
        lt_http_answer(r, 200, lt_openai_type(result.pictures[0].bytes, result.pictures[0].size),
                       result.pictures[0].bytes, result.pictures[0].size);
    else
        lt_http_fail(r, 404, "There is no such file.");
    lt_job_result_free(&result);
}

void lt_openai_file(lt_http_request *r) {
    lt_queue *queue = lt_server_queue(lt_http_server(r));
    char *end;
    const char *id = lt_http_part(r, 0), *name = lt_http_part(r, 1);
    const long number = strtol(name, &end, 10);
    if (end == name || *end != '.' || number < 0 || number > 10 || !is_served(queue, id))
        lt_http_fail(r, 404, "There is no such file, or its hour is over.");
    else
        answer_file(r, queue, id, (int)number);
}
