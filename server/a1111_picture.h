/* Pictures as A1111's clients send them, made ready for a job: base64, at the size that is drawn, masks as black and
 * white. */
#ifndef LT_A1111_PICTURE_H
#define LT_A1111_PICTURE_H

#include "a1111_request.h"

/* A1111's resize modes: 0 leaves the picture as it is (what draws scales it), 1 crops and resizes, 2 resizes and
 * fills. */
typedef struct lt_a1111_fit {
    int mode, width, height;
    size_t most_pixels; /* 0: any; four times as many on the way */
} lt_a1111_fit;

/* A picture's value for a job. NULL: the fault says why. */
json_t *lt_a1111_picture(const json_t *value, lt_a1111_fit fit, size_t most_pixels, lt_a1111_fault *fault);
/* A mask's: white is repainted, black is kept. Of a mask with transparency that alone counts: what is opaque is
 * repainted. round: nothing is between black and white. */
json_t *lt_a1111_mask(const json_t *value, bool invert, bool round, lt_a1111_fit fit, size_t most_pixels,
                      lt_a1111_fault *fault);

/* The bytes of base64 or of a data URL, the caller's: free it; and the picture in them. False: the fault says why. */
void *lt_a1111_bytes(const json_t *value, size_t *size, lt_a1111_fault *fault);
bool lt_a1111_image(const json_t *value, size_t most_pixels, lt_image *image, lt_a1111_fault *fault);
/* The picture as the base64 of a PNG; NULL: no memory. */
json_t *lt_a1111_png(const lt_image *image);

/* The picture made to fit: image is replaced. LT_ERROR_UNSUPPORTED: too many pixels. */
lt_status lt_a1111_fit_image(lt_image *image, lt_a1111_fit fit);

#endif
