/* Which instruction set kernels use: found once by CPUID, forced down by an option. */
#ifndef LT_ISA_H
#define LT_ISA_H

#include "base/base.h"

/* The best of LT_ISA_SCALAR, LT_ISA_AVX2 (with FMA and F16C) and LT_ISA_AVX512 (F, BW, DQ, VL) that is not above limit
 * and that this processor and operating system have. */
lt_isa lt_isa_choose(lt_isa limit);
/* Whether bf16 numbers can be multiplied fast: AVX512-BF16, which every processor with AMX-BF16 has too. */
bool lt_isa_has_bf16(lt_isa limit);
/* Whether there is AMX with bf16, which the operating system has to be asked for: the first call does. */
bool lt_isa_has_amx(lt_isa limit);
const char *lt_isa_name(lt_isa isa); /* "scalar", "avx2", "avx512" */

#endif
