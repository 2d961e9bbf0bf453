/* Tensors as the arrays of the public interface. */
#ifndef LT_ARRAYS_H
#define LT_ARRAYS_H

#include "base/tensor.h"

/* Arrays named and shaped as tensors [count], whose data lie in owner, which is theirs from now on, also where this
 * fails. lt_arrays_free is due. */
lt_status lt_arrays_take(const lt_tensor *tensors, size_t count, void *owner, lt_arrays *arrays);

#endif
