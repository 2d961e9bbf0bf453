/* txt2img, img2img and inpainting: the story of a picture. */
#ifndef LT_GENERATE_H
#define LT_GENERATE_H

#include "pipeline/guidance.h"

/* lt_generate over the parts of open models. */
lt_status lt_paint(lt_components *parts, const lt_request *request, const lt_guides *guides, lt_result *result);

/* The text that the web UIs put beside a picture; schedule: the one that was chosen. Allocated, NULL when out of
 * memory. */
char *lt_parameters_text(const lt_components *parts, const lt_request *request, const lt_guides *guides,
                         const char *schedule, uint64_t seed, int width, int height);

#endif
