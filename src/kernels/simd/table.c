/* The table of this instruction set's kernels. */
#include "kernels/simd/simd.h"

const lt_kernels LT_SIMD_NAME(lt_kernels) = {
    .isa = LT_SIMD_SET,
    .group_norm_scratch = LT_SIMD_NAME(lt_group_norm_scratch),
    .group_norm = LT_SIMD_NAME(lt_group_norm),
    .layer_norm = LT_SIMD_NAME(lt_layer_norm),
    .activate = LT_SIMD_NAME(lt_activate),
    .geglu = LT_SIMD_NAME(lt_geglu),
    .add = LT_SIMD_NAME(lt_add),
    .add_broadcast = LT_SIMD_NAME(lt_add_broadcast),
    .group_norm_backward_scratch = LT_SIMD_NAME(lt_group_norm_backward_scratch),
    .group_norm_backward = LT_SIMD_NAME(lt_group_norm_backward),
    .layer_norm_backward_scratch = LT_SIMD_NAME(lt_layer_norm_backward_scratch),
    .layer_norm_backward = LT_SIMD_NAME(lt_layer_norm_backward),
    .attention_backward_scratch = LT_SIMD_NAME(lt_attention_backward_scratch),
    .attention_backward = LT_SIMD_NAME(lt_attention_backward),
    .activate_backward = LT_SIMD_NAME(lt_activate_backward),
    .geglu_backward = LT_SIMD_NAME(lt_geglu_backward),
    .adamw = LT_SIMD_NAME(lt_adamw),
    .sum_of_squares = LT_SIMD_NAME(lt_sum_of_squares),
};
