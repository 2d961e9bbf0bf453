/* Pictures made larger by an upscaler, in tiles. */
#ifndef LT_UPSCALING_H
#define LT_UPSCALING_H

#include "pipeline/session.h"

/* image made larger by the session's upscaler, once, of its own scale. options: tiles, and who is told. */
lt_status lt_upscale_once(lt_session *session, const lt_image *image, const lt_upscale_options *options,
                          lt_image *larger);

/* By an upscaler, as often as it takes to be no smaller than width x height (three times at most, as the web UIs), then
 * resampled to these sides. */
lt_status lt_upscale_to(lt_session *session, const lt_image *image, int width, int height,
                        const lt_upscale_options *options, lt_image *out);

#endif
