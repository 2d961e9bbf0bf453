/* CLIP's embeddings. */
#include "pipeline/embedding.h"

#include "base/picture.h"
#include "pipeline/context.h"

/* A copy of what a tower made, [dim], scaled to length 1. */
static lt_status take(lt_plan *plan, const char *tensor, int projection, float **embedding, size_t *dim) {
    *dim = (size_t)projection;
    *embedding = lt_alloc(*dim * sizeof(float));
    if (!*embedding) return LT_ERROR_MEMORY;
    lt_port_read(lt_plan_port(plan, tensor), 0, *embedding, *dim);
    lt_normalise(*embedding, *dim);
    return LT_OK;
}

/* ---- Texts ---- */

/* The first tokens' embedding, as the text tower's plan holds it. */
static lt_status run_tower(lt_session *session, const lt_prompt *prompt, lt_plan **plan) {
    const lt_module_size size = {.n = 1, .embed = 1};
    LT_TRY(lt_module_plan(session, LT_MODULE_TEXT, &size, plan));
    const lt_clip_inputs inputs = lt_clip_inputs_of(*plan);
    lt_clip_write_ids(&inputs, 0, prompt->ids);
    return lt_module_run(session, *plan, LT_RATE_PROMPT);
}

lt_status lt_text_embedding(lt_session *session, const char *text, bool plain, float **embedding, size_t *dim) {
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
    LT_TRY(lt_prompt_prepare(session, text, (lt_encoding){.plain = plain}, &prompt));
    lt_plan *plan = NULL;
    const lt_status status = run_tower(session, &prompt, &plan);
    lt_prompt_free(&prompt);
    return status ? status : take(plan, "text_embeds", parts->text.projection, embedding, dim);
}

/* ---- Pictures ---- */

lt_status lt_clip_pixels(const lt_image *image, int size, float **pixels) {
    const size_t count = (size_t)size * (size_t)size * 3;
    lt_image crop;
    *pixels = NULL;
    LT_TRY(lt_image_clip_crop(image, size, &crop));
    *pixels = lt_alloc(count * sizeof **pixels);
    for (size_t i = 0; *pixels && i < count; i++)
        (*pixels)[i] = ((float)crop.pixels[i] / 255 - lt_clip_mean[i % 3]) / lt_clip_deviation[i % 3];
    lt_image_free(&crop);
    return *pixels ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status write_pixels(lt_plan *plan, const lt_image *image, int size) {
    float *pixels;
    LT_TRY(lt_clip_pixels(image, size, &pixels));
    lt_port_write(lt_plan_port(plan, "pixels"), 0, pixels, (size_t)size * (size_t)size * 3);
    lt_free(pixels);
    return LT_OK;
}

lt_status lt_image_embedding(lt_session *session, const lt_image *image, float **embedding, size_t *dim) {
    const lt_components *parts = session->parts;
    const lt_module_size size = {.n = 1};
    lt_plan *plan;
    *embedding = NULL;
    LT_TRY(lt_image_check(image));
    LT_TRY(lt_module_needed(parts, LT_MODULE_IMAGE, ": similarity needs a CLIP model of both towers"));
    LT_TRY(lt_module_plan(session, LT_MODULE_IMAGE, &size, &plan));
    LT_TRY(write_pixels(plan, image, parts->image.size));
    LT_TRY(lt_module_run(session, plan, LT_RATE_PROMPT));
    return take(plan, "image_embeds", parts->image.projection, embedding, dim);
}
