/* Pictures in memory, always 8-bit RGB: limits, scaling, grey levels. lt_image and lt_image_free are public: see
 * latent.h. */
#ifndef LT_PICTURE_H
#define LT_PICTURE_H

#include "base/base.h"

/* LT_ERROR_FORMAT for a size that a picture file may not have: 0, or a side over LT_IMAGE_MAX_SIDE. */
lt_status lt_image_check_size(size_t width, size_t height);
/* LT_ERROR_ARGUMENT for a caller's picture that is empty or over the limits. */
lt_status lt_image_check(const lt_image *image);
/* The picture scaled to width x height: Lanczos 3, antialiased when shrinking, the same bytes as Pillow 13's
 * resize(LANCZOS). */
lt_status lt_image_resize(const lt_image *image, int width, int height, lt_image *out);
/* Shorter side to size by antialiased bicubic (a = -0.5, as Pillow), then the centre size x size: CLIP's preprocessing,
 * to 8 bits as transformers' CLIPImageProcessor does. */
lt_status lt_image_clip_crop(const lt_image *image, int size, lt_image *out);
/* The same of a rectangle: the picture is scaled to cover it, and its middle cut out. */
lt_status lt_image_cover(const lt_image *image, int width, int height, lt_image *out);
/* Where that is: the picture scaled to width x height, cut out from (x, y) on. */
typedef struct lt_crop {
    int width, height, x, y;
} lt_crop;
lt_crop lt_clip_crop_of(int width, int height, int size);
/* The same filter without rounding to 8 bits: what pixel `index` of a line of `source` pixels scaled to `size` takes
 * from it. Writes weights [lt_bicubic_taps at most] of the source's pixels from *first on, their sum 1, and returns how
 * many. */
int lt_bicubic_taps(int source, int size);
int lt_bicubic_weights(int source, int size, int index, double *weights, int *first);
/* A mask without transparency: white is what rule says is repainted, and black what it keeps. */
lt_status lt_image_flatten_mask(const lt_image *mask, lt_mask_rule rule, lt_image *flat);
/* The same scaled to width x height (Lanczos), as shares from 0, kept, to 1, repainted; values [height, width]. */
lt_status lt_image_read_mask(const lt_image *mask, lt_mask_rule rule, int width, int height, float *values);
/* Grey levels [height, width] (ITU-R 601 luma, as Pillow's convert("L")), at the picture's own size. */
lt_status lt_image_to_grey(const lt_image *image, uint8_t *grey);

#endif
