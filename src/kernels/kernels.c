/* The choice of a table of kernels. */
#include "kernels/kernels.h"

extern const lt_kernels lt_kernels_reference;
extern const lt_attention_kernel lt_attention_reference;
#if defined(__x86_64__)
extern const lt_kernels lt_kernels_avx2, lt_kernels_avx512;
extern const lt_attention_kernel lt_attention_avx2, lt_attention_avx512;
extern const lt_attention_kernel lt_attention_amx, lt_attention_avx512bf16, lt_attention_avx512vnni,
    lt_attention_avxvnni;
#elif defined(__aarch64__)
extern const lt_kernels lt_kernels_neon;
extern const lt_attention_kernel lt_attention_neon;
#endif

const lt_kernels *lt_kernels_get(lt_isa limit) {
#if defined(__x86_64__)
    switch (lt_isa_vectors(limit)) {
    case LT_ISA_AVX512: return &lt_kernels_avx512;
    case LT_ISA_AVX2: return &lt_kernels_avx2;
    default: break;
    }
#elif defined(__aarch64__)
    if (lt_isa_has(LT_ISA_NEON, limit)) return &lt_kernels_neon;
#endif
    (void)limit;
    return &lt_kernels_reference;
}

const lt_attention_kernel *lt_attention_get(lt_precision precision, lt_isa limit) {
#if defined(__x86_64__)
    if (precision > LT_PRECISION_F32 && lt_isa_has_amx(limit)) return &lt_attention_amx;
    static const lt_attention_kernel *const narrow[] = {&lt_attention_avx512bf16, &lt_attention_avx512vnni,
                                                        &lt_attention_avxvnni};
    for (size_t i = 0; precision > LT_PRECISION_F32 && i < LT_COUNT(narrow); i++)
        if (lt_isa_has(narrow[i]->isa, limit)) return narrow[i];
    switch (lt_isa_vectors(limit)) {
    case LT_ISA_AVX512: return &lt_attention_avx512;
    case LT_ISA_AVX2: return &lt_attention_avx2;
    default: break;
    }
#elif defined(__aarch64__)
    if (lt_isa_has(LT_ISA_NEON, limit)) return &lt_attention_neon;
#endif
    (void)precision, (void)limit;
    return &lt_attention_reference;
}
