/* Tensors of files, NCHW, as the inputs of plans, NHWC. */
#ifndef LT_TENSOR_IO_H
#define LT_TENSOR_IO_H

#include "pipeline/components.h"

/* The tensor of that name, or NULL. */
const lt_tensor *lt_tensor_named(const lt_tensor *in, size_t count, const char *name);

/* The graph's shape of t, which by its name is [n], ids [n, tokens], a vector [n, c], tokens [n, tokens, c] or a
 * picture [n, c, h, w]. */
lt_status lt_shape_of_tensor(const lt_tensor *t, lt_shape *shape);

/* t as values [count], which are finite numbers: LT_ERROR_ARGUMENT where one is none. */
lt_status lt_tensor_read_finite(const lt_tensor *t, float *values);

/* Writes t into the input of plan that has its name. LT_ERROR_ARGUMENT if that takes another shape or other numbers. */
lt_status lt_write_input(lt_plan *plan, const lt_tensor *t);

#endif
