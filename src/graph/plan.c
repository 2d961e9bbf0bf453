/* Plans: operations made ready, tensors laid out in one arena by lifetime, and the loop that runs them. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

/* A piece of the arena: a tensor, or the scratch of one operation. Nodes that work in place share one. */
typedef struct lt_block {
    size_t size, offset;
    int first, last; /* the nodes between which it is alive, both included */
    bool pinned;     /* inputs, outputs and what outlives a step: alive for good */
} lt_block;

struct lt_plan {
    lt_graph graph;
    lt_prepared *prepared; /* [nodes] */
    lt_block *blocks;      /* [2 * nodes]: a tensor and a scratch for each node */
    int *block_of;         /* [nodes]: where the node's tensor lives */
    double *seconds;       /* [nodes] */
    char *arena;
    size_t arena_size;
    lt_team *team;
    bool trace;
};

/* ---- Lifetimes ---- */

static size_t tensor_size(const lt_node *n) {
    if (n->is_backward) return 0; /* what it writes are its results */
    return lt_round_up(lt_shape_count(n->operation.out) * sizeof(float), 64);
}

/* The node whose running writes node's tensor. */
static const lt_node *writer_of(const lt_node *node) {
    return node->operation.op == &lt_op_result ? node->input[0] : node;
}

/* The input whose memory node's output takes, or NULL. Of an operation's results only the first may take one. */
static const lt_node *takes_over(const lt_plan *plan, const lt_node *node) {
    const lt_node *writer = writer_of(node);
    const int k = plan->prepared[writer->id].in_place;
    const lt_node *input = k < 0 ? NULL : writer->input[k];
    if (!input || tensor_size(input) != tensor_size(node)) return NULL;
    if (writer != node && writer->result[0] != node) return NULL;
    const lt_block *b = &plan->blocks[plan->block_of[input->id]];
    return !b->pinned && b->last == writer->id ? input : NULL;
}

/* Each input lives on until node runs. What is computed once for a prompt and read at every step is kept for good. */
static void note_uses(lt_plan *plan, const lt_node *node) {
    for (int k = 0; k < LT_MAX_INPUTS; k++) {
        if (!node->input[k]) continue;
        lt_block *b = &plan->blocks[node->input[k]->id];
        b->last = node->id;
        b->pinned |= node->input[k]->rate != node->rate;
    }
}

/* A block for each tensor by itself, and one for each scratch. */
static void find_lifetimes(lt_plan *plan) {
    const size_t count = plan->graph.count;
    for (size_t i = 0; i < count; i++) {
        const lt_node *node = plan->graph.nodes[i];
        const bool pinned = node->operation.op == &lt_op_input || node->is_output; /* what the caller writes or reads */
        plan->block_of[i] = (int)i;
        plan->blocks[i] = (lt_block){tensor_size(node), 0, writer_of(node)->id, (int)i, pinned};
        plan->blocks[count + i] = (lt_block){lt_round_up(plan->prepared[i].scratch_size, 64), 0, (int)i, (int)i, false};
        note_uses(plan, node);
    }
}

/* Tensors that are made in place move into their input's block, which then lives as long as they do. */
static void merge_in_place(lt_plan *plan) {
    for (size_t i = 0; i < plan->graph.count; i++) {
        lt_block *own = &plan->blocks[i];
        const lt_node *input = own->pinned ? NULL : takes_over(plan, plan->graph.nodes[i]);
        if (!input) continue;
        plan->block_of[i] = plan->block_of[input->id];
        plan->blocks[plan->block_of[i]].last = own->last;
        own->size = 0;
    }
}

/* ---- The arena: largest block first, each at the lowest place that is free during its life ---- */

static bool meet(const lt_block *a, const lt_block *b) {
    return a->pinned || b->pinned || (a->first <= b->last && b->first <= a->last);
}

static int larger_first(const void *a, const void *b) {
    const lt_block *x = *(lt_block *const *)a, *y = *(lt_block *const *)b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    return x < y ? -1 : x > y;
}

/* The lowest place for block among those placed, which are sorted by offset. */
static size_t lowest_place(const lt_block *block, lt_block *const *placed, size_t count) {
    size_t offset = 0;
    for (size_t k = 0; k < count; k++) {
        if (!meet(block, placed[k])) continue;
        if (placed[k]->offset >= offset + block->size) break;
        offset = lt_max(offset, placed[k]->offset + placed[k]->size);
    }
    return offset;
}

static void insert_by_offset(lt_block *block, lt_block **placed, size_t count) {
    size_t at = count;
    for (; at > 0 && placed[at - 1]->offset > block->offset; at--) placed[at] = placed[at - 1];
    placed[at] = block;
}

