/* Plans: operations made ready, values laid out in one arena by lifetime, and the loop that runs them. */
#include "graph/plan.h"

#include "base/map.h"

#include <string.h>

/* ---- Types ---- */

static bool has_backward_half(const lt_graph *graph) {
    for (size_t i = 0; i < graph->count; i++)
        if (graph->nodes[i]->is_backward) return true;
    return false;
}

static bool may_be_narrow(const lt_node *node, const lt_target *target) {
    const lt_operation *o = &node->operation;
    return o->type == LT_VALUE_F32 && !node->is_output && o->op->narrows_output && o->op->narrows_output(o, target);
}

/* Inputs that had better stay float32 make their values so. */
static void keep_wide(const lt_node *node, const lt_target *target) {
    const lt_operation *o = &node->operation;
    for (int k = 0; k < LT_MAX_INPUTS; k++)
        if (node->input[k] && o->op->takes[k] == LT_VALUE_F32 &&
            !(o->op->narrows_input && o->op->narrows_input(o, k, target)))
            node->input[k]->operation.type = LT_VALUE_F32;
}

/* Values that both their ends like better so become bf16: half the memory, and half the way through it. The backward
 * half reads what the forward half made, as float32. */
static void narrow_values(lt_graph *graph, const lt_target *target) {
    const bool vectors = lt_isa_vectors(target->isa) != LT_ISA_SCALAR;
    if (!target->inference || target->precision <= LT_PRECISION_F32 || !vectors) return;
    for (size_t i = 0; i < graph->count; i++)
        if (may_be_narrow(graph->nodes[i], target)) graph->nodes[i]->operation.type = LT_VALUE_BF16;
    for (size_t i = 0; i < graph->count; i++) keep_wide(graph->nodes[i], target);
    for (size_t i = 0; i < graph->count; i++)
        for (int k = 0; k < LT_MAX_INPUTS; k++) {
            const lt_node *input = graph->nodes[i]->input[k];
            if (input) graph->nodes[i]->operation.in_type[k] = input->operation.type;
        }
}

/* ---- Making ready ---- */

static lt_status acquire(lt_prepared *p, const lt_target *target) {
    for (int k = 0; k < LT_MAX_WEIGHTS; k++) {
        lt_weight *weight = p->operation->weight[k];
        if (!p->form[k].layout) continue;
        p->form[k].deltas = lt_deltas_of(target->deltas, weight);
        p->form[k].isa = target->isa;
        if (!target->sizing) LT_TRY(lt_weight_acquire(weight, &p->form[k], &p->weight[k]));
    }
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
        LT_TRY(acquire(p, target));
    }
    return LT_OK;
}

/* Rows of a batch that nobody fills are zeros: what is made of them is finite. */
static void clear_inputs(lt_plan *plan) {
    for (size_t i = 0; i < plan->graph.count; i++) {
        const lt_node *node = plan->graph.nodes[i];
        if (node->operation.op == &lt_op_input) memset(lt_plan_value(plan, node).data, 0, lt_node_bytes(node));
    }
}

void lt_plan_rest(lt_plan *plan) {
    lt_free(plan->arena);
    plan->arena = NULL;
}

/* What next packs otherwise. The form's list is next's then: the plan's own may go. */
static void release_changed(lt_prepared *p, const lt_deltas *next) {
    for (int k = 0; k < LT_MAX_WEIGHTS; k++) {
        lt_weight *weight = p->operation->weight[k];
        const lt_delta_list list = lt_deltas_of(next, weight);
        const bool same = lt_delta_list_identity(list) == lt_delta_list_identity(p->form[k].deltas);
        p->form[k].deltas = list;
        if (same) continue;
        lt_weight_release(weight, p->weight[k]);
        p->weight[k] = NULL;
    }
}

