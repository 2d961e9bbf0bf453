/* Nearest-neighbour upsampling. */
#include "ops/ops.h"

#include <string.h>

static lt_status infer(lt_operation *o) {
    const lt_upsample_options *a = o->attributes;
    o->out = o->in[0];
    o->out.h = a->h;
    o->out.w = a->w;
    return LT_OK;
}

static lt_status prepare(lt_prepared *p, const lt_target *target) {
    (void)p;
    (void)target;
    return LT_OK;
}

static lt_status run(const lt_prepared *p, const float *const *in, float *out, void *scratch) {
    (void)scratch;
    const lt_shape x = p->operation->in[0], y = p->operation->out;
    const size_t c = (size_t)x.c;
#pragma omp parallel for collapse(2) schedule(static)
    for (int i = 0; i < y.n; i++)
        for (int row = 0; row < y.h; row++) {
            const int from_row = (int)((int64_t)row * x.h / y.h);
            const float *from = in[0] + ((size_t)i * x.h + from_row) * x.w * c;
            float *to = out + ((size_t)i * y.h + row) * y.w * c;
            for (int column = 0; column < y.w; column++)
                memcpy(to + (size_t)column * c, from + (size_t)((int64_t)column * x.w / y.w) * c, c * sizeof(float));
        }
    return LT_OK;
}

const lt_op lt_op_upsample = {"upsample", infer, prepare, run, NULL, NULL};
