/* Which instruction set kernels use: found once by CPUID, forced down by an option. */
#ifndef LT_ISA_H
#define LT_ISA_H

#include "base/base.h"

/* The best that is not above limit and that this processor and operating system have: LT_ISA_SCALAR, LT_ISA_AVX2 (with
 * FMA and F16C), LT_ISA_AVX512 (F, BW, DQ, VL) or LT_ISA_AMX (its tiles and bf16, with AVX512-BF16). */
lt_isa lt_isa_choose(lt_isa limit);
/* The same of the sets that have vectors of floats: AMX's are AVX-512's. */
lt_isa lt_isa_vectors(lt_isa limit);
/* Whether bf16 numbers can be multiplied fast: AVX512-BF16. */
bool lt_isa_has_bf16(lt_isa limit);
/* Whether AMX may be used. The operating system has to be asked for that, and is: the process is then one that may, and
 * its signal stacks must be large enough for tiles. */
bool lt_isa_has_amx(lt_isa limit);
const char *lt_isa_name(lt_isa isa); /* "scalar", "avx2", "avx512", "amx" */

#endif
