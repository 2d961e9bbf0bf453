/* What a session runs, and what could be run at most. */
#include "api/model.h"
#include "base/door.h"
#include "kernels/peak.h"

lt_status lt_session_profile(lt_session *session, lt_profile_fn tell, void *user) {
    const lt_argument arguments[] = {LT_SESSION_ARGUMENT};
    lt_door door;
    const lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) session->profile = (lt_profiler){tell, user};
    return lt_leave(&door, status);
}

static double measure(const lt_session *session, lt_precision numbers) {
    const lt_target *target = &session->target;
    lt_team *before = lt_team_enter(target->team);
    const double peak = lt_product_peak(numbers, target->isa, lt_team_size(target->team));
    lt_team_enter(before);
    return peak;
}

lt_status lt_session_peak(lt_session *session, lt_precision numbers, double *flop) {
    const lt_argument arguments[] = {LT_SESSION_ARGUMENT, {"flop", .out = flop, .size = sizeof *flop}};
    lt_door door;
    const lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) *flop = measure(session, numbers);
    return lt_leave(&door, status);
}
