/* Open models written. */
#ifndef LT_TEST_EXPORTING_H
#define LT_TEST_EXPORTING_H

#include "api/model.h"

static inline lt_status export_ldm(const lt_model *model, const char *path, const lt_dtype *type) {
    const lt_exported exported = lt_model_exported(model);
    return lt_export_ldm(&exported, path, type);
}

static inline lt_status export_diffusers(const lt_model *model, const char *path, const lt_dtype *type) {
    const lt_exported exported = lt_model_exported(model);
    return lt_export_diffusers(&exported, path, type);
}

#endif
