/* Operations of upscalers: shuffled pixels, sums of some channels, PReLU. Nothing flows back through them. */
#include "kernels/pixels.h"
#include "ops/ops.h"

/* ---- Shuffled pixels ---- */

static lt_status shuffle_infer(lt_operation *o) {
    const lt_shuffle_options *a = o->attributes;
    const lt_shape x = o->in[0];
    const int r = a->factor, square = r * r;
    if (a->fine && x.c % square) return lt_fail(LT_ERROR_MODEL, "%d channels are no squares of %d", x.c, r);
    if (!a->fine && (x.h % r || x.w % r))
        return lt_fail(LT_ERROR_ARGUMENT, "a picture of %dx%d: this model takes multiples of %d", x.w, x.h, r);
    o->out =
        a->fine ? (lt_shape){x.n, x.h * r, x.w * r, x.c / square} : (lt_shape){x.n, x.h / r, x.w / r, x.c * square};
    return LT_OK;
}

static lt_status shuffle_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shuffle_options *a = p->operation->attributes;
    const lt_shape coarse = a->fine ? in[0].shape : out[0].shape, fine = a->fine ? out[0].shape : in[0].shape;
    const lt_shuffle_args args = {.n = (size_t)coarse.n,
                                  .h = (size_t)coarse.h,
                                  .w = (size_t)coarse.w,
                                  .c = (size_t)fine.c,
                                  .r = (size_t)a->factor,
                                  .from = lt_f32(in[0]),
                                  .to = lt_f32(out[0])};
    (a->fine ? lt_pixels.shuffle : lt_pixels.unshuffle)(&args);
    return LT_OK;
}

const lt_op lt_op_shuffle = {.name = "shuffle", .infer = shuffle_infer, .run = shuffle_run};

/* ---- Sums of some channels ---- */

static lt_status blend_infer(lt_operation *o) {
    const lt_blend_options *a = o->attributes;
    const lt_shape x = o->in[0], y = o->in[1];
    const bool fits = !lt_has_input(o, 1) || (lt_shape_rows(x) == lt_shape_rows(y) && y.c >= a->channels);
    if (x.c < a->channels || a->width < a->channels || !fits)
        return lt_fail(LT_ERROR_MODEL, "blend: the two sides have different shapes");
    o->out = (lt_shape){x.n, x.h, x.w, a->width};
    return LT_OK;
}

static lt_status blend_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->in_place = lt_has_input(p->operation, 1) ? 1 : -1;
    return LT_OK;
}

static lt_status blend_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_blend_options *a = p->operation->attributes;
    const lt_blend_args args = {.rows = lt_shape_rows(out[0].shape),
                                .c = (size_t)a->channels,
                                .a_pitch = (size_t)in[0].shape.c,
                                .b_pitch = (size_t)in[1].shape.c,
                                .to_pitch = (size_t)a->width,
                                .scale = a->scale,
                                .a = lt_f32(in[0]),
                                .b = lt_f32(in[1]),
                                .to = lt_f32(out[0])};
    lt_pixels.blend(&args);
    return LT_OK;
}

const lt_op lt_op_blend = {.name = "blend", .infer = blend_infer, .prepare = blend_prepare, .run = blend_run};

/* ---- PReLU ---- */

static lt_status prelu_infer(lt_operation *o) {
    o->out = o->in[0];
    return LT_OK;
}

static lt_status prelu_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->in_place = 0;
    p->form[0] = lt_form_f32(p->operation->weight[0]);
    return LT_OK;
}

static lt_status prelu_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    const lt_shape s = in[0].shape;
    lt_pixels.prelu(lt_f32(in[0]), p->weight[0], lt_f32(out[0]), lt_shape_rows(s), (size_t)s.c);
    return LT_OK;
}

const lt_op lt_op_prelu = {.name = "prelu", .infer = prelu_infer, .prepare = prelu_prepare, .run = prelu_run};
