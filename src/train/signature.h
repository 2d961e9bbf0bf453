/* What a training may not change when it goes on. */
#ifndef LT_SIGNATURE_H
#define LT_SIGNATURE_H

#include "train/task.h"

/* What the numbers of a training depend on, as lines "name=value", allocated, or NULL. Its data set is open. */
char *lt_signature(const lt_task *task, const lt_training *t);

/* LT_ERROR_ARGUMENT names the first line in which the signature that the state at path has differs from now. */
lt_status lt_signature_compare(const char *path, const char *before, const char *now);

#endif
