/* The server: its parts, opened one after the other, and what ends them. */
#include "server.h"

#include "a1111.h"
#include "guard.h"
#include "http.h"
#include "models.h"
#include "queue.h"
#include "store.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { GRACE = 10 }; /* seconds in which what is drawn may end */

struct lt_server {
    lt_server_options options;
    lt_guard *guard;
    lt_store *store;
    lt_models *models;
    lt_queue *queue;
    lt_a1111 *a1111;
    lt_tokenizer *tokenizer; /* to make it takes longer than a page waits between two letters */
    struct lt_http *http;
};

const lt_server_options *lt_server_options_of(const lt_server *server) { return &server->options; }
lt_queue *lt_server_queue(lt_server *server) { return server->queue; }
lt_models *lt_server_models(lt_server *server) { return server->models; }
lt_store *lt_server_store(lt_server *server) { return server->store; }
const lt_tokenizer *lt_server_tokenizer(const lt_server *server) { return server->tokenizer; }
lt_a1111 *lt_server_a1111(lt_server *server) { return server->a1111; }

lt_server_options lt_server_options_defaults(void) {
    return (lt_server_options){
        .host = "127.0.0.1",
        .port = 7860,
        .queue = 1000,
        .workers = 1,
        .most_body = 64 << 20,
        .most_pixels = 4.2,
        .most_steps = 150,
        .most_count = 100,
        .most_connections = 1000,
        .patience = 30,
    };
}

/* ---- Opening ---- */

/* Each worker has its share of the threads. */
static void share_threads(lt_server_options *o) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (o->workers < 1) o->workers = 1;
    if (o->workers == 1) return;
    const int all = o->threads ? o->threads : (int)cores, share = all / o->workers;
    o->threads = share > 1 ? share : 1;
}

static lt_status open_all(lt_server *s) {
    const lt_server_options *o = &s->options;
    if (!o->data) return lt_fail(LT_ERROR_ARGUMENT, "data: a folder is wanted");
    LT_TRY(lt_guard_open(o, &s->guard));
    LT_TRY(lt_store_open(o->data, &s->store));
    LT_TRY(lt_models_open(o, &s->models));
    LT_TRY(lt_queue_open(o, s->store, s->models, &s->queue));
    LT_TRY(lt_a1111_open(s, &s->a1111));
    LT_TRY(lt_tokenizer_open(&s->tokenizer));
    return lt_http_open(s, s->guard, &s->http);
}

/* Who asks first, then what they ask. */
static void close_all(lt_server *s) {
    lt_http_close(s->http);
    lt_tokenizer_close(s->tokenizer);
    lt_a1111_close(s->a1111);
    lt_queue_close(s->queue);
    lt_models_close(s->models);
    lt_store_close(s->store);
    lt_guard_close(s->guard);
}

/* ---- Running ---- */

static void tell(const lt_server *s) {
    const bool six = strchr(s->options.host, ':') != NULL;
    char line[512];
    snprintf(line, sizeof line, "http://%s%s%s:%d/", six ? "[" : "", s->options.host, six ? "]" : "",
             lt_http_port(s->http));
    if (s->options.notice) s->options.notice(s->options.user, line);
}

static void serve(lt_server *s) {
    const lt_server_options *o = &s->options;
    tell(s);
    while (!o->stopped || !o->stopped(o->user)) {
        nanosleep(&(struct timespec){0, 100000000}, NULL);
        lt_http_tick(s->http);
    }
    server_log(NULL, "ending: no new jobs");
    lt_queue_drain(s->queue, GRACE);
}

lt_status lt_server_run(const lt_server_options *options) {
    lt_server *s = tool_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    s->options = *options;
    share_threads(&s->options);
    const lt_status status = open_all(s);
    if (!status) serve(s);
    close_all(s);
    free(s);
    return status;
}
