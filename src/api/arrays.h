/* Tensors as the arrays of the public interface, and back. */
#ifndef LT_ARRAYS_H
#define LT_ARRAYS_H

#include "base/tensor.h"

/* Arrays named and shaped as tensors [count], whose data lie in owner, which is theirs from now on, also where this
 * fails. lt_arrays_free is due. */
lt_status lt_arrays_take(const lt_tensor *tensors, size_t count, void *owner, lt_arrays *arrays);
/* A caller's arrays [count] as tensors, allocated, which point to the same. LT_ERROR_ARGUMENT for one that is none. */
lt_status lt_arrays_read(const lt_array *items, size_t count, lt_tensor **tensors);

#endif
