/* From a request's prompts to the branches of its guidance. */
#include "pipeline/branches.h"

#include <math.h>

static lt_status add(lt_session *session, const lt_request *r, const char *prompt, float weight,
                     lt_branches *branches) {
    lt_branch *branch = &branches->items[branches->count];
    LT_TRY(lt_context_make(session, prompt, r->plain_prompt, r->clip_skip, &branch->context));
    branch->weight = weight;
    branches->count++;
    return LT_OK;
}

/* Limits the branch to noise levels sigma above `low` and up to `high`, or without an end at 0. */
static void limit(const lt_noise_schedule *s, float low, float high, lt_branch *branch) {
    const float least = s->sigmas[0]; /* of timestep 0 */
    branch->limited = low > 0 || high > 0;
    branch->interval.from = low < least ? 0 : nextafterf(lt_sigma_to_t(s, low), LT_TRAIN_STEPS);
    branch->interval.to = !(high > 0) ? LT_TRAIN_STEPS : high < least ? -1 : lt_sigma_to_t(s, high);
}

lt_status lt_branches_read(lt_session *session, const lt_request *r, lt_branches *branches) {
    const bool guided = session->parts->unet.context_dim && r->guidance != 0 && r->guidance != 1;
    *branches = (lt_branches){0};
    lt_status status = LT_OK;
    if (guided || r->guidance != 1) status = add(session, r, r->negative_prompt, 1, branches);
    if (!status && (guided || r->guidance == 1)) status = add(session, r, r->prompt, r->guidance, branches);
    if (!status && guided)
        limit(&session->parts->schedule, r->guidance_interval[0], r->guidance_interval[1], &branches->items[0]);
    lt_module_drop(session, LT_MODULE_TEXT);
    return status;
}

void lt_branches_free(lt_branches *branches) {
    for (int i = 0; i < branches->count; i++) {
        lt_branch *branch = &branches->items[i];
        lt_context_free(&branch->context);
        lt_free(branch->vector);
        lt_free(branch->mask);
    }
    *branches = (lt_branches){0};
}

bool lt_branch_is_there(const lt_branch *branch, float t) {
    return !branch->limited || (t >= branch->interval.from && t <= branch->interval.to);
}
