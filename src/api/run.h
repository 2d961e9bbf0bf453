/* One module alone: tensors in, tensors out, as the recorded files of the reference implementations have them. */
#ifndef LT_RUN_H
#define LT_RUN_H

#include "api/model.h"

/* lt_run_with on tensors of any type; options may be NULL. */
lt_status lt_run_module_with(lt_session *session, const char *module, const lt_run_options *options,
                             const lt_tensor *in, size_t in_count, lt_arrays *out);
static inline lt_status lt_run_module(lt_session *session, const char *module, const lt_tensor *in, size_t in_count,
                                      lt_arrays *out) {
    return lt_run_module_with(session, module, NULL, in, in_count, out);
}

/* The module of that name, as lt_run has it; LT_ERROR_ARGUMENT: there is none, or it is several. */
lt_status lt_module_named(const char *name, lt_module *module);

#endif
