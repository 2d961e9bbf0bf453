/* Whatever a path may name that holds tensors: one file, the index of a sharded set, or a model's folder. */
#ifndef LT_SOURCE_H
#define LT_SOURCE_H

#include "formats/diffusers.h"

/* Zeroed is empty. */
typedef struct lt_source {
    lt_checkpoint file;  /* empty if it is a folder */
    lt_diffusers folder; /* count 0 if it is a file */
} lt_source;

bool lt_is_folder(const char *path);

/* Opens what path names; messages name it too. On failure source is empty. */
lt_status lt_source_open(const char *path, lt_source *source);
void lt_source_close(lt_source *source);
bool lt_source_changed(const lt_source *source); /* lt_checkpoint_changed of any of them */

#endif
