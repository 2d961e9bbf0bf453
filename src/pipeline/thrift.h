/* How a request is brought within the memory that its session may take: what trades time for space, the cheapest first.
 */
#ifndef LT_THRIFT_H
#define LT_THRIFT_H

#include "pipeline/canvas.h"
#include "pipeline/denoiser.h"
#include "pipeline/guidance.h"
#include "pipeline/refiner.h"

/* What decides what a request takes. */
typedef struct lt_taking {
    const lt_request *request;
    const lt_canvas *canvas;
    const lt_branches *branches; /* with controls */
    const lt_guidance *guidance;
    lt_refiner *refiner;
} lt_taking;

/* Sets session->thrift: what session and request ask for, and where its limit demands it more, which a note says.
 * LT_ERROR_MEMORY where nothing suffices. */
lt_status lt_thrift_choose(lt_session *session, const lt_taking *taking);

#endif
