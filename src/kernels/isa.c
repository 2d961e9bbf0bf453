/* Which instruction sets kernels use. */
#include "kernels/isa.h"

#include "base/fields.h"

#include <stdatomic.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* AVX-VNNI, by CPUID: clang 14 has no name for it. */
static bool cpu_has_avxvnni(void) {
    enum { AVX_VNNI = 1u << 4 };
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && eax & AVX_VNNI;
}

/* AMX's tiles and their bf16 products, by CPUID, and whether the system saves tiles, by XCR0: it has no names for
 * these, either. And AVX512-VBMI, which every processor with AMX has. */
static bool cpu_has_amx(void) {
    enum { OSXSAVE = 1u << 27, AMX_BF16 = 1u << 22, AMX_TILE = 1u << 24, AMX_INT8 = 1u << 25, TILES_SAVED = 3u << 17 };
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0, high;
    if (!__builtin_cpu_supports("avx512vbmi")) return false;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & OSXSAVE)) return false;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || ~edx & (AMX_BF16 | AMX_TILE | AMX_INT8)) return false;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(high) : "c"(0));
    return (eax & TILES_SAVED) == TILES_SAVED;
}

static bool cpu_has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

/* Bits 1 << set. */
static unsigned find_sets(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    unsigned sets = 1u << LT_ISA_AVX2;
    if (cpu_has_avxvnni()) sets |= 1u << LT_ISA_AVXVNNI;
    if (!cpu_has_avx512()) return sets;
    sets |= 1u << LT_ISA_AVX512;
    if (__builtin_cpu_supports("avx512vnni")) sets |= 1u << LT_ISA_AVX512VNNI;
    if (!__builtin_cpu_supports("avx512bf16")) return sets;
    sets |= 1u << LT_ISA_AVX512BF16;
    return cpu_has_amx() ? sets | 1u << LT_ISA_AMX : sets;
}
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

/* Every AArch64 processor has NEON; what more there is the system says. */
static unsigned find_sets(void) {
    const bool dot = getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
    return 1u << LT_ISA_NEON | (dot ? 1u << LT_ISA_NEONDOT : 0);
}
#else
static unsigned find_sets(void) { return 0; }
#endif

bool lt_isa_has(lt_isa set, lt_isa limit) {
    static atomic_uint found; /* threads that look at once find the same */
    unsigned sets = atomic_load_explicit(&found, memory_order_relaxed);
    if (!sets) atomic_store_explicit(&found, sets = find_sets() | 1u << LT_ISA_SCALAR, memory_order_relaxed);
    return set <= limit && sets >> set & 1;
}

lt_isa lt_isa_choose(lt_isa limit) {
    lt_isa set = LT_ISA_BEST - 1;
    while (!lt_isa_has(set, limit)) set--;
    return set;
}

lt_isa lt_isa_vectors(lt_isa limit) {
    if (lt_isa_has(LT_ISA_NEON, limit)) return LT_ISA_NEON;
    if (lt_isa_has(LT_ISA_AVX512, limit)) return LT_ISA_AVX512;
    return lt_isa_has(LT_ISA_AVX2, limit) ? LT_ISA_AVX2 : LT_ISA_SCALAR;
}

bool lt_isa_has_vnni(lt_isa limit) { return lt_isa_has(LT_ISA_AVX512VNNI, limit) || lt_isa_has(LT_ISA_AVXVNNI, limit); }

lt_precision lt_isa_wider(lt_isa limit) {
    const bool has = lt_isa_has(LT_ISA_AVX512BF16, limit) || lt_isa_has_vnni(limit);
    return has ? LT_PRECISION_BF16 : LT_PRECISION_F32;
}

bool lt_isa_has_amx(lt_isa limit) {
#if defined(__x86_64__) && defined(SYS_arch_prctl)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return lt_isa_has(LT_ISA_AMX, limit) && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    (void)limit;
    return false;
#endif
}

const char *lt_isa_name(lt_isa isa) { return lt_isa_choices[isa]; }
