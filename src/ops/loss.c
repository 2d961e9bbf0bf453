/* Losses, and the draw from a posterior between the halves of a VAE: kernels/loss.h has what they compute. */
#include "kernels/loss.h"

#include "ops/ops.h"

enum { DY, FORWARD }; /* of backward operations: the gradient, then the forward operation's inputs */

static lt_status scalar(lt_operation *o) {
    o->out = (lt_shape){1, 1, 1, 1};
    return LT_OK;
}

static lt_status per_sample_scratch(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->scratch_size = (size_t)p->operation->in[0].n * sizeof(double);
    return LT_OK;
}

static size_t count_of_sample(lt_shape s) { return lt_shape_count(s) / (size_t)s.n; }

/* ---- Squared and absolute error ---- */

enum { X, TARGET, WEIGHT };

static lt_status error_infer(lt_operation *o) {
    if (!lt_shape_equal(o->in[X], o->in[TARGET]))
        return lt_fail(LT_ERROR_MODEL, "error: %dx%dx%dx%d is compared with %dx%dx%dx%d (n, h, w, channels)",
                       o->in[X].n, o->in[X].h, o->in[X].w, o->in[X].c, o->in[TARGET].n, o->in[TARGET].h,
                       o->in[TARGET].w, o->in[TARGET].c);
    const lt_shape x = o->in[X], w = o->in[WEIGHT];
    if (w.n && (lt_shape_count(w) != lt_shape_rows(w) ||
                (lt_shape_rows(w) != (size_t)x.n && lt_shape_rows(w) != lt_shape_rows(x))))
        return lt_fail(LT_ERROR_MODEL, "error: a weight is a sample's or a pixel's");
    return scalar(o);
}

/* A weight is a sample's, or a pixel's: then each pixel is a sample of its own. */
static size_t error_samples(lt_shape x, lt_shape weight) { return weight.n ? lt_shape_rows(weight) : (size_t)x.n; }

static lt_status error_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    p->scratch_size = error_samples(p->operation->in[X], p->operation->in[WEIGHT]) * sizeof(double);
    return LT_OK;
}

/* in: the forward operation's. */
static lt_error_args error_args(const lt_prepared *p, const lt_value *in) {
    const lt_error_options *options = p->operation->attributes;
    const size_t n = error_samples(in[X].shape, in[WEIGHT].data ? in[WEIGHT].shape : (lt_shape){0});
    return (lt_error_args){
        .n = n,
        .count = lt_shape_count(in[X].shape) / n,
        .absolute = options->absolute,
        .x = lt_f32(in[X]),
        .target = lt_f32(in[TARGET]),
        .weight = lt_f32(in[WEIGHT]),
    };
}

static lt_status error_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    lt_error_args a = error_args(p, in);
    a.scratch = scratch;
    *lt_f32(out[0]) = (float)lt_losses.error(&a);
    return LT_OK;
}

static lt_status error_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)scratch;
    lt_error_args a = error_args(p, in + FORWARD);
    a.dy = *lt_f32(in[DY]);
    a.dx = lt_f32(out[X]);
    lt_losses.error_backward(&a);
    return LT_OK;
}

static const lt_op error_backward = {.name = "error_backward", .infer = lt_infer_backward, .run = error_backward_run};

static const lt_gradient error_gradient = {
    .op = &error_backward, .flows = 1u << X, .reads = 1u << X | 1u << TARGET | 1u << WEIGHT};

const lt_op lt_op_error = {
    .name = "error",
    .infer = error_infer,
    .prepare = error_prepare,
    .run = error_run,
    .gradient = &error_gradient,
};

/* ---- The posterior of a VAE ---- */

enum { MOMENTS, NOISE };

static lt_posterior_args posterior_args(const lt_value *in) {
    const lt_shape s = in[MOMENTS].shape;
    return (lt_posterior_args){
        .n = (size_t)s.n,
        .rows = (size_t)lt_shape_pixels(s),
        .c = (size_t)s.c / 2,
        .moments = lt_f32(in[MOMENTS]),
        .noise = lt_f32(in[NOISE]),
    };
}

static lt_status posterior_infer(lt_operation *o) {
    lt_shape s = o->in[MOMENTS];
    s.c /= 2;
    if (!lt_shape_equal(s, o->in[NOISE])) return lt_fail(LT_ERROR_MODEL, "posterior: the noise has another shape");
    o->out = s;
    return LT_OK;
}

