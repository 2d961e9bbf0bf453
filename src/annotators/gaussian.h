/* Gaussians over pictures of floats. */
#ifndef LT_GAUSSIAN_H
#define LT_GAUSSIAN_H

#include "base/picture.h"

/* image's values blurred by a Gaussian of that deviation, as OpenCV's GaussianBlur does it: over four deviations to
 * each side, with the picture mirrored at its border. [height, width, 3], allocated. */
lt_status lt_gaussian(const lt_image *image, double deviation, float **blurred);

#endif
