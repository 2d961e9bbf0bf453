/* What a model's noise schedule is, as settings of its file. */
#include "diffusion/schedule_settings.h"

#include <string.h>

/* Nine digits give every float back. */
static lt_status add_betas(lt_settings *s, const float *betas) {
    lt_buffer list = {0};
    lt_status status = LT_OK;
    for (int t = 0; t < LT_TRAIN_STEPS && !status; t++)
        status = lt_buffer_printf(&list, "%c%.9g", t ? ',' : '[', (double)betas[t]);
    if (!status) status = lt_buffer_append(&list, "]", 1);
    if (!status) status = lt_settings_set_text(s, "latent.scheduler.trained_betas", list.data);
    lt_buffer_free(&list);
    return status;
}

lt_status lt_settings_add_schedule(lt_settings *s, const lt_noise_schedule *n) {
    LT_TRY(lt_settings_set(s, "modelspec.prediction_type", "%s", lt_prediction_name(n->prediction)));
    LT_TRY(lt_settings_set(s, "latent.scheduler.beta_schedule", "\"%s\"", lt_beta_name(n->kind)));
    LT_TRY(lt_settings_set(s, "latent.scheduler.beta_start", "%.17g", n->beta_start));
    LT_TRY(lt_settings_set(s, "latent.scheduler.beta_end", "%.17g", n->beta_end));
    if (n->given) LT_TRY(add_betas(s, n->betas)); /* rescaled already, if they were to be */
    if (n->zero_snr && !n->given) LT_TRY(lt_settings_set(s, "latent.scheduler.rescale_betas_zero_snr", "true"));
    if (n->spacing != LT_LEADING)
        LT_TRY(lt_settings_set(s, "latent.scheduler.timestep_spacing", "\"%s\"", lt_spacing_name(n->spacing)));
    if (n->offset != 1) LT_TRY(lt_settings_set(s, "latent.scheduler.steps_offset", "%d", n->offset));
    return n->to_one ? lt_settings_set(s, "latent.scheduler.set_alpha_to_one", "true") : LT_OK;
}