void lt_plan_retire(lt_plan *plan, lt_deltas *next) {
    lt_deltas *before = plan->deltas;
    lt_plan_rest(plan);
    for (size_t i = 0; i < plan->graph.count; i++) release_changed(&plan->prepared[i], next);
    plan->deltas = lt_deltas_share(next);
    lt_deltas_free(before);
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
    plan->deltas = lt_deltas_share(target->deltas);
    *graph = (lt_graph){0};
    const size_t count = plan->graph.count;
    lt_status status = plan->graph.status;
    if (!status) {
        plan->prepared = lt_calloc(count, sizeof *plan->prepared);
        plan->extents = lt_calloc(2 * count, sizeof *plan->extents);
        plan->extent_of = lt_calloc(count, sizeof *plan->extent_of);
        plan->starts = lt_calloc(count, sizeof *plan->starts);
        plan->seconds = lt_calloc(count, sizeof *plan->seconds);
        if (!plan->prepared || !plan->extents || !plan->extent_of || !plan->starts || !plan->seconds)
            status = LT_ERROR_MEMORY;
    }
    lt_team *before = lt_team_enter(plan->team);
    lt_target own = *target;
    own.inference = !has_backward_half(&plan->graph);
    if (!status) narrow_values(&plan->graph, &own);
    if (!status) status = prepare_all(plan, &own);
    lt_team_enter(before);
    if (!status) status = lt_arena_lay_out(plan);
    if (!status && !target->sizing) status = lt_plan_wake(plan);
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
    lt_free(plan->extents);
    lt_free(plan->extent_of);
    lt_free(plan->starts);
    lt_free(plan->seconds);
    lt_free(plan->arena);
    lt_deltas_free(plan->deltas);
    lt_graph_free(&plan->graph);
    lt_free(plan);
}

/* ---- Running ---- */

