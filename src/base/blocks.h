/* Numbers in blocks, as GGUF files hold them (ggml, `ggml-quants.c`): small codes that share scales.
 *
 *     value = scale * code + offset            of the group of 16 or 32 values that it is in
 *
 * Scales are exact as float32, and so is each product: a value is rounded once at most, by its sum, and is the same
 * bits as ggml's own. */
#ifndef LT_BLOCKS_H
#define LT_BLOCKS_H

#include "base/tensor.h"

enum { LT_BLOCK_MOST = 256 /* values */, LT_GROUPS_MOST = LT_BLOCK_MOST / 16 };

typedef struct lt_block_format {
    size_t values, bytes, group; /* of a block; and the values of it that share a scale */
    void (*codes)(const uint8_t *block, int8_t *codes);
    void (*scales)(const uint8_t *block, float *scale, float *offset); /* [values / group] */
} lt_block_format;

/* NULL of types whose values stand alone, and of LT_FOREIGN. */
const lt_block_format *lt_block_format_of(lt_dtype type);

/* What values [first, first + n), of whole groups, are made of: codes [n], scales and offsets [n / group]. */
void lt_blocks_parts(const lt_block_format *format, const void *blocks, size_t first, size_t n, int8_t *codes,
                     float *scale, float *offset);
/* The values of count blocks, one after the other. */
void lt_blocks_read(const lt_block_format *format, const void *blocks, size_t count, float *values);
/* Values [first, first + n), which may begin and end within a block. */
void lt_blocks_read_part(const lt_block_format *format, const void *blocks, size_t first, size_t n, float *values);

#endif
