/* What a request wants to see of a drawing (lt_tap in latent.h), shown to its callback while the drawing is made.
 * Nothing is kept for it but the sums of LT_TAP_HEAT: a plan is watched as it runs (graph.h). */
#ifndef LT_TAPS_H
#define LT_TAPS_H

#include "diffusion/diffusion.h"
#include "pipeline/branches.h"
#include "pipeline/heat.h"

/* The names of kind LT_TAP_STEP, NULL-terminated; the last is there where a second model guides alone. */
enum { LT_STEP_TAPS = 5, LT_STEP_TAPS_OF_ALL = 4 };
extern const char *const lt_step_taps[LT_STEP_TAPS + 1];

/* Whether the tap means what is called so. */
bool lt_tap_names(const lt_tap *tap, const char *name);

/* Of a pass, while it is drawn. */
typedef struct lt_tap_pass {
    const lt_branches *branches;
    const lt_noise_schedule *schedule;
    lt_shape latent; /* n = 1 */
    int picture;     /* from 0 */
    int before, all; /* steps of the pass before, and of all */
} lt_tap_pass;

typedef struct lt_taps {
    const lt_request *request;
    lt_tap_pass pass;
    lt_tapped at; /* what all that is shown now has in common */
    lt_noise_level level;
    const float *x;   /* [latent] what the U-Net sees */
    int first, count; /* branches of the batch that runs */
    lt_heat heat;
} lt_taps;

/* LT_ERROR_ARGUMENT: the request has a tap that makes no sense for this model. lt_taps_free is due. */
lt_status lt_taps_init(lt_taps *taps, const lt_components *parts, const lt_request *request);
void lt_taps_begin(lt_taps *taps, lt_tap_pass pass);
/* A call of the U-Net begins, in the pass's step, from 0, for x [latent] at timestep t; it has predicted out [latent],
 * eps or v: by itself in a branch, and all in all. */
lt_status lt_taps_ask(lt_taps *taps, int step, int call, float t, const float *x);
lt_status lt_taps_branch(lt_taps *taps, int branch, const float *out);
/* gradient [latent]: what guidance by other models sums up to (guidance.h). */
lt_status lt_taps_gradient(lt_taps *taps, const float *gradient);
lt_status lt_taps_answer(lt_taps *taps, const float *out);
/* Around a run of the U-Net for the branches [first, first + count). */
void lt_taps_watch(lt_taps *taps, lt_plan *plan, int first, int count);
void lt_taps_leave(lt_plan *plan);
/* Behind the last step of a pass. */
lt_status lt_taps_end(lt_taps *taps);
void lt_taps_free(lt_taps *taps); /* a zeroed one is fine */

/* What there is to be tapped of a model that draws, for latents of h x w; free with lt_tap_places_free. */
lt_status lt_taps_list(const lt_components *parts, int h, int w, lt_tap_places *places);
/* Of one of its modules alone, in the order in which they run. */
lt_status lt_taps_list_module(const lt_components *parts, lt_module module, int h, int w, lt_tap_places *places);

#endif
