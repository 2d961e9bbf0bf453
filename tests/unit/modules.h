/* Recorded modules: one run of a module alone, compared with the reference. */
#ifndef LT_TEST_MODULES_H
#define LT_TEST_MODULES_H

#include "api/run.h"
#include "golden.h"

/* Runs module on the inputs of a recorded file and compares every output with it. */
static inline void check_module(lt_session *session, const char *module, const char *file, double limit) {
    lt_checkpoint golden;
    open_golden(file, &golden);
    lt_arrays out;
    assert_ok(lt_run_module(session, module, golden.tensors, golden.count, &out));
    for (size_t i = 0; i < out.count; i++) assert_golden_array(&golden, &out.items[i], limit);
    lt_arrays_free(&out);
    lt_checkpoint_close(&golden);
}

#endif
