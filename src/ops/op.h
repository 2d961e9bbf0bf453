/* What an operation of a graph is: its shapes, how it is made ready, how it runs. One file of this folder for each; a
 * new one is a new file, a line in ops.h and a layer in nn/. */
#ifndef LT_OP_H
#define LT_OP_H

#include "kernels/kernels.h"
#include "ops/weights.h"

/* Every activation is float32 [n, h, w, c], channels last; tokens are [n, 1, tokens, c] or, the same memory, [n, h, w,
 * c]. */
typedef struct lt_shape {
    int n, h, w, c;
} lt_shape;

static inline size_t lt_shape_rows(lt_shape s) { return (size_t)s.n * s.h * s.w; }
static inline size_t lt_shape_count(lt_shape s) { return lt_shape_rows(s) * s.c; }
static inline int lt_shape_pixels(lt_shape s) { return s.h * s.w; }
static inline bool lt_shape_equal(lt_shape a, lt_shape b) {
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

enum { LT_MAX_INPUTS = 4, LT_MAX_WEIGHTS = 2 };

typedef struct lt_op lt_op;

/* One operation as its node asks for it. */
typedef struct lt_operation {
    const lt_op *op;
    lt_shape out;
    lt_shape in[LT_MAX_INPUTS];        /* an input that is left out has n = 0 */
    lt_weight *weight[LT_MAX_WEIGHTS]; /* NULL where there is none */
    const void *attributes;            /* the op's own options; owned by the graph */
} lt_operation;

static inline bool lt_has_input(const lt_operation *o, int i) { return o->in[i].n != 0; }

/* For what it is made ready. */
typedef struct lt_target {
    lt_isa isa;
    int threads;
} lt_target;

/* An operation made ready to run: kernel chosen, weights packed. */
typedef struct lt_prepared {
    const lt_operation *operation;
    const lt_kernels *kernels;
    const void *weight[LT_MAX_WEIGHTS]; /* packed; given back by the plan */
    void *state;                        /* the op's own */
    size_t scratch_size;                /* bytes that run needs */
    int in_place;                       /* the input whose memory the output may take, or -1 */
    int threads;
    const char *kernel; /* which one was chosen, for people */
} lt_prepared;

struct lt_op {
    const char *name;
    /* Checks o's inputs, weights and attributes and sets o->out. */
    lt_status (*infer)(lt_operation *o);
    /* Fills p (operation, kernels, threads are set; in_place is -1). On failure release is still called. */
    lt_status (*prepare)(lt_prepared *p, const lt_target *target);
    lt_status (*run)(const lt_prepared *p, const float *const *in, float *out, void *scratch);
    void (*release)(lt_prepared *p); /* frees state; NULL where there is none */
    /* Multiplications and additions of one run, times two: for `latent inspect`. NULL counts as none. */
    double (*flops)(const lt_operation *o);
};

#endif
