/* Pictures as prompts. */
#include "pipeline/image_prompts.h"

#include "base/fields.h"
#include "base/picture.h"
#include "pipeline/embedding.h"

#include <math.h>
#include <string.h>

/* ---- From a picture to tokens ---- */

/* What an adapter reads: the embedding, or the states of the tower. */
static int embed_of(const lt_ip_adapter *adapter, const lt_clip_image *image) {
    return adapter->plus ? image->width : image->projection;
}

static lt_status check_encoder(const lt_components *adapter, const lt_components *encoder) {
    const lt_ip_adapter *a = &adapter->image_prompt;
    const int made = embed_of(a, &encoder->image);
    if (a->embed == made) return LT_OK;
    return lt_module_fail(
        adapter, LT_MODULE_IMAGE_PROMPT,
        lt_fail(LT_ERROR_MODEL,
                "the IP-Adapter reads %s of %d channels, this image encoder makes %d: it is for another",
                a->plus ? "states" : "embeddings", a->embed, made));
}

/* Plus learned what no picture is from one that is zeros, the plain kind from an embedding of zeros. */
static lt_status encode(lt_session *encoder, bool plus, const float *pixels, lt_plan **plan) {
    const lt_module_size size = {.n = plus ? 2 : 1, .states = plus};
    const size_t side = (size_t)encoder->parts->image.size;
    LT_TRY(lt_module_plan(encoder, LT_MODULE_IMAGE, &size, plan));
    const lt_port port = lt_plan_port(*plan, "pixels");
    lt_port_fill(port, 0);
    lt_port_write(port, 0, pixels, side * side * 3);
    return lt_module_run(encoder, *plan, LT_RATE_PROMPT);
}

/* Writes what the encoder's plan made. */
static lt_status write_embeds(lt_plan *encoder, lt_port embeds) {
    const lt_port states = lt_plan_port(encoder, "penultimate"), whole = lt_plan_port(encoder, "image_embeds");
    const lt_port made = states.node ? states : whole;
    const size_t count = lt_shape_count(lt_port_shape(made));
    float *values = lt_alloc(count * sizeof *values);
    if (!values) return LT_ERROR_MEMORY;
    lt_port_read(made, 0, values, count);
    lt_port_fill(embeds, 0);
    lt_port_write(embeds, 0, values, count);
    lt_free(values);
    return LT_OK;
}

lt_status lt_image_prompt_run(lt_session *adapter, lt_session *encoder, const float *pixels, lt_plan **plan) {
    const bool plus = adapter->parts->image_prompt.plus;
    lt_plan *tower;
    LT_TRY(check_encoder(adapter->parts, encoder->parts));
    const int side = encoder->parts->image.size / encoder->parts->image.patch;
    const lt_module_size size = {.n = 2, .tokens = plus ? side * side + 1 : 1};
    LT_TRY(encode(encoder, plus, pixels, &tower));
    LT_TRY(lt_module_plan(adapter, LT_MODULE_IMAGE_PROMPT, &size, plan));
    LT_TRY(write_embeds(tower, lt_plan_port(*plan, "embeds")));
    return lt_module_run(adapter, *plan, LT_RATE_PROMPT);
}

/* ---- Keys and values ---- */

/* Of prompt i, how many numbers there are before attention `at`; behind the last one, how many in all. */
static size_t offset_of(const lt_image_contexts *c, size_t i, int at) {
    size_t channels = 0;
    for (int k = 0; k < at; k++) channels += (size_t)c->attentions.channels[k];
    return 2 * channels * (size_t)c->tokens.tokens[i];
}

/* Takes what the adapter's plan made of a row: its order is the file's. */
static lt_status take_values(const lt_image_contexts *c, size_t i, lt_plan *plan, int row, float **values) {
    const lt_attentions *all = &c->attentions;
    *values = lt_alloc(offset_of(c, i, all->count) * sizeof **values);
    if (!*values) return LT_ERROR_MEMORY;
    for (int k = 0; k < all->count; k++) {
        const int at = lt_attention_running(all, k);
        const size_t count = (size_t)c->tokens.tokens[i] * (size_t)all->channels[at];
        float *to = *values + offset_of(c, i, at);
        lt_port_read(lt_plan_port_one(plan, "image_keys", k), (size_t)row * count, to, count);
        lt_port_read(lt_plan_port_one(plan, "image_values", k), (size_t)row * count, to + count, count);
    }
    return LT_OK;
}

