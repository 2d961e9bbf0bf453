/* Lists of tensors that own their names. */
#include "models/tensor_list.h"

#include <stdlib.h>
#include <string.h>

lt_status lt_tensor_list_add(lt_tensor_list *list, const char *name, const lt_tensor *tensor) {
    LT_TRY(LT_GROW(list->tensors, list->count, list->capacity));
    char *copy = lt_strdup(name);
    if (!copy) return LT_ERROR_MEMORY;
    list->tensors[list->count] = *tensor;
    list->tensors[list->count++].name = copy;
    return LT_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const lt_tensor *)a)->name, ((const lt_tensor *)b)->name);
}

void lt_tensor_list_sort(lt_tensor_list *list) {
    if (list->count) qsort(list->tensors, list->count, sizeof *list->tensors, compare_names);
}

void lt_tensor_list_free(lt_tensor_list *list) {
    for (size_t i = 0; i < list->count; i++) lt_free((void *)(uintptr_t)list->tensors[i].name);
    lt_free(list->tensors);
    *list = (lt_tensor_list){0};
}

const lt_tensor *lt_tensor_find(const lt_tensor *tensors, size_t count, const char *name) {
    const lt_tensor key = {.name = name};
    return count ? bsearch(&key, tensors, count, sizeof *tensors, compare_names) : NULL;
}

bool lt_tensor_list_has_prefix(const lt_tensor_list *list, const char *prefix) {
    for (size_t i = 0; i < list->count; i++)
        if (!strncmp(list->tensors[i].name, prefix, strlen(prefix))) return true;
    return false;
}
