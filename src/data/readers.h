/* Where samples come from: folders, shards and tar files. */
#ifndef LT_DATASET_READERS_H
#define LT_DATASET_READERS_H

#include "data/samples.h"

/* ---- Tar (tar.c) ---- */

/* Set file, zero the rest. */
typedef struct lt_tar {
    lt_bytes file;
    size_t at;     /* of the next header */
    size_t header; /* of the last one: what messages name */
    lt_buffer name;
} lt_tar;

typedef struct lt_tar_member {
    const char *name; /* as it stands there; valid until the next call */
    bool regular;     /* not a folder, a link, ... */
    lt_bytes data;    /* in the file */
} lt_tar_member;

/* The next member; *found is false at the end. LT_ERROR_FORMAT names the byte at which the file is broken. */
lt_status lt_tar_next(lt_tar *tar, lt_tar_member *member, bool *found);
void lt_tar_free(lt_tar *tar);

/* ---- Reading: each adds what it finds ---- */

lt_status lt_dataset_read_folder(lt_dataset *dataset);              /* folder.c */
lt_status lt_dataset_read_shard(lt_dataset *dataset);               /* shards.c: root is a tar */
lt_status lt_dataset_read_shards(lt_dataset *dataset, bool *found); /* root is a folder of them, or not */
/* Adds what is in a shard; dataset->shard_count is its number. file must live as long as the data set. */
lt_status lt_dataset_index_shard(lt_dataset *dataset, const char *shard, lt_bytes file);

#endif
