/* Which instruction set kernels use. */
#include "kernels/isa.h"

static lt_isa best(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return LT_ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return LT_ISA_AVX2;
#endif
    return LT_ISA_SCALAR;
}

lt_isa lt_isa_choose(lt_isa limit) {
    const lt_isa have = best();
    return limit < have ? limit : have;
}

const char *lt_isa_name(lt_isa isa) {
    static const char *const names[] = {"scalar", "avx2", "avx512", "best"};
    return names[isa];
}
