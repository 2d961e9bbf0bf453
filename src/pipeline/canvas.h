/* What is painted on: the size, the picture to start from, the mask. */
#ifndef LT_CANVAS_H
#define LT_CANVAS_H

#include "pipeline/session.h"

typedef struct lt_canvas {
    int width, height; /* pixels, multiples of the VAE's factor */
    int latent_w, latent_h;
    float *pixels;        /* [height, width, 3] in [-1, 1]: the input picture; NULL for txt2img */
    float *mask;          /* [height, width] in [0, 1], 1 is repainted; NULL without */
    float *latent_mask;   /* [latent_h, latent_w], 0 or 1; all 1 for an inpainting model without a mask */
    float *masked_pixels; /* inpainting models: pixels, 0 where the mask is over a half; NULL for others */
} lt_canvas;

lt_status lt_canvas_prepare(lt_canvas *canvas, const lt_session *session, const lt_request *request);
void lt_canvas_free(lt_canvas *canvas);

/* Puts the input picture back over pixels [height, width, 3] where the mask says so; nothing without a mask. */
void lt_canvas_compose(const lt_canvas *canvas, float *pixels);

#endif
