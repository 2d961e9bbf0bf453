/* Graphs of operations with static shapes, and plans that run them.
 *
 * Build once, plan once, run often: a model's forward pass appends nodes; planning makes each operation ready (kernel,
 * packed weights) and lays all tensors out in one arena by their lifetimes; running allocates nothing.
 *
 * An input changes at a rate: with the prompt, or at every step. What depends on the prompt alone (cross-attention's
 * keys and values) is computed when the prompt changes and kept. */
#ifndef LT_GRAPH_H
#define LT_GRAPH_H

#include "ops/ops.h"

typedef enum lt_rate { LT_RATE_PROMPT, LT_RATE_STEP } lt_rate;

typedef struct lt_node {
    lt_operation operation;
    struct lt_node *input[LT_MAX_INPUTS];
    int id; /* place in the order of running */
    lt_rate rate;
    const char *name; /* of an input or an output; NULL elsewhere */
    char *place;      /* of a value that may be looked at: its layer's name; NULL elsewhere */
    bool is_output;
    bool watched;     /* an input whose gradient is wanted */
    bool is_backward; /* holds nothing itself: what it writes are its results */
    int segment;      /* of layers that it belongs to; 0: none, its value is kept until the backward half */
    struct lt_node *result[LT_MAX_RESULTS]; /* of a backward operation: the nodes that hold what it writes, or NULL */
    struct lt_node *gradient;               /* of the losses by this node, once there is one */
} lt_node;

typedef struct lt_graph {
    lt_node **nodes;
    size_t count, capacity;
    lt_status status;      /* the first failure; from then on every builder returns NULL, so layers need not check */
    lt_seamless wraps;     /* sides that are one: layers that pad with zeros on both take the other side */
    bool training;         /* to be asked for gradients: layers keep activations as operations of their own */
    int segment, segments; /* the one that is being built (0: none), and how many there were */
    /* Whose outputs these are, "U-Net": a run that makes a NaN or an infinity of them fails and names it. NULL: nobody
     * asks. A literal. */
    const char *maker;
} lt_graph;

void lt_graph_free(lt_graph *graph); /* graphs start zeroed: lt_graph g = {0} */

/* ---- Building: each appends one node and returns it, or NULL after a failure ---- */

/* An operation on nodes and weights; those that it can do without may be NULL. */
typedef struct lt_call {
    const lt_op *op;
    lt_node *in[LT_MAX_INPUTS];
    lt_weight *weight[LT_MAX_WEIGHTS];
    const void *attributes; /* [attributes_size] the op's options, which are copied */
    size_t attributes_size;
} lt_call;

#define LT_OPTIONS(options) .attributes = &(options), .attributes_size = sizeof(options)

lt_node *lt_graph_append(lt_graph *g, lt_call call);

typedef struct lt_input {
    const char *name; /* a literal */
    lt_shape shape;
    lt_rate rate;
    lt_value_type_id type;
} lt_input;

lt_node *lt_graph_input(lt_graph *g, lt_input input);
void lt_graph_output(lt_graph *g, lt_node *node, const char *name);
/* Whoever watches a plan is shown node under this name, which is copied. Of a node that has one already it stays. */
void lt_graph_place(lt_graph *g, lt_node *node, const char *name);
void lt_graph_fail(lt_graph *g, lt_status status); /* keeps the first */

/* The input or output of that name, or NULL. Several may have it: number `which` of them, as they were appended. */
lt_node *lt_graph_find(const lt_graph *g, const char *name);
lt_node *lt_graph_find_one(const lt_graph *g, const char *name, int which);

/* Nodes that are appended between these two are a segment: with recomputation, only what leaves it is kept (Chen et al.
 * 2016). Segments do not nest: within one, these do nothing. lt_graph_enter_segment returns what lt_graph_leave_segment
 * needs. */
bool lt_graph_enter_segment(lt_graph *g);
void lt_graph_leave_segment(lt_graph *g, bool entered);

/* ---- Gradients ---- */

/* A scalar of the graph and its share in what is differentiated. */
typedef struct lt_loss {
    lt_node *node;
    float scale;
} lt_loss;

/* Appends the backward half of the sum of scale * node over losses: running it adds to the gradient of each weight that
 * has one, and node->gradient is the gradient of every input that is watched (NULL if the losses do not depend on it).
 * recompute: the nodes of each segment are computed again where the backward half needs them, which saves the memory of
 * their values for about a third more time. */
lt_status lt_graph_backward(lt_graph *g, const lt_loss *losses, size_t count, bool recompute);

/* ---- Plans ---- */

typedef struct lt_plan lt_plan;

/* Asked between operations and, every few milliseconds, within them: anything but LT_OK ends the run and is returned.
 */
