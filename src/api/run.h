/* One module alone: tensors in, tensors out, as the recorded files of the reference implementations have them. */
#ifndef LT_RUN_H
#define LT_RUN_H

#include "api/model.h"

/* lt_run on tensors of any type. */
lt_status lt_run_module(lt_session *session, const char *module, const lt_tensor *in, size_t in_count, lt_arrays *out);

#endif
