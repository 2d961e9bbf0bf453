/* Before a training begins: does the machine hold it? */
#include "train/memory.h"

#include <unistd.h>

static const double GB = 1e9;

double lt_training_parameter_bytes(const lt_training *t, size_t count) {
    const int copies = t->options->ema > 0 ? 5 : 4;
    return (double)copies * (double)count * sizeof(float);
}

lt_status lt_training_check_memory(const lt_training *t, double parameters, double others) {
    const double machine = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    const double limit = t->options->memory > 0 ? t->options->memory * GB : machine;
    if (parameters + others <= limit) return LT_OK;
    const char *advice = "A smaller --batch, --recompute, --ema 0 or --only cross-attention need less";
    if (others <= 0)
        return lt_fail(LT_ERROR_MEMORY,
                       "this training needs %.3g GB for weights, gradients and moments alone; there are %.3g. %s",
                       parameters / GB, limit / GB, advice);
    return lt_fail(LT_ERROR_MEMORY,
                   "this training needs %.3g GB, of which %.3g are weights, gradients and moments; there are %.3g. %s",
                   (parameters + others) / GB, parameters / GB, limit / GB, advice);
}
