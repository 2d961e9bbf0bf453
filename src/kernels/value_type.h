/* How the values of a plan lie in memory: a row for each type. A new one is a row here, and a type that operations take
 * (ops/op.h); one with scales has them beside its numbers. */
#ifndef LT_VALUE_TYPE_H
#define LT_VALUE_TYPE_H

#include "base/base.h"

typedef enum lt_value_type_id {
    LT_VALUE_F32,
    LT_VALUE_I32, /* token ids, labels, lengths */
    LT_VALUE_BF16,
    LT_VALUE_TYPES
} lt_value_type_id;

typedef struct lt_value_type {
    const char *name;
    size_t bytes;                                         /* of one */
    void (*read)(const void *from, float *to, size_t n);  /* to the nearest float */
    void (*write)(const float *from, void *to, size_t n); /* to the nearest that it has; integers are cut towards 0 */
} lt_value_type;

extern const lt_value_type lt_value_types[LT_VALUE_TYPES];

#endif
