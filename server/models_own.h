/* What models.c and models_shelf.c share. */
#ifndef LT_MODELS_OWN_H
#define LT_MODELS_OWN_H

#include "models.h"

#include <pthread.h>
#include <stdatomic.h>

struct lt_models {
    const lt_server_options *options;
    pthread_mutex_t shelf_turn;
    struct lt_models_shelf *shelf; /* the last listing; NULL: none, or it is to be read again */
    char *default_path;            /* of the model where a job names none */

    atomic_int open;          /* entries; to be looked at without the turn, which is long where a model is opened */
    pthread_mutex_t turn;     /* of what follows */
    lt_models_entry *entries; /* a list */
    double limit;             /* bytes */
};

lt_status lt_models_shelf_begin(lt_models *models);
void lt_models_shelf_end(lt_models *models);

#endif
