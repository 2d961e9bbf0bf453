/* The shelf and the models that are open: found by name, never by a path, and closed again, the longest unused first,
 * when they hold more memory than allowed. */
#ifndef LT_SERVER_MODELS_H
#define LT_SERVER_MODELS_H

#include "server.h"

typedef struct lt_models lt_models;

lt_status lt_models_open(lt_server *server, lt_models **models);
void lt_models_close(lt_models *models); /* NULL is fine */

/* What is on the shelf, read afresh where its folder may have changed: a listing that stays until lt_models_release.
 * The default model is the first. */
typedef struct lt_models_listing {
    const lt_shelf_item *items;
    size_t count;
    void *owner;
} lt_models_listing;
lt_status lt_models_list(lt_models *models, lt_models_listing *listing);
void lt_models_release(lt_models_listing *listing);
/* Reads the folder again at the next look. */
void lt_models_refresh(lt_models *models);

/* The file of that kind and name: with or without its ending, in capitals or not, with A1111's " [hash]" behind it or
 * not. NULL: there is none. The caller's: free it. */
char *lt_models_find(lt_models *models, lt_shelf_kind kind, const char *name);
/* The name of the model that is drawn with where a job names none. */
const char *lt_models_default(const lt_models *models);
/* Makes that the one of this name; false: there is no such checkpoint. */
bool lt_models_set_default(lt_models *models, const char *name);

/* A session on the checkpoint of that path with that VAE and preview VAE (NULL: its own, none), opened now or before,
 * for the caller alone until lt_models_give_back. */
typedef struct lt_models_session lt_models_session;
lt_status lt_models_take(lt_models *models, const char *model, const char *vae, const char *preview_vae,
                         lt_models_session **session);
lt_session *lt_models_session_of(lt_models_session *session);
void lt_models_give_back(lt_models *models, lt_models_session *session); /* NULL is fine */
/* Closes what nobody uses; returns how many. */
int lt_models_unload(lt_models *models);

/* Models that are open, and bytes of memory that the process holds. */
void lt_models_describe(lt_models *models, int *open, double *bytes);

#endif
