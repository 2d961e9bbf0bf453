/* Who looks into a model without a job: nothing of it is kept, it has its turn among the jobs, of which no more are
 * drawn at a time for it, and it ends with the client that asked. */
#ifndef LT_VISIT_H
#define LT_VISIT_H

#include "http.h"
#include "models.h"
#include "queue.h"

#include <stdatomic.h>

enum { LT_VISITS = 64 }; /* that may wait of a client */

typedef struct lt_visit {
    lt_http_request *request; /* NULL once it has been answered: then somebody else sets gone */
    lt_server *server;
    lt_queue *queue;
    lt_models_entry *entry; /* with the session that lt_visit_open took */
    double begun, looked;   /* looked: when the client was seen last */
    atomic_bool gone;
} lt_visit;

/* Waits for a turn: behind a job comes a visit, and behind a visit a job, where both wait; clients take turns. false:
 * it has been answered, or there is nobody any more. lt_visit_end is due after true alone. */
bool lt_visit_begin(lt_visit *visit, lt_http_request *request);
void lt_visit_end(lt_visit *visit);
/* A session on the checkpoint of that name (NULL: the usual one), until the visit's end. */
lt_status lt_visit_open(lt_visit *visit, const char *model);
lt_session *lt_visit_session(const lt_visit *visit);

/* Whether it should stop: the client is gone, the server ends, or it took too long. Of a visit, for callbacks. */
bool lt_visit_over(void *visit);
/* The status of HTTP that says whose fault it is. */
int lt_visit_fault(lt_status status);
/* Answers with it and lt_error_message(). */
void lt_visit_fail(lt_visit *visit, lt_status status);

#endif