static lt_status run_picture(lt_session *adapter, lt_session *encoder, const lt_image *image, lt_plan **plan) {
    float *pixels;
    LT_TRY(lt_clip_pixels(image, encoder->parts->image.size, &pixels));
    const lt_status status = lt_image_prompt_run(adapter, encoder, pixels, plan);
    lt_free(pixels);
    return status;
}

/* The encoder's plan stays for the next prompt. */
static lt_status read_prompt(const lt_session *session, const lt_components *parts, lt_session *encoder,
                             const lt_image *image, lt_image_contexts *c, size_t i) {
    lt_session adapter = lt_session_beside(session, parts);
    lt_plan *plan;
    c->tokens.tokens[i] = parts->image_prompt.tokens;
    lt_status status = run_picture(&adapter, encoder, image, &plan);
    for (int row = 0; row < 2 && !status; row++) status = take_values(c, i, plan, row, &c->items[i].values[row]);
    lt_session_drop(&adapter);
    return status;
}

/* ---- Masks ---- */

/* The mean of a mask [h, w] over the pixels that are pixel (y, x) of another one [rows, columns]. */
static float mean_of(const float *mask, int h, int w, int rows, int columns, int y, int x) {
    const int top = y * h / rows, left = x * w / columns;
    const int below = ((y + 1) * h + rows - 1) / rows, right = ((x + 1) * w + columns - 1) / columns;
    double sum = 0;
    for (int i = top; i < below; i++)
        for (int j = left; j < right; j++) sum += (double)mask[(size_t)i * (size_t)w + (size_t)j];
    return (float)(sum / ((double)(below - top) * (right - left)));
}

/* The mean rather than Lanczos: what is white stays 1, and black 0. */
static lt_status read_mask(const lt_image *mask, int h, int w, float **values) {
    float *whole = lt_alloc((size_t)mask->width * (size_t)mask->height * sizeof *whole);
    *values = lt_alloc((size_t)h * (size_t)w * sizeof **values);
    const lt_status status =
        whole && *values ? lt_image_read_mask(mask, LT_MASK_WHITE, mask->width, mask->height, whole) : LT_ERROR_MEMORY;
    for (int y = 0; y < h && !status; y++)
        for (int x = 0; x < w; x++)
            (*values)[(size_t)y * (size_t)w + (size_t)x] = mean_of(whole, mask->height, mask->width, h, w, y, x);
    lt_free(whole);
    return status;
}

/* ---- All of them ---- */

static lt_status check_prompt(const lt_image_prompt *p, size_t i) {
    if (!p->adapter || !p->image)
        return lt_fail(LT_ERROR_ARGUMENT, "image_prompts: number %zu has no %s", i, p->adapter ? "image" : "adapter");
    if (!(fabsf(p->scale) <= LT_MOST_STRENGTH))
        return lt_fail(LT_ERROR_ARGUMENT, "image_prompts: a scale of %g: from -%d to %d is possible", (double)p->scale,
                       LT_MOST_STRENGTH, LT_MOST_STRENGTH);
    if (!(p->start >= 0 && p->start <= p->end && p->end <= 1))
        return lt_fail(LT_ERROR_ARGUMENT,
                       "image_prompts: from %g to %g of the steps: shares from 0 to 1 are possible, the first not over "
                       "the second",
                       p->start, p->end);
    if (lt_image_check(p->image)) return lt_fail_in(LT_ERROR_ARGUMENT, "image_prompts: image");
    if (p->mask && lt_image_check(p->mask)) return lt_fail_in(LT_ERROR_ARGUMENT, "image_prompts: mask");
    return lt_reserved_check(p->reserved);
}

