/* Which instruction sets kernels use: found once by CPUID or from the system, forced down by an option. */
#ifndef LT_ISA_H
#define LT_ISA_H

#include "base/base.h"

/* Whether this processor and operating system have the set, and it is not above limit. */
bool lt_isa_has(lt_isa set, lt_isa limit);
/* The best of them. */
lt_isa lt_isa_choose(lt_isa limit);
/* The best that has vectors of floats: LT_ISA_SCALAR, LT_ISA_AVX2, LT_ISA_AVX512 or LT_ISA_NEON. */
lt_isa lt_isa_vectors(lt_isa limit);
/* AVX512-VNNI or AVX-VNNI. */
bool lt_isa_has_vnni(lt_isa limit);
/* What is multiplied in where 8 bits are too few: 16 where the processor has products of those, else float32. */
lt_precision lt_isa_wider(lt_isa limit);
/* Whether AMX may be used. The operating system has to be asked for that, and is: the process is then one that may, and
 * its signal stacks must be large enough for tiles. */
bool lt_isa_has_amx(lt_isa limit);
const char *lt_isa_name(lt_isa isa); /* "scalar", "avx2", "avxvnni", ... */

#endif
