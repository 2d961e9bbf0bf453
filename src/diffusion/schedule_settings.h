/* What a model's noise schedule is, as settings of its file. */
#ifndef LT_SCHEDULE_SETTINGS_H
#define LT_SCHEDULE_SETTINGS_H

#include "diffusion/diffusion.h"
#include "models/settings.h"

/* All that makes the schedule: the prediction, the betas' kind and ends, and where they differ from Stable Diffusion's
 * the betas themselves, zero terminal SNR, the spacing of timesteps and how they end. */
lt_status lt_settings_add_schedule(lt_settings *s, const lt_noise_schedule *schedule);

#endif
