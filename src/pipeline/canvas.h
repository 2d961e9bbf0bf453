/* What is painted on: the size, the picture to start from, the mask. */
#ifndef LT_CANVAS_H
#define LT_CANVAS_H

#include "pipeline/area.h"
#include "pipeline/session.h"

/* What is around the area that is painted, where not all of the picture is. */
typedef struct lt_surroundings {
    const lt_image *image; /* the request's picture; NULL: all of it is painted */
    float *mask;           /* [height, width] of that picture */
    lt_area area;
} lt_surroundings;

typedef struct lt_canvas {
    int width, height; /* pixels, multiples of the VAE's factor */
    int latent_w, latent_h;
    float *pixels;        /* [height, width, 3] in [-1, 1]: the input picture, or its area; NULL for txt2img */
    float *filled;        /* the same, filled under the mask; NULL: it is not */
    float *mask;          /* [height, width] in [0, 1], 1 is repainted; NULL without */
    float *latent_mask;   /* [latent_h, latent_w], 0 or 1; all 1 for an inpainting model without a mask */
    float *masked_pixels; /* inpainting models: pixels, 0 where the mask is over a half; NULL for others */
    lt_surroundings around;
} lt_canvas;

lt_status lt_canvas_prepare(lt_canvas *canvas, const lt_session *session, const lt_request *request);
void lt_canvas_free(lt_canvas *canvas);

/* The picture that was painted as pixels [height, width, 3], which are lost: with the input picture where the mask says
 * so, and around the area. */
lt_status lt_canvas_finish(const lt_canvas *canvas, float *pixels, lt_image *image);

#endif
