/* GGUF: what its reader (gguf.c) and its writer (gguf_write.c) share, and the writer. */
#ifndef LT_GGUF_H
#define LT_GGUF_H

#include "base/blocks.h"
#include "formats/formats.h"

#define LT_GGUF_MAGIC    "GGUF"
#define LT_GGUF_SHAPE_OF "comfy.gguf.orig_shape." /* and a tensor's name: its shape, where its rows are others */

enum { LT_GGUF_ALIGNMENT = 32 };

int lt_gguf_type_of(lt_dtype type); /* ggml's number of a type; -1: it has none */
/* Whether a tensor can be stored as type: it is ggml's, and its values fill blocks. */
bool lt_gguf_can_hold(const lt_tensor *tensor, lt_dtype type);

typedef struct lt_gguf_number {
    const char *key;
    uint32_t value;
} lt_gguf_number;

typedef struct lt_gguf_file {
    const lt_tensor *tensors; /* readable, of at most 4 dimensions; of different names */
    const lt_dtype *types;    /* [count]: what each is written as, which can hold it */
    size_t count;
    const lt_metadata *metadata; /* texts */
    size_t metadata_count;
    const lt_gguf_number *numbers;
    size_t number_count;
} lt_gguf_file;

/* Writes version 3, one tensor in memory at a time, beside path and renamed. What is in the type that it has already is
 * copied as it is. Rows that are no whole blocks are laid out in rows of 256, as city96's writer does, which
 * ComfyUI-GGUF and we read. By every core. */
lt_status lt_gguf_write(const char *path, const lt_gguf_file *file);

#endif
