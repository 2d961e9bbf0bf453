/* The noise schedule that a model's sources tell. */
#ifndef LT_SCHEDULE_CONFIG_H
#define LT_SCHEDULE_CONFIG_H

#include "api/model.h"

/* Sets the schedule of model's parts: what scheduler_config.json or a file's metadata say (diffusers' keys), what other
 * programs mark in a single file (v_pred, ztsnr, modelspec.*), a file's own alphas_cumprod or betas, and prediction, if
 * not NULL, over all of them. What is said and not served is LT_ERROR_UNSUPPORTED. */
lt_status lt_schedule_configure(lt_model *model, const char *prediction);

#endif
