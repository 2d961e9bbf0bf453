/* The choice of a table of kernels. */
#include "kernels/kernels.h"

extern const lt_kernels lt_kernels_reference;
#if defined(__x86_64__)
extern const lt_kernels lt_kernels_avx2, lt_kernels_avx512;
#endif

const lt_kernels *lt_kernels_get(lt_isa limit) {
#if defined(__x86_64__)
    switch (lt_isa_vectors(limit)) {
    case LT_ISA_AVX512: return &lt_kernels_avx512;
    case LT_ISA_AVX2: return &lt_kernels_avx2;
    default: break;
    }
#endif
    (void)limit;
    return &lt_kernels_reference;
}
