/* The model that draws the last steps. */
#include "pipeline/refiner.h"

#include "pipeline/words.h"

#include <math.h>

/* What it predicts is taken for the host's, of the host's latents. */
static lt_status check_kind(const lt_components *host, const lt_components *parts) {
    const lt_unet *first = &host->unet, *unet = &parts->unet;
    if (unet->in_channels != first->out_channels || unet->out_channels != first->out_channels)
        return lt_fail(LT_ERROR_MODEL,
                       "this can't refine: its U-Net reads %d channels and makes %d, and the latents of "
                       "the model that draws have %d",
                       unet->in_channels, unet->out_channels, first->out_channels);
    if (parts->schedule.prediction != host->schedule.prediction)
        return lt_fail(LT_ERROR_MODEL, "this can't refine: it predicts %s, the model that draws %s",
                       lt_prediction_name(parts->schedule.prediction), lt_prediction_name(host->schedule.prediction));
    if (parts->has[LT_MODULE_VAE_DECODER] && fabsf(parts->vae.scaling - host->vae.scaling) > 1e-4f)
        return lt_fail(LT_ERROR_MODEL,
                       "this can't refine: its latents are scaled by %g, those of the model that draws "
                       "by %g: it is of another family",
                       (double)parts->vae.scaling, (double)host->vae.scaling);
    return LT_OK;
}

static lt_status check(const lt_session *host, const lt_components *parts) {
    LT_TRY(lt_module_needed(parts, LT_MODULE_UNET, ", so it can't refine"));
    LT_TRY(lt_parts_agree(parts));
    return lt_module_fail(parts, LT_MODULE_UNET, check_kind(host->parts, parts));
}

/* What its own text encoders make of the prompts, and what the same words' embeddings have for them. */
static lt_status hear(lt_refiner *r, const lt_request *request, const lt_pass *pass) {
    r->session.models = r->host->models;
    lt_status status = lt_words_read(&r->session, request);
    if (!status) status = lt_branches_read(&r->session, request, pass, &r->branches);
    lt_words_drop(&r->session);
    return status;
}

lt_status lt_refiner_init(lt_refiner *r, lt_session *host, const lt_components *parts, const lt_request *request,
                          const lt_pass *pass, int steps) {
    *r = (lt_refiner){.host = host, .from = steps};
    if (!parts) return LT_OK;
    LT_TRY(check(host, parts));
    r->session = lt_session_beside(host, parts);
    r->session.listener = (lt_listener){0}; /* what is to be said of the prompts was */
    r->from = (int)ceil((double)request->refiner_start * steps - 1e-6);
    return hear(r, request, pass);
}

lt_status lt_refiner_need(lt_refiner *r, lt_savings savings, int h, int w, lt_need *need) {
    *need = (lt_need){0};
    if (!r->session.parts) return LT_OK;
    r->session.thrift = r->host->thrift;
    return lt_denoiser_need(&r->session, &r->branches, savings, h, w, need);
}

void lt_refiner_end(lt_refiner *r) { lt_denoiser_free(&r->denoiser); }

void lt_refiner_rest(lt_refiner *r) {
    if (r->session.parts) lt_module_spare(&r->session, LT_MODULE_UNET, r->host->thrift);
}

void lt_refiner_free(lt_refiner *r) {
    lt_denoiser_free(&r->denoiser);
    lt_branches_free(&r->branches);
    if (r->session.parts) lt_session_drop(&r->session);
    *r = (lt_refiner){0};
}

/* own has predicted its last step of this picture. */
static lt_status begin(lt_refiner *r, const lt_denoiser *own) {
    lt_module_spare(r->host, LT_MODULE_UNET, r->host->thrift);
    if (own->branches->controls) lt_controls_rest(own->branches->controls);
    r->session.thrift = r->host->thrift;
    return lt_denoiser_init(&r->denoiser, &r->session, &r->branches, own->savings, own->latent.h, own->latent.w, NULL,
                            NULL);
}

lt_status lt_refiner_choose(lt_refiner *r, lt_denoiser *own, int step, lt_denoiser **chosen) {
    *chosen = step < r->from ? own : &r->denoiser;
    return step < r->from || r->denoiser.session ? LT_OK : begin(r, own);
}
