/* A use of an open model. */
#include "pipeline/session.h"

#include "pipeline/adapting.h"
#include "pipeline/watch.h"

#include <string.h>

lt_session lt_session_beside(const lt_session *host, const lt_components *parts) {
    lt_session beside = {.parts = parts, .target = host->target, .listener = host->listener, .profile = host->profile};
    beside.target.deltas = parts->deltas;
    beside.wraps = host->wraps;
    return beside;
}

void lt_session_drop(lt_session *session) {
    for (int i = 0; i < LT_MODULE_COUNT; i++) lt_module_drop(session, (lt_module)i);
}

void lt_module_drop(lt_session *session, lt_module module) {
    lt_slot *slots = session->plans[module];
    for (int k = 0; k < LT_MODULE_PLANS; k++) lt_plan_free(slots[k].plan);
    memset(slots, 0, LT_MODULE_PLANS * sizeof *slots);
}

void lt_module_rest(lt_session *session, lt_module module) {
    lt_slot *slots = session->plans[module];
    for (int k = 0; k < LT_MODULE_PLANS; k++)
        if (slots[k].plan) lt_plan_rest(slots[k].plan);
}

void lt_module_spare(lt_session *session, lt_module module, lt_thrift thrift) {
    if (thrift.repack)
        lt_module_drop(session, module);
    else if (thrift.in_turn)
        lt_module_rest(session, module);
}

/* int8 is for the U-Net, which runs at each step; what runs once a picture isn't worth its rounding, and the residuals
 * of a ControlNet would be further off than a module may be. */
static lt_target target_of(const lt_session *session, lt_module module) {
    lt_target target = session->target;
    if (target.precision == LT_PRECISION_INT8 && module != LT_MODULE_UNET) target.precision = lt_isa_wider(target.isa);
    if (module == LT_MODULE_IMAGE_PROMPT)
        target.precision = LT_PRECISION_F32; /* once a picture, and felt at each step */
    return target;
}

static lt_status make_plan(const lt_session *session, lt_module module, const lt_module_size *size, bool sizing,
                           lt_plan **plan) {
    lt_graph graph = {0};
    const lt_status built = lt_module_build(session->parts, module, size, &graph);
    lt_target target = target_of(session, module);
    target.sizing = sizing;
    return lt_plan_built(&graph, built, &target, plan);
}

lt_status lt_module_need(const lt_session *session, lt_module module, const lt_module_size *sizes, int count,
                         lt_need *need) {
    *need = (lt_need){0};
    for (int k = 0; k < count; k++) {
        lt_plan *plan;
        LT_TRY(make_plan(session, module, &sizes[k], true, &plan));
        need->weights = lt_max(need->weights, lt_plan_weights_size(plan)); /* which they share */
        need->values += lt_plan_arena_size(plan);
        lt_plan_free(plan);
    }
    return LT_OK;
}

static void retire(lt_slot *slots, lt_deltas *next) {
    for (int k = 0; k < LT_MODULE_PLANS; k++)
        if (slots[k].plan) lt_plan_retire(slots[k].plan, next);
}

void lt_session_apply(lt_session *session, lt_deltas *deltas) {
    for (int i = 0; i < LT_MODULE_COUNT; i++) {
        retire(session->plans[i], deltas);
        lt_module_renew(session, (lt_module)i);
    }
    lt_deltas *before = session->target.deltas;
    session->target.deltas = lt_deltas_share(deltas);
    lt_deltas_free(before);
}

/* Moves the plan for a size, if there is one, out of slots. */
static lt_slot take(lt_slot *slots, const lt_module_size *size, lt_precision precision) {
    for (int k = 0; k < LT_MODULE_PLANS; k++) {
        const lt_slot slot = slots[k];
        if (!slot.plan || slot.retired || slot.precision != precision || memcmp(size, &slot.size, sizeof *size))
            continue;
        slots[k] = (lt_slot){0};
        return slot;
    }
    return (lt_slot){.size = *size, .precision = precision};
}

/* Plans from before hold the weights that new ones find packed. */
static lt_status replace_plans(lt_session *session, lt_module module, lt_slot wanted[LT_MODULE_PLANS], int count) {
    lt_slot *slots = session->plans[module];
    lt_status status = LT_OK;
    retire(slots, session->target.deltas);
    for (int k = 0; k < count && !status; k++)
        if (!wanted[k].plan) status = make_plan(session, module, &wanted[k].size, false, &wanted[k].plan);
    lt_module_drop(session, module);
    memcpy(slots, wanted, LT_MODULE_PLANS * sizeof *slots);
    return status;
}

static bool wraps(lt_module module) {
    const bool controls = module == LT_MODULE_HINT || module == LT_MODULE_CONTROL || module == LT_MODULE_ADAPTER;
    return controls || module == LT_MODULE_UNET || module == LT_MODULE_VAE_ENCODER || module == LT_MODULE_VAE_DECODER;
}

lt_status lt_module_plans(lt_session *session, lt_module module, const lt_module_size *sizes, int count,
                          lt_plan *plans[]) {
    lt_slot wanted[LT_MODULE_PLANS] = {0};
    lt_adapt_settle(session);
    for (int k = 0; k < count; k++) {
        lt_module_size size = sizes[k];
        if (wraps(module)) size.wraps = session->wraps;
        wanted[k] = take(session->plans[module], &size, session->target.precision);
    }
    LT_TRY(replace_plans(session, module, wanted, count));
    for (int k = 0; k < count; k++) {
        plans[k] = wanted[k].plan;
        LT_TRY(lt_plan_wake(plans[k]));
    }
    return LT_OK;
}

lt_status lt_module_plan(lt_session *session, lt_module module, const lt_module_size *size, lt_plan **plan) {
    return lt_module_plans(session, module, size, 1, plan);
}

void lt_module_renew(lt_session *session, lt_module module) {
    for (int k = 0; k < LT_MODULE_PLANS; k++) session->plans[module][k].retired = true;
}

static lt_status poll_request(void *user) {
    const lt_session *session = user;
    const bool stop = session->target.cancelled && session->target.cancelled(session->target.cancelled_user);
    return stop ? lt_fail(LT_ERROR_CANCELLED, "stopped") : LT_OK;
}

/* A guide that is no module of its own has no slot. */
static const char *name_of(const lt_session *session, const lt_plan *plan) {
    for (int i = 0; i < LT_MODULE_COUNT; i++)
        for (int k = 0; k < LT_MODULE_PLANS; k++)
            if (session->plans[i][k].plan == plan) return lt_module_name((lt_module)i);
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
    const bool watched = session->watching.tapped && !lt_plan_is_watched(plan); /* a drawing's taps watch its U-Net */
    if (watched) lt_plan_watch(plan, lt_watch_look, (void *)(uintptr_t)&session->watching);
    const lt_status status = lt_plan_run(plan, changed, poll_request, (void *)(uintptr_t)session);
    if (watched) lt_plan_watch(plan, NULL, NULL);
    if (session->profile.tell) tell_profiler(session, plan, start);
    return status == LT_ERROR_MODEL && session->loras.worn ? lt_lora_set_blame(session->loras.worn, status) : status;
}
