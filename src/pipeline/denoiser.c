/* The U-Net with classifier-free guidance: Ho & Salimans 2022. */
#include "pipeline/denoiser.h"

#include <string.h>

/* Writes one sample's context, zeros behind its end. */
static void write_context(lt_denoiser *d, int sample, const lt_context *context) {
    const size_t whole = lt_shape_count(lt_plan_shape(d->plan, "context")) / (size_t)d->passes;
    const size_t count = (size_t)context->tokens * (size_t)context->width;
    float *to = lt_plan_tensor(d->plan, "context") + (size_t)sample * whole;
    memcpy(to, context->values, count * sizeof(float));
    memset(to + count, 0, (whole - count) * sizeof(float));
    lt_plan_tensor(d->plan, "context_lengths")[sample] = (float)context->tokens;
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

lt_status lt_denoiser_init(lt_denoiser *d, lt_session *session, const lt_context *prompt, const lt_context *negative,
                           float guidance, int h, int w, const float *extra) {
    const lt_components *parts = session->parts;
    const lt_unet *unet = &parts->unet;
    const lt_context *first = guidance == 1 ? prompt : negative;
    LT_TRY(lt_module_fail(parts, LT_MODULE_UNET, lt_unet_served(unet)));
    *d = (lt_denoiser){.session = session, .guidance = guidance, .latent = {1, h, w, unet->out_channels}};
    d->passes = guidance == 1 || guidance == 0 || unet->context_dim == 0 ? 1 : 2;
    const int tokens = d->passes == 2 && prompt->tokens > first->tokens ? prompt->tokens : first->tokens;
    if (tokens && first->width != unet->context_dim)
        return lt_module_fail(parts, LT_MODULE_UNET,
                              lt_fail(LT_ERROR_MODEL, "the text encoder makes %d channels, the U-Net reads %d",
                                      first->width, unet->context_dim));
    const lt_module_size size = {.n = d->passes, .h = h, .w = w, .tokens = tokens};
    LT_TRY(lt_module_plan(session, LT_MODULE_UNET, &size, &d->plan));
    LT_TRY(lt_module_expect(d->plan, LT_MODULE_UNET, "out", (lt_shape){d->passes, h, w, d->latent.c}));
    if (tokens) {
        write_context(d, 0, first);
        if (d->passes == 2) write_context(d, 1, prompt);
    }
    if (extra) write_channels(d, extra, d->latent.c, unet->in_channels - d->latent.c);
    return LT_OK;
}

lt_status lt_denoiser_predict(lt_denoiser *d, const float *x, float t, float *out) {
    const size_t count = lt_shape_count(d->latent);
    write_channels(d, x, 0, d->latent.c);
    for (int i = 0; i < d->passes; i++) lt_plan_tensor(d->plan, "t")[i] = t;
    LT_TRY(lt_module_run(d->session, d->plan, d->changed));
    d->changed = LT_RATE_STEP;
    float *eps = lt_plan_tensor(d->plan, "out");
    if (d->passes == 2)
        for (size_t i = 0; i < count; i++) eps[i] += d->guidance * (eps[count + i] - eps[i]);
    lt_nhwc_to_nchw(eps, out, d->latent);
    return LT_OK;
}
