/* Where of a picture is painted when only what a mask shows is: a box around it, of the shape that is painted in. */
#ifndef LT_AREA_H
#define LT_AREA_H

#include "base/base.h"

typedef struct lt_area {
    int x, y, w, h;
} lt_area;

/* The box of what is not 0 in mask [h, w], and `padding` more on each side, within the picture; all of the picture if
 * everything is 0. */
lt_area lt_area_of_mask(const uint8_t *mask, int w, int h, int padding);

/* The area, grown in one direction to the proportions of width x height, as far as the picture, of w x h, lets it. */
lt_area lt_area_expand(lt_area area, int width, int height, int w, int h);

/* What of a picture lies in the area. */
lt_status lt_area_cut(lt_area area, const lt_image *image, lt_image *part);

#endif