static lt_status lay_out(lt_plan *plan) {
    const size_t most = 2 * plan->graph.count;
    lt_block **order = lt_alloc(most * sizeof *order), **placed = lt_alloc(most * sizeof *placed);
    lt_status status = order && placed ? LT_OK : LT_ERROR_MEMORY;
    size_t count = 0;
    for (size_t i = 0; !status && i < most; i++)
        if (plan->blocks[i].size) order[count++] = &plan->blocks[i];
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

static float *memory_of(const lt_plan *plan, const lt_node *node) {
    return (float *)(plan->arena + plan->blocks[plan->block_of[node->id]].offset);
}

/* ---- Making ready ---- */

static lt_status acquire(lt_prepared *p) {
    for (int k = 0; k < LT_MAX_WEIGHTS; k++)
        if (p->form[k].layout) LT_TRY(lt_weight_acquire(p->operation->weight[k], &p->form[k], &p->weight[k]));
    return LT_OK;
}

static lt_status prepare_all(lt_plan *plan, const lt_target *target) {
    const lt_kernels *kernels = lt_kernels_get(target->isa);
    for (size_t i = 0; i < plan->graph.count; i++) {
        lt_node *node = plan->graph.nodes[i];
        lt_prepared *p = &plan->prepared[i];
        if (target->cancelled && target->cancelled(target->cancelled_user))
            return lt_fail(LT_ERROR_CANCELLED, "stopped before anything was computed");
        *p = (lt_prepared){
            .operation = &node->operation, .kernels = kernels, .in_place = -1, .threads = lt_team_size(target->team)};
        p->kernel = lt_isa_name(kernels->isa);
        if (node->operation.op->prepare) LT_TRY(node->operation.op->prepare(p, target));
        LT_TRY(acquire(p));
    }
    return LT_OK;
}

/* Rows of a batch that nobody fills are zeros: what is made of them is finite. */
static void clear_inputs(lt_plan *plan) {
    for (size_t i = 0; i < plan->graph.count; i++) {
        const lt_node *node = plan->graph.nodes[i];
        if (node->operation.op == &lt_op_input) memset(memory_of(plan, node), 0, tensor_size(node));
    }
}

void lt_plan_rest(lt_plan *plan) {
    lt_free(plan->arena);
    plan->arena = NULL;
}

lt_status lt_plan_wake(lt_plan *plan) {
    if (plan->arena) return LT_OK;
    plan->arena = lt_alloc(plan->arena_size);
    if (!plan->arena) return LT_ERROR_MEMORY;
    clear_inputs(plan);
    return LT_OK;
}

lt_status lt_plan_create(lt_graph *graph, const lt_target *target, lt_plan **result) {
    *result = NULL;
    lt_plan *plan = lt_calloc(1, sizeof *plan);
    if (!plan) {
        lt_graph_free(graph);
        return LT_ERROR_MEMORY;
    }
    plan->graph = *graph;
    plan->team = target->team;
    *graph = (lt_graph){0};
    const size_t count = plan->graph.count;
    lt_status status = plan->graph.status;
    if (!status) {
        plan->prepared = lt_calloc(count, sizeof *plan->prepared);
        plan->blocks = lt_calloc(2 * count, sizeof *plan->blocks);
        plan->block_of = lt_calloc(count, sizeof *plan->block_of);
        plan->seconds = lt_calloc(count, sizeof *plan->seconds);
        if (!plan->prepared || !plan->blocks || !plan->block_of || !plan->seconds) status = LT_ERROR_MEMORY;
    }
    lt_team *before = lt_team_enter(plan->team);
    if (!status) status = prepare_all(plan, target);
    lt_team_enter(before);
    if (!status) {
        find_lifetimes(plan);
        merge_in_place(plan);
        status = lay_out(plan);
    }
    if (!status) status = lt_plan_wake(plan);
    if (status)
        lt_plan_free(plan);
    else
        *result = plan;
    return status;
}

lt_status lt_plan_built(lt_graph *graph, lt_status built, const lt_target *target, lt_plan **plan) {
    if (!built) return lt_plan_create(graph, target, plan);
    lt_graph_free(graph);
    return built;
}

void lt_plan_free(lt_plan *plan) {
    if (!plan) return;
    for (size_t i = 0; plan->prepared && i < plan->graph.count; i++) {
        lt_prepared *p = &plan->prepared[i];
        if (!p->operation) continue;
        for (int k = 0; k < LT_MAX_WEIGHTS; k++) lt_weight_release(p->operation->weight[k], p->weight[k]);
        if (p->operation->op->release) p->operation->op->release(p);
    }
    lt_free(plan->prepared);
    lt_free(plan->blocks);
    lt_free(plan->block_of);
    lt_free(plan->seconds);
    lt_free(plan->arena);
    lt_graph_free(&plan->graph);
    lt_free(plan);
}

/* ---- Running ---- */

static lt_status run_node(lt_plan *plan, const lt_node *node) {
    const float *in[LT_MAX_INPUTS] = {0};
    float *out[LT_MAX_RESULTS] = {memory_of(plan, node)};
    for (int k = 0; k < LT_MAX_INPUTS; k++)
        if (node->input[k]) in[k] = memory_of(plan, node->input[k]);
    for (int k = 0; k < LT_MAX_RESULTS && node->is_backward; k++)
        out[k] = node->result[k] ? memory_of(plan, node->result[k]) : NULL;
    void *scratch = plan->arena + plan->blocks[plan->graph.count + (size_t)node->id].offset;
    return node->operation.op->run(&plan->prepared[node->id], in, out, scratch);
}

static lt_status refresh(const lt_prepared *p) {
    for (int k = 0; k < LT_MAX_WEIGHTS; k++)
        if (p->weight[k]) LT_TRY(lt_weight_refresh(p->operation->weight[k], &p->form[k], p->weight[k]));
    return LT_OK;
}

static void try_to_refresh(const void *context, size_t i, int thread) {
    (void)thread;
    refresh(&((const lt_prepared *)context)[i]);
}

/* Weights that were trained since the last run are packed again, several at a time. What failed is tried once more
 * here, in the caller's thread, where its message is heard. */
static lt_status refresh_all(lt_plan *plan) {
    lt_parallel(LT_ALL_THREADS, plan->graph.count, 1, try_to_refresh, plan->prepared);
    for (size_t i = 0; i < plan->graph.count; i++) LT_TRY(refresh(&plan->prepared[i]));
    return LT_OK;
}

/* Here alone it is seen that a module made no numbers: whatever is drawn, encoded, decoded or trained comes by. */
static lt_status check_outputs(const lt_plan *plan, lt_rate changed) {
    for (size_t i = 0; i < plan->graph.count && plan->graph.maker; i++) {
        const lt_node *node = plan->graph.nodes[i];
        if (!node->is_output || node->rate < changed) continue;
        if (!lt_all_finite(memory_of(plan, node), lt_shape_count(node->operation.out)))
            return lt_fail(LT_ERROR_MODEL, "the %s makes no finite numbers: are its weights whole?", plan->graph.maker);
    }
    return LT_OK;
}

/* Who is asked whether to go on, and the first answer that was no. */
typedef struct polling {
    lt_poll_fn poll;
    void *user;
    lt_status status;
} polling;

static bool asks_to_stop(void *user) {
    polling *p = user;
    if (p->poll && !p->status) p->status = p->poll(p->user);
    return p->status;
}

static lt_status run_all(lt_plan *plan, lt_rate changed, polling *p) {
    for (size_t i = 0; i < plan->graph.count; i++) {
        const lt_node *node = plan->graph.nodes[i];
        if (node->rate < changed || !node->operation.op->run) continue;
        const double start = plan->trace ? lt_now() : 0;
        if (asks_to_stop(p)) break;
        LT_TRY(run_node(plan, node));
        if (plan->trace) plan->seconds[i] = lt_now() - start;
    }
    return p->status;
}

lt_status lt_plan_run(lt_plan *plan, lt_rate changed, lt_poll_fn poll, void *user) {
    polling p = {poll, user, LT_OK};
    lt_team *before = lt_team_enter(plan->team);
    lt_status status = refresh_all(plan);
    lt_team_watch(plan->team, poll ? asks_to_stop : NULL, &p); /* an operation may take seconds */
    if (!status) status = run_all(plan, changed, &p);
    lt_team_watch(plan->team, NULL, NULL);
    lt_team_enter(before);
    return status ? status : check_outputs(plan, changed);
}

/* ---- Looking in ---- */

float *lt_plan_tensor(lt_plan *plan, const char *name) {
    const lt_node *node = lt_graph_find(&plan->graph, name);
    return node ? memory_of(plan, node) : NULL;
}

lt_shape lt_plan_shape(const lt_plan *plan, const char *name) {
    const lt_node *node = lt_graph_find(&plan->graph, name);
    return node ? node->operation.out : (lt_shape){0};
}

size_t lt_plan_arena_size(const lt_plan *plan) { return plan->arena_size; }
size_t lt_plan_row_count(const lt_plan *plan) { return plan->graph.count; }
void lt_plan_trace(lt_plan *plan, bool on) { plan->trace = on; }

lt_plan_row lt_plan_row_at(const lt_plan *plan, size_t i) {
    const lt_operation *o = &plan->graph.nodes[i]->operation;
    lt_plan_row row = {
        .op = o->op->name,
        .weight = o->weight[0] ? o->weight[0]->tensor.name : "",
        .kernel = plan->prepared[i].kernel,
        .shape = o->out,
        .flops = o->op->flops ? o->op->flops(o) : 0,
        .seconds = plan->seconds[i],
    };
    for (int k = 0; k < LT_MAX_WEIGHTS; k++)
        if (o->weight[k]) row.parameters += lt_tensor_count(&o->weight[k]->tensor);
    return row;
}
