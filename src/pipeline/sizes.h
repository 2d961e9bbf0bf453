/* The sizes that XL is told beside a text: Podell et al. 2023, section 2.2. */
#ifndef LT_SIZES_H
#define LT_SIZES_H

#include "pipeline/components.h"

/* XL's six: height and width of the picture as it was, top and left of what was cut out of it, height and width of what
 * is drawn, in pixels. The refiner's five: the first four, and how beautiful it is, 1 to 10 (LAION's aesthetic score).
 */
typedef struct lt_sizes {
    float at[LT_MOST_SIZES];
} lt_sizes;

/* What a request says, or else those of a whole picture of width x height. negative: of the negative prompt. */
lt_sizes lt_sizes_of(const lt_components *parts, const lt_request *request, int width, int height, bool negative);

/* Those of a whole picture, with a prompt. */
lt_sizes lt_sizes_of_whole(const lt_components *parts, int width, int height);

/* Each as timesteps are embedded, into out [lt_size_count(parts), LT_SIZE_CHANNELS]. */
void lt_sizes_embed(const lt_components *parts, const lt_sizes *sizes, float *out);

#endif