typedef lt_status (*lt_poll_fn)(void *user);

/* The graph belongs to the plan from now on, whether this succeeds or not. */
lt_status lt_plan_create(lt_graph *graph, const lt_target *target, lt_plan **plan);
/* The same behind a builder, which returned built: where it failed, the graph is freed and that is returned. */
lt_status lt_plan_built(lt_graph *graph, lt_status built, const lt_target *target, lt_plan **plan);
void lt_plan_free(lt_plan *plan);

/* Gives the arena back until lt_plan_wake, which must come before anything else but lt_plan_free; kernels and packed
 * weights stay. Inputs are zeros then; the next run is one of LT_RATE_PROMPT. */
void lt_plan_rest(lt_plan *plan);
lt_status lt_plan_wake(lt_plan *plan); /* nothing where it is awake */
/* Before another plan takes its place, with `next` added to its weights: gives back the arena and those weights that
 * the other won't find as they are. The deltas that it was made with may go. Only this or lt_plan_free may follow. */
void lt_plan_retire(lt_plan *plan, lt_deltas *next);

/* Runs every operation whose rate is at least changed: LT_RATE_PROMPT is the whole graph, LT_RATE_STEP what changes
 * with each step. LT_ERROR_MODEL where outputs that have a maker are no finite numbers. */
lt_status lt_plan_run(lt_plan *plan, lt_rate changed, lt_poll_fn poll, void *user);

/* Bytes of its activations, and of the packed weights that it reads, which others may share. */
size_t lt_plan_arena_size(const lt_plan *plan);
size_t lt_plan_weights_size(const lt_plan *plan);

/* ---- Inputs and outputs: who is above a plan has no address in its arena ---- */

/* One of a plan's inputs or outputs, as long as the plan lives. One that is not there has a shape of zeros, takes what
 * is written and gives nothing. */
typedef struct lt_port {
    lt_plan *plan;
    const lt_node *node; /* NULL: not there */
} lt_port;

lt_port lt_plan_port(lt_plan *plan, const char *name);
/* Of several that have one name, number `which`; and how many there are. */
lt_port lt_plan_port_one(lt_plan *plan, const char *name, int which);
int lt_plan_port_count(lt_plan *plan, const char *name);
lt_shape lt_port_shape(lt_port port);

/* Values [at, at + n) of a port, in the order [n, h, w, c]: inputs are written before a run (zeros at first), outputs
 * read until the next. In any number of threads at once. The port's own type is rounded to and from. */
void lt_port_write(lt_port port, size_t at, const float *values, size_t n);
void lt_port_read(lt_port port, size_t at, float *values, size_t n);
/* The same of a port of integers. */
void lt_port_write_i32(lt_port port, size_t at, const int32_t *values, size_t n);
void lt_port_read_i32(lt_port port, size_t at, int32_t *values, size_t n);
/* value, everywhere. */
void lt_port_fill(lt_port port, float value);
/* Its first value: a loss. */
float lt_port_value(lt_port port);
/* All values of a port in the order of the outside, [n, c, h, w]; and those of channels [first, first + channels). */
void lt_port_write_nchw(lt_port port, const float *values);
void lt_port_read_nchw(lt_port port, size_t first, size_t channels, float *values);

/* ---- Looking at values on the way ---- */

/* A place whose value has just been made. Ports can be read until the look ends: no value is kept for it. */
typedef struct lt_sight {
    const char *place;
    lt_port value;
    lt_port q, k, lengths; /* that an attention has read; of others not there */
    int heads;             /* of it; 0: it is none */
    double seconds;        /* that operations took since the place before that is no attention */
} lt_sight;
typedef lt_status (*lt_look_fn)(void *user, const lt_sight *sight);

/* From now on look is shown each place that a run comes by, in order, in the thread that runs it; what it returns, if
 * not LT_OK, ends the run. NULL: nobody is. */
void lt_plan_watch(lt_plan *plan, lt_look_fn look, void *user);
bool lt_plan_is_watched(const lt_plan *plan);

/* For people: each operation of the plan, and when its last run began (lt_now) and how long it took when tracing is on.
 */
typedef struct lt_plan_row {
    const char *op, *weight, *kernel; /* weight: the name of its first weight, or "" */
    lt_shape shape;
    size_t parameters;
    lt_precision numbers; /* that it multiplies; LT_PRECISION_AUTO: none, or float32 */
    double flops, bytes;  /* bytes: of inputs, weights and results, each once */
    double start, seconds;
} lt_plan_row;
size_t lt_plan_row_count(const lt_plan *plan);
lt_plan_row lt_plan_row_at(const lt_plan *plan, size_t i);
void lt_plan_trace(lt_plan *plan, bool on);

#endif
