/* Opening a use of a model. */
#include "api/model.h"
#include "base/door.h"
#include "base/fields.h"
#include "pipeline/adapting.h"
#include "pipeline/precision.h"

bool lt_isa_usable(lt_isa set) {
    return set == LT_ISA_BEST || (set >= LT_ISA_SCALAR && set < LT_ISA_BEST && lt_isa_has(set, LT_ISA_BEST));
}

static lt_status choose_precision(lt_session *session, lt_precision asked) {
    lt_target *target = &session->target;
    session->automatic = asked == LT_PRECISION_AUTO;
    target->precision = session->automatic ? lt_precision_automatic(session->parts, target->isa) : asked;
    if (target->precision != LT_PRECISION_BF16 || lt_isa_wider(target->isa) == LT_PRECISION_BF16) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED,
                   "bf16 takes a processor with AVX512-BF16 or VNNI, and no lower limit: use f32 or int8");
}

static lt_status open_hashes(lt_session *session, const char *folder) {
    session->hashes = lt_calloc(1, sizeof *session->hashes);
    return session->hashes ? lt_hash_cache_open(folder, session->hashes) : LT_ERROR_MEMORY;
}

static lt_status open_session(lt_session *session, lt_model *model, const lt_session_options *options) {
    LT_TRY(lt_fields_check(lt_session_fields(), options));
    atomic_fetch_add(&model->users, 1);
    session->model = model;
    session->parts = &model->parts;
    session->target.deltas = lt_deltas_share(model->parts.deltas);
    session->listener = (lt_listener){options->notice, options->notice_user};
    session->low_memory = options->low_memory;
    session->thrift.in_turn = options->low_memory;
    session->max_memory = options->max_memory;
    if (options->models && !(session->models = lt_strdup(options->models))) return LT_ERROR_MEMORY;
    LT_TRY(open_hashes(session, options->cache));
    session->target.isa = lt_isa_choose(options->isa);
    LT_TRY(choose_precision(session, options->precision));
    LT_TRY(lt_team_create(options->threads, &session->target.team));
    return options->pin ? lt_team_pin(session->target.team) : LT_OK;
}

static lt_status make_session(lt_model *model, const lt_session_options *options, lt_session **session) {
    const lt_session_options defaults = lt_session_options_defaults();
    lt_session *s = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    const lt_status status = open_session(s, model, options ? options : &defaults);
    if (status)
        lt_session_close(s);
    else
        *session = s;
    return status;
}

lt_status lt_session_open(lt_model *model, const lt_session_options *options, lt_session **session) {
    const lt_argument arguments[] = {{"model", model}, {"session", .out = session, .size = sizeof *session}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = make_session(model, options, session);
    return lt_leave(&door, status);
}

void lt_session_close(lt_session *session) {
    if (!session) return;
    lt_session_drop(session);
    lt_adapt_drop(session);
    lt_team_free(session->target.team);
    lt_model_close(session->model);
    lt_free(session->models);
    if (session->hashes) lt_hash_cache_close(session->hashes);
    lt_free(session->hashes);
    lt_free(session);
}

/* ---- LoRAs ---- */

lt_status lt_session_adapt(lt_session *session, const lt_lora *loras, size_t count) {
    const lt_argument arguments[] = {LT_SESSION_ARGUMENT};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = lt_adapt_session(session, loras, count);
    return lt_leave(&door, status);
}

lt_status lt_session_wrap(lt_session *session, lt_seamless sides) {
    const lt_argument arguments[] = {LT_SESSION_ARGUMENT};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status && (sides < LT_SEAMLESS_NONE || sides > LT_SEAMLESS_BOTH))
        status = lt_fail(LT_ERROR_ARGUMENT, "sides: %d is none of lt_seamless", (int)sides);
    if (!status) session->wraps = sides;
    return lt_leave(&door, status);
}

lt_status lt_session_watch(lt_session *session, bool (*tapped)(void *user, const lt_tapped *value), const lt_tap *taps,
                           size_t count, void *user) {
    const lt_argument arguments[] = {LT_SESSION_ARGUMENT};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status && tapped && !taps) status = lt_fail(LT_ERROR_ARGUMENT, "taps is NULL");
    for (size_t i = 0; i < count && tapped && !status; i++) status = lt_reserved_check(taps[i].reserved);
    if (!status) session->watching = (lt_watching){tapped, taps, tapped ? count : 0, user};
    return lt_leave(&door, status);
}

lt_model *lt_session_model(const lt_session *session) { return session ? session->model : NULL; }

lt_precision lt_session_precision(const lt_session *session) {
    return session ? session->target.precision : LT_PRECISION_AUTO;
}

const char *lt_precision_name(lt_precision precision) {
    return precision >= LT_PRECISION_AUTO && precision <= LT_PRECISION_INT8 ? lt_precision_choices[precision] : NULL;
}
