/* What a file is, by the names and shapes of its tensors, and what it tells a person. */
#ifndef LT_SHELF_KIND_H
#define LT_SHELF_KIND_H

#include "formats/source.h"

typedef struct lt_shelf_about {
    lt_shelf_kind kind;
    const char *family;    /* static; NULL: it doesn't tell */
    char *details, *words; /* NULL: there are none */
} lt_shelf_about;

/* lt_shelf_about_free is due even after a failure, which is LT_ERROR_MEMORY. */
lt_status lt_shelf_about_read(const lt_source *source, lt_shelf_about *about);
lt_status lt_shelf_about_file(const lt_checkpoint *file, lt_shelf_about *about); /* the same of one file's tensors */
void lt_shelf_about_free(lt_shelf_about *about);

#endif
