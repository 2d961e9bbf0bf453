/* Training the U-Net on the noise that it predicts (Ho et al. 2020, algorithm 1), with dropped prompts so that guidance
 * can work (Ho & Salimans 2022). */
#include "base/threads.h"
#include "diffusion/schedule_settings.h"
#include "nn/nn.h"
#include "text/known.h"
#include "train/contexts.h"
#include "train/latents.h"
#include "train/objectives.h"
#include "train/task.h"

#include <math.h>
#include <string.h>

typedef struct unet_state {
    lt_unet unet;
    lt_noise_schedule schedule;
    lt_latents latents;
    lt_contexts contexts;
    float *noise, *x, *target; /* [batch, h, w, c] */
    struct {
        lt_port x, t, context, context_lengths, target, weight, loss;
    } plan; /* of the training's plan */
} unet_state;

/* ---- Opening ---- */

static bool is_cross_attention(const char *name) { return lt_is_unet(name) && strstr(name, ".attn2."); }

/* Fresh weights, or those of options->init, and what their shapes can't tell. */
static lt_status make_unet(lt_training *t) {
    unet_state *s = t->state;
    const lt_train_options *o = t->options;
    const lt_unet *init = t->models->init_unet;
    lt_sd_architecture a = {.unet = lt_training_unet(t, s->latents.shape.c)};
    a.unet.context_dim = s->contexts.width;
    lt_tensor_list list = {0};
    LT_TRY(lt_sd_list(&a, 1u << LT_ROLE_UNET, &list));
    LT_TRY(lt_training_make_parameters(t, &list, lt_is_unet, o->losses.only ? is_cross_attention : lt_is_unet));
    LT_TRY(lt_unet_open(t->parameters.weights, &s->unet));
    s->unet.groups = init ? init->groups : o->network.groups;
    s->unet.heads = init ? init->heads : o->network.heads;
    s->unet.head_size = init ? init->head_size : 0;
    LT_TRY(lt_unet_served(&s->unet));
    const int c = s->latents.shape.c;
    if (s->unet.in_channels != c || s->unet.out_channels != c)
        return lt_fail(LT_ERROR_MODEL, "this U-Net reads %d channels and makes %d; what it is to learn has %d",
                       s->unet.in_channels, s->unet.out_channels, c);
    if (s->unet.context_dim && s->unet.context_dim != s->contexts.width)
        return lt_fail(LT_ERROR_MODEL, "this U-Net reads contexts of %d, the text encoder makes %d",
                       s->unet.context_dim, s->contexts.width);
    return LT_OK;
}

static void find_ports(lt_training *t) {
    unet_state *s = t->state;
    s->plan.x = lt_plan_port(t->plan, "x");
    s->plan.t = lt_plan_port(t->plan, "t");
    s->plan.context = lt_plan_port(t->plan, "context");
    s->plan.context_lengths = lt_plan_port(t->plan, "context_lengths");
    s->plan.target = lt_plan_port(t->plan, "target");
    s->plan.weight = lt_plan_port(t->plan, "weight");
    s->plan.loss = lt_plan_port(t->plan, "loss");
    lt_port_fill(s->plan.context_lengths, LT_CONTEXT_TOKENS);
}

static lt_status open(lt_training *t) {
    unet_state *s = t->state;
    const lt_train_options *o = t->options;
    const lt_unet *init = t->models->init_unet;
    const bool text = init ? init->context_dim > 0 : !o->losses.unconditional;
    if (t->models->init && !init) return lt_fail(LT_ERROR_MODEL, "%s has no U-Net", o->files.init);
    s->schedule = *t->models->schedule;
    LT_TRY(lt_latents_open(t, &s->latents));
    if (text) LT_TRY(lt_contexts_open(t, &s->contexts));
    if (text) LT_TRY(lt_training_check_captions(t, t->data, o->files.data));
    LT_TRY(make_unet(t));
    const lt_shape z = s->latents.shape;
    float **const all[] = {&s->noise, &s->x, &s->target};
    for (size_t i = 0; i < LT_COUNT(all); i++)
        if (!(*all[i] = lt_alloc(lt_shape_count(z) * sizeof(float)))) return LT_ERROR_MEMORY;
    lt_graph graph = {0};
    const int tokens = text ? LT_CONTEXT_TOKENS : 0;
    LT_TRY(lt_training_make_plan(t, &graph,
                                 lt_unet_objective(&s->unet, z.n, z.h, z.w, tokens, o->computing.recompute, &graph)));
    find_ports(t);
    return LT_OK;
}

