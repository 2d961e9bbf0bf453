/* The samples of a data set as a list that readers add to. */
#ifndef LT_SAMPLES_H
#define LT_SAMPLES_H

#include "base/file.h"
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
    lt_dataset *prior; /* whose pictures are numbered on; NULL: there are none */
};

lt_status lt_dataset_add(lt_dataset *dataset, const lt_sample *sample);
bool lt_is_picture_name(const char *name); /* by its ending */
/* LT_ERROR_FORMAT for a name that is empty, absolute or goes through ".."; messages begin with the name. */
lt_status lt_check_relative_name(const char *name);
/* What is left to do when all samples are added: see that no key comes twice, drop orphans, number the labels. */
lt_status lt_dataset_finish(lt_dataset *dataset);

#endif
