/* Models as files: see write.h. */
#include "api/write.h"

#include <string.h>

const char *const lt_type_choices[] = {"f32", "f16", "bf16", NULL};
const char *const lt_layout_choices[] = {"ldm", "diffusers", NULL};

const lt_dtype *lt_type_find(const char *name) {
    static const lt_dtype types[] = {LT_F32, LT_F16, LT_BF16};
    for (size_t i = 0; name && lt_type_choices[i]; i++)
        if (!strcmp(lt_type_choices[i], name)) return &types[i];
    return NULL;
}

lt_status lt_write_exported(const lt_exported *model, const char *out, const char *layout, const char *type) {
    const bool folder = layout && !strcmp(layout, "diffusers");
    return (folder ? lt_export_diffusers : lt_export_ldm)(model, out, lt_type_find(type));
}
