/* One module alone, or a loss of training. */
#include "api/run.h"

#include "api/arrays.h"
#include "api/run_control.h"
#include "api/run_image_prompt.h"
#include "api/run_loss.h"
#include "api/tensor_io.h"
#include "base/door.h"
#include "base/fields.h"
#include "kernels/loss.h"
#include "pipeline/embedding.h"

#include <string.h>

enum { LT_MAX_OUTPUTS = 3 };

typedef struct lt_runner {
    const char *name;
    lt_module module;
    const char *inputs[4];               /* the same names in the file and in the graph */
    const char *outputs[LT_MAX_OUTPUTS]; /* in the file */
    const char *sources[LT_MAX_OUTPUTS]; /* in the graph */
    lt_status (*run)(lt_session *session, const lt_run_options *options, const lt_tensor *in, size_t in_count,
                     lt_arrays *out); /* in place of all these */
} lt_runner;

/* name, module, inputs, outputs and their sources, or what runs it */
#define LT_RUNNERS(ROW)                                                                                                \
    ROW("clip-text", LT_MODULE_TEXT, {"ids"}, {"out", "penultimate"}, {"out", "penultimate"})                          \
    ROW("clip-text-2", LT_MODULE_TEXT_2, {"ids"}, {"out", "penultimate", "pooled"},                                    \
        {"out", "penultimate", "text_embeds"})                                                                         \
    ROW("clip-image", LT_MODULE_IMAGE, {"pixels"}, {"image_embeds"}, {"image_embeds"})                                 \
    ROW("vae-encoder", LT_MODULE_VAE_ENCODER, {"x"}, {"mean", "logvar"}, {"moments", "moments"})                       \
    ROW("vae-decoder", LT_MODULE_VAE_DECODER, {"z"}, {"out"}, {"out"})                                                 \
    ROW("unet", LT_MODULE_UNET, {"x", "t", "context"}, {"out"}, {"out"})                                               \
    ROW("classifier", LT_MODULE_CLASSIFIER, {"x", "t"}, {"logits"}, {"logits"})                                        \
    ROW("image-prompt", .run = lt_run_image_prompt)                                                                    \
    ROW("controlnet", .run = lt_run_control)                                                                           \
    ROW("t2i-adapter", .run = lt_run_adapter)                                                                          \
    ROW("taesd-encoder", LT_MODULE_TAESD_ENCODER, {"x"}, {"latent"}, {"latent"})                                       \
    ROW("taesd-decoder", LT_MODULE_TAESD_DECODER, {"z"}, {"image"}, {"image"})                                         \
    ROW("upscaler", LT_MODULE_UPSCALER, {"x"}, {"out"}, {"out"})

#define ROW(...) {__VA_ARGS__},
static const lt_runner runners[] = {LT_RUNNERS(ROW)};
#undef ROW

/* ---- In ---- */

/* A U-Net that was trained without text reads none. */
static bool is_read(const lt_components *parts, const char *name) {
    return strcmp(name, "context") || parts->unet.context_dim;
}

/* What is to be added on a U-Net's way: "added.residual.0". A recorded ControlNet's own "residual.0" are not meant. */
static const lt_tensor *find_added(const lt_tensor *in, size_t count, const char *port) {
    return lt_tensor_named(in, count, lt_name_of("added.%s", port).text);
}

