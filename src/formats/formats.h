/* Checkpoint files: what is in them, as tensors by name. Nothing here knows what the tensors are for. */
#ifndef LT_FORMATS_H
#define LT_FORMATS_H

#include "base/file.h"
#include "base/tensor.h"

/* An open checkpoint of any kind. Tensors point into memory-mapped files that stay open with it. */
typedef struct lt_checkpoint {
    lt_tensor *tensors; /* sorted by name (strcmp), names unique */
    size_t count;
    struct {
        char *key, *value;
    } * metadata; /* safetensors' __metadata__, GGUF's texts and numbers */
    size_t metadata_count;
    const char *format; /* "safetensors", "GGUF", "pytorch zip", "pytorch before 1.6", "embedding in a PNG" */
    struct lt_checkpoint_files *files; /* maps and names, owned */
} lt_checkpoint;

/* Opens one file; the kind is told by its content, not by its name. Offsets, shapes and sizes have been checked when
 * this returns: reading any listed tensor is safe. Tensors of types that lt_dtype lacks are LT_FOREIGN: whoever needs
 * one asks lt_tensor_readable. */
lt_status lt_checkpoint_open(const char *path, lt_checkpoint *checkpoint);
/* The same over memory, for tests and fuzzing. */
lt_status lt_checkpoint_open_memory(const uint8_t *data, size_t size, lt_checkpoint *checkpoint);
/* The same from a sharded set: an index file ("*.safetensors.index.json", "pytorch_model.bin.index.json") and the files
 * it names. */
lt_status lt_checkpoint_open_sharded(const char *index_path, lt_checkpoint *checkpoint);
void lt_checkpoint_close(lt_checkpoint *checkpoint);
bool lt_checkpoint_changed(const lt_checkpoint *checkpoint); /* lt_map_changed of one of its files */

const lt_tensor *lt_checkpoint_find(const lt_checkpoint *checkpoint, const char *name); /* NULL if it is not there */
const char *lt_checkpoint_metadata(const lt_checkpoint *checkpoint, const char *key);   /* NULL if it is not there */
/* A tensor that holds one string or number array as data is read with lt_tensor_read_f32 (base/tensor.h). */

/* Writes a safetensors file, one tensor in memory at a time, beside path and renamed. Every tensor is converted to
 * type (F8 only from itself). fill is called once for each tensor, in order, to write its count float32 values; NULL
 * fill: values are read from the tensors' own data. */
typedef lt_status (*lt_fill_fn)(void *user, const lt_tensor *tensor, float *values);
typedef struct lt_metadata {
    const char *key, *value;
} lt_metadata;
lt_status lt_safetensors_write(const char *path, const lt_tensor *tensors, size_t count, const lt_metadata *metadata,
                               size_t metadata_count, const lt_dtype *types /* [count], or NULL: each tensor's own */,
                               lt_fill_fn fill, void *user);
/* The same into a writer that is open, and closed by this: committed, or after a failure aborted. */
lt_status lt_safetensors_write_into(lt_writer *writer, const lt_tensor *tensors, size_t count,
                                    const lt_metadata *metadata, size_t metadata_count, const lt_dtype *types,
                                    lt_fill_fn fill, void *user);

#endif
