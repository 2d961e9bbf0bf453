/* A picture as CLIP's image tower sees it: its shorter side scaled to size by antialiased bicubic, the centre cut out.
 * Unlike lt_image_clip_crop nothing is rounded to 8 bits, so that gradients pass. */
#include "base/picture.h"
#include "base/threads.h"
#include "ops/ops.h"

#include <string.h>

/* One axis: each of the result's pixels is a weighted sum of the source's. */
typedef struct axis {
    int taps;
    int *first, *used; /* [size] */
    float *weights;    /* [size, taps] */
} axis;

typedef struct crop {
    axis rows, columns;
    int size;
} crop;

static void axis_free(axis *a) {
    lt_free(a->first);
    lt_free(a->used);
    lt_free(a->weights);
}

/* size pixels from start on, of source pixels scaled to scaled. */
static lt_status axis_make(int source, int scaled, int start, int size, axis *a) {
    const size_t count = (size_t)size;
    a->taps = lt_bicubic_taps(source, scaled);
    a->first = lt_calloc(count, sizeof *a->first);
    a->used = lt_calloc(count, sizeof *a->used);
    a->weights = lt_calloc(count * (size_t)a->taps, sizeof *a->weights);
    double *exact = lt_calloc((size_t)a->taps, sizeof *exact);
    const bool ok = a->first && a->used && a->weights && exact;
    for (int i = 0; ok && i < size; i++) {
        a->used[i] = lt_bicubic_weights(source, scaled, start + i, exact, &a->first[i]);
        for (int k = 0; k < a->used[i]; k++) a->weights[i * a->taps + k] = (float)exact[k];
    }
    lt_free(exact);
    return ok ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status infer(lt_operation *o) {
    const lt_clip_crop_options *a = o->attributes;
    o->out = o->in[0];
    o->out.h = o->out.w = a->size;
    return LT_OK;
}

/* in: the picture's shape. Between the two passes there are [n, h, size, c] values. */
static lt_status make_ready(lt_prepared *p, lt_shape in) {
    const lt_clip_crop_options *a = p->operation->attributes;
    crop *c = p->state = lt_calloc(1, sizeof *c);
    if (!c) return LT_ERROR_MEMORY;
    const lt_crop where = lt_clip_crop_of(in.w, in.h, a->size);
    c->size = a->size;
    p->scratch_size = (size_t)in.n * (size_t)in.h * (size_t)a->size * (size_t)in.c * sizeof(float);
    LT_TRY(axis_make(in.h, where.height, where.y, a->size, &c->rows));
    return axis_make(in.w, where.width, where.x, a->size, &c->columns);
}

static lt_status prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    return make_ready(p, p->operation->in[0]);
}

static void release(lt_prepared *p) {
    crop *c = p->state;
    if (!c) return;
    axis_free(&c->rows);
    axis_free(&c->columns);
    lt_free(c);
}

/* to [size, n] of from [source, n]: rows of n values are mixed. */
static void mix(const axis *a, int size, size_t n, const float *from, float *to) {
    memset(to, 0, (size_t)size * n * sizeof *to);
    for (int i = 0; i < size; i++, to += n)
        for (int k = 0; k < a->used[i]; k++) {
            const float weight = a->weights[i * a->taps + k], *row = from + (size_t)(a->first[i] + k) * n;
            for (size_t j = 0; j < n; j++) to[j] += weight * row[j];
        }
}

/* The transpose of mix: to [source, n] of from [size, n]. */
static void mix_back(const axis *a, int size, int source, size_t n, const float *from, float *to) {
    memset(to, 0, (size_t)source * n * sizeof *to);
    for (int i = 0; i < size; i++, from += n)
        for (int k = 0; k < a->used[i]; k++) {
            const float weight = a->weights[i * a->taps + k];
            float *row = to + (size_t)(a->first[i] + k) * n;
            for (size_t j = 0; j < n; j++) row[j] += weight * from[j];
        }
}

/* The rows of all pictures, wide ones and those that are as narrow as the square. */
typedef struct rows {
    const crop *c;
    const float *from;
    float *to;
    size_t wide, channels; /* wide: floats of such a row */
} rows;

static void narrow_row(const void *context, size_t row, int thread) {
    (void)thread;
    const rows *r = context;
    const size_t line = (size_t)r->c->size * r->channels;
    mix(&r->c->columns, r->c->size, r->channels, r->from + row * r->wide, r->to + row * line);
}

static void widen_row(const void *context, size_t row, int thread) {
    (void)thread;
    const rows *r = context;
    const size_t line = (size_t)r->c->size * r->channels;
    mix_back(&r->c->columns, r->c->size, (int)(r->wide / r->channels), r->channels, r->from + row * line,
             r->to + row * r->wide);
}

static lt_status run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    const crop *c = p->state;
    const lt_shape x = p->operation->in[0];
    const size_t channels = (size_t)x.c, size = (size_t)c->size, line = size * channels;
    float *narrow = scratch;
    const rows all = {c, lt_f32(in[0]), narrow, (size_t)x.w * channels, channels};
    lt_parallel(LT_ALL_THREADS, (size_t)x.n * (size_t)x.h, LT_EVENLY, narrow_row, &all);
    for (size_t i = 0; i < (size_t)x.n; i++)
        mix(&c->rows, c->size, line, narrow + i * (size_t)x.h * line, lt_f32(out[0]) + i * size * line);
    return LT_OK;
}

/* ---- Backward ---- */

enum { DY, FORWARD };

static lt_status backward_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    return make_ready(p, p->operation->in[FORWARD]);
}

static lt_status backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    const crop *c = p->state;
    const lt_shape x = p->operation->in[FORWARD];
    const size_t channels = (size_t)x.c, size = (size_t)c->size, line = size * channels;
    float *narrow = scratch;
    for (size_t i = 0; i < (size_t)x.n; i++)
        mix_back(&c->rows, c->size, x.h, line, lt_f32(in[DY]) + i * size * line, narrow + i * (size_t)x.h * line);
    const rows all = {c, narrow, lt_f32(out[0]), (size_t)x.w * channels, channels};
    lt_parallel(LT_ALL_THREADS, (size_t)x.n * (size_t)x.h, LT_EVENLY, widen_row, &all);
    return LT_OK;
}

static const lt_op backward_op = {
    .name = "clip_crop_backward",
    .infer = lt_infer_backward,
    .prepare = backward_prepare,
    .run = backward_run,
    .release = release,
};

static const lt_gradient gradient = {.op = &backward_op, .flows = 1};

const lt_op lt_op_clip_crop = {
    .name = "clip_crop",
    .infer = infer,
    .prepare = prepare,
    .run = run,
    .release = release,
    .gradient = &gradient,
};
