/* Copies of tapped values. */
#include "tapped.h"

#include "tools.h"

#include <stdlib.h>
#include <string.h>

size_t tool_array_count(const lt_array *a) {
    size_t n = 1;
    for (int i = 0; i < a->rank; i++) n *= a->shape[i];
    return n;
}

/* The negative prompt's, where there is one, is the one before. */
bool tool_is_prompts(const lt_tapped *told) { return told->branch == (told->branches > 1); }

static lt_status make_room(tool_values *values) {
    if (values->count < values->room) return LT_OK;
    const size_t room = values->room ? 2 * values->room : 256;
    tool_value *grown = realloc(values->items, room * sizeof *grown);
    if (!grown) return lt_fail(LT_ERROR_MEMORY, "out of memory");
    values->items = grown;
    values->room = room;
    return LT_OK;
}

lt_status tool_values_add(tool_values *values, const lt_tapped *told) {
    const size_t n = tool_array_count(told->array);
    LT_TRY(make_room(values));
    float *data = tool_alloc(n * sizeof *data);
    char *name = tool_strdup(told->array->name);
    tool_value *v = &values->items[values->count++];
    *v = (tool_value){*told, *told->array};
    v->told.array = NULL;
    v->array.name = name;
    v->array.data = data;
    if (!data || !name) return LT_ERROR_MEMORY;
    memcpy(data, told->array->data, n * sizeof *data);
    return LT_OK;
}

void tool_values_free(tool_values *values) {
    for (size_t i = 0; i < values->count; i++) {
        free((void *)(uintptr_t)values->items[i].array.name);
        free((void *)(uintptr_t)values->items[i].array.data);
    }
    free(values->items);
    *values = (tool_values){0};
}
