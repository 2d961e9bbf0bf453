/* Packed files of open models (formats/packed.h). */
#ifndef LT_EXPORT_PACK_H
#define LT_EXPORT_PACK_H

#include "export/export.h"

/* Plans every module for the model's own size, one sample and two, in the session's precision and with its instruction
 * set, and writes the forms of weights that come of it; of other tensors themselves. Nobody else uses the model. */
lt_status lt_export_packed(const lt_exported *model, lt_session *session, const char *path);

#endif
