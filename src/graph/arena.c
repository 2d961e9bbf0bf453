/* A plan's arena: how long values and scratch live, and where each lies. */
#include "graph/plan.h"

#include <stdlib.h>

/* ---- Lifetimes ---- */

/* What a backward operation writes are its results. */
static size_t value_size(const lt_node *node) { return node->is_backward ? 0 : lt_round_up(lt_node_bytes(node), 64); }

/* The node whose running writes node's value. */
static const lt_node *writer_of(const lt_node *node) {
    return node->operation.op == &lt_op_result ? node->input[0] : node;
}

/* The input whose memory node's output takes, or NULL. Of an operation's results only the first may take one. */
static const lt_node *takes_over(const lt_plan *plan, const lt_node *node) {
    const lt_node *writer = writer_of(node);
    const int k = plan->prepared[writer->id].in_place;
    const lt_node *input = k < 0 ? NULL : writer->input[k];
    if (!input || value_size(input) != value_size(node)) return NULL;
    if (writer != node && writer->result[0] != node) return NULL;
    const lt_extent *b = &plan->extents[plan->extent_of[input->id]];
    return !b->pinned && b->last == writer->id ? input : NULL;
}

/* Each input lives on until node runs. What is computed once for a prompt and read at every step is kept for good. */
static void note_uses(lt_plan *plan, const lt_node *node) {
    for (int k = 0; k < LT_MAX_INPUTS; k++) {
        if (!node->input[k]) continue;
        lt_extent *b = &plan->extents[node->input[k]->id];
        b->last = node->id;
        b->pinned |= node->input[k]->rate != node->rate;
    }
}

/* An extent for each value by itself, and one for each scratch. */
static void find_lifetimes(lt_plan *plan) {
    const size_t count = plan->graph.count;
    for (size_t i = 0; i < count; i++) {
        const lt_node *node = plan->graph.nodes[i];
        const bool pinned = node->operation.op == &lt_op_input || node->is_output; /* what the caller writes or reads */
        plan->extent_of[i] = (int)i;
        plan->extents[i] = (lt_extent){value_size(node), 0, writer_of(node)->id, (int)i, pinned};
        plan->extents[count + i] =
            (lt_extent){lt_round_up(plan->prepared[i].scratch_size, 64), 0, (int)i, (int)i, false};
        note_uses(plan, node);
    }
}

/* Values that are made in place move into their input's extent, which then lives as long as they do. */
static void merge_in_place(lt_plan *plan) {
    for (size_t i = 0; i < plan->graph.count; i++) {
        lt_extent *own = &plan->extents[i];
        const lt_node *input = own->pinned ? NULL : takes_over(plan, plan->graph.nodes[i]);
        if (!input) continue;
        plan->extent_of[i] = plan->extent_of[input->id];
        plan->extents[plan->extent_of[i]].last = own->last;
        own->size = 0;
    }
}

/* ---- Places: largest extent first, each at the lowest place that is free during its life ----
 *
 * Every extent is compared with those before it: 4 ms for the 1582 nodes of SD 1.5's U-Net with its backward half, 8
 * with recomputation, where packing its weights takes seconds. */

static bool meet(const lt_extent *a, const lt_extent *b) {
    return a->pinned || b->pinned || (a->first <= b->last && b->first <= a->last);
}

static int larger_first(const void *a, const void *b) {
    const lt_extent *x = *(lt_extent *const *)a, *y = *(lt_extent *const *)b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    return x < y ? -1 : x > y;
}

/* The lowest place for extent among those placed, which are sorted by offset. */
static size_t lowest_place(const lt_extent *extent, lt_extent *const *placed, size_t count) {
    size_t offset = 0;
    for (size_t k = 0; k < count; k++) {
        if (!meet(extent, placed[k])) continue;
        if (placed[k]->offset >= offset + extent->size) break;
        offset = lt_max(offset, placed[k]->offset + placed[k]->size);
    }
    return offset;
}

static void insert_by_offset(lt_extent *extent, lt_extent **placed, size_t count) {
    size_t at = count;
    for (; at > 0 && placed[at - 1]->offset > extent->offset; at--) placed[at] = placed[at - 1];
    placed[at] = extent;
}

static lt_status place_all(lt_plan *plan) {
    const size_t most = 2 * plan->graph.count;
    lt_extent **order = lt_alloc(most * sizeof *order), **placed = lt_alloc(most * sizeof *placed);
    lt_status status = order && placed ? LT_OK : LT_ERROR_MEMORY;
    size_t count = 0;
    for (size_t i = 0; !status && i < most; i++)
        if (plan->extents[i].size) order[count++] = &plan->extents[i];
    if (!status) qsort(order, count, sizeof *order, larger_first);
    for (size_t i = 0; !status && i < count; i++) {
        order[i]->offset = lowest_place(order[i], placed, i);
        insert_by_offset(order[i], placed, i);
        plan->arena_size = lt_max(plan->arena_size, order[i]->offset + order[i]->size);
    }
    lt_free(order);
    lt_free(placed);
    return status;
}

lt_status lt_arena_lay_out(lt_plan *plan) {
    find_lifetimes(plan);
    merge_in_place(plan);
    return place_all(plan);
}
