/* From a request's prompts to the branches of its guidance. */
#include "pipeline/branches.h"

static lt_status add(lt_session *session, const lt_request *r, const char *prompt, float weight,
                     lt_branches *branches) {
    lt_branch *branch = &branches->items[branches->count];
    LT_TRY(lt_context_make(session, prompt, r->plain_prompt, r->clip_skip, &branch->context));
    branch->weight = weight;
    branches->count++;
    return LT_OK;
}

lt_status lt_branches_read(lt_session *session, const lt_request *r, lt_branches *branches) {
    const bool guided = session->parts->unet.context_dim && r->guidance != 0 && r->guidance != 1;
    *branches = (lt_branches){0};
    lt_status status = LT_OK;
    if (guided || r->guidance != 1) status = add(session, r, r->negative_prompt, 1, branches);
    if (!status && (guided || r->guidance == 1)) status = add(session, r, r->prompt, r->guidance, branches);
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
    const bool everywhere = branch->interval.from == 0 && branch->interval.to == 0;
    return everywhere || (t >= branch->interval.from && t <= branch->interval.to);
}
