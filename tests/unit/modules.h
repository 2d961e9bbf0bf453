/* Recorded modules: one run of a module alone, compared with the reference. */
#ifndef LT_TEST_MODULES_H
#define LT_TEST_MODULES_H

#include "api/run.h"
#include "golden.h"

/* Runs module on the inputs of a recorded file and compares every output with it. */
static inline void check_module(lt_session *session, const char *module, const char *file, double limit) {
    lt_checkpoint golden;
    open_golden(file, &golden);
    lt_run_output out[LT_MAX_OUTPUTS];
    size_t count;
    assert_ok(lt_run_module(session, module, golden.tensors, golden.count, out, &count));
    for (size_t i = 0; i < count; i++)
        assert_golden(&golden, out[i].name, out[i].tensor.data, lt_tensor_count(&out[i].tensor), limit);
    lt_run_free(out, count);
    lt_checkpoint_close(&golden);
}

#endif
