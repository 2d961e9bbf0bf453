/* A use of an open model. */
#include "pipeline/session.h"

#include "pipeline/adapting.h"

#include <string.h>

lt_session lt_session_beside(const lt_session *host, const lt_components *parts) {
    return (lt_session){.parts = parts, .target = host->target, .listener = host->listener, .profile = host->profile};
}

void lt_session_drop(lt_session *session) {
    for (int i = 0; i < LT_MODULE_COUNT; i++) lt_module_drop(session, (lt_module)i);
}

void lt_module_drop(lt_session *session, lt_module module) {
    lt_plan_free(session->plans[module].plan);
    session->plans[module].plan = NULL;
}

void lt_module_rest(lt_session *session, lt_module module) {
    if (session->plans[module].plan) lt_plan_rest(session->plans[module].plan);
}

/* int8 is for the U-Net, which runs at each step; what runs once a picture isn't worth its rounding. */
static lt_target target_of(const lt_session *session, lt_module module) {
    lt_target target = session->target;
    if (target.precision == LT_PRECISION_INT8 && module != LT_MODULE_UNET) target.precision = lt_isa_wider(target.isa);
    return target;
}

static lt_status make_plan(lt_session *session, lt_module module, const lt_module_size *size, lt_plan **plan) {
    lt_graph graph = {0};
    const lt_status built = lt_module_build(session->parts, module, size, &graph);
    const lt_target target = target_of(session, module);
    return lt_plan_built(&graph, built, &target, plan);
}

void lt_session_apply(lt_session *session, lt_deltas *deltas) {
    for (int i = 0; i < LT_MODULE_COUNT; i++) {
        if (!session->plans[i].plan) continue;
        lt_plan_retire(session->plans[i].plan, deltas);
        session->plans[i].retired = true;
    }
    lt_deltas *before = session->target.deltas;
    session->target.deltas = lt_deltas_share(deltas);
    lt_deltas_free(before);
}

/* The plan before holds the weights that the new one finds packed. */
static lt_status replace_plan(lt_session *session, lt_module module, const lt_module_size *size) {
    lt_plan *before = session->plans[module].plan, *made = NULL;
    if (before) lt_plan_retire(before, session->target.deltas);
    const lt_status status = make_plan(session, module, size, &made);
    lt_plan_free(before);
    session->plans[module].plan = made;
    session->plans[module].size = *size;
    session->plans[module].precision = session->target.precision;
    session->plans[module].retired = false;
    return status;
}

lt_status lt_module_plan(lt_session *session, lt_module module, const lt_module_size *size, lt_plan **plan) {
    lt_plan **slot = &session->plans[module].plan;
    lt_adapt_settle(session);
    if (!*slot || session->plans[module].retired || session->plans[module].precision != session->target.precision ||
        memcmp(size, &session->plans[module].size, sizeof *size))
        LT_TRY(replace_plan(session, module, size));
    *plan = *slot;
    return lt_plan_wake(*plan);
}

void lt_module_renew(lt_session *session, lt_module module) { session->plans[module].retired = true; }

static lt_status poll_request(void *user) {
    const lt_session *session = user;
    const bool stop = session->target.cancelled && session->target.cancelled(session->target.cancelled_user);
    return stop ? lt_fail(LT_ERROR_CANCELLED, "stopped") : LT_OK;
}

/* A guide that is no module of its own has no slot. */
static const char *name_of(const lt_session *session, const lt_plan *plan) {
    for (int i = 0; i < LT_MODULE_COUNT; i++)
        if (session->plans[i].plan == plan) return lt_module_name((lt_module)i);
    return "guide";
}

/* The operations that ran since then. */
static void tell_profiler(const lt_session *session, const lt_plan *plan, double since) {
    for (size_t i = 0; i < lt_plan_row_count(plan); i++) {
        const lt_plan_row r = lt_plan_row_at(plan, i);
        const lt_profiled told = {.module = name_of(session, plan),
                                  .operation = r.op,
                                  .kernel = r.kernel,
                                  .weight = r.weight,
                                  .output = {r.shape.n, r.shape.h, r.shape.w, r.shape.c},
                                  .numbers = r.numbers,
                                  .flop = r.flops,
                                  .bytes = r.bytes,
                                  .start = r.start,
                                  .seconds = r.seconds};
        if (r.seconds > 0 && r.start >= since) session->profile.tell(session->profile.user, &told);
    }
}

lt_status lt_module_run(const lt_session *session, lt_plan *plan, lt_rate changed) {
    const double start = lt_now();
    if (session->profile.tell) lt_plan_trace(plan, true);
    const lt_status status = lt_plan_run(plan, changed, poll_request, (void *)(uintptr_t)session);
    if (session->profile.tell) tell_profiler(session, plan, start);
    return status;
}
