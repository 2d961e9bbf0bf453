/* CLIP's embeddings. */
#include "pipeline/embedding.h"

#include "pipeline/context.h"

#include <string.h>

lt_status lt_normalised_copy(const float *row, size_t n, float **copy) {
    *copy = lt_alloc(n * sizeof(float));
    if (!*copy) return LT_ERROR_MEMORY;
    memcpy(*copy, row, n * sizeof(float));
    lt_normalise(*copy, n);
    return LT_OK;
}

/* The first tokens' embedding, as the text tower's plan holds it. */
static lt_status run_tower(lt_session *session, const lt_prompt *prompt, lt_plan **plan) {
    const lt_module_size size = {.n = 1, .embed = 1};
    LT_TRY(lt_module_plan(session, LT_MODULE_TEXT, &size, plan));
    lt_clip_write_ids(*plan, 0, prompt->ids);
    return lt_module_run(session, *plan, LT_RATE_PROMPT);
}

lt_status lt_text_embedding(lt_session *session, const char *text, bool plain, float **embedding) {
    const lt_components *parts = session->parts;
    *embedding = NULL;
    if (!parts->has[LT_MODULE_TEXT] || !parts->text.projection)
        return lt_module_fail(
            parts, LT_MODULE_TEXT,
            lt_fail(LT_ERROR_MODEL,
                    "this checkpoint has no text projection: similarity needs a CLIP model of both towers"));
    if (parts->text.positions != LT_CONTEXT_TOKENS)
        return lt_fail(LT_ERROR_UNSUPPORTED, "the text encoder reads %d tokens, expected %d", parts->text.positions,
                       LT_CONTEXT_TOKENS);
    lt_prompt prompt;
    LT_TRY(lt_prompt_prepare(session, text, plain, &prompt));
    lt_plan *plan = NULL;
    const lt_status status = run_tower(session, &prompt, &plan);
    lt_prompt_free(&prompt);
    if (status) return status;
    return lt_normalised_copy(lt_plan_tensor(plan, "text_embeds"), (size_t)parts->text.projection, embedding);
}
