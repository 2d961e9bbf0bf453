/* From a prompt to what the U-Net's cross-attention reads. */
#include "pipeline/context.h"

enum { MAX_CHUNKS = 256 }; /* far more than anybody's prompt; a text encoder's batch */

static lt_status encode(lt_session *session, const lt_prompt *prompt, lt_encoding how, lt_context *context) {
    const lt_components *parts = session->parts;
    const int chunks = (int)prompt->chunks, width = parts->text.width;
    if (parts->text.positions != LT_CONTEXT_TOKENS)
        return lt_fail(LT_ERROR_UNSUPPORTED, "the text encoder reads %d tokens, expected %d", parts->text.positions,
                       LT_CONTEXT_TOKENS);
    if (prompt->chunks > MAX_CHUNKS)
        return lt_fail(LT_ERROR_ARGUMENT, "the prompt has %zu chunks of 75 tokens; %d are possible", prompt->chunks,
                       MAX_CHUNKS);
    const lt_inversions *embeddings = &session->embeddings;
    const lt_module_size size = {.n = chunks, .skip = how.clip_skip - 1, .vectors = (int)embeddings->rows};
    lt_plan *plan;
    LT_TRY(lt_module_plan(session, LT_MODULE_TEXT, &size, &plan));
    const lt_clip_inputs inputs = lt_clip_inputs_of(plan);
    for (int i = 0; i < chunks; i++) lt_clip_write_ids(&inputs, i, prompt->ids + (size_t)i * LT_CONTEXT_TOKENS);
    if (embeddings->rows)
        lt_port_write(lt_plan_port(plan, "vectors"), 0, embeddings->table, embeddings->rows * embeddings->width);
    LT_TRY(lt_module_run(session, plan, LT_RATE_PROMPT));
    const size_t count = (size_t)chunks * LT_CONTEXT_TOKENS * (size_t)width;
    context->values = lt_alloc(count * sizeof(float));
    if (!context->values) return LT_ERROR_MEMORY;
    lt_port_read(lt_plan_port(plan, parts->text.state), 0, context->values, count);
    lt_prompt_weigh(prompt, how.emphasis, context->values, (size_t)width);
    context->tokens = chunks * LT_CONTEXT_TOKENS;
    context->width = width;
    return LT_OK;
}

lt_status lt_prompt_prepare(const lt_session *session, const char *text, lt_encoding how, lt_prompt *prompt) {
    const lt_components *parts = session->parts;
    const lt_vector_words words = lt_inversions_words(&session->embeddings);
    LT_TRY(how.plain ? lt_prompt_parse(parts->tokenizer, text, false, parts->text.pad, prompt)
                     : lt_prompt_parse_words(parts->tokenizer, words, text, how.emphasis, parts->text.pad, prompt));
    if (prompt->cut) lt_notify(&session->listener, "the prompt was cut after 75 tokens; left out: %.200s", prompt->cut);
    return LT_OK;
}

lt_status lt_context_make(lt_session *session, const char *text, lt_encoding how, lt_context *context) {
    const lt_components *parts = session->parts;
    *context = (lt_context){0};
    if (parts->unet.context_dim == 0) return LT_OK;
    LT_TRY(lt_module_needed(parts, LT_MODULE_TEXT, ", which this U-Net needs: `text` takes one from another file"));
    lt_prompt parsed;
    LT_TRY(lt_prompt_prepare(session, text, how, &parsed));
    const lt_status status = encode(session, &parsed, how, context);
    lt_prompt_free(&parsed);
    return status;
}

void lt_context_free(lt_context *context) {
    lt_free(context->values);
    *context = (lt_context){0};
}
