/* Image prompts in lt_run_with: the adapter alone, and what it adds to a U-Net that runs alone. */
#include "api/run_image_prompt.h"

#include "api/arrays.h"
#include "api/tensor_io.h"
#include "kernels/layout.h"

static const char MODULE[] = "image-prompt";

/* ---- The adapter ---- */

/* Both rows of the plan's tokens, each a tensor of its own. */
static lt_status read_tokens(lt_plan *plan, lt_arrays *out) {
    const lt_port port = lt_plan_port(plan, "ip_tokens");
    const lt_shape s = lt_port_shape(port);
    const size_t each = (size_t)s.w * (size_t)s.c;
    float *values = lt_alloc(2 * each * sizeof *values);
    if (!values) return LT_ERROR_MEMORY;
    lt_port_read(port, 0, values, 2 * each);
    lt_tensor tensors[] = {{"ip_tokens", LT_F32, 3, {1, (size_t)s.w, (size_t)s.c}, .data = values},
                           {"zero_tokens", LT_F32, 3, {1, (size_t)s.w, (size_t)s.c}, .data = values + each}};
    return lt_arrays_take(tensors, LT_COUNT(tensors), values, out);
}

/* [1, 3, size, size] as the tower's plan has them; allocated. */
static lt_status read_pixels(const lt_tensor *in, size_t count, int size, float **pixels) {
    const lt_tensor *t = lt_tensor_named(in, count, "pixels");
    const size_t side = (size_t)size, shape[4] = {1, 3, side, side};
    if (!t || !lt_tensor_has_shape(t, 4, shape))
        return lt_fail(LT_ERROR_ARGUMENT, "%s needs a tensor called pixels [1,3,%d,%d]", MODULE, size, size);
    float *planar = lt_alloc(3 * side * side * sizeof *planar);
    *pixels = lt_alloc(3 * side * side * sizeof **pixels);
    lt_status status = planar && *pixels ? LT_OK : LT_ERROR_MEMORY;
    if (!status) status = lt_tensor_read_finite(t, planar);
    if (!status) lt_nchw_to_nhwc(planar, *pixels, 1, side * side, 3);
    lt_free(planar);
    return status;
}

lt_status lt_run_image_prompt(lt_session *session, const lt_run_options *options, const lt_tensor *in, size_t in_count,
                              lt_arrays *out) {
    float *pixels = NULL;
    lt_plan *plan;
    LT_TRY(lt_module_needed(session->parts, LT_MODULE_IMAGE_PROMPT, ""));
    if (!options->image_encoder)
        return lt_fail(LT_ERROR_ARGUMENT, "%s: an `image_encoder` is needed, which reads the picture", MODULE);
    const lt_components *parts = &options->image_encoder->parts;
    LT_TRY(lt_module_needed(parts, LT_MODULE_IMAGE, ""));
    lt_session encoder = lt_session_beside(session, parts);
    lt_status status = read_pixels(in, in_count, parts->image.size, &pixels);
    if (!status) status = lt_image_prompt_run(session, &encoder, pixels, &plan);
    if (!status) status = read_tokens(plan, out);
    lt_session_drop(&encoder);
    lt_free(pixels);
    return status;
}

/* ---- A U-Net ---- */

lt_status lt_run_image_contexts(const lt_session *session, const lt_run_options *options, const lt_tensor *in,
                                size_t in_count, lt_image_contexts *contexts) {
    const lt_guides guides = lt_guides_of(options->image_encoder, options->image_prompts, options->image_prompt_count);
    const lt_tensor *x = lt_tensor_named(in, in_count, "x");
    lt_shape latent = {0};
    *contexts = (lt_image_contexts){0};
    if (!options->image_prompt_count || !x) return LT_OK; /* whoever reads x says that it is missing */
    LT_TRY(lt_shape_of_tensor(x, &latent));
    LT_TRY(lt_image_contexts_make(session, &guides, options->image_prompts, options->image_prompt_count, latent,
                                  contexts));
    for (int i = 0; i < contexts->tokens.count; i++) contexts->items[i].start = 0, contexts->items[i].end = 1;
    return LT_OK;
}
