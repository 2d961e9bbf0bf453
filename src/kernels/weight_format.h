/* How weights are kept in memory: a row for each format. A new one is a row here, its loops over vectors
 * (simd/weight_format.h), and a bit in the list of each kernel that serves it (conv_impl.h). */
#ifndef LT_WEIGHT_FORMAT_H
#define LT_WEIGHT_FORMAT_H

#include "base/tensor.h"
#include "kernels/isa.h"

typedef enum lt_weight_format_id {
    LT_WEIGHT_F32,
    LT_WEIGHT_F16,
    LT_WEIGHT_BF16,
    LT_WEIGHT_ALONE,                      /* up to here values stand alone */
    LT_WEIGHT_CODES_16 = LT_WEIGHT_ALONE, /* of types in blocks (base/blocks.h) */
    LT_WEIGHT_CODES_32,
    LT_WEIGHT_FORMATS
} lt_weight_format_id;

/* From a file's memory or packed, which is [rows/block][columns] blocks of [rows][columns] values: exact, and the same
 * values by every instruction set. */
typedef void lt_widen_loop(const void *blocks, float *values, size_t rows, size_t columns);

typedef struct lt_weight_format {
    const char *name;
    lt_dtype dtype;      /* of the tensors in files whose bytes it holds as they are; LT_FOREIGN: of none */
    size_t block, bytes; /* values that belong together, and what they take */
    /* Of values that stand alone: one after the other, in plain C; and to the nearest. */
    void (*read)(const void *blocks, float *values, size_t n);
    void (*pack)(const float *values, void *blocks, size_t n);
    lt_widen_loop *widen[LT_ISA_BEST]; /* of lt_isa_vectors; NULL of LT_ISA_SCALAR, which packs no panels */
} lt_weight_format;

extern const lt_weight_format lt_weight_formats[LT_WEIGHT_FORMATS];

/* The format in which a tensor of this type is kept. */
lt_weight_format_id lt_weight_format_of(lt_dtype type);

/* Bytes of n values, of whole blocks. */
static inline size_t lt_weight_bytes(const lt_weight_format *f, size_t n) { return n / f->block * f->bytes; }

/* n values, of whole blocks one after the other, to float32, by the caller's team. */
void lt_weight_widen(lt_weight_format_id format, lt_isa limit, const void *blocks, float *values, size_t n);

/* Codes of groups, only ever in panels: what takes a block's place in a panel of so many columns is float32 scales
 * [columns] and offsets [columns], and codes [block][columns] of 8 bits. Into blocks a line apart from its columns'
 * others: the codes [n], scales and offsets [n / block] of column `column`. */
void lt_codes_put(const lt_weight_format *f, const int8_t *codes, const float *scale, const float *offset, size_t n,
                  size_t columns, size_t column, void *panel);

/* The loops over vectors (simd/weight_format.c). */
lt_widen_loop lt_widen_f32_avx2, lt_widen_f16_avx2, lt_widen_bf16_avx2, lt_widen_codes_16_avx2, lt_widen_codes_32_avx2;
lt_widen_loop lt_widen_f32_avx512, lt_widen_f16_avx512, lt_widen_bf16_avx512, lt_widen_codes_16_avx512,
    lt_widen_codes_32_avx512;
lt_widen_loop lt_widen_f32_neon, lt_widen_f16_neon, lt_widen_bf16_neon, lt_widen_codes_16_neon, lt_widen_codes_32_neon;

#endif
