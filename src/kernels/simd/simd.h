/* What the files of this folder give to their instruction set's table (table.c). */
#ifndef LT_SIMD_H
#define LT_SIMD_H

#include "base/threads.h"
#include "kernels/kernels.h"
#include "kernels/simd/vec.h"

extern const lt_kernels LT_SIMD_NAME(lt_kernels);
extern const lt_attention_kernel LT_SIMD_NAME(lt_attention);

/* The sets that files are compiled for, by the names that they have in LT_SIMD. */
#define LT_SET_avx2       LT_ISA_AVX2
#define LT_SET_avxvnni    LT_ISA_AVXVNNI
#define LT_SET_avx512     LT_ISA_AVX512
#define LT_SET_avx512vnni LT_ISA_AVX512VNNI
#define LT_SET_avx512bf16 LT_ISA_AVX512BF16
#define LT_SET_neon       LT_ISA_NEON
#define LT_SET_neondot    LT_ISA_NEONDOT
#define LT_SIMD_SET       LT_PASTE(LT_SET, LT_SIMD)

size_t LT_SIMD_NAME(lt_group_norm_scratch)(const lt_group_norm_args *a);
void LT_SIMD_NAME(lt_group_norm)(const lt_group_norm_args *a);
void LT_SIMD_NAME(lt_layer_norm)(const lt_layer_norm_args *a);
void LT_SIMD_NAME(lt_activate)(lt_activation act, const float *x, float *y, size_t n);
void LT_SIMD_NAME(lt_geglu)(const float *a, float *y, size_t rows, size_t oc);
void LT_SIMD_NAME(lt_add)(const float *a, const float *b, float *y, size_t n);
void LT_SIMD_NAME(lt_add_broadcast)(const float *a, const float *b, float *y, size_t n, size_t m);

size_t LT_SIMD_NAME(lt_group_norm_backward_scratch)(const lt_group_norm_backward_args *a);
void LT_SIMD_NAME(lt_group_norm_backward)(const lt_group_norm_backward_args *a);
size_t LT_SIMD_NAME(lt_layer_norm_backward_scratch)(const lt_layer_norm_backward_args *a);
void LT_SIMD_NAME(lt_layer_norm_backward)(const lt_layer_norm_backward_args *a);
size_t LT_SIMD_NAME(lt_attention_backward_scratch)(const lt_attention_backward_args *a, int threads);
void LT_SIMD_NAME(lt_attention_backward)(const lt_attention_backward_args *a);
void LT_SIMD_NAME(lt_activate_backward)(lt_activation act, const float *x, const float *dy, float *dx, size_t n);
void LT_SIMD_NAME(lt_geglu_backward)(const float *a, const float *dy, float *da, size_t rows, size_t oc);
void LT_SIMD_NAME(lt_adamw)(const lt_adamw_args *a);
double LT_SIMD_NAME(lt_sum_of_squares)(const float *x, size_t n);

#endif
