/* Rounding numbers to blocks (blocks.h). */
#ifndef LT_BLOCKS_WRITE_H
#define LT_BLOCKS_WRITE_H

#include "base/blocks.h"

bool lt_blocks_writable(lt_dtype type); /* of types in blocks: all but IQ4_NL */
/* values, all of them numbers, to count blocks of a type that is writable. */
void lt_blocks_write(lt_dtype type, const float *values, size_t count, void *blocks);

#endif
