/* The matrix product's inner loop of narrow numbers: compiled once for each instruction set that multiplies them. */
#include "kernels/simd/simd.h"
#include "kernels/simd/tile.h"

#if defined(__AVX512BF16__)
#define NUMBERS LT_PRECISION_BF16
static void tile(const lt_tile *t) { tile_any(t, NUMBERS_BF16, LT_WEIGHT_F32, false); }
#else
#define NUMBERS LT_PRECISION_INT8
static void tile(const lt_tile *t) { tile_any(t, NUMBERS_INT8, LT_WEIGHT_F32, false); }
#endif

#if defined(__AVX512F__)
#define VECTORS lt_gemm_simd_avx512
#elif defined(__aarch64__)
#define VECTORS lt_gemm_simd_neon
#else
#define VECTORS lt_gemm_simd_avx2
#endif

#if defined(__AVX512BF16__) || defined(__AVX512VNNI__) || defined(__AVXVNNI__) || defined(__ARM_FEATURE_DOTPROD)
enum { AT_ONCE = ROWS };
#else
enum { AT_ONCE = ROWS - 2 }; /* b takes twice as many vectors: even bytes and odd ones */
#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
static void pairs(const lt_tile *t) { tile_any(t, NUMBERS_PAIRS, LT_WEIGHT_F32, false); }
#define PAIRS pairs
#else
#define PAIRS NULL
#endif

const lt_product LT_SIMD_NAME(lt_product) = {.numbers = NUMBERS,
                                             .needs = LT_SIMD_SET,
                                             .simd = &VECTORS,
                                             .rows = AT_ONCE,
                                             .job_rows = LT_JOB_ROWS,
                                             .words = 1,
                                             .block = LT_BLOCK_K,
                                             .tile = tile,
                                             .pairs = PAIRS};
