/* What lies under a mask, filled with what is around it. */
#ifndef LT_FILL_H
#define LT_FILL_H

#include "base/base.h"

/* Fills pixels [h, w, 3] in [-1, 1] where mask [h, w] in [0, 1] is, with colours that are blurred into it from its
 * edges, the further inside the more. LT_ERROR_MEMORY. */
lt_status lt_fill_masked(float *pixels, const float *mask, size_t h, size_t w);

#endif
