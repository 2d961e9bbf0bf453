/* The U-Net over all branches of what it is told. */
#include "pipeline/denoiser.h"

#include <string.h>

/* Writes one sample's context, zeros behind its end. */
static void write_context(lt_denoiser *d, int sample, const lt_context *context) {
    const size_t whole = lt_shape_count(lt_plan_shape(d->plan, "context")) / (size_t)d->at_once;
    const size_t count = (size_t)context->tokens * (size_t)context->width;
    float *to = lt_plan_tensor(d->plan, "context") + (size_t)sample * whole;
    memcpy(to, context->values, count * sizeof(float));
    memset(to + count, 0, (whole - count) * sizeof(float));
    lt_plan_tensor(d->plan, "context_lengths")[sample] = (float)context->tokens;
}

/* Makes the next run that of the branches from `first` on; the prompts' part is computed anew where they are others. */
static void write_branches(lt_denoiser *d, int first) {
    const bool reads = lt_plan_tensor(d->plan, "context");
    for (int i = 0; reads && i < d->at_once; i++) write_context(d, i, &d->branches->items[first + i].context);
    d->changed = LT_RATE_PROMPT;
}

/* Puts channels [c0, c0 + c) of every sample's pixels from NCHW values that all samples share. */
static void write_channels(lt_denoiser *d, const float *from, int c0, int c) {
    const lt_shape x = lt_plan_shape(d->plan, "x");
    const size_t pixels = (size_t)lt_shape_pixels(x), width = (size_t)x.c;
    float *to = lt_plan_tensor(d->plan, "x");
    for (size_t i = 0; i < (size_t)x.n; i++, to += pixels * width)
        for (int k = 0; k < c; k++)
            for (size_t p = 0; p < pixels; p++) to[p * width + (size_t)(c0 + k)] = from[(size_t)k * pixels + p];
}

/* The tokens of the longest context. */
static lt_status count_tokens(const lt_denoiser *d, int *tokens) {
    const lt_components *parts = d->session->parts;
    *tokens = 0;
    for (int i = 0; i < d->branches->count; i++) {
        const lt_context *context = &d->branches->items[i].context;
        if (context->tokens && context->width != parts->unet.context_dim)
            return lt_module_fail(parts, LT_MODULE_UNET,
                                  lt_fail(LT_ERROR_MODEL, "the text encoder makes %d channels, the U-Net reads %d",
                                          context->width, parts->unet.context_dim));
        *tokens = context->tokens > *tokens ? context->tokens : *tokens;
    }
    return LT_OK;
}

static lt_status make_plan(lt_denoiser *d) {
    lt_module_size size = {.n = d->at_once, .h = d->latent.h, .w = d->latent.w};
    lt_shape out = d->latent;
    out.n = d->at_once;
    LT_TRY(count_tokens(d, &size.tokens));
    LT_TRY(lt_module_plan(d->session, LT_MODULE_UNET, &size, &d->plan));
    return lt_module_expect(d->plan, LT_MODULE_UNET, "out", out);
}

lt_status lt_denoiser_init(lt_denoiser *d, lt_session *session, const lt_branches *branches, int h, int w,
                           const float *extra) {
    const lt_unet *unet = &session->parts->unet;
    *d = (lt_denoiser){.session = session, .branches = branches, .latent = {1, h, w, unet->out_channels}};
    LT_TRY(lt_module_fail(session->parts, LT_MODULE_UNET, lt_unet_served(unet)));
    d->at_once = session->low_memory ? 1 : branches->count;
    LT_TRY(make_plan(d));
    d->first = lt_alloc(lt_shape_count(d->latent) * sizeof(float));
    d->sum = lt_alloc(lt_shape_count(d->latent) * sizeof(float));
    if (!d->first || !d->sum) return LT_ERROR_MEMORY;
    write_branches(d, 0);
    if (extra) write_channels(d, extra, d->latent.c, unet->in_channels - d->latent.c);
    return LT_OK;
}

void lt_denoiser_free(lt_denoiser *d) {
    lt_free(d->first);
    lt_free(d->sum);
    *d = (lt_denoiser){0};
}

/* Takes in what branch number i predicts, [latent]. */
static void add_branch(lt_denoiser *d, int i, const float *eps) {
    const size_t count = lt_shape_count(d->latent);
    const float weight = d->branches->items[i].weight;
    if (i == 0) {
        memcpy(d->first, eps, count * sizeof(float));
        memcpy(d->sum, eps, count * sizeof(float));
        return;
    }
    for (size_t k = 0; k < count; k++) d->sum[k] += weight * (eps[k] - d->first[k]);
}

lt_status lt_denoiser_predict(lt_denoiser *d, const float *x, float t, float *out) {
    write_channels(d, x, 0, d->latent.c);
    for (int i = 0; i < d->at_once; i++) lt_plan_tensor(d->plan, "t")[i] = t;
    for (int i = 0; i < d->branches->count; i += d->at_once) {
        if (d->at_once < d->branches->count) write_branches(d, i);
        LT_TRY(lt_module_run(d->session, d->plan, d->changed));
        const float *eps = lt_plan_tensor(d->plan, "out");
        for (int k = 0; k < d->at_once; k++, eps += lt_shape_count(d->latent)) add_branch(d, i + k, eps);
        d->changed = LT_RATE_STEP;
    }
    lt_nhwc_to_nchw(d->sum, out, d->latent);
    return LT_OK;
}
