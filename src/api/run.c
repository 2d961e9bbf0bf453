/* One module alone. */
#include "api/run.h"

#include "api/arrays.h"
#include "api/tensor_io.h"
#include "pipeline/embedding.h"

#include <math.h>
#include <string.h>

enum { LT_MAX_OUTPUTS = 2 };

typedef struct lt_runner {
    const char *name;
    lt_module module;
    const char *inputs[4];               /* the same names in the file and in the graph */
    const char *outputs[LT_MAX_OUTPUTS]; /* in the file */
    const char *sources[LT_MAX_OUTPUTS]; /* in the graph */
} lt_runner;

static const lt_runner runners[] = {
    {"clip-text", LT_MODULE_TEXT, {"ids"}, {"out", "penultimate"}, {"context", "penultimate"}},
    {"clip-image", LT_MODULE_IMAGE, {"pixels"}, {"image_embeds"}, {"image_embeds"}},
    {"vae-encoder", LT_MODULE_VAE_ENCODER, {"x"}, {"mean", "logvar"}, {"moments", "moments"}},
    {"vae-decoder", LT_MODULE_VAE_DECODER, {"z"}, {"out"}, {"out"}},
    {"unet", LT_MODULE_UNET, {"x", "t", "context"}, {"out"}, {"out"}},
    {"classifier", LT_MODULE_CLASSIFIER, {"x", "t"}, {"logits"}, {"logits"}},
};

/* ---- In ---- */

static lt_status size_of(const lt_runner *r, const lt_tensor *in, size_t count, lt_module_size *size) {
    *size = (lt_module_size){0};
    for (int i = 0; r->inputs[i]; i++) {
        const lt_tensor *t = lt_tensor_named(in, count, r->inputs[i]);
        if (!t) return lt_fail(LT_ERROR_ARGUMENT, "%s needs a tensor called %s", r->name, r->inputs[i]);
        lt_shape shape;
        LT_TRY(lt_shape_of_tensor(t, &shape));
        if (i == 0) size->n = shape.n;
        if (i == 0 && t->rank == 4 && r->module != LT_MODULE_IMAGE) {
            size->h = shape.h;
            size->w = shape.w;
        }
        if (!strcmp(r->inputs[i], "context")) size->tokens = shape.w;
    }
    return LT_OK;
}

/* ---- Out ---- */

/* Channels [first, first + c) of NHWC values with more of them, as NCHW. */
static void take_channels(const float *from, size_t from_channels, size_t first, lt_shape s, float *to) {
    const size_t pixels = (size_t)lt_shape_pixels(s), c = (size_t)s.c;
    for (size_t i = 0; i < (size_t)s.n; i++)
        for (size_t k = 0; k < c; k++)
            for (size_t p = 0; p < pixels; p++)
                to[(i * c + k) * pixels + p] = from[(i * pixels + p) * from_channels + first + k];
}

/* Output k of a runner as the file has it, its data still to come: tokens [n, tokens, c] and embeddings [n, c] as they
 * are, pictures as NCHW; of the moments the half that is its own. */
static lt_tensor shape_output(const lt_runner *r, int k, const lt_plan *plan) {
    const lt_shape s = lt_plan_shape(plan, r->sources[k]);
    const size_t n = (size_t)s.n, h = (size_t)s.h, w = (size_t)s.w, c = (size_t)s.c;
    const char *name = r->outputs[k];
    switch (r->module) {
    case LT_MODULE_TEXT: return (lt_tensor){name, LT_F32, 3, {n, w, c}};
    case LT_MODULE_IMAGE:
    case LT_MODULE_CLASSIFIER: return (lt_tensor){name, LT_F32, 2, {n, c}};
    case LT_MODULE_VAE_ENCODER: return (lt_tensor){name, LT_F32, 4, {n, c / 2, h, w}};
    default: return (lt_tensor){name, LT_F32, 4, {n, c, h, w}};
    }
}

/* values: where output k is to be. */
static void read_output(const lt_runner *r, int k, lt_plan *plan, const lt_tensor *t, float *values) {
    const float *source = lt_plan_tensor(plan, r->sources[k]);
    lt_shape s = lt_plan_shape(plan, r->sources[k]);
    const size_t from_channels = (size_t)s.c, count = lt_tensor_count(t);
    if (t->rank < 4) memcpy(values, source, count * sizeof(float));
    if (r->module == LT_MODULE_IMAGE)
        for (size_t i = 0; i < t->shape[0]; i++) lt_normalise(values + i * t->shape[1], t->shape[1]);
    if (t->rank < 4) return;
    s.c = (int)t->shape[1];
    take_channels(source, from_channels, (size_t)k * t->shape[1], s, values);
    if (r->module == LT_MODULE_VAE_ENCODER && k == 1)
        for (size_t i = 0; i < count; i++) values[i] = lt_clamp_logvar(values[i]);
}

static lt_status read_outputs(const lt_runner *r, lt_plan *plan, lt_arrays *out) {
    lt_tensor outputs[LT_MAX_OUTPUTS];
    int count = 0;
    size_t floats = 0;
    for (; count < LT_MAX_OUTPUTS && r->outputs[count]; count++) {
        outputs[count] = shape_output(r, count, plan);
        floats += lt_tensor_count(&outputs[count]);
    }
    float *values = lt_alloc(floats * sizeof(float)), *at = values;
    if (!values) return LT_ERROR_MEMORY;
    for (int k = 0; k < count; at += lt_tensor_count(&outputs[k++])) {
        read_output(r, k, plan, &outputs[k], at);
        outputs[k].data = at;
    }
    return lt_arrays_take(outputs, (size_t)count, values, out);
}

/* y, which a U-Net with a vector reads, is an input of these alone. */
static lt_status write_inputs(const lt_runner *r, lt_plan *plan, const lt_tensor *in, size_t count) {
    for (int i = 0; r->inputs[i]; i++) LT_TRY(lt_write_input(plan, lt_tensor_named(in, count, r->inputs[i])));
    if (!lt_plan_tensor(plan, "y")) return LT_OK;
    const lt_tensor *y = lt_tensor_named(in, count, "y");
    return y ? lt_write_input(plan, y) : lt_fail(LT_ERROR_ARGUMENT, "%s needs a tensor called y", r->name);
}

static lt_status run(lt_session *session, const lt_runner *r, const lt_tensor *in, size_t in_count, lt_arrays *out) {
    lt_module_size size;
    lt_plan *plan = NULL;
    LT_TRY(size_of(r, in, in_count, &size));
    LT_TRY(lt_module_plan(session, r->module, &size, &plan));
    LT_TRY(write_inputs(r, plan, in, in_count));
    float *lengths = lt_plan_tensor(plan, "context_lengths");
    for (int i = 0; lengths && i < size.n; i++) lengths[i] = (float)size.tokens;
    LT_TRY(lt_module_run(session, plan, LT_RATE_PROMPT));
    return read_outputs(r, plan, out);
}

lt_status lt_run_module(lt_session *session, const char *module, const lt_tensor *in, size_t in_count, lt_arrays *out) {
    for (size_t i = 0; i < LT_COUNT(runners); i++)
        if (!strcmp(runners[i].name, module)) return run(session, &runners[i], in, in_count, out);
    return lt_fail(LT_ERROR_ARGUMENT,
                   "no module %s: there are clip-text, clip-image, vae-encoder, vae-decoder, unet, classifier, and "
                   "unet-loss, vae-loss, clip-loss",
                   module);
}
