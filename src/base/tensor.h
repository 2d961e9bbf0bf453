/* A tensor as a file holds it: a name, a type, a shape, and a place in memory that somebody else owns. */
#ifndef LT_TENSOR_H
#define LT_TENSOR_H

#include "base/base.h"

#include <string.h>

typedef enum lt_dtype {
    LT_F32,
    LT_F16,
    LT_BF16,
    LT_F64,
    LT_I64,
    LT_I32,
    LT_I16,
    LT_I8,
    LT_U8,
    LT_BOOL,
    LT_F8_E4M3, /* E4M3FN of Micikevicius et al. 2022: no infinities, up to 448 */
    LT_F8_E5M2, /* the upper byte of an F16 */
    LT_Q4_0,    /* from here on in blocks of values (base/blocks.h) */
    LT_Q4_1,
    LT_Q5_0,
    LT_Q5_1,
    LT_Q8_0,
    LT_Q2_K,
    LT_Q3_K,
    LT_Q4_K,
    LT_Q5_K,
    LT_Q6_K,
    LT_IQ4_NL,
    LT_FOREIGN, /* any other: listed, but its data can't be read */
    LT_DTYPE_COUNT
} lt_dtype;

enum { LT_MAX_RANK = LT_ARRAY_RANK };

/* What kernels read in a tensor's place (ops/weights.h), as a file has it ready: of a key, the same bytes. */
typedef struct lt_ready_form {
    const char *key;
    const void *data; /* on a cache line */
    size_t size;
} lt_ready_form;

typedef struct lt_ready_forms {
    size_t count;
    const char *precision, *isa; /* for which they were made */
    lt_ready_form items[];
} lt_ready_forms;

typedef struct lt_tensor {
    const char *name; /* owned by whatever holds the tensor */
    lt_dtype dtype;
    int rank;                   /* 0: a single value */
    size_t shape[LT_MAX_RANK];  /* outermost first */
    size_t stride[LT_MAX_RANK]; /* in elements; row-major unless the file says otherwise (.ckpt can) */
    const void *data;
    size_t first;       /* in blocks: the value of data with which it begins */
    const char *type;   /* LT_FOREIGN: what the file calls its type; owned as name is */
    size_t bytes;       /* LT_FOREIGN: what it takes there */
    const void *scales; /* float32 [shape[0]], perhaps unaligned, by which its rows are multiplied; NULL: by nothing */
    const lt_ready_forms *forms; /* that stand for data, which is NULL then; NULL: none */
} lt_tensor;

const char *lt_dtype_name(lt_dtype t); /* "F32", as safetensors spells it; "Q4_K", as ggml does */
size_t lt_dtype_size(lt_dtype t);      /* bytes an element; of LT_FOREIGN and in blocks 0 */
static inline bool lt_in_blocks(lt_dtype t) { return t >= LT_Q4_0 && t < LT_FOREIGN; }

const char *lt_tensor_type(const lt_tensor *t); /* its type's name, also of LT_FOREIGN */
size_t lt_tensor_bytes(const lt_tensor *t);     /* in its file, from data on */
/* LT_ERROR_UNSUPPORTED naming the tensor if it is LT_FOREIGN, or has no values but ready forms; whoever needs a tensor
 * asks before. */
lt_status lt_tensor_readable(const lt_tensor *t);

size_t lt_tensor_count(const lt_tensor *t); /* elements; the holder has checked that the product does not overflow */
bool lt_tensor_contiguous(const lt_tensor *t);
void lt_tensor_set_contiguous(lt_tensor *t); /* fills stride from shape */
bool lt_tensor_has_shape(const lt_tensor *t, int rank, const size_t *shape);
/* A view with the first two dimensions, which there are, exchanged; of a tensor without scales. */
lt_tensor lt_tensor_turned(const lt_tensor *t);
/* Makes it a view that begins so many elements of its file later. */
void lt_tensor_skip(lt_tensor *t, size_t elements);
/* A view of entry i of the first dimension, as a tensor whose first dimension is 1. */
lt_tensor lt_tensor_row(const lt_tensor *t, size_t i);
void lt_tensor_shape_text(const lt_tensor *t, char *text, size_t size); /* "[4,320,3,3]" */

/* Every element as float32, row-major, into out [count]. F64 and the integers are rounded to the nearest float; of
 * LT_FOREIGN and what has no data, NaNs. */
void lt_tensor_read_f32(const lt_tensor *t, float *out);
/* Every element as it is stored, row-major, into out [count * lt_dtype_size]; not of what is in blocks. */
void lt_tensor_read_raw(const lt_tensor *t, void *out);

/* n numbers (of a type in blocks as many as are whole blocks, of one that lt_blocks_writable says) as elements of type,
 * rounded to the nearest, into out, which is aligned to 64 bytes. */
void lt_numbers_write(lt_dtype type, const float *values, size_t n, void *out);

/* IEEE conversions, round to nearest even; a NaN stays one and keeps what fits of its payload. */
float lt_f16_to_f32(uint16_t h);
uint16_t lt_f32_to_f16(float f);
static inline float lt_bf16_to_f32(uint16_t b) {
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)b << 16};
    return v.f;
}
uint16_t lt_f32_to_bf16(float f);

/* The f16 at any address, as float32. */
static inline float lt_f16_at(const void *from) {
    uint16_t half;
    memcpy(&half, from, sizeof half);
    return lt_f16_to_f32(half);
}

#endif
