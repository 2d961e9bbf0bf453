/* Graphs: appending operations with static shapes. */
#include "graph/graph.h"

#include <string.h>

void lt_graph_free(lt_graph *graph) {
    for (size_t i = 0; i < graph->count; i++) {
        lt_free((void *)(uintptr_t)graph->nodes[i]->operation.attributes);
        lt_free(graph->nodes[i]->place);
        lt_free(graph->nodes[i]);
    }
    lt_free(graph->nodes);
    *graph = (lt_graph){0};
}

void lt_graph_fail(lt_graph *g, lt_status status) {
    if (!g->status) g->status = status;
}

/* From here on, sums and products of sides fit an int, and bytes a size_t. */
static lt_status check_size(const lt_operation *o) {
    const lt_shape s = o->out;
    const int most = 1 << 28;
    size_t rows = 1, count = 0;
    const bool sides =
        s.n >= 1 && s.h >= 1 && s.w >= 1 && s.c >= 1 && s.n <= most && s.h <= most && s.w <= most && s.c <= most;
    if (sides && lt_mul((size_t)s.n * (size_t)s.h, (size_t)s.w, &rows) && rows <= INT32_MAX &&
        lt_mul(rows * lt_value_types[o->type].bytes, (size_t)s.c, &count) && count <= SIZE_MAX / 4)
        return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "%s: a tensor of %dx%dx%dx%d (n, h, w, channels) is empty or too large",
                   o->op->name, s.n, s.h, s.w, s.c);
}

/* Kernels read and write their own types alone. */
static lt_status check_type(const lt_op *op, int i, const lt_node *input) {
    const lt_value_type_id type = input->operation.type;
    return type == op->takes[i] ? LT_OK
                                : lt_fail(LT_ERROR_MODEL, "%s: input %d is %s, expected %s", op->name, i,
                                          lt_value_types[type].name, lt_value_types[op->takes[i]].name);
}

static lt_status connect(lt_node *node, const lt_call *call) {
    lt_operation *o = &node->operation;
    node->rate = LT_RATE_PROMPT;
    for (int i = 0; i < LT_MAX_INPUTS; i++) {
        lt_node *input = node->input[i] = call->in[i];
        if (!input) continue;
        o->in[i] = input->operation.out;
        o->in_type[i] = input->operation.type;
        if (input->rate > node->rate) node->rate = input->rate;
        LT_TRY(check_type(o->op, i, input));
    }
    memcpy(o->weight, call->weight, sizeof o->weight);
    LT_TRY(o->op->infer(o));
    return check_size(o);
}

lt_node *lt_graph_append(lt_graph *g, lt_call call) {
    if (g->status) return NULL;
    lt_node *node = LT_GROW(g->nodes, g->count, g->capacity) ? NULL : lt_calloc(1, sizeof *node);
    void *copy = node ? lt_alloc(call.attributes_size) : NULL;
    if (!copy) {
        lt_free(node);
        g->status = LT_ERROR_MEMORY;
        return NULL;
    }
    if (call.attributes_size) memcpy(copy, call.attributes, call.attributes_size);
    node->operation.op = call.op;
    node->operation.attributes = copy;
    node->operation.attributes_size = call.attributes_size;
    node->id = (int)g->count;
    node->segment = g->segment;
    g->nodes[g->count++] = node;
    g->status = connect(node, &call);
    return g->status ? NULL : node;
}

lt_node *lt_graph_input(lt_graph *g, lt_input input) {
    const lt_input_options options = {input.shape, input.type};
    lt_node *node = lt_graph_append(g, (lt_call){&lt_op_input, LT_OPTIONS(options)});
    if (node) {
        node->rate = input.rate;
        node->name = input.name;
    }
    return node;
}

lt_node *lt_graph_find(const lt_graph *g, const char *name) { return lt_graph_find_one(g, name, 0); }

lt_node *lt_graph_find_one(const lt_graph *g, const char *name, int which) {
    for (size_t i = 0; i < g->count; i++)
        if (g->nodes[i]->name && !strcmp(g->nodes[i]->name, name) && !which--) return g->nodes[i];
    return NULL;
}

bool lt_graph_enter_segment(lt_graph *g) {
    if (g->segment) return false;
    g->segment = ++g->segments;
    return true;
}

void lt_graph_leave_segment(lt_graph *g, bool entered) {
    if (entered) g->segment = 0;
}

void lt_graph_output(lt_graph *g, lt_node *node, const char *name) {
    if (g->status) return;
    node->name = name;
    node->is_output = true;
}

void lt_graph_place(lt_graph *g, lt_node *node, const char *name) {
    if (g->status || node->place) return;
    node->place = lt_strdup(name);
    if (!node->place) lt_graph_fail(g, LT_ERROR_MEMORY);
}
