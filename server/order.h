/* A request of a compatible API as jobs of the queue: all are handed in before the first is waited for, and end with
 * the client that is gone, who could never get their pictures. */
#ifndef LT_ORDER_H
#define LT_ORDER_H

#include "http.h"
#include "queue.h"

typedef struct lt_order {
    lt_http_request *request;
    char (*ids)[LT_JOB_ID]; /* [count] */
    int count;
} lt_order;

/* jobs: an array, or one. After a refusal none is left in the queue, and lt_error_message() says why. */
lt_refusal lt_order_place(lt_order *order, lt_http_request *request, const json_t *jobs);
/* Waits until job i has ended. False: the client is gone, or the server ends. */
bool lt_order_wait(const lt_order *order, int i, lt_job_snapshot *job);
void lt_order_cancel(const lt_order *order); /* what of it hasn't ended */
void lt_order_free(lt_order *order);

/* The status of HTTP that says why a job failed. */
int lt_order_failure(const lt_job_snapshot *job);

#endif
