/* Where packers read a weight: a file's tensor, and the deltas that are added to it on the way, a few rows at a time.
 * Of a model with adapters there is no second copy: its packed forms are the only place where the sums are. */
#ifndef LT_WEIGHT_SOURCE_H
#define LT_WEIGHT_SOURCE_H

#include "kernels/delta.h"
#include "kernels/isa.h"

typedef struct lt_weight_source {
    lt_tensor tensor;               /* its name and shape; where count is 0, its values too */
    struct lt_ready_delta **deltas; /* [count] */
    size_t count;
    lt_isa isa; /* not above this */
} lt_weight_source;

/* A tensor as it stands is {.tensor = t, .isa = isa}. With deltas, which fit it (lt_delta_check) and are added in their
 * order; lt_weight_source_close is due, even on failure. By the caller's team. */
lt_status lt_weight_source_open(const lt_tensor *tensor, lt_delta_list deltas, lt_isa isa, lt_weight_source *source);
void lt_weight_source_close(lt_weight_source *source);

/* Rows [first, first + count) as float32, (channel, tap) by (channel, tap), `stride` floats apart. Each element is the
 * same whichever rows are asked for. Any number of threads at once. */
void lt_weight_source_read(const lt_weight_source *source, size_t first, size_t count, float *rows, size_t stride);

/* All of it as a dense tensor of float32 in new memory, which is lt_free'd. By the caller's team. */
lt_status lt_weight_source_copy(const lt_weight_source *source, lt_tensor *copy);
/* The same into values, which has room for it. */
void lt_weight_source_read_all(const lt_weight_source *source, float *values);

#endif
