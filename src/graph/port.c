/* A plan's inputs and outputs, between the types and the order of its arena and those of the outside. */
#include "graph/plan.h"

#include <string.h>

lt_port lt_plan_port(lt_plan *plan, const char *name) { return lt_plan_port_one(plan, name, 0); }

lt_port lt_plan_port_one(lt_plan *plan, const char *name, int which) {
    return (lt_port){plan, lt_graph_find_one(&plan->graph, name, which)};
}

int lt_plan_port_count(lt_plan *plan, const char *name) {
    int count = 0;
    for (size_t i = 0; i < plan->graph.count; i++) {
        const char *own = plan->graph.nodes[i]->name;
        count += own && !strcmp(own, name);
    }
    return count;
}

lt_shape lt_port_shape(lt_port port) { return port.node ? port.node->operation.out : (lt_shape){0}; }

/* Where value number at lies. */
static void *place(lt_port port, size_t at) {
    const lt_value value = lt_plan_value(port.plan, port.node);
    return (char *)value.data + at * lt_value_types[value.type].bytes;
}

static const lt_value_type *type_of(lt_port port) { return &lt_value_types[port.node->operation.type]; }

void lt_port_write(lt_port port, size_t at, const float *values, size_t n) {
    if (port.node) type_of(port)->write(values, place(port, at), n);
}

void lt_port_read(lt_port port, size_t at, float *values, size_t n) {
    if (port.node) type_of(port)->read(place(port, at), values, n);
}

void lt_port_write_i32(lt_port port, size_t at, const int32_t *values, size_t n) {
    if (port.node) memcpy(place(port, at), values, n * sizeof *values);
}

void lt_port_read_i32(lt_port port, size_t at, int32_t *values, size_t n) {
    if (port.node) memcpy(values, place(port, at), n * sizeof *values);
}

void lt_port_fill(lt_port port, float value) {
    const size_t count = lt_shape_count(lt_port_shape(port));
    for (size_t i = 0; i < count; i++) lt_port_write(port, i, &value, 1);
}

float lt_port_value(lt_port port) {
    float value = 0;
    lt_port_read(port, 0, &value, 1);
    return value;
}

/* ---- The order of the outside ---- */

/* Where the outside has channel k of row number `row`, which is a pixel of a sample. */
static size_t outside(lt_shape s, size_t row, size_t k) {
    const size_t pixels = (size_t)lt_shape_pixels(s);
    return (row / pixels * (size_t)s.c + k) * pixels + row % pixels;
}

void lt_port_write_nchw(lt_port port, const float *values) {
    const lt_shape s = lt_port_shape(port);
    const size_t c = (size_t)s.c;
    for (size_t row = 0; row < lt_shape_rows(s); row++)
        for (size_t k = 0; k < c; k++) lt_port_write(port, row * c + k, &values[outside(s, row, k)], 1);
}

void lt_port_read_nchw(lt_port port, size_t first, size_t channels, float *values) {
    lt_shape s = lt_port_shape(port);
    const size_t c = (size_t)s.c, rows = lt_shape_rows(s);
    s.c = (int)channels;
    for (size_t row = 0; row < rows; row++)
        for (size_t k = 0; k < channels; k++) lt_port_read(port, row * c + first + k, &values[outside(s, row, k)], 1);
}
