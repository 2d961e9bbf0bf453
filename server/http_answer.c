/* Answers. */
#include "http_own.h"
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void add_sharing(const lt_http_request *r, struct MHD_Response *answer) {
    const char *origin = lt_http_header(r, "Origin");
    if (!r->http->options->cors) return;
    MHD_add_response_header(answer, "Vary", "Origin");
    if (!lt_guard_shares(r->http->guard, origin)) return;
    const bool any = !strcmp(r->http->options->cors, "*"); /* then without what a browser knows of passwords */
    MHD_add_response_header(answer, "Access-Control-Allow-Origin", any ? "*" : origin);
    if (!any) MHD_add_response_header(answer, "Access-Control-Allow-Credentials", "true");
    MHD_add_response_header(answer, "Access-Control-Expose-Headers", "*, Authorization");
}

void lt_http_add_header(lt_http_request *r, const char *name, const char *value) {
    if (r->header_count == LT_HTTP_HEADERS) return;
    char *own = tool_strdup(name), *text = tool_strdup(value);
    if (own && text) {
        r->headers[r->header_count].name = own;
        r->headers[r->header_count++].value = text;
    } else {
        free(own);
        free(text);
    }
}

void lt_http_set_answer(lt_http_request *r, int status, struct MHD_Response *answer) {
    if (r->answer) MHD_destroy_response(r->answer);
    r->answer = answer;
    r->status = status;
    if (!answer) return;
    for (int i = 0; i < r->header_count; i++) MHD_add_response_header(answer, r->headers[i].name, r->headers[i].value);
    MHD_add_response_header(answer, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(answer, "X-Request-Id", r->id);
    add_sharing(r, answer);
}

void lt_http_answer(lt_http_request *r, int status, const char *type, const void *bytes, size_t size) {
    struct MHD_Response *answer =
        MHD_create_response_from_buffer(size, (void *)(uintptr_t)(bytes ? bytes : ""), MHD_RESPMEM_MUST_COPY);
    if (answer && type) MHD_add_response_header(answer, "Content-Type", type);
    lt_http_set_answer(r, status, answer);
}

void lt_http_answer_json(lt_http_request *r, int status, json_t *json) {
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    static const char failed[] = "{\"error\":{\"status\":500,\"message\":\"out of memory\"}}";
    lt_http_add_header(r, "Cache-Control", "no-store");
    if (text)
        lt_http_answer(r, status, "application/json", text, strlen(text));
    else
        lt_http_answer(r, 500, "application/json", failed, sizeof failed - 1);
    free(text);
}

/* Once a name is there its file is whole and never changes. */
void lt_http_answer_file(lt_http_request *r, const char *type, const char *path) {
    struct stat info;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &info) || !S_ISREG(info.st_mode)) {
        if (file >= 0) close(file);
        lt_http_fail(r, 404, "the file isn't there any more");
        return;
    }
    struct MHD_Response *answer = MHD_create_response_from_fd64((uint64_t)info.st_size, file);
    if (!answer) close(file);
    if (answer) MHD_add_response_header(answer, "Content-Type", type);
    if (answer) MHD_add_response_header(answer, "Cache-Control", "private, max-age=31536000, immutable");
    lt_http_set_answer(r, 200, answer);
}

static json_t *plain_fault(int status, const char *message) {
    return json_pack("{s:{s:i, s:s}}", "error", "status", status, "message", message);
}

void lt_http_fail(lt_http_request *r, int status, const char *format, ...) {
    char message[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    server_make_utf8(message);
    snprintf(r->why, sizeof r->why, "%.255s", message);
    lt_http_answer_json(r, status, (r->api && r->api->fault ? r->api->fault : plain_fault)(status, message));
}
