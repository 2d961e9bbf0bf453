/* The matrix product's inner loop of narrow numbers: compiled once for each instruction set that multiplies them. */
#include "kernels/simd/simd.h"
#include "kernels/simd/tile.h"

#if defined(__AVX512BF16__)
#define NUMBERS LT_PRECISION_BF16
#else
#define NUMBERS LT_PRECISION_INT8
#endif

#if defined(__AVX512F__)
#define VECTORS lt_gemm_simd_avx512
#else
#define VECTORS lt_gemm_simd_avx2
#endif

#if defined(__AVX512BF16__) || defined(__AVX512VNNI__) || defined(__AVXVNNI__)
enum { AT_ONCE = ROWS };
#else
enum { AT_ONCE = ROWS - 2 }; /* b takes twice as many vectors: even bytes and odd ones */
#endif

static void tile(const lt_tile *t) { tile_any(t, NUMBERS, LT_WEIGHT_F32, false); }

const lt_product LT_SIMD_NAME(lt_product) = {
    .numbers = NUMBERS, .needs = LT_SIMD_SET, .simd = &VECTORS, .rows = AT_ONCE, .tile = tile};
