/* From a prompt to what the U-Net is told of it. */
#include "pipeline/context.h"

#include <string.h>

enum { MAX_CHUNKS = 256 }; /* far more than anybody's prompt; a text encoder's batch */

/* ---- A text encoder ---- */

typedef struct tower {
    int number; /* 0, and XL's second one 1 */
    lt_module module;
    const lt_clip_text *text;
    bool pools;
    int column; /* of the context, where its states begin */
} tower;

static lt_status check(const tower *t, const lt_prompt *prompt) {
    if (t->text->positions != LT_CONTEXT_TOKENS)
        return lt_fail(LT_ERROR_UNSUPPORTED, "the %s reads %d tokens, expected %d", lt_module_name(t->module),
                       t->text->positions, LT_CONTEXT_TOKENS);
    if (prompt->chunks > MAX_CHUNKS)
        return lt_fail(LT_ERROR_ARGUMENT, "the prompt has %zu chunks of 75 tokens; %d are possible", prompt->chunks,
                       MAX_CHUNKS);
    return LT_OK;
}

static lt_status run(lt_session *session, const tower *t, const lt_prompt *prompt, int skip, lt_plan **plan) {
    const lt_inversions *embeddings = &session->embeddings;
    const int chunks = (int)prompt->chunks;
    const lt_module_size size = {.n = chunks, .skip = skip, .embed = t->pools, .vectors = (int)embeddings->rows};
    LT_TRY(lt_module_plan(session, t->module, &size, plan));
    const lt_clip_inputs inputs = lt_clip_inputs_of(*plan);
    for (int i = 0; i < chunks; i++) lt_clip_write_ids(&inputs, i, prompt->ids + (size_t)i * LT_CONTEXT_TOKENS);
    if (embeddings->rows)
        lt_port_write(lt_plan_port(*plan, "vectors"), 0, embeddings->tables[t->number],
                      embeddings->rows * embeddings->widths[t->number]);
    return lt_module_run(session, *plan, LT_RATE_PROMPT);
}

/* Its states, weighed, to their columns of the context. states: room for them. */
static void take(const tower *t, const lt_prompt *prompt, lt_emphasis emphasis, lt_plan *plan, float *states,
                 lt_context *context) {
    const size_t width = (size_t)t->text->width, tokens = (size_t)context->tokens;
    lt_port_read(lt_plan_port(plan, t->text->state), 0, states, tokens * width);
    lt_prompt_weigh(prompt, emphasis, states, width);
    for (size_t i = 0; i < tokens; i++)
        memcpy(context->values + i * (size_t)context->width + t->column, states + i * width, width * sizeof *states);
    if (t->pools) lt_port_read(lt_plan_port(plan, "text_embeds"), 0, context->vector, (size_t)t->text->projection);
}

static lt_status encode(lt_session *session, const tower *t, lt_prompt *prompt, lt_encoding how, lt_context *context) {
    lt_plan *plan;
    if (t->text->pad != session->parts->text.pad) lt_prompt_pad(prompt, t->text->pad);
    LT_TRY(check(t, prompt));
    LT_TRY(run(session, t, prompt, how.clip_skip - 1, &plan));
    float *states = lt_alloc((size_t)context->tokens * (size_t)t->text->width * sizeof *states);
    if (!states) return LT_ERROR_MEMORY;
    take(t, prompt, how.emphasis, plan, states, context);
    lt_free(states);
    return LT_OK;
}

/* ---- All of them ---- */

/* The text encoders that parts have; returns how many. */
static int list_towers(const lt_components *parts, tower towers[2]) {
    int count = 0;
    if (parts->has[LT_MODULE_TEXT]) towers[count++] = (tower){0, LT_MODULE_TEXT, &parts->text, false, 0};
    if (parts->has[LT_MODULE_TEXT_2])
        towers[count++] = (tower){1, LT_MODULE_TEXT_2, &parts->text_2, parts->unet.vector_dim > 0, parts->text.width};
    return count;
}

/* A context of zeros, whose vector tells sizes. */
static lt_status make_zeros(const lt_components *parts, size_t chunks, const lt_sizes *sizes, lt_context *context) {
    const size_t dim = (size_t)parts->unet.vector_dim;
    context->tokens = (int)chunks * LT_CONTEXT_TOKENS;
    context->width = parts->text.width + parts->text_2.width;
    context->values = lt_calloc((size_t)context->tokens * (size_t)context->width, sizeof *context->values);
    if (dim) context->vector = lt_calloc(dim, sizeof *context->vector);
    if (!context->values || (dim && !context->vector)) return LT_ERROR_MEMORY;
    if (dim) lt_sizes_embed(parts, sizes, context->vector + parts->text_2.projection);
    return LT_OK;
}

static lt_status encode_all(lt_session *session, lt_prompt *prompt, lt_encoding how, lt_context *context) {
    tower towers[2];
    const int count = list_towers(session->parts, towers);
    lt_status status = make_zeros(session->parts, prompt->chunks, &how.sizes, context);
    for (int i = 0; i < count && !status; i++) status = encode(session, &towers[i], prompt, how, context);
    return status;
}

lt_status lt_prompt_prepare(const lt_session *session, const char *text, lt_encoding how, lt_prompt *prompt) {
    const lt_components *parts = session->parts;
    const lt_vector_words words = lt_inversions_words(&session->embeddings);
    LT_TRY(how.plain ? lt_prompt_parse(parts->tokenizer, text, false, parts->text.pad, prompt)
                     : lt_prompt_parse_words(parts->tokenizer, words, text, how.emphasis, parts->text.pad, prompt));
    if (prompt->cut) lt_notify(&session->listener, "the prompt was cut after 75 tokens; left out: %.200s", prompt->cut);
    return LT_OK;
}

void lt_context_free(lt_context *context) {
    lt_free(context->values);
    lt_free(context->vector);
    *context = (lt_context){0};
}

/* Of a context that could not be made nothing stays. */
static lt_status whole(lt_context *context, lt_status status) {
    if (status) lt_context_free(context);
    return status;
}

lt_status lt_context_make(lt_session *session, const char *text, lt_encoding how, lt_context *context) {
    const lt_components *parts = session->parts;
    *context = (lt_context){0};
    if (!parts->unet.context_dim && !parts->unet.vector_dim) return LT_OK;
    LT_TRY(lt_texts_check(parts));
    lt_prompt parsed;
    LT_TRY(lt_prompt_prepare(session, text, how, &parsed));
    const lt_status status = encode_all(session, &parsed, how, context);
    lt_prompt_free(&parsed);
    return whole(context, status);
}

lt_status lt_context_make_zeros(const lt_components *parts, const lt_sizes *sizes, lt_context *context) {
    *context = (lt_context){0};
    return whole(context, make_zeros(parts, 1, sizes, context));
}
