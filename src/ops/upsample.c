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

static lt_status run(const lt_prepared *p, const float *const *in, float *const *out, void *scratch) {
    (void)scratch;
    const lt_shape x = p->operation->in[0], y = p->operation->out;
    const size_t c = (size_t)x.c;
#pragma omp parallel for collapse(2) schedule(static)
    for (int i = 0; i < y.n; i++)
        for (int row = 0; row < y.h; row++) {
            const int from_row = (int)((int64_t)row * x.h / y.h);
            const float *from = in[0] + ((size_t)i * x.h + from_row) * x.w * c;
            float *to = out[0] + ((size_t)i * y.h + row) * y.w * c;
            for (int column = 0; column < y.w; column++)
                memcpy(to + (size_t)column * c, from + (size_t)((int64_t)column * x.w / y.w) * c, c * sizeof(float));
        }
    return LT_OK;
}

/* Each pixel's gradient is the sum over the pixels that it went to. */
static lt_status backward_run(const lt_prepared *p, const float *const *in, float *const *out, void *scratch) {
    (void)scratch;
    const lt_shape y = p->operation->in[0], x = p->operation->in[1];
    const size_t c = (size_t)x.c;
#pragma omp parallel for collapse(2) schedule(static)
    for (int i = 0; i < x.n; i++)
        for (int row = 0; row < x.h; row++) {
            float *to = out[0] + ((size_t)i * x.h + row) * x.w * c;
            memset(to, 0, (size_t)x.w * c * sizeof *to);
            const int first = (int)(((int64_t)row * y.h + x.h - 1) / x.h);
            for (int from_row = first; from_row < y.h && (int64_t)from_row * x.h / y.h == row; from_row++) {
                const float *from = in[0] + ((size_t)i * y.h + from_row) * y.w * c;
                for (int column = 0; column < y.w; column++, from += c) {
                    float *sum = to + (size_t)((int64_t)column * x.w / y.w) * c;
                    for (size_t k = 0; k < c; k++) sum[k] += from[k];
                }
            }
        }
    return LT_OK;
}

static const lt_op backward_op = {
    .name = "upsample_backward",
    .infer = lt_infer_backward,
    .run = backward_run,
};

static const lt_gradient gradient = {.op = &backward_op, .flows = 1};

const lt_op lt_op_upsample = {
    .name = "upsample",
    .infer = infer,
    .run = run,
    .gradient = &gradient,
};
