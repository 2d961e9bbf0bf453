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
    lt_noise_schedule schedule;
    *branches = (lt_branches){.guidance = r->guidance, .rescale = r->guidance_rescale};
    lt_status status = lt_noise_schedule_for(&session->parts->schedule, r->zero_snr, &schedule);
    if (!status && (guided || r->guidance != 1)) status = add(session, r, r->negative_prompt, 1, branches);
    if (!status && (guided || r->guidance == 1)) status = add(session, r, r->prompt, r->guidance, branches);
    if (!status && guided) limit(&schedule, r->guidance_interval[0], r->guidance_interval[1], &branches->items[0]);
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

static double deviation(const float *x, size_t n) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i];
    for (size_t i = 0; i < n; i++) squares += ((double)x[i] - sum / (double)n) * ((double)x[i] - sum / (double)n);
    return sqrt(squares / (double)n);
}

/* Lin et al. 2023, equations 15 and 16. The prompts' own prediction is first + (sum - first) / guidance. */
void lt_branches_rescale(const lt_branches *b, size_t n, const float *first, float *room, float *sum) {
    if (!(b->rescale > 0)) return;
    for (size_t i = 0; i < n; i++) room[i] = first[i] + (sum[i] - first[i]) / b->guidance;
    const double guided = deviation(sum, n), ratio = guided > 0 ? deviation(room, n) / guided : 1;
    const float by = 1 - b->rescale + b->rescale * (float)ratio;
    for (size_t i = 0; i < n; i++) sum[i] *= by;
}

bool lt_branch_is_there(const lt_branch *branch, float t) {
    return !branch->limited || (t >= branch->interval.from && t <= branch->interval.to);
}
