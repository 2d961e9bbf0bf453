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
    LT_WEIGHT_FORMATS
} lt_weight_format_id;

/* From a file's memory or packed, which is [rows/block][columns] blocks of [rows][columns] values: exact, and the same
 * values by every instruction set. */
typedef void lt_widen_loop(const void *blocks, float *values, size_t rows, size_t columns);

typedef struct lt_weight_format {
    const char *name;
    lt_dtype dtype;      /* of the tensors in files whose values it holds as they are */
    size_t block, bytes; /* values that belong together, and what they take */
    void (*read)(const void *blocks, float *values, size_t n); /* one after the other, in plain C; n: of whole blocks */
    void (*pack)(const float *values, void *blocks, size_t n); /* to the nearest */
    lt_widen_loop *widen[LT_ISA_BEST]; /* of lt_isa_vectors; NULL of LT_ISA_SCALAR, which packs no panels */
} lt_weight_format;

extern const lt_weight_format lt_weight_formats[LT_WEIGHT_FORMATS];

/* The format in which a tensor of this type is kept. */
lt_weight_format_id lt_weight_format_of(lt_dtype type);

/* Bytes of n values, of whole blocks. */
static inline size_t lt_weight_bytes(const lt_weight_format *f, size_t n) { return n / f->block * f->bytes; }

/* n values, of whole blocks one after the other, to float32, by the caller's team. */
void lt_weight_widen(lt_weight_format_id format, lt_isa limit, const void *blocks, float *values, size_t n);

/* The loops over vectors (simd/weight_format.c). */
lt_widen_loop lt_widen_f32_avx2, lt_widen_f16_avx2, lt_widen_bf16_avx2;
lt_widen_loop lt_widen_f32_avx512, lt_widen_f16_avx512, lt_widen_bf16_avx512;
lt_widen_loop lt_widen_f32_neon, lt_widen_f16_neon, lt_widen_bf16_neon;

#endif
