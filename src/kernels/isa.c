/* Which instruction set kernels use. */
#include "kernels/isa.h"

#include <stdatomic.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* AMX's tiles and their bf16 products, by CPUID, and whether the system saves tiles, by XCR0: clang 14 has no names for
 * them. */
static bool cpu_has_amx(void) {
    enum { OSXSAVE = 1u << 27, AMX_BF16 = 1u << 22, AMX_TILE = 1u << 24, TILES_SAVED = 3u << 17 };
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0, high;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & OSXSAVE)) return false;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(edx & AMX_BF16) || !(edx & AMX_TILE)) return false;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(high) : "c"(0));
    return (eax & TILES_SAVED) == TILES_SAVED;
}

static bool cpu_has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

static lt_isa best(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (cpu_has_avx512()) return __builtin_cpu_supports("avx512bf16") && cpu_has_amx() ? LT_ISA_AMX : LT_ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return LT_ISA_AVX2;
#endif
    return LT_ISA_SCALAR;
}

lt_isa lt_isa_choose(lt_isa limit) {
    static atomic_int found; /* one more than the best; threads that look at once find the same */
    int have = atomic_load_explicit(&found, memory_order_relaxed);
    if (!have) atomic_store_explicit(&found, have = (int)best() + 1, memory_order_relaxed);
    return (int)limit < have - 1 ? limit : (lt_isa)(have - 1);
}

lt_isa lt_isa_vectors(lt_isa limit) { return lt_isa_choose(limit < LT_ISA_AVX512 ? limit : LT_ISA_AVX512); }

bool lt_isa_has_bf16(lt_isa limit) {
#if defined(__x86_64__)
    return lt_isa_vectors(limit) == LT_ISA_AVX512 && __builtin_cpu_supports("avx512bf16");
#else
    (void)limit;
    return false;
#endif
}

bool lt_isa_has_amx(lt_isa limit) {
#if defined(__x86_64__) && defined(SYS_arch_prctl)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return lt_isa_choose(limit) == LT_ISA_AMX && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    (void)limit;
    return false;
#endif
}

const char *lt_isa_name(lt_isa isa) {
    static const char *const names[] = {"scalar", "avx2", "avx512", "amx", "best"};
    return names[isa];
}