static lt_status start(lt_training *t) {
    unet_state *s = t->state;
    LT_TRY(lt_latents_start(t, &s->latents));
    return s->contexts.width ? lt_contexts_start(t, &s->contexts) : LT_OK;
}

/* ---- Batches ---- */

/* Hang et al. 2023: every t is to count as min(SNR, gamma) does for a prediction of x_0. */
static float weight_of(const lt_training *t, float abar) {
    const double gamma = t->options->losses.min_snr;
    const double snr = (double)abar / (1 - (double)abar);
    if (gamma <= 0) return 1;
    const bool v = ((const unet_state *)t->state)->schedule.prediction == LT_PREDICT_V;
    return (float)(v ? fmin(snr, gamma) / (snr + 1) : fmin(1, gamma / snr)); /* 1 where the snr is 0 */
}

/* x_t = sqrt(abar) z + sqrt(1 - abar) eps, and what is to be predicted: eps, or v = sqrt(abar) eps - sqrt(1 - abar) z
 * (Salimans & Ho 2022). */
static void noise_sample(const lt_training *t, int i, int step) {
    const unet_state *s = t->state;
    const size_t count = lt_shape_count(s->latents.shape) / (size_t)s->latents.shape.n, at = (size_t)i * count;
    const float *z = s->latents.z + at, *noise = s->noise + at;
    float *x = s->x + at, *target = s->target + at;
    const float abar = s->schedule.alphas_cumprod[step], alpha = sqrtf(abar), sigma = sqrtf(1 - abar);
    lt_forward_process(&s->schedule, step, z, noise, x, count);
    const bool v = s->schedule.prediction == LT_PREDICT_V;
    for (size_t k = 0; k < count; k++) target[k] = v ? alpha * noise[k] - sigma * z[k] : noise[k];
    lt_port_write(s->plan.x, at, x, count);
    lt_port_write(s->plan.target, at, target, count);
    lt_port_write(s->plan.t, (size_t)i, &(float){(float)step}, 1);
    lt_port_write(s->plan.weight, (size_t)i, &(float){weight_of(t, abar)}, 1);
}

static void write_context(const lt_training *t, int i, bool dropped) {
    const unet_state *s = t->state;
    const lt_draw draw = s->latents.draws[i];
    const bool empty = dropped || !lt_dataset_text_count(t->data, draw.index);
    const char *text = empty ? "" : lt_dataset_text(t->data, draw.index, draw.text);
    lt_contexts_read(t, &s->contexts, text, s->plan.context, (size_t)i);
}

/* What is random of a sample comes in this order: t, whether the prompt is dropped, the noise. */
static void make_sample(const void *training, size_t index, int thread) {
    (void)thread;
    const lt_training *t = training;
    const int i = (int)index;
    const unet_state *s = t->state;
    const size_t count = lt_shape_count(s->latents.shape) / (size_t)s->latents.shape.n;
    lt_rng rng;
    float uniform[2];
    lt_latents_random(&s->latents, i, &rng);
    lt_rng_uniform(&rng, uniform, 2);
    lt_rng_normal(&rng, s->noise + (size_t)i * count, count);
    noise_sample(t, i, (int)lt_min((size_t)(uniform[0] * LT_TRAIN_STEPS), LT_TRAIN_STEPS - 1));
    if (s->contexts.width) write_context(t, i, (double)uniform[1] < t->options->losses.drop_prompt);
}

