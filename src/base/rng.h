/* Random numbers, identical to PyTorch's: its CPU generator (Mersenne Twister) and its CUDA generator (Philox 4x32-10).
 */
#ifndef LT_RNG_H
#define LT_RNG_H

#include "base/base.h"

typedef struct lt_rng {
    lt_rng_kind kind;
    uint64_t seed;
    uint32_t mt[624];     /* cpu: the twister's state */
    int mt_next;          /* cpu: the next word of it to give out */
    bool has_next_normal; /* cpu: a Box-Muller pair's second half, as torch caches it */
    double next_normal;
    uint32_t philox_offset; /* philox: calls so far */
} lt_rng;

/* The kind of that name, also as other programs have it: "cuda", "GPU" and "NV" are philox. False: no such one. */
bool lt_rng_read(const char *name, lt_rng_kind *kind);

void lt_rng_seed(lt_rng *rng, lt_rng_kind kind, uint64_t seed);

/* The n numbers that torch.randn(n) gives next, with both of its CPU code paths (fewer than 16 elements; 16 and more).
 */
void lt_rng_normal(lt_rng *rng, float *out, size_t n);

/* The n numbers in [0, 1) that torch.rand(n) gives next (cpu); from Philox words for philox. */
void lt_rng_uniform(lt_rng *rng, float *out, size_t n);

#endif
