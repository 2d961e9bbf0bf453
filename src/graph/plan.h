/* What the files of a plan share: plan.c, arena.c and port.c. */
#ifndef LT_PLAN_H
#define LT_PLAN_H

#include "graph/graph.h"

/* A piece of the arena: a value, or the scratch of one operation. Nodes that work in place share one. */
typedef struct lt_extent {
    size_t size, offset; /* bytes */
    int first, last;     /* the nodes between which it is alive, both included */
    bool pinned;         /* inputs, outputs and what outlives a step: alive for good */
} lt_extent;

struct lt_plan {
    lt_graph graph;
    lt_prepared *prepared; /* [nodes] */
    lt_extent *extents;    /* [2 * nodes]: a value and a scratch for each node */
    int *extent_of;        /* [nodes]: where the node's value lies */
    double *starts;        /* [nodes]: when each began to run last, while it was traced */
    double *seconds;       /* [nodes]: and how long it took */
    char *arena;
    size_t arena_size;
    lt_team *team;
    lt_deltas *deltas; /* that are added to the weights */
    bool trace;
    lt_look_fn look; /* who is shown places; NULL: nobody */
    void *look_user;
    double since_place; /* seconds of the operations since the last one that is no attention */
};

/* Sets extents, extent_of and arena_size; the operations are prepared. */
lt_status lt_arena_lay_out(lt_plan *plan);

static inline size_t lt_node_bytes(const lt_node *node) {
    return lt_shape_count(node->operation.out) * lt_value_types[node->operation.type].bytes;
}

/* A node's value; of NULL, none. */
static inline lt_value lt_plan_value(const lt_plan *plan, const lt_node *node) {
    if (!node) return (lt_value){.data = NULL};
    const lt_operation *o = &node->operation;
    return (lt_value){o->out, o->type, plan->arena + plan->extents[plan->extent_of[node->id]].offset};
}

static inline void *lt_plan_scratch(const lt_plan *plan, const lt_node *node) {
    return plan->arena + plan->extents[plan->graph.count + (size_t)node->id].offset;
}

#endif
