/* What a session's LoRAs are: its own, those of the request that it serves, and those that its prompt names. */
#ifndef LT_ADAPTING_H
#define LT_ADAPTING_H

#include "pipeline/session.h"
#include "text/networks.h"

/* From now on these are the session's own. On failure it keeps what it had. */
lt_status lt_adapt_session(lt_session *session, const lt_lora *loras, size_t count);

/* A request with its LoRAs added to the session's weights. */
typedef struct lt_adapted {
    lt_request request; /* as it was, but for the comments and networks in its prompts */
    lt_networks networks;
    const char **names; /* [named]: what the prompt calls the set's first ones, as networks has it; owned */
    size_t named;
    bool *left_out; /* [networks.count]: what is not added for them, or by the request's own; owned */
    lt_buffer prompt, negative_prompt;
    lt_region *regions; /* with their prompts, owned */
} lt_adapted;

/* Takes comments from the prompts, and what they name as networks, and adds the prompt's, the request's and the
 * session's own to its weights, and reads the embeddings that its prompts name and those of the request, until
 * lt_adapt_end, which is due in any case. What is packed for them stays until something else is run. A name that is
 * nowhere is told, and left out; one for whose file request->loras has a strength gives way to that. */
lt_status lt_adapt_request(lt_session *session, const lt_request *request, lt_adapted *adapted);
void lt_adapt_end(lt_session *session, lt_adapted *adapted);

/* Its own alone, unless a request is served: before a module is planned. */
void lt_adapt_settle(lt_session *session);
/* Nothing is added any more, and all files are closed. */
void lt_adapt_drop(lt_session *session);

#endif
