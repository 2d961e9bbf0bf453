/* What an operation of a graph is: its shapes, how it is made ready, how it runs. One file of this folder for each; a
 * new one is a new file, a line in ops.h and a layer in nn/. */
#ifndef LT_OP_H
#define LT_OP_H

#include "base/threads.h"
#include "kernels/kernels.h"
#include "kernels/value_type.h"
#include "ops/deltas.h"

/* Every value is [n, h, w, c], channels last; tokens are [n, 1, tokens, c] or, the same memory, [n, h, w, c]. */
typedef struct lt_shape {
    int n, h, w, c;
} lt_shape;

static inline size_t lt_shape_rows(lt_shape s) { return (size_t)s.n * s.h * s.w; }
static inline size_t lt_shape_count(lt_shape s) { return lt_shape_rows(s) * s.c; }
static inline int lt_shape_pixels(lt_shape s) { return s.h * s.w; }
static inline bool lt_shape_equal(lt_shape a, lt_shape b) {
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

/* What a node holds while its plan runs. */
typedef struct lt_value {
    lt_shape shape;
    lt_value_type_id type;
    void *data; /* in the arena; NULL: left out, or not wanted */
} lt_value;

/* The numbers of a value whose operation takes or makes that type (of one that may be bf16, too: its memory). */
static inline float *lt_f32(lt_value value) { return value.data; }
static inline int32_t *lt_i32(lt_value value) { return value.data; }

/* A backward operation reads the gradient of its forward operation's output, then that operation's inputs (at most
 * four), then its output. */
enum { LT_MAX_INPUTS = 6, LT_MAX_WEIGHTS = 2, LT_MAX_RESULTS = 4 };

typedef struct lt_op lt_op;

/* One operation as its node asks for it. */
typedef struct lt_operation {
    const lt_op *op;
    lt_shape out;
    lt_value_type_id type;      /* of out */
    lt_shape in[LT_MAX_INPUTS]; /* an input that is left out has n = 0 */
    lt_value_type_id in_type[LT_MAX_INPUTS];
    lt_weight *weight[LT_MAX_WEIGHTS]; /* NULL where there is none */
    const void *attributes;            /* the op's own options; owned by the graph */
    size_t attributes_size;
    unsigned wanted; /* of a backward operation: bit k asks for the gradient of forward input k */
} lt_operation;

static inline bool lt_has_input(const lt_operation *o, int i) { return o->in[i].n != 0; }

/* For what it is made ready. */
typedef struct lt_target {
    lt_isa isa;
    lt_team *team;          /* whose threads share the work; NULL: the calling thread alone */
    lt_precision precision; /* of convolutions and linear layers; a zeroed one is float32 */
    /* The plan's to say: no backward half reads what is made, so that attention may round as well, and values between
     * operations, and layers that win nothing by rounding need not. */
    bool inference;
    lt_deltas *deltas; /* what is added to the weights; NULL: nothing */
    /* The plan is never run, but asked what it would take: no weight is packed for it, and it has no arena. */
    bool sizing;
    /* Asked before each operation is made ready, which may pack much: true ends that. NULL: nobody is asked. */
    bool (*cancelled)(void *user);
    void *cancelled_user;
} lt_target;

/* An operation made ready to run: kernel chosen, weights packed. */
typedef struct lt_prepared {
    const lt_operation *operation;
    const lt_kernels *kernels;
    lt_form form[LT_MAX_WEIGHTS];       /* in which it reads its weights: filled by prepare */
    const void *weight[LT_MAX_WEIGHTS]; /* in that form: the plan's business */
    void *state;                        /* the op's own */
    const void *constant;               /* likewise, of a table */
    size_t scratch_size;                /* bytes that run needs */
    int in_place;                       /* the input whose memory the (first) output may take, or -1 */
    int threads;
    const char *kernel;   /* which one was chosen, for people */
    lt_precision numbers; /* that are multiplied, likewise */
} lt_prepared;

/* How gradients flow back through an operation. Sets of the forward operation's inputs are bits. */
typedef struct lt_gradient {
    /* Its inputs are the gradient of the output, then, at 1 + k, each forward input k that it reads, then at
     * LT_MAX_INPUTS - 1 the forward output if it reads that. o->in[1 + k] is forward input k's shape whether it is read
     * or not. It writes out[k], the gradient of input k, for each bit of o->wanted, and adds to the gradients of the
     * weights that have one. NULL: every gradient passes. */
    const lt_op *op;
    unsigned flows;    /* the inputs that have a gradient */
    unsigned passes;   /* those of them whose gradient is the output's own */
    unsigned reads;    /* the inputs that op reads */
    bool reads_output; /* op reads the output */
} lt_gradient;

struct lt_op {
    const char *name;
    lt_value_type_id takes[LT_MAX_INPUTS]; /* the types of its inputs: float32 where none is said */
    /* Whether its float32 output, or input i, had better be bf16 when it is made ready for target, whose products
     * are of narrow numbers. NULL: no. Where both ends of a value say so, it is: type and in_type tell. */
    bool (*narrows_output)(const lt_operation *o, const lt_target *target);
    bool (*narrows_input)(const lt_operation *o, int i, const lt_target *target);
    /* Checks o's inputs (their types are right), weights and attributes and sets o->out, and o->type if that is not
     * float32. */
    lt_status (*infer)(lt_operation *o);
    /* Fills p (operation, kernels, threads are set; in_place is -1) but for its weights. On failure release is still
     * called. */
    lt_status (*prepare)(lt_prepared *p, const lt_target *target);
    /* in [LT_MAX_INPUTS] is read, out [LT_MAX_RESULTS] written. */
    lt_status (*run)(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch);
    void (*release)(lt_prepared *p); /* frees state; NULL where there is none */
    /* Multiplications and additions of one run, times two: for `latent inspect`. NULL counts as none. */
    double (*flops)(const lt_operation *o);
    const lt_gradient *gradient; /* NULL: nothing flows back through it */
};

/* The infer of backward operations: their results are the graph's to place, each as large as its input. */
static inline lt_status lt_infer_backward(lt_operation *o) {
    o->out = (lt_shape){1, 1, 1, 1};
    return LT_OK;
}

#endif
