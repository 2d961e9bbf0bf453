/* How the server is: a word for who watches over it, numbers for Prometheus (text format 0.0.4). */
#include "metrics.h"

#include "memory.h"
#include "models.h"
#include "queue.h"
#include "store.h"
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void get_health(lt_http_request *r) {
    const bool closing = lt_queue_closing(lt_server_queue(lt_http_server(r)));
    if (closing)
        lt_http_fail(r, 503, "the server ends");
    else
        lt_http_answer_json(r, 200, json_pack("{s:s, s:s}", "status", "ok", "version", lt_version()));
}

typedef struct metric {
    const char *name, *kind, *help;
    double value;
} metric;

static void write_metric(FILE *out, const metric *m) {
    fprintf(out, "# HELP latent_%s %s\n# TYPE latent_%s %s\nlatent_%s %.17g\n", m->name, m->help, m->name, m->kind,
            m->name, m->value);
}

static void write_metrics(FILE *out, lt_server *server) {
    lt_queue_state q;
    int open;
    double held;
    lt_queue_describe(lt_server_queue(server), &q);
    lt_models_describe(lt_server_models(server), &open, &held);
    const metric all[] = {
        {"jobs_waiting", "gauge", "Jobs in the queue.", q.waiting},
        {"jobs_running", "gauge", "Jobs that are drawn.", q.running},
        {"queue_limit", "gauge", "Jobs that may wait.", q.limit},
        {"jobs_accepted_total", "counter", "Jobs taken since the start.", (double)q.accepted},
        {"jobs_done_total", "counter", "Jobs drawn.", (double)q.done},
        {"jobs_failed_total", "counter", "Jobs that failed.", (double)q.failed},
        {"jobs_cancelled_total", "counter", "Jobs that were cancelled.", (double)q.cancelled},
        {"jobs_refused_total", "counter", "Jobs not taken.", (double)q.refused},
        {"drawing_seconds_total", "counter", "Time spent drawing.", q.drawing_seconds},
        {"models_open", "gauge", "Models in memory.", open},
        {"memory_held_bytes", "gauge", "Memory besides mapped files.", held},
        {"store_memory_bytes", "gauge", "Of it, the database's.", lt_store_memory()},
        {"process_resident_memory_bytes", "gauge", "Memory with them.", server_memory_resident()},
    };
    for (size_t i = 0; i < LT_COUNT(all); i++) write_metric(out, &all[i]);
}

static void get_metrics(lt_http_request *r) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out) write_metrics(out, lt_http_server(r));
    if (out && !fclose(out))
        lt_http_answer(r, 200, "text/plain; version=0.0.4", text, size);
    else
        lt_http_fail(r, 500, "out of memory");
    free(text);
}

static const lt_http_route routes[] = {
    {"GET", "/healthz", get_health, LT_HTTP_OPEN},
    {"GET", "/metrics", get_metrics, 0},
    {0},
};
const lt_http_api lt_health_api = {"", routes, NULL};
