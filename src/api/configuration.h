/* What tensors' shapes cannot tell: from config.json files, safetensors metadata, or the caller. */
#ifndef LT_CONFIGURATION_H
#define LT_CONFIGURATION_H

#include "api/model.h"

/* Sets what the sources of model say, and then options; its parts are open. */
lt_status lt_model_configure(lt_model *model, const lt_open_options *options);

#endif
