/* Files by names without a path: where programs keep models and what people add to them. */
#ifndef LT_SHELF_H
#define LT_SHELF_H

#include "base/base.h"

/* Where is looked: in a folder that somebody named, and around a checkpoint's file, as the web UIs and ComfyUI lay
 * their folders out. Each may be NULL. */
typedef struct lt_shelf {
    const char *folder, *checkpoint;
} lt_shelf;

/* Calls found with every file of that kind (of embeddings also with pictures, of which most hold none: lt_is_preview),
 * by its folder and ending, the nearest first and each folder's in the order of their names, until it returns true.
 * name: without folder and ending. LT_ERROR_MEMORY, or LT_OK. */
typedef bool lt_shelf_fn(void *user, const char *path, const char *name);
lt_status lt_shelf_walk(const lt_shelf *shelf, lt_shelf_kind kind, lt_shelf_fn *found, void *user);
/* The same of every file of any kind in folder: of the folders of all kinds, if it has one, else of all in it; and of
 * what is called like a file with tensors and can't be read as one. */
lt_status lt_shelf_walk_all(const char *folder, lt_shelf_fn *found, void *user);

/* The path of that name, allocated; NULL: it is nowhere. A picture without an embedding is passed by. A name may have
 * its ending; where no file is called so to the letter, capitals don't count. */
lt_status lt_shelf_find(const lt_shelf *shelf, lt_shelf_kind kind, const char *name, char **path);
/* The same of what is called so and can't be read as a file: a link that leads nowhere, a pipe. Opening it says why. */
lt_status lt_shelf_find_broken(const lt_shelf *shelf, lt_shelf_kind kind, const char *name, char **path);
/* The path of what is a path, or a name of either; LT_ERROR_FILE: a name that is nowhere. */
lt_status lt_shelf_path(const lt_shelf *shelf, lt_shelf_kind kind, const char *file, char **path);

/* The file's name without folder and ending, allocated, or NULL. */
char *lt_shelf_name(const char *path);

#endif
