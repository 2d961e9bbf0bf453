/* The loss of a model on given tensors, and its gradients. */
#include "api/run_loss.h"

#include "api/arrays.h"
#include "api/tensor_io.h"
#include "train/objectives.h"

#include <string.h>

/* What a loss is made of. */
typedef struct lt_loss_kind {
    const char *name;
    lt_module modules[2]; /* that the checkpoint must have */
    bool (*trains)(const char *name);
    lt_status (*build)(lt_loss_run *run);
    lt_status (*fill)(lt_loss_run *run);
    float (*value)(lt_plan *plan);
} lt_loss_kind;

/* The tensor of that name and its shape in the graph. */
static lt_status input(const lt_loss_run *run, const char *name, const lt_tensor **tensor, lt_shape *shape) {
    *tensor = lt_tensor_named(run->in, run->in_count, name);
    if (!*tensor) return lt_fail(LT_ERROR_ARGUMENT, "a tensor called %s is needed", name);
    LT_TRY(lt_tensor_readable(*tensor));
    return lt_shape_of_tensor(*tensor, shape);
}

static lt_status fill_named(const lt_loss_run *run, const char *const *names) {
    for (; *names; names++) {
        const lt_tensor *t;
        lt_shape shape;
        LT_TRY(input(run, *names, &t, &shape));
        LT_TRY(lt_write_input(run->plan, t));
    }
    return LT_OK;
}

static float plain_loss(lt_plan *plan) { return lt_port_value(lt_plan_port(plan, "loss")); }

/* ---- U-Net ---- */

static lt_status build_unet(lt_loss_run *run) {
    const lt_tensor *t;
    lt_shape x, context = {0};
    LT_TRY(input(run, "x0", &t, &x));
    lt_unet unet = run->session->parts->unet;
    if (unet.context_dim) LT_TRY(input(run, "context", &t, &context));
    unet.weights = run->parameters.weights;
    return lt_unet_objective(&unet, &(lt_unet_objective_options){.shape = x, .tokens = context.w}, &run->graph);
}

/* x = sqrt(abar_t) x0 + sqrt(1 - abar_t) noise, for each sample at its own t. */
static lt_status noise_samples(lt_loss_run *run, const lt_tensor *x0, const lt_tensor *noise, const lt_tensor *t,
                               float *memory) {
    const size_t count = lt_tensor_count(x0), n = x0->shape[0], each = count / n;
    float *x = memory, *e = memory + count, *steps = memory + 2 * count;
    lt_tensor_read_f32(x0, x);
    lt_tensor_read_f32(noise, e);
    lt_tensor_read_f32(t, steps);
    const lt_tensor *const read[] = {x0, noise, t};
    for (size_t i = 0; i < LT_COUNT(read); i++) LT_TRY(lt_map_check(read[i]->data, LT_OK));
    for (size_t i = 0; i < n; i++) {
        if (!(steps[i] >= 0 && steps[i] < LT_TRAIN_STEPS))
            return lt_fail(LT_ERROR_ARGUMENT, "t is %g: 0 to %d is possible", (double)steps[i], LT_TRAIN_STEPS - 1);
        lt_forward_process(&run->session->parts->schedule, (int)steps[i], x + i * each, e + i * each, x + i * each,
                           each);
    }
    lt_port_write_nchw(lt_plan_port(run->plan, "x"), x);
    lt_port_write_nchw(lt_plan_port(run->plan, "target"), e);
    return LT_OK;
}

static lt_status fill_unet(lt_loss_run *run) {
    static const char *const names[] = {"t", "context", NULL}, *const without[] = {"t", NULL};
    const lt_tensor *x0, *noise, *t;
    lt_shape x, e, s;
    LT_TRY(input(run, "x0", &x0, &x));
    LT_TRY(input(run, "noise", &noise, &e));
    LT_TRY(input(run, "t", &t, &s));
    const lt_shape wanted = lt_port_shape(lt_plan_port(run->plan, "x"));
    if (!lt_shape_equal(x, wanted) || !lt_shape_equal(e, x) || s.n != x.n)
        return lt_fail(
            LT_ERROR_ARGUMENT,
            "x0 [%d,%d,%d,%d], noise [%d,%d,%d,%d] and %d t do not fit each other and the model's %d channels", x.n,
            x.c, x.h, x.w, e.n, e.c, e.h, e.w, s.n, wanted.c);
    const int tokens = lt_port_shape(lt_plan_port(run->plan, "context")).w;
    LT_TRY(fill_named(run, tokens ? names : without));
    lt_port_fill(lt_plan_port(run->plan, "weight"), 1);
    lt_port_fill(lt_plan_port(run->plan, "context_lengths"), (float)tokens);
    float *memory = lt_alloc((2 * lt_shape_count(x) + (size_t)x.n) * sizeof *memory);
    if (!memory) return LT_ERROR_MEMORY;
    const lt_status status = noise_samples(run, x0, noise, t, memory);
    lt_free(memory);
    return status;
}

/* ---- VAE ---- */

static const float KL_WEIGHT = 1e-6f;

