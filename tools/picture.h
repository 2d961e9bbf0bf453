/* Numbers as pictures, and pictures as text: what pages show of a drawing. */
#ifndef LT_PICTURE_H
#define LT_PICTURE_H

#include "latent.h"

/* The image with no side over most: each pixel the mean of those that it stands for. */
lt_status picture_shrink(const lt_image *image, int most, lt_image *small);

/* An image of a format of lt_image_encode as a data: URL, allocated; one with a side over most is made smaller. */
lt_status picture_url(const lt_image *image, const char *format, int most, char **url);

/* Planes [c, h, w] of one shape as colours: along the first three principal components of all of them, each within
 * about two deviations. images [count] are allocated. */
lt_status picture_components(const lt_array *const *planes, size_t count, lt_image *images);

/* values [count, h, w], each plane by itself 0 to 255 for 0 to its largest value, which goes to most [count]. */
void picture_scale(const float *values, size_t count, size_t pixels, uint8_t *bytes, float *most);

#endif
