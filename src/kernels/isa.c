/* Which instruction set kernels use. */
#include "kernels/isa.h"

#if defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

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

bool lt_isa_has_bf16(lt_isa limit) {
#if defined(__x86_64__)
    return lt_isa_choose(limit) == LT_ISA_AVX512 && __builtin_cpu_supports("avx512bf16");
#else
    (void)limit;
    return false;
#endif
}

bool lt_isa_has_amx(lt_isa limit) {
#if defined(__x86_64__) && defined(SYS_arch_prctl)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return lt_isa_has_bf16(limit) && __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
           syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    (void)limit;
    return false;
#endif
}

const char *lt_isa_name(lt_isa isa) {
    static const char *const names[] = {"scalar", "avx2", "avx512", "best"};
    return names[isa];
}
