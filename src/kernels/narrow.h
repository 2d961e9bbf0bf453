/* Numbers of 16 and of 8 bits, as our matrix product multiplies them (gemm.h): in words of 32 bits, two bf16 or four
 * int8 each, which one instruction multiplies and adds up.
 *
 * int8 is symmetric: a row of n numbers is scale * q, q in -127..127, scale = max |x| / 127; nearest, and to even in
 * between. A row is a token or a pixel of one source, or all that makes one output channel of a weight. Sources are
 * kept as q + 128, unsigned, as the instructions want it; -128 times the weights' sum is where their sums start.
 *
 * A row of a source is lt_narrow_words long; the last word is filled up. Weights lie in panels of output channels as
 * gemm.h's do, in words instead of floats, k = (ky*kernel + kx, source, word). Of int8 a panel begins with its columns'
 * scales; each block of k (lt_narrow_block) begins with what its sums start from. */
#ifndef LT_NARROW_H
#define LT_NARROW_H

#include "kernels/conv.h"

/* Words of a row of c numbers; of float32, too: c. */
size_t lt_narrow_words(lt_precision numbers, size_t c);

/* x [rows, c], float32 or, to int8, bf16, to words [rows, lt_narrow_words] and, of int8, scales [rows]. */
void lt_narrow_rows(lt_precision numbers, lt_isa limit, lt_value_type_id type, const void *x, size_t rows, size_t c,
                    void *words, float *scales, int threads);

/* A row of c numbers becomes its integers; returns its scale. By any processor. */
float lt_int8_line(float *x, size_t c);
/* x [rows, c] rounded to int8 and back, by any processor; y may be x. */
void lt_round_to_int8(const float *x, float *y, size_t rows, size_t c, int threads);

/* ---- Weights ---- */

/* Where the block of int8's k ends that begins with word k: a tap's words of one source, or an even part of them. */
size_t lt_narrow_block(const lt_conv_desc *d, size_t k);
enum { LT_NARROW_BLOCK = 384 }; /* words of a block, at most */
/* Words of k, and rows of a panel, blocks' and columns' own rows among them. */
size_t lt_narrow_k(const lt_conv_desc *d);
size_t lt_narrow_panel_rows(const lt_conv_desc *d);
/* Panel number p of so many columns. lines: room for (columns + 1) * lt_narrow_line floats. */
size_t lt_narrow_line(const lt_conv_desc *d);
void lt_narrow_panel(const lt_conv_desc *d, const lt_weight_source *weight, size_t p, size_t columns, float *lines,
                     uint32_t *panel);

/* Greatest magnitudes below this are nothing, of integers of any width: their inverse is no float. */
#define LT_NARROW_LEAST 1e-30f

/* The vector loops (simd/narrow.c): rows of unsigned bytes and their scales, from float32 or bf16. */
typedef void lt_int8_loop(const void *x, bool bf16, size_t rows, size_t c, uint8_t *bytes, float *scales);
lt_int8_loop lt_int8_rows_avx2, lt_int8_rows_avx512, lt_int8_rows_neon;

#endif
