/* Winograd's convolution (winograd.c) over integers of 16 bits, in pairs of channels: a word of 32 bits each, which one
 * instruction multiplies and adds up (VPDPWSSD). Its products take half of float32's time.
 *
 * Where a convolution over bf16 rounds what is given, this rounds what is transformed, which magnifies errors: eight
 * bits would be too few (performance.md), fifteen are as good as bf16. Sums never overflow:
 *
 *     |V| <= LT_PAIRS_INPUT            inputs of a tile and block of channels, by one scale: their greatest magnitude
 *     sum |U| <= LT_PAIRS_WEIGHTS      weights of an output channel and block, by one scale for the channel
 *
 * Each of the 36 values has a range of its own: inputs are divided by their reach, weights multiplied by a gain.
 *
 * Packed weights are gemm.h's panels [9][c][columns] in the checkpoint's format or, for int8, in bytes (narrow.h's, of
 * a scale for an output channel), each after two rows of floats: what the columns' weights are multiplied by, and what
 * their sums are. */
#ifndef LT_WINOGRAD_PAIRS_H
#define LT_WINOGRAD_PAIRS_H

#include "kernels/gemm.h"
#include "kernels/narrow.h"

#define LT_PAIRS_INPUT   32760.0f
#define LT_PAIRS_WEIGHTS 65536.0f

enum { LT_PAIRS_HEAD = 2, LT_PAIRS_BLOCK = 128 }; /* rows of floats before a panel's; channels of a block, at most */

/* How much greater a transformed line's values can be than what they are made of: the sums of the magnitudes in the
 * rows of B'. */
extern const float lt_winograd_reach[LT_WINOGRAD_IN];
/* What makes transformed weights about as great as what they are made of, line by line. */
extern const float lt_winograd_gain[LT_WINOGRAD_IN];

/* Who multiplies pairs for desc, whose precision is narrow: NULL where nobody does, or something else is sooner done.
 */
const lt_product *lt_winograd_pairs(const lt_conv_desc *d);

/* The end of the block of channels that begins with channel c: blocks of one source, as even as can be. */
size_t lt_pairs_block_end(const lt_conv_desc *d, size_t c);

/* Of so many packed weights. */
size_t lt_pairs_bytes(const lt_conv_desc *d, size_t weights);
/* Fills layout and packed_size. */
void lt_pairs_describe(lt_conv *conv, const lt_gemm_simd *simd);
lt_status lt_pairs_pack(const lt_conv *conv, const lt_gemm_simd *simd, const lt_weight_source *weight, void *packed);

#endif
