/* Which instruction set kernels use. */
#include "kernels/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
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

#if defined(__x86_64__)
// AMX's tiles and their bf16 products, by CPUID: clang 14 has no names for them. Whether the system saves them is what
// the request for permission says.
static bool cpu_has_amx(void) {
    enum { AMX_BF16 = 1u << 22, AMX_TILE = 1u << 24 };
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && edx & AMX_BF16 && edx & AMX_TILE;
}
#endif

bool lt_isa_has_amx(lt_isa limit) {
#if defined(__x86_64__) && defined(SYS_arch_prctl)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return lt_isa_has_bf16(limit) && cpu_has_amx() && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    (void)limit;
    return false;
#endif
}

const char *lt_isa_name(lt_isa isa) {
    static const char *const names[] = {"scalar", "avx2", "avx512", "best"};
    return names[isa];
}
