/* What files of models may be written as, by name. */
#ifndef LT_API_WRITE_H
#define LT_API_WRITE_H

#include "export/export.h"

extern const char *const lt_type_choices[], *const lt_layout_choices[];

/* The type of that name, which is one of lt_type_choices; NULL of NULL. */
const lt_dtype *lt_type_find(const char *name);

/* The model in that layout, NULL: one file, and of that type, NULL: as its tensors are. */
lt_status lt_write_exported(const lt_exported *model, const char *out, const char *layout, const char *type);

#endif
