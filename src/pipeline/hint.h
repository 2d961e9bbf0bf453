/* The picture that a control sees, at the size at which it is drawn. */
#ifndef LT_HINT_H
#define LT_HINT_H

#include "base/picture.h"

/* image as width x height, fitted as fit says. What has few colours keeps them: a map of classes is scaled by nearest
 * neighbours, and black and white stay so. LT_ERROR_ARGUMENT for one that is empty or over the limits. */
lt_status lt_hint_fit(const lt_image *image, lt_control_fit fit, int width, int height, lt_image *hint);

#endif
