/* A picture as CLIP's image tower sees it: its shorter side scaled to size by antialiased bicubic, the centre cut out.
 * Unlike lt_image_clip_crop nothing is rounded to 8 bits, so that gradients pass. */
#include "base/picture.h"
#include "kernels/pixels.h"
#include "ops/ops.h"

typedef struct crop {
    lt_axis rows, columns;
} crop;

static void axis_free(lt_axis *a) {
    lt_free((void *)(uintptr_t)a->first);
    lt_free((void *)(uintptr_t)a->used);
    lt_free((void *)(uintptr_t)a->weights);
}

/* size pixels from start on, of source pixels scaled to scaled. */
static lt_status axis_make(int source, int scaled, int start, int size, lt_axis *a) {
    const size_t count = (size_t)size, taps = (size_t)lt_bicubic_taps(source, scaled);
    int *first = lt_calloc(count, sizeof *first), *used = lt_calloc(count, sizeof *used);
    float *weights = lt_calloc(count * taps, sizeof *weights);
    double *exact = lt_calloc(taps, sizeof *exact);
    const bool ok = first && used && weights && exact;
    for (int i = 0; ok && i < size; i++) {
        used[i] = lt_bicubic_weights(source, scaled, start + i, exact, &first[i]);
        for (int k = 0; k < used[i]; k++) weights[(size_t)i * taps + (size_t)k] = (float)exact[k];
    }
    lt_free(exact);
    *a = (lt_axis){count, (size_t)source, taps, first, used, weights};
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

/* The passes over x, along its columns to `narrow` [n, h, size, c] and along the rows of that. */
static lt_resample_args along_columns(const crop *c, lt_shape x) {
    return (lt_resample_args){.axis = &c->columns, .outer = (size_t)x.n * (size_t)x.h, .inner = (size_t)x.c};
}

static lt_resample_args along_rows(const crop *c, lt_shape x) {
    return (lt_resample_args){.axis = &c->rows, .outer = (size_t)x.n, .inner = c->columns.size * (size_t)x.c};
}

static lt_status run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *narrow) {
    lt_resample_args columns = along_columns(p->state, in[0].shape), rows = along_rows(p->state, in[0].shape);
    columns.from = lt_f32(in[0]);
    rows.from = columns.to = narrow;
    rows.to = lt_f32(out[0]);
    lt_pixels.resample(&columns);
    lt_pixels.resample(&rows);
    return LT_OK;
}

/* ---- Backward ---- */

enum { DY, FORWARD };

static lt_status backward_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    return make_ready(p, p->operation->in[FORWARD]);
}

static lt_status backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *narrow) {
    const lt_shape x = p->operation->in[FORWARD];
    lt_resample_args columns = along_columns(p->state, x), rows = along_rows(p->state, x);
    rows.from = lt_f32(in[DY]);
    columns.from = rows.to = narrow;
    columns.to = lt_f32(out[0]);
    lt_pixels.resample_backward(&rows);
    lt_pixels.resample_backward(&columns);
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