static lt_status posterior_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)p;
    (void)scratch;
    lt_posterior_args a = posterior_args(in);
    a.z = lt_f32(out[0]);
    lt_losses.posterior(&a);
    return LT_OK;
}

static lt_status posterior_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)p;
    (void)scratch;
    lt_posterior_args a = posterior_args(in + FORWARD);
    a.dz = lt_f32(in[DY]);
    a.dmoments = lt_f32(out[MOMENTS]);
    lt_losses.posterior_backward(&a);
    return LT_OK;
}

static const lt_op posterior_backward = {
    .name = "posterior_backward", .infer = lt_infer_backward, .run = posterior_backward_run};

static const lt_gradient posterior_gradient = {
    .op = &posterior_backward, .flows = 1u << MOMENTS, .reads = 1u << MOMENTS | 1u << NOISE};

const lt_op lt_op_posterior = {
    .name = "posterior",
    .infer = posterior_infer,
    .run = posterior_run,
    .gradient = &posterior_gradient,
};

static lt_status kl_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)p;
    lt_posterior_args a = posterior_args(in);
    a.scratch = scratch;
    *lt_f32(out[0]) = (float)lt_losses.kl(&a);
    return LT_OK;
}

static lt_status kl_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)p;
    (void)scratch;
    lt_posterior_args a = posterior_args(in + FORWARD);
    a.dy = *lt_f32(in[DY]);
    a.dmoments = lt_f32(out[MOMENTS]);
    lt_losses.kl_backward(&a);
    return LT_OK;
}

static const lt_op kl_backward = {.name = "kl_backward", .infer = lt_infer_backward, .run = kl_backward_run};

static const lt_gradient kl_gradient = {.op = &kl_backward, .flows = 1u << MOMENTS, .reads = 1u << MOMENTS};

const lt_op lt_op_kl = {
    .name = "kl", .infer = scalar, .prepare = per_sample_scratch, .run = kl_run, .gradient = &kl_gradient};

/* ---- Contrastive loss ---- */

enum { IMAGES, TEXTS };

static lt_status contrastive_infer(lt_operation *o) {
    if (!lt_shape_equal(o->in[IMAGES], o->in[TEXTS]))
        return lt_fail(LT_ERROR_MODEL, "pictures have vectors of %d, texts of %d: they can't be compared",
                       o->in[IMAGES].c, o->in[TEXTS].c);
    return scalar(o);
}

static lt_status prepare_contrastive(lt_prepared *p, lt_shape images) {
    p->scratch_size = lt_contrastive_scratch((size_t)images.n, (size_t)images.c) * sizeof(double);
    p->form[0] = lt_form_f32(p->operation->weight[0]);
    return LT_OK;
}

static lt_status contrastive_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    return prepare_contrastive(p, p->operation->in[IMAGES]);
}

static lt_contrastive_args contrastive_args(const lt_prepared *p, const lt_value *in, void *scratch) {
    return (lt_contrastive_args){
        .n = (size_t)in[IMAGES].shape.n,
        .d = (size_t)in[IMAGES].shape.c,
        .rows = {lt_f32(in[IMAGES]), lt_f32(in[TEXTS])},
        .logit_scale = *(const float *)p->weight[0],
        .scratch = scratch,
    };
}

static lt_status contrastive_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    const lt_contrastive_args a = contrastive_args(p, in, scratch);
    *lt_f32(out[0]) = (float)lt_losses.contrastive(&a);
    return LT_OK;
}

static lt_status contrastive_backward_prepare(lt_prepared *p, const lt_target *target) {
    (void)target;
    return prepare_contrastive(p, p->operation->in[FORWARD + IMAGES]);
}

static lt_status contrastive_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out,
                                          void *scratch) {
    lt_contrastive_args a = contrastive_args(p, in + FORWARD, scratch);
    a.dy = *lt_f32(in[DY]);
    a.drows[IMAGES] = lt_f32(out[IMAGES]);
    a.drows[TEXTS] = lt_f32(out[TEXTS]);
    a.dlogit_scale = p->operation->weight[0]->gradient;
    lt_losses.contrastive_backward(&a);
    return LT_OK;
}

static const lt_op contrastive_backward = {
    .name = "contrastive_backward",
    .infer = lt_infer_backward,
    .prepare = contrastive_backward_prepare,
    .run = contrastive_backward_run,
};

static const lt_gradient contrastive_gradient = {
    .op = &contrastive_backward, .flows = 1u << IMAGES | 1u << TEXTS, .reads = 1u << IMAGES | 1u << TEXTS};

