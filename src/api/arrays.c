/* Arrays in files, of the public interface. */
#include "api/arrays.h"

#include "base/door.h"
#include "formats/formats.h"

#include <string.h>

/* Room for count arrays and, behind them, the names of tensors; *names is where those begin. */
static lt_array *make_items(const lt_tensor *tensors, size_t count) {
    size_t size = count * sizeof(lt_array);
    for (size_t i = 0; i < count; i++) size += strlen(tensors[i].name) + 1;
    lt_array *items = lt_alloc(size);
    char *name = items ? (char *)(items + count) : NULL;
    for (size_t i = 0; items && i < count; i++) {
        items[i] = (lt_array){.name = strcpy(name, tensors[i].name), .rank = tensors[i].rank, .data = tensors[i].data};
        memcpy(items[i].shape, tensors[i].shape, sizeof items[i].shape);
        name += strlen(name) + 1;
    }
    return items;
}

lt_status lt_arrays_take(const lt_tensor *tensors, size_t count, void *owner, lt_arrays *arrays) {
    lt_array *items = make_items(tensors, count);
    if (!items) {
        lt_free(owner);
        return LT_ERROR_MEMORY;
    }
    *arrays = (lt_arrays){count, items, owner};
    return LT_OK;
}

static lt_tensor tensor_of(const lt_array *array) {
    lt_tensor t = {.name = array->name, .dtype = LT_F32, .rank = array->rank, .data = array->data};
    memcpy(t.shape, array->shape, sizeof t.shape);
    lt_tensor_set_contiguous(&t);
    return t;
}

static lt_status check_array(const lt_array *a) {
    size_t bytes = sizeof *a->data;
    if (!a->name || !a->data || a->rank < 0 || a->rank > LT_ARRAY_RANK)
        return lt_fail(LT_ERROR_ARGUMENT, "it needs a name, data and a rank of 0 to %d", LT_ARRAY_RANK);
    for (int i = 0; i < a->rank; i++)
        if (!lt_mul(bytes, a->shape[i], &bytes))
            return lt_fail(LT_ERROR_ARGUMENT, "the shape of %s is too large", a->name);
    return LT_OK;
}

lt_status lt_arrays_read(const lt_array *items, size_t count, lt_tensor **tensors) {
    for (size_t i = 0; i < count; i++)
        if (check_array(&items[i])) return lt_fail_in(LT_ERROR_ARGUMENT, "array %zu", i);
    *tensors = lt_calloc(count, sizeof **tensors);
    if (!*tensors) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) (*tensors)[i] = tensor_of(&items[i]);
    return LT_OK;
}

/* ---- Files ---- */

/* The tensors of c, [*count] of them from *first on: all, or the one called name. */
static void choose(const lt_checkpoint *c, const char *name, const lt_tensor **first, size_t *count) {
    const lt_tensor *found = name ? lt_checkpoint_find(c, name) : c->tensors;
    *first = found ? found : c->tensors;
    *count = name ? found != NULL : c->count;
}

/* Copies tensors [count] as floats into memory of their own. */
static lt_status read_tensors(const lt_tensor *tensors, size_t count, lt_arrays *arrays) {
    size_t floats = 0;
    for (size_t i = 0; i < count; i++) {
        LT_TRY(lt_tensor_readable(&tensors[i]));
        if (!lt_add(floats, lt_tensor_count(&tensors[i]), &floats)) floats = SIZE_MAX; /* views may be without end */
    }
    float *values = lt_calloc(floats, sizeof *values);
    if (!values) return LT_ERROR_MEMORY;
    LT_TRY(lt_arrays_take(tensors, count, values, arrays));
    for (size_t i = 0; i < count; values += lt_tensor_count(&tensors[i++])) {
        lt_tensor_read_f32(&tensors[i], values);
        arrays->items[i].data = values;
        LT_TRY(lt_map_check(tensors[i].data, LT_OK));
    }
    return LT_OK;
}

static lt_status load(const char *path, const char *name, lt_arrays *arrays) {
    lt_checkpoint file;
    const lt_tensor *first;
    size_t count;
    LT_TRY(lt_checkpoint_open(path, &file));
    choose(&file, name, &first, &count);
    const lt_status status = read_tensors(first, count, arrays);
    if (status) lt_arrays_free(arrays);
    lt_checkpoint_close(&file);
    return status ? lt_fail_in(status, "%s", path) : LT_OK;
}

lt_status lt_arrays_load(const char *path, const char *name, lt_arrays *arrays) {
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(path), {"arrays", .out = arrays, .size = sizeof *arrays}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = load(path, name, arrays);
    return lt_leave(&door, status);
}

static lt_status save(const char *path, const lt_array *items, size_t count) {
    lt_tensor *tensors;
    LT_TRY(lt_arrays_read(items, count, &tensors));
    const lt_status status = lt_safetensors_write(path, tensors, count, NULL, 0, NULL, NULL, NULL);
    lt_free(tensors);
    return status;
}

lt_status lt_arrays_save(const char *path, const lt_array *items, size_t count) {
    const lt_argument arguments[] = {LT_PATH_ARGUMENT(path), {"items", items}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = save(path, items, count);
    return lt_leave(&door, status);
}

const lt_array *lt_arrays_find(const lt_arrays *arrays, const char *name) {
    for (size_t i = 0; arrays && name && i < arrays->count; i++)
        if (!strcmp(arrays->items[i].name, name)) return &arrays->items[i];
    return NULL;
}

void lt_arrays_free(lt_arrays *arrays) {
    if (!arrays) return;
    lt_free(arrays->items);
    lt_free(arrays->owner);
    *arrays = (lt_arrays){0};
}
