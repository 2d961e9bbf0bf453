/* txt2img, img2img and inpainting: the story of a picture. */
#ifndef LT_GENERATE_H
#define LT_GENERATE_H

#include "pipeline/guidance.h"

/* lt_generate, with the guides as open models. */
lt_status lt_paint(lt_session *session, const lt_request *request, const lt_guides *guides, lt_result *result);

#endif
