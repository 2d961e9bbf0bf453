/* Rows of numbers that are computed once and kept on disk: latents of pictures, contexts of texts. */
#ifndef LT_CACHE_H
#define LT_CACHE_H

#include "formats/formats.h"

typedef struct lt_cache {
    lt_checkpoint file;
    const void *values; /* [rows, row], mapped */
    lt_dtype dtype;
    size_t rows, row; /* row: its numbers */
} lt_cache;

/* Who makes what is not there yet. */
typedef struct lt_cache_maker {
    lt_status (*fill)(void *user, size_t first, size_t n, float *rows); /* rows [first, first + n) */
    lt_status (*wait)(void *user); /* asked now and then while another training makes the same; a failure ends it */
    void *user;
    size_t step; /* rows at a time */
} lt_cache_maker;

/* Opens FOLDER/KIND-KEY.safetensors, whose one tensor of that kind has the given type (LT_F32, or LT_F16, to which the
 * rows are rounded) and shape, outermost first; where it is not there or another, it is made. key stands for all that
 * the values depend on. folder is made if it isn't there. */
lt_status lt_cache_open(const char *folder, const char *kind, uint64_t key, const lt_tensor *shape,
                        const lt_cache_maker *maker, lt_cache *cache);
void lt_cache_close(lt_cache *cache); /* a zeroed one is fine */

const void *lt_cache_row(const lt_cache *cache, size_t i);

/* Takes the rows that were read out of this process's memory; they are still there to be read. Fails where the file
 * was cut short meanwhile, and what was read is of no use. */
lt_status lt_cache_release(const lt_cache *cache);

/* lt_hash_bytes of names, types and values. */
uint64_t lt_hash_tensors(uint64_t hash, const lt_tensor *tensors, size_t count);
/* The same of those of a model that are a part of it; the others are not read. */
uint64_t lt_hash_part(uint64_t hash, const lt_tensor *tensors, size_t count, bool (*part)(const char *name));

#endif
