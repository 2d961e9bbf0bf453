/* HTTP: a table of routes for each API, requests with their bodies, answers. Each connection has a thread of its own,
 * so a handler may wait (lt_queue_wait); it must look now and then whether its client is still there. Before a
 * handler runs, guard.h has seen key, Host and Origin, and the body is whole and no longer than allowed. */
#ifndef LT_HTTP_H
#define LT_HTTP_H

#include "server.h"

#include <jansson.h>

typedef struct lt_http_request lt_http_request;

/* What is told of every request. Texts are as long as the request. */
lt_server *lt_http_server(const lt_http_request *request);
const char *lt_http_method(const lt_http_request *request);
const char *lt_http_path(const lt_http_request *request); /* decoded, without the query */
const char *lt_http_part(const lt_http_request *request,
                         int i);                            /* what stands for the i-th {} of the route's pattern */
const char *lt_http_client(const lt_http_request *request); /* whose it is, for the queue's fairness */
const char *lt_http_id(const lt_http_request *request);     /* of the request, as it stands in the log */
const char *lt_http_header(const lt_http_request *request, const char *name); /* NULL: it has none */
const char *lt_http_query(const lt_http_request *request, const char *name);  /* decoded; NULL: it has none */
const void *lt_http_body(const lt_http_request *request, size_t *size);       /* ends with a NUL besides */
/* The scheme, host and port by which the client called: "http://127.0.0.1:7860". */
const char *lt_http_base(lt_http_request *request);
/* The client has hung up, or the server ends: who waits gives up. */
bool lt_http_gone(const lt_http_request *request);

/* The body as JSON, owned by the caller. NULL: it is none; then the request has been answered with 400 in its API's
 * shape. An empty body is an empty object. Keys that come twice and NULs in texts are refused.
 */
json_t *lt_http_json(lt_http_request *request);

/* A part of a multipart/form-data body, or a field of a form. */
typedef struct lt_http_field {
    char *name, *file, *type; /* file, type: NULL where not said */
    char *value;              /* [size], with a NUL besides */
    size_t size;
} lt_http_field;
typedef struct lt_http_form {
    lt_http_field *fields;
    size_t count;
} lt_http_form;
/* Reads a form. false: it is none; then the request has been answered with 400. */
bool lt_http_read_form(lt_http_request *request, lt_http_form *form);
/* The i-th field of that name, or NULL. */
const lt_http_field *lt_http_form_find(const lt_http_form *form, const char *name, size_t i);
void lt_http_form_free(lt_http_form *form);

/* ---- Answers: a handler gives exactly one ---- */

void lt_http_answer_json(lt_http_request *request, int status, json_t *json); /* takes json, which may be NULL: 500 */
/* bytes are copied. */
void lt_http_answer(lt_http_request *request, int status, const char *type, const void *bytes, size_t size);
void lt_http_answer_file(lt_http_request *request, const char *type, const char *path); /* 404 where it isn't there */
/* Adds a header to the answer that is given next. */
void lt_http_add_header(lt_http_request *request, const char *name, const char *value);
/* An error in the shape of the request's API. */
void lt_http_fail(lt_http_request *request, int status, const char *format, ...) LT_PRINTF(3, 4);

/* Server-sent events: next is called in the connection's thread again and again, may wait up to some seconds, and calls
 * lt_http_event any number of times (none: a comment keeps the connection). false ends the stream. close is called
 * once, whatever happens; gone: the client left before the end. next isn't called after that. */
typedef struct lt_http_stream lt_http_stream;
typedef struct lt_http_source {
    bool (*next)(void *user, lt_http_stream *stream);
    void (*close)(void *user, bool gone);
    void *user;
} lt_http_source;
void lt_http_answer_events(lt_http_request *request, lt_http_source source);
/* name may be NULL (OpenAI's API has events without or with one); data is one line. false: no memory. */
bool lt_http_event(lt_http_stream *stream, const char *name, const char *data);
bool lt_http_event_json(lt_http_stream *stream, const char *name, json_t *data); /* takes data */
/* The client has hung up, or the server ends. */
bool lt_http_stream_gone(const lt_http_stream *stream);

/* ---- Routes ---- */

typedef void lt_http_handler(lt_http_request *request);

enum { LT_HTTP_OPEN = 1 }; /* flags: no key is asked for (health; pictures whose name nobody can guess) */
typedef struct lt_http_route {
    const char *method;  /* "GET" also answers HEAD */
    const char *pattern; /* "/latent/v1/jobs/{}/events": {} is a part without a slash that isn't empty; a last {*} is
                            the rest, which may be empty */
    lt_http_handler *handler;
    int flags;
} lt_http_route;

/* An API: the routes below a prefix, and how it tells an error. Who asks for a path below it that isn't there is told
 * 404, or 405 with the methods that are, in its shape. */
typedef struct lt_http_api {
    const char *prefix;          /* "/sdapi/v1"; "": what is below no other's */
    const lt_http_route *routes; /* ended by a method of NULL */
    json_t *(*fault)(int status,
                     const char *message); /* the body of an error; NULL: {"error": {"message", "status"}} */
} lt_http_api;

/* All of them, NULL-terminated: apis.c. An API is one line there; where two have a prefix in common both are searched,
 * and the first tells errors. */
extern const lt_http_api *const lt_http_apis[];

/* ---- The life of it all (server.c) ---- */

struct lt_guard;
struct lt_http;
/* Listens. options->port of 0: lt_http_port tells which it is. */
lt_status lt_http_open(lt_server *server, struct lt_guard *guard, struct lt_http **http);
int lt_http_port(const struct lt_http *http);
/* To be called now and then: who has asked for nothing for too long goes. */
void lt_http_tick(struct lt_http *http);
/* No new connections; streams and who waits end, answers are sent; then it is closed. NULL is fine. */
void lt_http_close(struct lt_http *http);

#endif
