/* The metadata of a file that is written. */
#ifndef LT_EXPORT_METADATA_H
#define LT_EXPORT_METADATA_H

#include "export/export.h"

typedef struct lt_metadata_list {
    lt_metadata *items; /* [count], with room for LT_MORE_METADATA; the texts belong to others */
    size_t count;
} lt_metadata_list;

enum { LT_MORE_METADATA = 2 + 2 * LT_MAX_SETTINGS };

/* The source's, but for what is told anew of the model as it is open, which may be out of date there; of a folder, what
 * the first component with any has. "format" says which program may read a component ("pt"): that goes with folders
 * only. items is the caller's to free. */
lt_status lt_metadata_read(const lt_source *source, lt_metadata_list *list);
/* Sets what a single file has to say of a model: prediction, size, lt_export_settings, and what the caller adds.
 * settings, zeroed, outlives the list and is the caller's to free. */
lt_status lt_metadata_tell(const lt_exported *model, lt_metadata_list *list, lt_settings *settings);
/* Sets one of LT_MORE_METADATA keys; the texts stay with the caller. */
void lt_metadata_set(lt_metadata_list *list, const char *key, const char *value);

#endif
