/* What a session's LoRAs are: its own, and those of the request that it serves. */
#ifndef LT_ADAPTING_H
#define LT_ADAPTING_H

#include "pipeline/session.h"

/* From now on these are the session's own. On failure it keeps what it had. */
lt_status lt_adapt_session(lt_session *session, const lt_lora *loras, size_t count);

/* For a request, until lt_adapt_end, these besides its own. What was packed for them stays until something else than
 * such a request is run. */
lt_status lt_adapt_request(lt_session *session, const lt_lora *loras, size_t count);
void lt_adapt_end(lt_session *session);

/* Its own alone, unless a request is served: before a module is planned. */
void lt_adapt_settle(lt_session *session);
/* Nothing is added any more, and all files are closed. */
void lt_adapt_drop(lt_session *session);

#endif