const lt_op lt_op_contrastive = {
    .name = "contrastive",
    .infer = contrastive_infer,
    .prepare = contrastive_prepare,
    .run = contrastive_run,
    .gradient = &contrastive_gradient,
};

/* ---- Cosine ---- */

enum { A, B };

static lt_status cosine_infer(lt_operation *o) {
    if (!lt_shape_equal(o->in[A], o->in[B]))
        return lt_fail(LT_ERROR_MODEL, "vectors of %d and of %d numbers can't be compared", o->in[A].c, o->in[B].c);
    return scalar(o);
}

static lt_cosine_args cosine_args(const lt_value *in) {
    const lt_shape s = in[A].shape;
    return (lt_cosine_args){.n = (size_t)s.n, .count = count_of_sample(s), .a = lt_f32(in[A]), .b = lt_f32(in[B])};
}

static lt_status cosine_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)p;
    lt_cosine_args a = cosine_args(in);
    a.scratch = scratch;
    *lt_f32(out[0]) = (float)lt_losses.cosine(&a);
    return LT_OK;
}

static lt_status cosine_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)p;
    (void)scratch;
    lt_cosine_args a = cosine_args(in + FORWARD);
    a.dy = *lt_f32(in[DY]);
    a.da = lt_f32(out[A]);
    lt_losses.cosine_backward(&a);
    return LT_OK;
}

static const lt_op cosine_backward = {
    .name = "cosine_backward", .infer = lt_infer_backward, .run = cosine_backward_run};

static const lt_gradient cosine_gradient = {.op = &cosine_backward, .flows = 1u << A, .reads = 1u << A | 1u << B};

const lt_op lt_op_cosine = {
    .name = "cosine",
    .infer = cosine_infer,
    .prepare = per_sample_scratch,
    .run = cosine_run,
    .gradient = &cosine_gradient,
};

/* ---- Cross-entropy ---- */

enum { LOGITS, LABELS };

static lt_status cross_entropy_infer(lt_operation *o) {
    if (!lt_shape_equal(o->in[LABELS], (lt_shape){o->in[LOGITS].n, 1, 1, 1}))
        return lt_fail(LT_ERROR_MODEL, "cross-entropy: one label for each sample is needed");
    return scalar(o);
}

static lt_cross_entropy_args cross_entropy_args(const lt_value *in) {
    const lt_shape s = in[LOGITS].shape;
    return (lt_cross_entropy_args){
        .n = (size_t)s.n, .c = (size_t)s.c, .logits = lt_f32(in[LOGITS]), .labels = lt_i32(in[LABELS])};
}

static lt_status check_labels(const lt_cross_entropy_args *a) {
    for (size_t i = 0; i < a->n; i++)
        if (a->labels[i] < 0 || (size_t)a->labels[i] >= a->c)
            return lt_fail(LT_ERROR_ARGUMENT, "label %d: the classes are 0 to %zu", (int)a->labels[i], a->c - 1);
    return LT_OK;
}

static lt_status cross_entropy_run(const lt_prepared *p, const lt_value *in, const lt_value *out, void *scratch) {
    (void)p;
    lt_cross_entropy_args a = cross_entropy_args(in);
    a.scratch = scratch;
    LT_TRY(check_labels(&a));
    *lt_f32(out[0]) = (float)lt_losses.cross_entropy(&a);
    return LT_OK;
}

static lt_status cross_entropy_backward_run(const lt_prepared *p, const lt_value *in, const lt_value *out,
                                            void *scratch) {
    (void)p;
    (void)scratch;
    lt_cross_entropy_args a = cross_entropy_args(in + FORWARD);
    a.dy = *lt_f32(in[DY]);
    a.dlogits = lt_f32(out[LOGITS]);
    lt_losses.cross_entropy_backward(&a);
    return LT_OK;
}

static const lt_op cross_entropy_backward = {
    .name = "cross_entropy_backward",
    .takes = {[FORWARD + LABELS] = LT_VALUE_I32},
    .infer = lt_infer_backward,
    .run = cross_entropy_backward_run,
};

static const lt_gradient cross_entropy_gradient = {
    .op = &cross_entropy_backward, .flows = 1u << LOGITS, .reads = 1u << LOGITS | 1u << LABELS};

const lt_op lt_op_cross_entropy = {
    .name = "cross_entropy",
    .takes = {[LABELS] = LT_VALUE_I32},
    .infer = cross_entropy_infer,
    .prepare = per_sample_scratch,
    .run = cross_entropy_run,
    .gradient = &cross_entropy_gradient,
};
