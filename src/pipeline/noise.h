/* The starting noise of a picture as the web UIs draw it: a variation of a seed's, or that of another size. */
#ifndef LT_NOISE_H
#define LT_NOISE_H

#include "base/rng.h"

typedef struct lt_noise_plan {
    lt_rng_kind kind;
    uint64_t seed, variation; /* variation: the other seed */
    float strength;           /* how far to go to it: 0 not at all, 1 whole */
    size_t c, h, w;           /* of the latent */
    size_t from_h, from_w;    /* that of whose size the seed's noise is, centred; 0: its own */
} lt_noise_plan;

/* Writes out [c, h, w]. Its c*h*w numbers are drawn from rng, the picture's, whatever becomes of them: what is drawn
 * later does not depend on variations. LT_ERROR_MEMORY. */
lt_status lt_noise_make(const lt_noise_plan *plan, lt_rng *rng, float *out);

#endif