static lt_status run_node(lt_plan *plan, const lt_node *node) {
    lt_value in[LT_MAX_INPUTS], out[LT_MAX_RESULTS] = {lt_plan_value(plan, node)};
    for (int k = 0; k < LT_MAX_INPUTS; k++) in[k] = lt_plan_value(plan, node->input[k]);
    for (int k = 0; k < LT_MAX_RESULTS && node->is_backward; k++) out[k] = lt_plan_value(plan, node->result[k]);
    return node->operation.op->run(&plan->prepared[node->id], in, out, lt_plan_scratch(plan, node));
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

static bool is_finite(lt_value value) {
    enum { AT_ONCE = 1024 };
    float numbers[AT_ONCE];
    const lt_value_type *type = &lt_value_types[value.type];
    const size_t count = lt_shape_count(value.shape);
    for (size_t i = 0; i < count; i += AT_ONCE) {
        const size_t n = lt_min(count - i, AT_ONCE);
        type->read((const char *)value.data + i * type->bytes, numbers, n);
        if (!lt_all_finite(numbers, n)) return false;
    }
    return true;
}

/* Here alone it is seen that a module made no numbers: whatever is drawn, encoded, decoded or trained comes by. */
static lt_status check_outputs(const lt_plan *plan, lt_rate changed) {
    for (size_t i = 0; i < plan->graph.count && plan->graph.maker; i++) {
        const lt_node *node = plan->graph.nodes[i];
        if (node->is_output && node->rate >= changed && !is_finite(lt_plan_value(plan, node)))
            return lt_fail(LT_ERROR_MODEL, "the %s makes no finite numbers: are its weights whole?", plan->graph.maker);
    }
    return LT_OK;
}

/* Weights that a file has ready are read as they are used: it must not have been cut short meanwhile. */
static lt_status check_weights(const lt_plan *plan, lt_status status) {
    for (size_t i = 0; i < plan->graph.count; i++) {
        const lt_weight *weight = plan->graph.nodes[i]->operation.weight[0];
        if (weight && weight->tensor.forms) return lt_map_check(weight->tensor.forms->items[0].data, status);
    }
    return status;
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

static lt_port port_of(lt_plan *plan, const lt_node *node) { return (lt_port){plan, node}; }

static lt_status show(lt_plan *plan, const lt_node *node, double seconds) {
    enum { Q, K, V, LENGTHS };
    lt_sight sight = {.place = node->place, .value = port_of(plan, node), .seconds = plan->since_place += seconds};
    if (!node->place) return LT_OK;
    if (node->operation.op == &lt_op_attention) {
        const lt_attention_options *options = node->operation.attributes;
        sight.q = port_of(plan, node->input[Q]);
        sight.k = port_of(plan, node->input[K]);
        sight.lengths = port_of(plan, node->input[LENGTHS]);
        sight.heads = options->heads;
        sight.seconds = seconds;
    } else {
        plan->since_place = 0;
    }
    return plan->look(plan->look_user, &sight);
}

static lt_status run_all(lt_plan *plan, lt_rate changed, polling *p) {
    const bool timed = plan->trace || plan->look;
    plan->since_place = 0;
    for (size_t i = 0; i < plan->graph.count; i++) {
        const lt_node *node = plan->graph.nodes[i];
        if (node->rate < changed || !node->operation.op->run) continue;
        const double start = timed ? lt_now() : 0;
        if (asks_to_stop(p)) break;
        LT_TRY(run_node(plan, node));
        const double seconds = timed ? lt_now() - start : 0;
        if (plan->trace) plan->starts[i] = start, plan->seconds[i] = seconds;
        if (plan->look) LT_TRY(show(plan, node, seconds));
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
    return check_weights(plan, status ? status : check_outputs(plan, changed));
}

/* ---- Looking in ---- */

size_t lt_plan_arena_size(const lt_plan *plan) { return plan->arena_size; }

size_t lt_plan_weights_size(const lt_plan *plan) {
    size_t bytes = 0;
    for (size_t i = 0; i < plan->graph.count; i++)
        for (int k = 0; k < LT_MAX_WEIGHTS; k++)
            if (plan->prepared[i].form[k].layout) bytes += plan->prepared[i].form[k].size;
    return bytes;
}

size_t lt_plan_row_count(const lt_plan *plan) { return plan->graph.count; }
void lt_plan_trace(lt_plan *plan, bool on) { plan->trace = on; }

void lt_plan_watch(lt_plan *plan, lt_look_fn look, void *user) {
    plan->look = look;
    plan->look_user = user;
}

bool lt_plan_is_watched(const lt_plan *plan) { return plan->look; }

static double bytes_of(lt_shape shape, lt_value_type_id type) {
    return (double)lt_shape_count(shape) * (double)lt_value_types[type].bytes;
}

/* Each input, weight and result once. */
static double bytes_moved(const lt_plan *plan, const lt_node *node) {
    const lt_operation *o = &node->operation;
    double bytes = node->is_backward ? 0 : bytes_of(o->out, o->type);
    for (int k = 0; k < LT_MAX_INPUTS; k++)
        if (node->input[k]) bytes += bytes_of(o->in[k], node->input[k]->operation.type);
    for (int k = 0; k < LT_MAX_WEIGHTS; k++)
        if (plan->prepared[node->id].form[k].layout) bytes += (double)plan->prepared[node->id].form[k].size;
    for (int k = 0; k < LT_MAX_RESULTS && node->is_backward; k++)
        if (node->result[k]) bytes += bytes_of(node->result[k]->operation.out, node->result[k]->operation.type);
    return bytes;
}

lt_plan_row lt_plan_row_at(const lt_plan *plan, size_t i) {
    const lt_operation *o = &plan->graph.nodes[i]->operation;
    lt_plan_row row = {
        .op = o->op->name,
        .weight = o->weight[0] ? o->weight[0]->tensor.name : "",
        .kernel = plan->prepared[i].kernel,
        .numbers = plan->prepared[i].numbers,
        .shape = o->out,
        .flops = o->op->flops ? o->op->flops(o) : 0,
        .bytes = bytes_moved(plan, plan->graph.nodes[i]),
        .start = plan->starts[i],
        .seconds = plan->seconds[i],
    };
    for (int k = 0; k < LT_MAX_WEIGHTS; k++)
        if (o->weight[k]) row.parameters += lt_tensor_count(&o->weight[k]->tensor);
    return row;
}
