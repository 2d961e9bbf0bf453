/* The shelf and the models that are open: found by name, never by a path, and closed again, the longest unused first,
 * when they hold more memory than allowed. */
#ifndef LT_SERVER_MODELS_H
#define LT_SERVER_MODELS_H

#include "server.h"

typedef struct lt_models lt_models;

lt_status lt_models_open(const lt_server_options *options, lt_models **models);
void lt_models_close(lt_models *models); /* NULL is fine */

/* ---- The shelf: models_shelf.c ---- */

/* What is on the shelf, read afresh now and then; it stays until lt_models_release. The default model is the first. */
typedef struct lt_models_listing {
    const lt_shelf_item *items;
    size_t count;
    void *owner;
} lt_models_listing;
lt_status lt_models_list(lt_models *models, lt_models_listing *listing);
void lt_models_release(lt_models *models, lt_models_listing *listing);
/* Reads the folder again at the next look. */
void lt_models_refresh(lt_models *models);

/* The file of that kind and name: with or without its ending or the folders in which it lies, in capitals or not, with
 * A1111's " [hash]" behind it or not. NULL: there is none, and the message says so. The caller's: free it. */
char *lt_models_find(lt_models *models, lt_shelf_kind kind, const char *name);
/* The file of the checkpoint of that name; NULL or "": of the one that is drawn with. Likewise. */
char *lt_models_checkpoint(lt_models *models, const char *name);
/* The name of the model that is drawn with where a job names none: the caller's, free it. */
char *lt_models_default(lt_models *models);
/* Makes that the one of this name; false: there is no such checkpoint. */
bool lt_models_set_default(lt_models *models, const char *name);

/* ---- Open models: models.c ---- */

/* A session on the model of that path with that VAE and preview VAE (NULL: its own, none), opened now or before, for
 * the caller alone until lt_models_give_back. */
typedef struct lt_models_entry lt_models_entry;
lt_status lt_models_take(lt_models *models, const char *model, const char *vae, const char *preview_vae,
                         lt_models_entry **entry);
lt_session *lt_models_session(const lt_models_entry *entry);
/* From now on its notices go there; NULL: nowhere. */
void lt_models_listen(lt_models_entry *entry, lt_notice_fn notice, void *user);
/* A model without a session, which any number may use: a control, an adapter, an encoder. base, which may be NULL, is
 * a session's, whose model a ControlNet that is kept as a difference adds to. */
lt_status lt_models_borrow(lt_models *models, const char *path, lt_models_entry *base, lt_models_entry **entry);
/* Likewise of the checkpoint of that name, or the usual one. */
lt_status lt_models_borrow_checkpoint(lt_models *models, const char *name, lt_models_entry **entry);
const lt_model *lt_models_model(const lt_models_entry *entry);
void lt_models_give_back(lt_models *models, lt_models_entry *entry); /* NULL is fine */

/* Closes what nobody uses; returns how many. */
int lt_models_unload(lt_models *models);
/* Entries that are open, and bytes of memory that the process holds besides files. */
void lt_models_describe(lt_models *models, int *open, double *bytes);

#endif
