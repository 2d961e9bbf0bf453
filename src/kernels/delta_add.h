/* Deltas made ready to be added to rows of their weight, and the loops that do so. */
#ifndef LT_DELTA_ADD_H
#define LT_DELTA_ADD_H

#include "kernels/delta.h"

typedef struct lt_ready_delta lt_ready_delta;

/* The rows [first, first + count) of the weight as it stands before this delta, dense. */
typedef void lt_rows_fn(const void *weight, size_t first, size_t count, float *rows);

/* By the caller's team. before is called where lt_delta_reads_weight, by many threads at once. */
lt_status lt_ready_delta_open(const lt_applied *applied, const lt_tensor *weight, lt_isa isa, lt_rows_fn *before,
                              const void *user, lt_ready_delta **ready);
void lt_ready_delta_close(lt_ready_delta *ready); /* NULL is fine */

/* Adds it to the rows [first, first + count) of the weight, `stride` floats apart. */
void lt_ready_delta_add(const lt_ready_delta *ready, size_t first, size_t count, float *rows, size_t stride);

#endif
