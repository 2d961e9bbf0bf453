/* A list of tensors that owns their names; the data belongs to whoever holds it (an open checkpoint). */
#ifndef LT_TENSOR_LIST_H
#define LT_TENSOR_LIST_H

#include "base/tensor.h"

typedef struct lt_tensor_list {
    lt_tensor *tensors;
    size_t count, capacity;
} lt_tensor_list;

/* Appends a copy of tensor under a copy of name. The list is unchanged on failure. */
lt_status lt_tensor_list_add(lt_tensor_list *list, const char *name, const lt_tensor *tensor);
void lt_tensor_list_sort(lt_tensor_list *list); /* by name, strcmp */
void lt_tensor_list_free(lt_tensor_list *list);

/* Whether a name among them begins so. */
bool lt_tensor_list_has_prefix(const lt_tensor_list *list, const char *prefix);

/* The tensor of that name among tensors [count] sorted by name, or NULL. */
const lt_tensor *lt_tensor_find(const lt_tensor *tensors, size_t count, const char *name);

#endif
