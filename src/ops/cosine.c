/* How alike two vectors are. */
#include "ops/ops.h"

#include <math.h>

enum { A, B };
enum { DY, FORWARD }; /* of the backward operation: the gradient, then the forward operation's inputs */

static lt_status infer(lt_operation *o) {
    if (!lt_shape_equal(o->in[A], o->in[B]))
        return lt_fail(LT_ERROR_MODEL, "vectors of %d and of %d numbers can't be compared", o->in[A].c, o->in[B].c);
    o->out = (lt_shape){1, 1, 1, 1};
    return LT_OK;
}

/* a.b, |a| and |b|; a length of 0 becomes 1, so that the cosine is 0. */
typedef struct angle {
    double dot, a, b;
} angle;

static angle angle_of(const float *a, const float *b, size_t n) {
    angle g = {0, 0, 0};
    for (size_t k = 0; k < n; k++) {
        g.dot += (double)a[k] * b[k];
        g.a += (double)a[k] * a[k];
        g.b += (double)b[k] * b[k];
    }
    g.a = g.a > 0 ? sqrt(g.a) : 1;
    g.b = g.b > 0 ? sqrt(g.b) : 1;
    return g;
}

static lt_status run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape s = p->operation->in[A];
    const size_t each = lt_shape_count(s) / (size_t)s.n;
    double total = 0;
    for (size_t i = 0; i < (size_t)s.n; i++) {
        const angle g = angle_of(lt_f32(in[A]) + i * each, lt_f32(in[B]) + i * each, each);
        total += g.dot / (g.a * g.b);
    }
    lt_f32(out[0])[0] = (float)(total / s.n);
    return LT_OK;
}

/* d cos / d a = (b/|b| - cos a/|a|) / |a| */
static lt_status backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape s = p->operation->in[FORWARD + A];
    const size_t each = lt_shape_count(s) / (size_t)s.n;
    for (size_t i = 0; i < (size_t)s.n; i++) {
        const float *a = lt_f32(in[FORWARD + A]) + i * each, *b = lt_f32(in[FORWARD + B]) + i * each;
        const angle g = angle_of(a, b, each);
        const double cosine = g.dot / (g.a * g.b), scale = (double)lt_f32(in[DY])[0] / (s.n * g.a);
        for (size_t k = 0; k < each; k++)
            lt_f32(out[A])[i * each + k] = (float)(scale * ((double)b[k] / g.b - cosine * (double)a[k] / g.a));
    }
    return LT_OK;
}

static const lt_op backward_op = {.name = "cosine_backward", .infer = lt_infer_backward, .run = backward_run};

static const lt_gradient gradient = {.op = &backward_op, .flows = 1u << A, .reads = 1u << A | 1u << B};

const lt_op lt_op_cosine = {.name = "cosine", .infer = infer, .run = run, .gradient = &gradient};
