/* A second model that draws the last steps, as XL's refiner does: Podell et al. 2023, section 2.5. */
#ifndef LT_REFINER_H
#define LT_REFINER_H

#include "pipeline/denoiser.h"

typedef struct lt_refiner {
    lt_session *host;   /* that draws the steps before */
    lt_session session; /* on the refiner; its parts are NULL without one */
    lt_branches branches;
    lt_denoiser denoiser;
    int from; /* the step that it draws first; behind the last without one */
} lt_refiner;

/* The one of a pass of so many steps; parts NULL: none. LT_ERROR_MODEL where it doesn't fit the host's latents, or
 * can't read prompts. lt_refiner_free is due even after a failure. */
lt_status lt_refiner_init(lt_refiner *r, lt_session *host, const lt_components *parts, const lt_request *request,
                          const lt_pass *pass, int steps);
/* What its plans would take for latents of h x w. */
lt_status lt_refiner_need(lt_refiner *r, lt_savings savings, int h, int w, lt_need *need);
/* It has drawn a picture: plans are kept for the next one, */
void lt_refiner_end(lt_refiner *r);
/* but for what the host's thrift gives back before a picture is decoded. */
void lt_refiner_rest(lt_refiner *r);
void lt_refiner_free(lt_refiner *r); /* a zeroed one is fine */

/* Who predicts at a step: the refiner's denoiser, or own, the host's. The refiner's plans are made when it is first
 * asked for; where memory is short the host's are given back then. */
lt_status lt_refiner_choose(lt_refiner *r, lt_denoiser *own, int step, lt_denoiser **chosen);

#endif
