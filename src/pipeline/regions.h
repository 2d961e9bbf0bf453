/* Where each of a request's prompts counts. */
#ifndef LT_REGIONS_H
#define LT_REGIONS_H

#include "pipeline/session.h"

/* masks [1 + region_count, h, w], allocated: of each region its mask, where several overlap their shares of 1, and
 * first the prompt's, which is what they leave. NULL where there are no regions. A mask in which nothing is is told. */
lt_status lt_regions_read(const lt_session *session, const lt_request *request, int h, int w, float **masks);

#endif
