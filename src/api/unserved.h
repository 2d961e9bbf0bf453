/* What a model's configuration files ask for and Latent does not do. */
#ifndef LT_UNSERVED_H
#define LT_UNSERVED_H

#include "api/model.h"

/* Tells the notice function of every key whose value would change a picture and is not served, file by file; a few,
 * with which nothing right can be drawn, are LT_ERROR_UNSUPPORTED. */
lt_status lt_configuration_check(const lt_components *parts, const lt_diffusers *folder);

#endif