static lt_status check_prompts(const lt_session *session, const lt_guides *guides, const lt_image_prompt *prompts,
                               size_t count) {
    if (!prompts) return lt_fail(LT_ERROR_ARGUMENT, "image_prompts is NULL: %zu are to be there", count);
    if (count > LT_MOST_IMAGE_PROMPTS)
        return lt_fail(LT_ERROR_ARGUMENT, "image_prompts: %zu; up to %d are possible", count, LT_MOST_IMAGE_PROMPTS);
    if (!guides->image_encoder)
        return lt_fail(LT_ERROR_ARGUMENT, "image_prompts: an `image_encoder` is needed, which reads the pictures");
    LT_TRY(lt_module_needed(session->parts, LT_MODULE_UNET, ", so image prompts do nothing"));
    LT_TRY(lt_module_needed(guides->image_encoder, LT_MODULE_IMAGE, ", so it can't read image prompts"));
    for (size_t i = 0; i < count; i++) {
        const lt_components *adapter = guides->adapters[i];
        LT_TRY(check_prompt(&prompts[i], i));
        LT_TRY(lt_module_needed(adapter, LT_MODULE_IMAGE_PROMPT, ": image prompts take an IP-Adapter"));
        LT_TRY(lt_module_fail(adapter, LT_MODULE_IMAGE_PROMPT,
                              lt_ip_adapter_fits(&adapter->image_prompt, &session->parts->unet)));
    }
    return LT_OK;
}

static lt_status make_one(const lt_session *session, const lt_components *adapter, lt_session *encoder,
                          const lt_image_prompt *p, lt_image_contexts *c, size_t i) {
    lt_image_context *item = &c->items[i];
    *item = (lt_image_context){.scale = p->scale, .start = p->start, .end = p->end};
    c->tokens.count = (int)i + 1;
    if (p->mask) LT_TRY(read_mask(p->mask, c->mask_h, c->mask_w, &item->mask));
    return read_prompt(session, adapter, encoder, p->image, c, i);
}

lt_status lt_image_contexts_make(const lt_session *session, const lt_guides *guides, const lt_image_prompt *prompts,
                                 size_t count, lt_shape latent, lt_image_contexts *c) {
    *c = (lt_image_contexts){.mask_h = latent.h, .mask_w = latent.w};
    if (!count) return LT_OK;
    LT_TRY(check_prompts(session, guides, prompts, count));
    lt_unet_attentions(&session->parts->unet, &c->attentions);
    lt_session encoder = lt_session_beside(session, guides->image_encoder);
    lt_status status = LT_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = make_one(session, guides->adapters[i], &encoder, &prompts[i], c, i);
    lt_session_drop(&encoder);
    return status;
}

void lt_image_contexts_free(lt_image_contexts *c) {
    for (int i = 0; i < c->tokens.count; i++) {
        lt_free(c->items[i].values[0]);
        lt_free(c->items[i].values[1]);
        lt_free(c->items[i].mask);
    }
    *c = (lt_image_contexts){0};
}

/* ---- To the U-Net ---- */

/* A plan around given deep features has the last attentions alone. */
void lt_image_contexts_write(const lt_image_contexts *c, lt_plan *plan, size_t sample, bool none) {
    const int prompts = c->tokens.count, ports = prompts ? lt_plan_port_count(plan, "image_keys") : 0;
    const int first = prompts ? c->attentions.count - ports / prompts : 0;
    for (int k = 0; k < ports; k++) {
        const int i = k % prompts, at = first + k / prompts;
        const size_t count = (size_t)c->tokens.tokens[i] * (size_t)c->attentions.channels[at];
        const float *from = c->items[i].values[none] + offset_of(c, (size_t)i, at);
        lt_port_write(lt_plan_port_one(plan, "image_keys", k), sample * count, from, count);
        lt_port_write(lt_plan_port_one(plan, "image_values", k), sample * count, from + count, count);
    }
}

void lt_image_contexts_weigh(const lt_image_contexts *c, lt_plan *plan, int step, int steps) {
    const int prompts = c->tokens.count, ports = prompts ? lt_plan_port_count(plan, "image_weights") : 0;
    for (int k = 0; k < ports; k++) {
        const lt_image_context *item = &c->items[k % prompts];
        const lt_port port = lt_plan_port_one(plan, "image_weights", k);
        const lt_shape s = lt_port_shape(port);
        const float scale = lt_step_within(step, steps, item->start, item->end) ? item->scale : 0;
        lt_port_fill(port, scale);
        for (size_t row = 0; row < lt_shape_rows(s) && item->mask && scale != 0; row++) {
            const int y = (int)(row / (size_t)s.w) % s.h, x = (int)(row % (size_t)s.w);
            const float weight = scale * mean_of(item->mask, c->mask_h, c->mask_w, s.h, s.w, y, x);
            lt_port_write(port, row, &weight, 1);
        }
    }
}