static lt_status next(lt_training *t) {
    unet_state *s = t->state;
    LT_TRY(lt_latents_next(t, &s->latents));
    lt_parallel(LT_ALL_THREADS, (size_t)s->latents.shape.n, LT_EVENLY, make_sample, t);
    return s->contexts.width ? lt_cache_release(&s->contexts.cache) : LT_OK;
}

static double loss(lt_training *t, lt_log_row *row) {
    (void)row;
    return (double)lt_port_value(((unet_state *)t->state)->plan.loss);
}

/* ---- The model's file ---- */

/* The part of another model that this one needs to draw. */
static lt_status add_frozen(const lt_tensor *tensors, size_t count, lt_trains_fn part, lt_tensor_list *frozen) {
    for (size_t i = 0; i < count; i++)
        if (part(tensors[i].name)) LT_TRY(lt_tensor_list_add(frozen, tensors[i].name, &tensors[i]));
    return LT_OK;
}

enum { MOST_KNOWN = 20000 /* words, and things: who has learned more is not small */ };

/* The labels as people write them, a line each. */
static lt_status gather_things(const lt_dataset *data, lt_buffer *things) {
    const size_t count = lt_dataset_label_count(data);
    LT_TRY(lt_buffer_append(things, "", 0));
    for (size_t i = 0; i < count && count <= MOST_KNOWN; i++)
        LT_TRY(lt_buffer_printf(things, "%s%s", i ? "\n" : "", lt_dataset_label_name(data, i)));
    for (size_t i = 0; i < things->size; i++)
        if (things->data[i] == '-' || things->data[i] == '_') things->data[i] = ' ';
    return LT_OK;
}

/* What a model that knows nothing else has learned of words; one that goes on from another knows more. */
static lt_status describe_known(const lt_training *t, lt_settings *settings) {
    const unet_state *s = t->state;
    lt_buffer words = {0}, things = {0};
    if (t->models->init) return LT_OK;
    lt_status status = lt_known_gather(s->contexts.texts, s->contexts.count, MOST_KNOWN, &words);
    if (!status) status = gather_things(t->data, &things);
    if (!status && words.size) status = lt_settings_add_known(settings, words.data, things.data);
    lt_buffer_free(&words);
    lt_buffer_free(&things);
    return status;
}

static lt_status describe(lt_training *t, lt_settings *settings, lt_tensor_list *frozen) {
    const unet_state *s = t->state;
    const lt_train_models *m = t->models;
    const int size = t->options->pictures.size;
    LT_TRY(lt_settings_add_unet(settings, &s->unet));
    LT_TRY(lt_settings_add_schedule(settings, &s->schedule));
    LT_TRY(lt_settings_set(settings, "modelspec.resolution", "%dx%d", size, size));
    if (!t->options->losses.pixels) {
        LT_TRY(lt_settings_add_vae(settings, m->vae));
        LT_TRY(add_frozen(m->vae_tensors, m->vae_count, lt_is_vae, frozen));
    }
    if (!s->contexts.width) return LT_OK;
    LT_TRY(describe_known(t, settings));
    LT_TRY(lt_settings_add_text(settings, "text_encoder", m->text));
    if (m->image) LT_TRY(lt_settings_add_image(settings, m->image));
    return add_frozen(m->text_tensors, m->text_count, lt_is_text, frozen);
}

static void close(lt_training *t) {
    unet_state *s = t->state;
    lt_latents_close(&s->latents);
    lt_contexts_close(&s->contexts);
    lt_free(s->noise);
    lt_free(s->x);
    lt_free(s->target);
}

const lt_task lt_task_unet = {
    .name = "unet",
    .module = "the U-Net",
    .state_size = sizeof(unet_state),
    .open = open,
    .start = start,
    .next = next,
    .loss = loss,
    .describe = describe,
    .close = close,
};
