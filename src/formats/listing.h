/* Checkpoints as lists that readers add tensors to, and as nothing else: this knows of no format. */
#ifndef LT_LISTING_H
#define LT_LISTING_H

#include "formats/arena.h"
#include "formats/formats.h"

struct lt_checkpoint_files {
    lt_map *maps;
    size_t count;
    size_t tensor_capacity, metadata_capacity;
    lt_arena strings; /* tensors' names, metadata */
};

/* A checkpoint that readers can add to. After a failure of anything that follows, lt_checkpoint_close frees it. */
lt_status lt_checkpoint_begin(lt_checkpoint *checkpoint);
/* Adds a tensor; its name [name_size], and its type's, are copied. The caller has checked that all of its data can be
 * read. */
lt_status lt_checkpoint_add(lt_checkpoint *checkpoint, const char *name, size_t name_size, const lt_tensor *tensor);
/* Adds key and value (copied); the caller has checked that the key is new. */
lt_status lt_checkpoint_add_metadata(lt_checkpoint *checkpoint, const char *key, const char *value);
/* Sorts by name and refuses a name that occurs twice. */
lt_status lt_checkpoint_finish(lt_checkpoint *checkpoint);

#endif
