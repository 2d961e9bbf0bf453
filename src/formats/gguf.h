/* GGUF: what its reader (gguf.c) and its writer (gguf_write.c) share. */
#ifndef LT_GGUF_H
#define LT_GGUF_H

#include "base/tensor.h"

#define LT_GGUF_MAGIC "GGUF"

int lt_gguf_type_of(lt_dtype type); /* ggml's number of a type; -1: it has none */

#endif
