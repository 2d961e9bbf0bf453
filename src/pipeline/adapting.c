/* What a session's LoRAs are. */
#include "pipeline/adapting.h"

#include <string.h>

/* The set that is added to the weights from now on; one that was only a request's goes. */
static void wear(lt_session *session, lt_lora_set *set) {
    lt_lora_set *before = session->loras.worn;
    if (set == before) return;
    lt_session_apply(session, set ? set->deltas : NULL);
    session->loras.worn = set;
    if (before != session->loras.own) lt_lora_set_free(before);
}

static lt_status make(lt_session *session, const lt_lora *loras, size_t count, lt_lora_set **set) {
    const lt_lora_set *const kept[2] = {session->loras.own, session->loras.worn};
    return lt_lora_set_make(loras, count, session->parts->weights, &session->listener, kept, set);
}

lt_status lt_adapt_session(lt_session *session, const lt_lora *loras, size_t count) {
    lt_lora_set *set = NULL, *before = session->loras.own;
    if (count) LT_TRY(make(session, loras, count, &set));
    wear(session, before);
    wear(session, set);
    session->loras.own = set;
    lt_lora_set_free(before);
    return LT_OK;
}

static lt_status wear_list(lt_session *session, const lt_lora *loras, size_t count) {
    lt_lora_set *set;
    if (lt_lora_set_is(session->loras.worn, loras, count)) return LT_OK;
    LT_TRY(make(session, loras, count, &set));
    wear(session, set);
    return LT_OK;
}

lt_status lt_adapt_request(lt_session *session, const lt_lora *loras, size_t count) {
    const lt_lora_set *own = session->loras.own;
    const size_t before = own ? own->count : 0;
    session->loras.requested = true;
    if (!count) {
        wear(session, session->loras.own);
        return LT_OK;
    }
    lt_lora *all = lt_calloc(before + count, sizeof *all);
    if (!all) return LT_ERROR_MEMORY;
    if (before) memcpy(all, own->loras, before * sizeof *all);
    memcpy(all + before, loras, count * sizeof *all);
    const lt_status status = wear_list(session, all, before + count);
    lt_free(all);
    return status;
}

void lt_adapt_end(lt_session *session) { session->loras.requested = false; }

void lt_adapt_settle(lt_session *session) {
    if (!session->loras.requested) wear(session, session->loras.own);
}

void lt_adapt_drop(lt_session *session) {
    lt_lora_set *own = session->loras.own;
    lt_session_apply(session, NULL);
    if (session->loras.worn != own) lt_lora_set_free(session->loras.worn);
    lt_lora_set_free(own);
    session->loras.own = session->loras.worn = NULL;
}
