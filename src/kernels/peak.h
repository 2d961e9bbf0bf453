/* What the products' inner loops do at most, for whoever holds an operation's speed against it. */
#ifndef LT_PEAK_H
#define LT_PEAK_H

#include "kernels/isa.h"

/* Multiplications and additions a second of the matrix product's tile of these numbers, on data that stay in the cache
 * next to the core, by so many threads of the calling thread's team at once: measured anew, in some tens of
 * milliseconds. 0: no tile of ours multiplies them under limit (none does in AMX's tiles), or there is no memory. */
double lt_product_peak(lt_precision numbers, lt_isa limit, int threads);

#endif
