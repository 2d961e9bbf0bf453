/* The fields of latent.h's structs of options as tables; lt_train_options' is in train/task.h. */
#ifndef LT_API_OPTIONS_H
#define LT_API_OPTIONS_H

#include "base/fields.h"

extern const lt_field lt_open_fields[], lt_session_fields[], lt_request_fields[];

#endif
