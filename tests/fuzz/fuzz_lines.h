/* Files of any tensors: the input's lines are their names, with a shape behind a space: "NAME 64x4". All hold the same
 * numbers. */
#ifndef LT_FUZZ_LINES_H
#define LT_FUZZ_LINES_H

#include "models/tensor_list.h"

#include <stdlib.h>
#include <string.h>

enum { FUZZ_MOST = 256, FUZZ_FLOATS = 1 << 14 };

/* "64x4", of no more numbers than there are; or else a number. */
static inline void read_shape(const char *text, lt_tensor *t) {
    size_t count = 1;
    for (char *end; t->rank < 4 && *text >= '0' && *text <= '9'; text = end + (*end == 'x')) {
        const size_t side = strtoul(text, &end, 10);
        if (side > FUZZ_FLOATS || side * count > FUZZ_FLOATS) break;
        t->shape[t->rank++] = side;
        count *= side;
        if (*end != 'x') break;
    }
    lt_tensor_set_contiguous(t);
}

static inline void add_line(lt_tensor_list *list, const uint8_t *line, size_t size) {
    static double numbers[FUZZ_FLOATS];
    lt_tensor t = {.dtype = (lt_dtype)(size % LT_I64), .data = numbers};
    char *name = lt_strndup((const char *)line, size), *space = name ? strrchr(name, ' ') : NULL;
    if (space) read_shape(space + 1, &t);
    if (space) *space = '\0';
    if (name && !lt_tensor_find(list->tensors, list->count, name)) lt_tensor_list_add(list, name, &t);
    lt_tensor_list_sort(list);
    lt_free(name);
}

/* Adds them to list, sorted, which is the caller's to free. */
static inline void fuzz_read_lines(const uint8_t *data, size_t size, lt_tensor_list *list) {
    for (size_t at = 0; at < size && list->count < FUZZ_MOST;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        const size_t n = end ? (size_t)(end - data) - at : size - at;
        add_line(list, data + at, n);
        at += n + 1;
    }
}

#endif
