/* What a page asks while somebody writes (server/words_api.c), of anything: a prompt's tokens, the settings of a
 * picture or of its text. It is refused in words, or answered; and settings are a job that the server takes, or refuses
 * for a value of it. The first byte says which question; around it is as much of HTTP as they need. */
#include "../../server/http.h"
#include "../../server/jobs_api.h"
#include "../../server/models.h"
#include "../../server/request.h"
#include "fuzz_model.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const lt_http_api lt_words_api;

/* ---- As much of HTTP ---- */

struct lt_http_request {
    const uint8_t *body;
    size_t size;
    bool text;
    int answers;
};

const void *lt_http_body(const lt_http_request *r, size_t *size) {
    *size = r->size;
    return r->body;
}

const char *lt_http_query(const lt_http_request *r, const char *name) {
    return r->text && !strcmp(name, "text") ? "1" : NULL;
}

json_t *lt_http_json(lt_http_request *r) {
    json_t *json = r->size ? json_loadb((const char *)r->body, r->size, JSON_REJECT_DUPLICATES, NULL) : json_object();
    r->answers += !json;
    return json;
}

static void check_job(const json_t *job) {
    static lt_job_request read;
    const lt_job_limits limits = {1 << 22, 1000, 100};
    const lt_status status = job ? lt_job_request_read(job, &limits, &read) : LT_ERROR_UNSUPPORTED;
    if (status == LT_OK)
        lt_job_request_free(&read);
    else if ((status != LT_ERROR_UNSUPPORTED && status != LT_ERROR_ARGUMENT) ||
             strstr(lt_error_message(), "a text is wanted"))
        abort();
}

void lt_http_answer_json(lt_http_request *r, int status, json_t *json) {
    if (status != 200 || !json) abort();
    check_job(json_object_get(json, "job"));
    r->answers++;
    json_decref(json);
}

void lt_http_fail(lt_http_request *r, int status, const char *format, ...) {
    if (status < 400 || status > 499 || !*format) abort();
    r->answers++;
}

/* ---- Of the server, which none of these asks for ---- */

json_t *lt_text_json(const char *text) {
    json_t *string = text ? json_string(text) : NULL;
    return string ? string : json_null();
}
lt_server *lt_http_server(const lt_http_request *r) { return (void)r, NULL; }
const lt_tokenizer *lt_server_tokenizer(const lt_server *server) {
    static lt_tokenizer *tokenizer;
    (void)server;
    if (!tokenizer && lt_tokenizer_open(&tokenizer)) abort();
    return tokenizer;
}
struct lt_models *lt_server_models(lt_server *server) {
    return (void)server, NULL;
}
lt_status lt_models_borrow_checkpoint(lt_models *models, const char *name, lt_models_entry **entry) {
    return (void)models, (void)name, (void)entry, LT_ERROR_FILE;
}
char *lt_models_find(lt_models *models, lt_shelf_kind kind, const char *name) {
    return (void)models, (void)kind, (void)name, NULL;
}
lt_status lt_models_borrow(lt_models *models, const char *path, lt_models_entry *base, lt_models_entry **entry) {
    return (void)models, (void)path, (void)base, (void)entry, LT_ERROR_FILE;
}
const lt_model *lt_models_model(const lt_models_entry *entry) { return (void)entry, NULL; }
void lt_models_give_back(lt_models *models, lt_models_entry *entry) { (void)models, (void)entry; }

/* ---- The question ---- */

static void call(const char *pattern, lt_http_request *r) {
    const lt_http_route *route = lt_words_api.routes;
    while (strcmp(route->pattern, pattern)) route++;
    route->handler(r);
    if (r->answers != 1) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    /* with a NUL behind, as bodies have it */
    char *body = calloc(size, 1);
    if (!body) return 0;
    memcpy(body, data + 1, size - 1);
    lt_http_request r = {(const uint8_t *)body, size - 1, .text = data[0] % 4 == 2};
    static const char *const questions[] = {"/latent/v1/tokens", "/latent/v1/parameters", "/latent/v1/parameters",
                                            "/latent/v1/words"};
    call(questions[data[0] % 4], &r);
    free(body);
    return 0;
}
