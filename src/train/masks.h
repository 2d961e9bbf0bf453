/* Masks of what of a picture is to be learned: white all, black nothing, at the size of what is denoised. */
#ifndef LT_MASKS_H
#define LT_MASKS_H

#include "train/buckets.h"

typedef struct lt_masks {
    int h, w;
    float *values; /* [pictures of the bucket, h, w]; NULL: there are none */
    size_t count, without;
} lt_masks;

/* Those of the folder options->files.masks, if there is one, for the pictures of a bucket, which are denoised as shape.
 * A picture without one is learned whole, and counted. */
lt_status lt_masks_open(const lt_training *t, const lt_bucket *bucket, lt_shape shape, lt_masks *masks);
void lt_masks_close(lt_masks *masks); /* a zeroed one is fine */

/* Sample i of the port of weights becomes weight times the mask of the bucket's picture `row`, mirrored where random,
 * of its draw, says so; without masks, weight alone. */
void lt_masks_write(const lt_training *t, const lt_masks *masks, size_t row, uint64_t random, float weight,
                    lt_port port, size_t i);

#endif
