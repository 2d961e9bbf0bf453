/* A request of a compatible API as jobs of the queue. */
#include "order.h"

#include "tools.h"

#include <stdlib.h>

static lt_queue *queue_of(const lt_order *order) { return lt_server_queue(lt_http_server(order->request)); }

static const json_t *job_of(const json_t *jobs, size_t i) {
    return json_is_array(jobs) ? json_array_get(jobs, i) : jobs;
}

lt_refusal lt_order_place(lt_order *order, lt_http_request *request, const json_t *jobs) {
    const size_t count = json_is_array(jobs) ? json_array_size(jobs) : 1;
    *order = (lt_order){request, tool_calloc(count ? count : 1, LT_JOB_ID)};
    if (!order->ids) return LT_REFUSED_DISK;
    for (; order->count < (int)count; order->count++) {
        const lt_refusal refusal = lt_queue_submit(queue_of(order), job_of(jobs, (size_t)order->count),
                                                   lt_http_client(request), order->ids[order->count]);
        if (!refusal) continue;
        lt_order_cancel(order);
        lt_order_free(order);
        return refusal;
    }
    return LT_ACCEPTED;
}

bool lt_order_wait(const lt_order *order, int i, lt_job_snapshot *job) {
    *job = (lt_job_snapshot){0};
    while (lt_queue_wait(queue_of(order), order->ids[i], 0.5, job)) {
        if (lt_job_ended(job)) return true;
        if (lt_http_gone(order->request)) return false;
    }
    return false;
}

/* A server that ends goes on with them at its next start. */
void lt_order_cancel(const lt_order *order) {
    if (lt_queue_closing(queue_of(order))) return;
    for (int i = 0; i < order->count; i++) lt_queue_cancel(queue_of(order), order->ids[i]);
}

void lt_order_free(lt_order *order) {
    free(order->ids);
    *order = (lt_order){0};
}

int lt_order_failure(const lt_job_snapshot *job) {
    switch (job->status) {
    case LT_ERROR_ARGUMENT:
    case LT_ERROR_FORMAT:
    case LT_ERROR_UNSUPPORTED: return 422;
    case LT_ERROR_MEMORY: return 503;
    default: return 500;
    }
}
