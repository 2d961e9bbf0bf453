/* Nearest-neighbour upsampling. */
#include "base/threads.h"
#include "ops/ops.h"

#include <string.h>

static lt_status infer(lt_operation *o) {
    const lt_upsample_options *a = o->attributes;
    o->out = o->in[0];
    o->out.h = a->h;
    o->out.w = a->w;
    return LT_OK;
}

/* x is the smaller tensor, y the larger one; or their gradients. */
typedef struct pair {
    lt_shape x, y;
    const float *from;
    float *to;
} pair;

/* Row `index` of y, of all samples. */
static void repeat_row(const void *context, size_t index, int thread) {
    (void)thread;
    const pair *p = context;
    const size_t c = (size_t)p->x.c, h = (size_t)p->y.h, w = (size_t)p->y.w;
    const size_t from_row = index % h * (size_t)p->x.h / h;
    const float *from = p->from + (index / h * (size_t)p->x.h + from_row) * (size_t)p->x.w * c;
    float *to = p->to + index * w * c;
    for (size_t column = 0; column < w; column++)
        memcpy(to + column * c, from + column * (size_t)p->x.w / w * c, c * sizeof(float));
}

static lt_status run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const pair all = {p->operation->in[0], p->operation->out, lt_f32(in[0]), lt_f32(out[0])};
    lt_parallel(LT_ALL_THREADS, (size_t)all.y.n * (size_t)all.y.h, LT_EVENLY, repeat_row, &all);
    return LT_OK;
}

/* Each pixel's gradient is the sum over the pixels that it went to. */
static void sum_row(const void *context, size_t index, int thread) {
    (void)thread;
    const pair *p = context;
    const size_t c = (size_t)p->x.c, h = (size_t)p->x.h, w = (size_t)p->x.w;
    const size_t row = index % h, larger = (size_t)p->y.h, wide = (size_t)p->y.w;
    float *to = p->to + index * w * c;
    memset(to, 0, w * c * sizeof *to);
    for (size_t from_row = (row * larger + h - 1) / h; from_row < larger && from_row * h / larger == row; from_row++) {
        const float *from = p->from + (index / h * larger + from_row) * wide * c;
        for (size_t column = 0; column < wide; column++, from += c) {
            float *sum = to + column * w / wide * c;
            for (size_t k = 0; k < c; k++) sum[k] += from[k];
        }
    }
}

static lt_status backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const pair all = {p->operation->in[1], p->operation->in[0], lt_f32(in[0]), lt_f32(out[0])};
    lt_parallel(LT_ALL_THREADS, (size_t)all.x.n * (size_t)all.x.h, LT_EVENLY, sum_row, &all);
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