static lt_status size_of(const lt_runner *r, const lt_components *parts, const lt_tensor *in, size_t count,
                         lt_module_size *size) {
    *size = (lt_module_size){.embed = r->module == LT_MODULE_TEXT_2};
    for (int i = 0; r->inputs[i]; i++) {
        if (!is_read(parts, r->inputs[i])) continue;
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
    if (r->module == LT_MODULE_UNET)
        size->added = (lt_additions){find_added(in, count, lt_residual_ports[0]) != NULL,
                                     find_added(in, count, lt_feature_ports[0]) != NULL};
    return LT_OK;
}

/* ---- Out ---- */

/* Output k of a runner as the file has it, its data still to come: tokens [n, tokens, c] and embeddings [n, c] as they
 * are, pictures as NCHW; of the moments the half that is its own. */
static lt_tensor shape_output(const lt_runner *r, int k, lt_port source) {
    const lt_shape s = lt_port_shape(source);
    const size_t n = (size_t)s.n, h = (size_t)s.h, w = (size_t)s.w, c = (size_t)s.c;
    const char *name = r->outputs[k];
    const bool pooled = !strcmp(r->sources[k], "text_embeds");
    switch (r->module) {
    case LT_MODULE_TEXT:
    case LT_MODULE_TEXT_2:
        return pooled ? (lt_tensor){name, LT_F32, 2, {n, c}} : (lt_tensor){name, LT_F32, 3, {n, w, c}};
    case LT_MODULE_IMAGE:
    case LT_MODULE_CLASSIFIER: return (lt_tensor){name, LT_F32, 2, {n, c}};
    case LT_MODULE_VAE_ENCODER: return (lt_tensor){name, LT_F32, 4, {n, c / 2, h, w}};
    default: return (lt_tensor){name, LT_F32, 4, {n, c, h, w}};
    }
}

/* values: where output k is to be. */
static void read_output(const lt_runner *r, int k, lt_port source, const lt_tensor *t, float *values) {
    const size_t count = lt_tensor_count(t), n = t->shape[0], c = t->shape[1];
    if (t->rank == 4)
        lt_port_read_nchw(source, (size_t)k * c, c, values);
    else
        lt_port_read(source, 0, values, count);
    for (size_t i = 0; i < n && r->module == LT_MODULE_IMAGE; i++) lt_normalise(values + i * c, c);
    for (size_t i = 0; i < count && k == 1 && r->module == LT_MODULE_VAE_ENCODER; i++)
        values[i] = lt_clamp_logvar(values[i]);
}

static lt_status read_outputs(const lt_runner *r, lt_plan *plan, lt_arrays *out) {
    lt_port sources[LT_MAX_OUTPUTS];
    lt_tensor outputs[LT_MAX_OUTPUTS];
    int count = 0;
    size_t floats = 0;
    for (; count < LT_MAX_OUTPUTS && r->outputs[count]; count++) {
        sources[count] = lt_plan_port(plan, r->sources[count]);
        outputs[count] = shape_output(r, count, sources[count]);
        floats += lt_tensor_count(&outputs[count]);
    }
    float *values = lt_alloc(floats * sizeof(float)), *at = values;
    if (!values) return LT_ERROR_MEMORY;
    for (int k = 0; k < count; at += lt_tensor_count(&outputs[k++])) {
        read_output(r, k, sources[k], &outputs[k], at);
        outputs[k].data = at;
    }
    return lt_arrays_take(outputs, (size_t)count, values, out);
}

static lt_status write_added(lt_plan *plan, const lt_tensor *in, size_t count, const char *const *ports, int most) {
    for (int i = 0; i < most && lt_plan_port(plan, ports[i]).node; i++) {
        const lt_tensor *found = find_added(in, count, ports[i]);
        if (!found) return lt_fail(LT_ERROR_ARGUMENT, "unet: a tensor called added.%s is needed, too", ports[i]);
        lt_tensor t = *found;
        t.name = ports[i];
        LT_TRY(lt_write_input(plan, &t));
    }
    return LT_OK;
}

/* y, which a U-Net with a vector reads, is an input of these alone; where tokens end follows from ids. */
static lt_status write_inputs(const lt_runner *r, lt_plan *plan, const lt_tensor *in, size_t count) {
    for (int i = 0; r->inputs[i]; i++)
        if (lt_plan_port(plan, r->inputs[i]).node)
            LT_TRY(lt_write_input(plan, lt_tensor_named(in, count, r->inputs[i])));
    const lt_clip_inputs text = lt_clip_inputs_of(plan);
    if (text.end.node) lt_clip_find_ends(&text);
    LT_TRY(write_added(plan, in, count, lt_residual_ports, LT_MOST_RESIDUALS));
    LT_TRY(write_added(plan, in, count, lt_feature_ports, LT_MAX_LEVELS));
    const lt_tensor *told = lt_tensor_named(in, count, "timestep_cond");
    if (lt_plan_port(plan, "timestep_cond").node && !told)
        return lt_fail(LT_ERROR_ARGUMENT, "%s needs a tensor called timestep_cond", r->name);
    if (lt_plan_port(plan, "timestep_cond").node) LT_TRY(lt_write_input(plan, told));
    if (!lt_plan_port(plan, "y").node) return LT_OK;
    const lt_tensor *y = lt_tensor_named(in, count, "y");
    return y ? lt_write_input(plan, y) : lt_fail(LT_ERROR_ARGUMENT, "%s needs a tensor called y", r->name);
}

/* images: what image prompts add to a U-Net. */
static lt_status run_with(lt_session *session, const lt_runner *r, const lt_image_contexts *images, const lt_tensor *in,
                          size_t in_count, lt_arrays *out) {
    lt_module_size size;
    lt_plan *plan = NULL;
    if (r->module == LT_MODULE_VAE_ENCODER && session->parts->vae.tiny)
        return lt_fail(LT_ERROR_UNSUPPORTED, "%s: a TAESD has no mean and variance: run taesd-encoder", r->name);
    LT_TRY(size_of(r, session->parts, in, in_count, &size));
    size.added.images = images->tokens;
    LT_TRY(lt_module_plan(session, r->module, &size, &plan));
    LT_TRY(write_inputs(r, plan, in, in_count));
    lt_port_fill(lt_plan_port(plan, "context_lengths"), (float)size.tokens);
    for (int i = 0; i < size.n; i++) lt_image_contexts_write(images, plan, (size_t)i, false);
    lt_image_contexts_weigh(images, plan, 0, 1);
    LT_TRY(lt_module_run(session, plan, LT_RATE_PROMPT));
    return read_outputs(r, plan, out);
}

static lt_status run(lt_session *session, const lt_runner *r, const lt_run_options *options, const lt_tensor *in,
                     size_t in_count, lt_arrays *out) {
    lt_image_contexts images = {0};
    lt_status status = LT_OK;
    if (r->run) return r->run(session, options, in, in_count, out);
    if (r->module == LT_MODULE_UNET) status = lt_run_image_contexts(session, options, in, in_count, &images);
    if (!status) status = run_with(session, r, &images, in, in_count, out);
    lt_image_contexts_free(&images);
    return status;
}

static lt_status run_named(lt_session *session, const char *module, const lt_run_options *options, const lt_tensor *in,
                           size_t in_count, lt_arrays *out) {
    char names[256];
    if (lt_is_loss(module)) return lt_run_loss(session, module, in, in_count, out);
    for (size_t i = 0; i < LT_COUNT(runners); i++)
        if (!strcmp(runners[i].name, module)) return run(session, &runners[i], options, in, in_count, out);
    lt_join_names(lt_modules(), names, sizeof names);
    return lt_fail(LT_ERROR_ARGUMENT, "no module %s: there are %s", module, names);
}

lt_status lt_module_named(const char *name, lt_module *module) {
    for (size_t i = 0; i < LT_COUNT(runners); i++)
        if (!strcmp(runners[i].name, name) && !runners[i].run) {
            *module = runners[i].module;
            return LT_OK;
        }
    return lt_fail(LT_ERROR_ARGUMENT, "module: %.100s is none that can be looked into", name);
}

/* What is to be compared is exact, where nobody has asked for another precision. */
lt_status lt_run_module_with(lt_session *session, const char *module, const lt_run_options *options,
                             const lt_tensor *in, size_t in_count, lt_arrays *out) {
    static const lt_run_options none;
    const lt_precision drawing = session->target.precision;
    if (session->automatic) session->target.precision = LT_PRECISION_F32;
    const lt_status status = run_named(session, module, options ? options : &none, in, in_count, out);
    session->target.precision = drawing;
    return status;
}

/* ---- The public interface ---- */

static lt_status run_arrays(lt_session *session, const char *module, const lt_run_options *options, const lt_array *in,
                            size_t count, lt_arrays *out) {
    lt_tensor *tensors;
    if (options) LT_TRY(lt_reserved_check(options->reserved));
    LT_TRY(lt_arrays_read(in, count, &tensors));
    const lt_status status = lt_run_module_with(session, module, options, tensors, count, out);
    lt_free(tensors);
    return status;
}

lt_status lt_run(lt_session *session, const char *module, const lt_array *in, size_t in_count, lt_arrays *out) {
    return lt_run_with(session, module, NULL, in, in_count, out);
}

lt_status lt_run_with(lt_session *session, const char *module, const lt_run_options *options, const lt_array *in,
                      size_t in_count, lt_arrays *out) {
    const lt_argument arguments[] = {
        LT_SESSION_ARGUMENT, {"module", module}, {"in", in}, {"out", .out = out, .size = sizeof *out}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = run_arrays(session, module, options, in, in_count, out);
    return lt_leave(&door, status);
}

const char *const *lt_modules(void) {
#define NAME(name, ...) name,
    static const char *const names[] = {LT_RUNNERS(NAME) LT_LOSSES, NULL};
#undef NAME
    return names;
}
