/* Maps of pictures for controls, by formulas alone: edges, lines, tones, colours. The formulas are those of the web
 * UI's preprocessors of these names, which are OpenCV's functions and NumPy. */
#ifndef LT_ANNOTATORS_H
#define LT_ANNOTATORS_H

#include "base/picture.h"

/* The map that text names, "canny" or with thresholds of one's own "canny:50:150", of image, as large.
 * LT_ERROR_ARGUMENT says what is possible. */
lt_status lt_annotate_picture(const char *text, const lt_image *image, lt_image *map);
/* Whether text names one, before there is a picture, or "inpaint", which is a control's. */
lt_status lt_annotator_known(const char *text);

/* Their names, NULL-terminated. */
const char *const *lt_annotator_names(void);

/* ---- The maps: each writes map's pixels, which are as many as image's ---- */

/* Canny 1986, as OpenCV does it with Sobel's 3x3 and |dx| + |dy| of the channel where that is the most: p = the
 * thresholds below which an edge ends and from which it begins. */
lt_status lt_annotate_canny(const lt_image *image, const double *p, lt_image *map);

/* Lines by a difference of Gaussians, of deviations 0.5 and 5: what is darker than its surroundings by p[0] / 2. */
lt_status lt_annotate_scribble(const lt_image *image, const double *p, lt_image *map);
/* How much darker than its surroundings (a Gaussian of deviation 6), so that the median of what is becomes 127. */
lt_status lt_annotate_lineart(const lt_image *image, const double *p, lt_image *map);
/* A Gaussian of deviation p[0]. */
lt_status lt_annotate_blur(const lt_image *image, const double *p, lt_image *map);

/* 255 less each value. */
lt_status lt_annotate_invert(const lt_image *image, const double *p, lt_image *map);
/* White where all three channels are over p[0], else black. */
lt_status lt_annotate_threshold(const lt_image *image, const double *p, lt_image *map);
/* CIE's L*, and the greatest of the channels, to the power p[0]. */
lt_status lt_annotate_luminance(const lt_image *image, const double *p, lt_image *map);
lt_status lt_annotate_intensity(const lt_image *image, const double *p, lt_image *map);

/* Squares of 64 pixels in one colour each; and the picture at 1 / p[0] of its size and back. */
lt_status lt_annotate_color(const lt_image *image, const double *p, lt_image *map);
lt_status lt_annotate_tile(const lt_image *image, const double *p, lt_image *map);

#endif
