/* What the files of the data set agree on: samples, and who reads them from where. */
#ifndef LT_DATASET_PARTS_H
#define LT_DATASET_PARTS_H

#include "base/file.h"
#include "data/dataset.h"
#include "data/record.h"

typedef struct lt_sample {
    const char *name; /* relative to the folder, or SHARD.tar:KEY.png */
    size_t key_size;  /* what of name must be unique: all of it, or SHARD.tar:KEY */
    bool orphan;      /* a key without a picture: checked, then dropped */
    lt_record record;
    int label;     /* the number of record.label */
    size_t line;   /* of metadata.jsonl; 0: it has none */
    size_t size;   /* of the picture, in bytes */
    size_t shard;  /* where a data set has shards: which one, and where in it the picture begins */
    size_t offset; /* from the shard's first byte */
} lt_sample;

struct lt_dataset {
    char *root; /* the path as opened, without slashes at its end */
    lt_arena arena;
    lt_sample *samples;
    size_t count, capacity;
    const char **labels; /* [label_count], in order */
    size_t label_count;
    lt_map *shards; /* NULL: pictures are files below root */
    size_t shard_count;
    const char *unread_list; /* a list of captions that was met and is not read, or NULL */
    uint64_t fingerprint;
};

lt_status lt_dataset_add(lt_dataset *dataset, const lt_sample *sample);
bool lt_is_picture_name(const char *name); /* by its ending */
/* LT_ERROR_FORMAT for a name that is empty, absolute or goes through ".."; messages begin with the name. */
lt_status lt_check_relative_name(const char *name);
lt_status lt_picture_options_check(const lt_picture_options *options); /* LT_ERROR_ARGUMENT for an impossible size */

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

/* ---- Where samples come from ---- */

lt_status lt_dataset_read_folder(lt_dataset *dataset);              /* folder.c */
lt_status lt_dataset_read_shard(lt_dataset *dataset);               /* shards.c: root is a tar */
lt_status lt_dataset_read_shards(lt_dataset *dataset, bool *found); /* root is a folder of them, or not */
/* Adds what is in a shard; dataset->shard_count is its number. file must live as long as the data set. */
lt_status lt_dataset_index_shard(lt_dataset *dataset, const char *shard, lt_bytes file);
/* What is left to do when all samples are added: see that no key comes twice, drop orphans, number the labels. */
lt_status lt_dataset_finish(lt_dataset *dataset);

#endif
