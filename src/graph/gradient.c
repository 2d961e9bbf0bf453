/* The backward half of a graph: reverse-mode differentiation, node by node from the losses back (Rumelhart et al.
 * 1986).
 */
#include "graph/graph.h"

#include <string.h>

enum { DY, FORWARD, OUTPUT = LT_MAX_INPUTS - 1 };

typedef struct lt_differentiation {
    lt_graph *graph;
    int count;      /* of forward nodes */
    bool *needed;   /* [count]: a weight or a watched input lies behind the node */
    lt_node **copy; /* [count]: the node that holds its value in the backward half: itself, or one that computes it
                       again */
    bool recompute;
    int segment; /* whose nodes have copies */
} lt_differentiation;

/* ---- What needs a gradient ---- */

static bool is_trained(const lt_operation *o) {
    for (int i = 0; i < LT_MAX_WEIGHTS; i++)
        if (o->weight[i] && o->weight[i]->gradient) return true;
    return false;
}

static bool is_needed(const lt_differentiation *d, const lt_node *node) {
    const lt_gradient *how = node->operation.op->gradient;
    if (node->watched) return true;
    if (!how) return false;
    bool needed = is_trained(&node->operation);
    for (int k = 0; k < LT_MAX_RESULTS; k++)
        if (node->input[k] && how->flows & 1u << k) needed |= d->needed[node->input[k]->id];
    return needed;
}

/* ---- Appending ---- */

static lt_node *constant(lt_graph *g, float value) {
    return lt_graph_append(g, (lt_call){&lt_op_constant, LT_OPTIONS(value)});
}

static lt_node *sum(lt_graph *g, lt_node *a, lt_node *b) { return lt_graph_append(g, (lt_call){&lt_op_add, {a, b}}); }

/* op with the weights and the options of node. */
static lt_call call_like(const lt_op *op, const lt_node *node) {
    const lt_operation *o = &node->operation;
    lt_call call = {op, .attributes = o->attributes, .attributes_size = o->attributes_size};
    memcpy(call.weight, o->weight, sizeof call.weight);
    return call;
}

static void add_gradient(lt_differentiation *d, lt_node *node, lt_node *gradient) {
    if (!d->needed[node->id]) return;
    node->gradient = node->gradient ? sum(d->graph, gradient, node->gradient) : gradient;
}

/* ---- Computing a segment again ---- */

static void copy_node(lt_differentiation *d, lt_node *node) {
    lt_call call = call_like(node->operation.op, node);
    for (int k = 0; k < LT_MAX_INPUTS; k++)
        if (node->input[k]) call.in[k] = d->copy[node->input[k]->id];
    lt_node *copy = lt_graph_append(d->graph, call);
    if (copy) d->copy[node->id] = copy;
}

/* When the backward half comes to a segment, all of its nodes but the last, whose value the next segment keeps anyway.
 * A segment's nodes are next to each other. */
static void enter_segment(lt_differentiation *d, const lt_node *last) {
    if (!d->recompute || last->segment == d->segment) return;
    d->segment = last->segment;
    if (!d->segment) return;
    int first = last->id;
    while (first > 0 && d->graph->nodes[first - 1]->segment == d->segment) first--;
    for (int i = first; i < last->id; i++) copy_node(d, d->graph->nodes[i]);
}

/* ---- One node ---- */

static void make_results(lt_differentiation *d, lt_node *backward, lt_node *node, unsigned wanted) {
    for (int k = 0; k < LT_MAX_RESULTS && backward; k++) {
        if (!(wanted & 1u << k)) continue;
        const lt_shape *shape = &node->operation.in[k];
        backward->result[k] = lt_graph_append(d->graph, (lt_call){&lt_op_result, {backward}, LT_OPTIONS(*shape)});
    }
    for (int k = 0; k < LT_MAX_RESULTS && backward; k++)
        if (backward->result[k]) add_gradient(d, node->input[k], backward->result[k]);
}

static void append_backward(lt_differentiation *d, lt_node *node, unsigned wanted) {
    const lt_gradient *how = node->operation.op->gradient;
    lt_call call = call_like(how->op, node);
    call.in[DY] = node->gradient;
    for (int k = 0; k < LT_MAX_RESULTS; k++)
        if (node->input[k] && how->reads & 1u << k) call.in[FORWARD + k] = d->copy[node->input[k]->id];
    if (how->reads_output) call.in[OUTPUT] = d->copy[node->id];
    lt_node *backward = lt_graph_append(d->graph, call);
    if (!backward) return;
    backward->is_backward = true;
    backward->operation.wanted = wanted;
    memcpy(backward->operation.in + FORWARD, node->operation.in, LT_MAX_RESULTS * sizeof(lt_shape));
    make_results(d, backward, node, wanted);
}

static void differentiate(lt_differentiation *d, lt_node *node) {
    const lt_gradient *how = node->operation.op->gradient;
    if (!node->gradient || !how || d->graph->status) return;
    enter_segment(d, node);
    unsigned wanted = 0;
    for (int k = 0; k < LT_MAX_RESULTS; k++)
        if (node->input[k] && how->flows & ~how->passes & 1u << k && d->needed[node->input[k]->id]) wanted |= 1u << k;
    if (how->op && (wanted || is_trained(&node->operation))) append_backward(d, node, wanted);
    for (int k = 0; k < LT_MAX_RESULTS; k++)
        if (node->input[k] && how->passes & 1u << k) add_gradient(d, node->input[k], node->gradient);
}

lt_status lt_graph_backward(lt_graph *g, const lt_loss *losses, size_t count, bool recompute) {
    lt_differentiation d = {.graph = g, .count = (int)g->count, .recompute = recompute};
    if (g->status) return g->status;
    d.needed = lt_calloc(g->count, sizeof *d.needed);
    d.copy = lt_calloc(g->count, sizeof *d.copy);
    if (d.needed && d.copy) {
        for (int i = 0; i < d.count; i++) {
            d.copy[i] = g->nodes[i];
            d.needed[i] = is_needed(&d, g->nodes[i]);
        }
        for (size_t i = 0; i < count; i++) add_gradient(&d, losses[i].node, constant(g, losses[i].scale));
        for (int i = d.count - 1; i >= 0; i--) differentiate(&d, g->nodes[i]);
    } else {
        g->status = LT_ERROR_MEMORY;
    }
    lt_free(d.needed);
    lt_free(d.copy);
    return g->status;
}