static lt_status build_vae(lt_loss_run *run) {
    const lt_tensor *t;
    lt_shape x;
    LT_TRY(input(run, "x", &t, &x));
    lt_vae vae = run->session->parts->vae;
    if (vae.tiny) return lt_fail(LT_ERROR_UNSUPPORTED, "vae-loss: a TAESD stands for the VAE, and has no such loss");
    vae.weights = run->parameters.weights;
    const lt_vae_objective_options options = {.kl = KL_WEIGHT};
    return lt_vae_objective(&vae, x.n, x.h, x.w, &options, &run->graph);
}

static lt_status fill_vae(lt_loss_run *run) {
    static const char *const names[] = {"x", "posterior_noise", NULL};
    return fill_named(run, names);
}

static float vae_loss(lt_plan *plan) {
    return lt_port_value(lt_plan_port(plan, "reconstruction")) + KL_WEIGHT * lt_port_value(lt_plan_port(plan, "kl"));
}

/* ---- CLIP ---- */

static lt_status build_clip(lt_loss_run *run) {
    const lt_tensor *t;
    lt_shape ids;
    LT_TRY(input(run, "ids", &t, &ids));
    lt_clip_text text = run->session->parts->text;
    lt_clip_image image = run->session->parts->image;
    text.weights = image.weights = run->parameters.weights;
    return lt_clip_objective(&text, &image, ids.n, false, &run->graph);
}

static lt_status fill_clip(lt_loss_run *run) {
    static const char *const names[] = {"ids", "pixels", NULL};
    LT_TRY(fill_named(run, names));
    const lt_clip_inputs inputs = lt_clip_inputs_of(run->plan);
    lt_clip_find_ends(&inputs);
    return LT_OK;
}

/* ---- All ---- */

static const lt_loss_kind kinds[] = {
    {LT_UNET_LOSS, {LT_MODULE_UNET, LT_MODULE_UNET}, lt_is_unet, build_unet, fill_unet, plain_loss},
    {LT_VAE_LOSS, {LT_MODULE_VAE_ENCODER, LT_MODULE_VAE_DECODER}, lt_is_vae, build_vae, fill_vae, vae_loss},
    {LT_CLIP_LOSS, {LT_MODULE_TEXT, LT_MODULE_IMAGE}, lt_is_text, build_clip, fill_clip, plain_loss},
};

static const lt_loss_kind *find_kind(const char *name) {
    for (size_t i = 0; i < LT_COUNT(kinds); i++)
        if (!strcmp(kinds[i].name, name)) return &kinds[i];
    return NULL;
}

bool lt_is_loss(const char *name) { return find_kind(name); }

static lt_status open_run(lt_loss_run *run) {
    const lt_model *model = run->session->model;
    for (int i = 0; i < 2; i++) LT_TRY(lt_module_needed(&model->parts, run->kind->modules[i], ""));
    LT_TRY(lt_parameters_create(model->tensors.tensors, model->tensors.count, run->kind->trains, 0, &run->parameters));
    LT_TRY(run->kind->build(run));
    LT_TRY(lt_plan_create(&run->graph, &run->session->target, &run->plan));
    return run->kind->fill(run);
}

lt_status lt_loss_open(lt_session *session, const char *loss, const lt_tensor *in, size_t in_count, lt_loss_run *run) {
    *run = (lt_loss_run){.session = session, .kind = find_kind(loss), .in = in, .in_count = in_count};
    const lt_status status = open_run(run);
    if (status) lt_loss_close(run);
    return status;
}

lt_status lt_loss_run_once(lt_loss_run *run, float *value) {
    LT_TRY(lt_plan_run(run->plan, LT_RATE_PROMPT, NULL, NULL));
    *value = run->kind->value(run->plan);
    return LT_OK;
}

void lt_loss_close(lt_loss_run *run) {
    lt_plan_free(run->plan);
    lt_graph_free(&run->graph);
    lt_parameters_free(&run->parameters);
    *run = (lt_loss_run){0};
}

/* The loss, and each parameter's gradient under the parameter's name, out of the parameters' own memory, whose values
 * are no longer needed. */
static lt_status take_gradients(lt_parameters *p, float loss, lt_arrays *out) {
    float *memory = p->memory;
    lt_tensor *tensors = lt_calloc(p->count + 1, sizeof *tensors);
    if (!tensors) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < p->count; i++) {
        tensors[i] = *lt_tensor_find(p->tensors.tensors, p->tensors.count, p->items[i].name);
        tensors[i].data = p->items[i].gradient;
    }
    memory[0] = loss;
    tensors[p->count] = (lt_tensor){.name = "loss", .dtype = LT_F32, .rank = 1, .shape = {1}, .data = memory};
    p->memory = NULL;
    const lt_status status = lt_arrays_take(tensors, p->count + 1, memory, out);
    lt_free(tensors);
    return status;
}

lt_status lt_run_loss(lt_session *session, const char *loss, const lt_tensor *in, size_t in_count, lt_arrays *out) {
    float value;
    lt_loss_run run;
    LT_TRY(lt_loss_open(session, loss, in, in_count, &run));
    lt_status status = lt_loss_run_once(&run, &value);
    if (!status) status = take_gradients(&run.parameters, value, out);
    lt_loss_close(&run);
    return status;
}
