/* What A1111's API keeps: private to a1111_waiting.c and a1111_options.c. */
#ifndef LT_A1111_STATE_H
#define LT_A1111_STATE_H

#include "a1111_own.h"

#include <pthread.h>

struct lt_a1111 {
    lt_server *server;
    pthread_mutex_t lock;
    lt_a1111_wait *waits; /* in the order of their coming */
    json_t *options;      /* that were set, over the defaults */
};

#endif
