/* What deltas are made of that read the weight as it stands before them. */
#ifndef LT_DELTA_OWN_H
#define LT_DELTA_OWN_H

#include "kernels/delta_add.h"

typedef struct lt_own_weight {
    lt_rows_fn *read; /* by many threads at once */
    const void *user;
    size_t rows, columns;
} lt_own_weight;

/* W a, a [columns, rank], turned: to[k * stride + row]. By the caller's team. */
lt_status lt_own_product(const lt_own_weight *weight, const lt_tensor *a, float *to, size_t stride);

/* c * R' W - W of a rotation, c * R_m ... R_1 W - W of a butterfly, to [rows, columns]. By the caller's team. */
lt_status lt_own_rotation(const lt_own_weight *weight, const lt_delta *delta, float *to);

#endif
