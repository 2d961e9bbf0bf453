/* Training a classifier of noisy latents, p(y | x_t): Dhariwal & Nichol 2021, section 4. Its gradient guides sampling
 * (pipeline/guidance.c), so it sees every noise level alike: t is uniform. One that is to judge finished pictures sees
 * them clean: x_0 itself, as t = 0. */
#include "base/rng.h"
#include "base/threads.h"
#include "kernels/loss.h"
#include "train/latents.h"
#include "train/objectives.h"
#include "train/task.h"

#include <math.h>
#include <string.h>

enum { MEASURED = 512 /* validation pictures at most, with noise */ };

/* The noise levels at which accuracy is measured. */
static const int measured_steps[] = {0, 250, 500, 750, LT_TRAIN_STEPS - 1};

typedef struct classifier_ports {
    lt_port x, t, logits;
} classifier_ports;

static classifier_ports ports_of(lt_plan *plan) {
    return (classifier_ports){lt_plan_port(plan, "x"), lt_plan_port(plan, "t"), lt_plan_port(plan, "logits")};
}

typedef struct classifier_state {
    lt_classifier classifier;
    lt_latents latents;
    float *noise, *x;      /* [batch, h, w, c] */
    const char **labels;   /* [classes]: names, the data set's */
    float *logits;         /* [batch, classes] */
    classifier_ports plan; /* of the training's plan */
    lt_port label, loss;
    lt_plan *evaluator; /* for measuring: the classifier alone, */
    classifier_ports measured;
    lt_plan *encoder; /* the VAE's encoder (NULL for pixels), */
    lt_port encoder_x, moments;
    float *pixels; /* [size, size, 3] one validation picture, */
    float *x0;     /* [batch, h, w, c] what the encoder makes of a batch of them, */
    lt_rng *rngs;  /* [batch] and each one's random numbers */
} classifier_state;

/* ---- Labels ---- */

static lt_status check_labels(const lt_dataset *data, const char *path) {
    for (size_t i = 0; i < lt_dataset_count(data); i++)
        if (lt_dataset_label(data, i) < 0)
            return lt_fail(LT_ERROR_ARGUMENT, "%s: %s has no label; a classifier needs one for every picture", path,
                           lt_dataset_name(data, i));
    return LT_OK;
}

/* The class of picture i of data, which may number its labels otherwise; -1 if the classifier has none like it. */
static int class_of(const classifier_state *s, const lt_dataset *data, size_t i) {
    const char *label = lt_dataset_label_name(data, (size_t)lt_dataset_label(data, i));
    for (int k = 0; k < s->classifier.classes; k++)
        if (!strcmp(s->labels[k], label)) return k;
    return -1;
}

static lt_status read_labels(lt_training *t) {
    classifier_state *s = t->state;
    const size_t count = lt_dataset_label_count(t->data);
    LT_TRY(check_labels(t->data, t->options->files.data));
    if (count < 2)
        return lt_fail(LT_ERROR_ARGUMENT, "%s: every picture has the label %s; a classifier needs two at least",
                       t->options->files.data, lt_dataset_label_name(t->data, 0));
    s->labels = lt_calloc(count, sizeof *s->labels);
    if (!s->labels) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) s->labels[i] = lt_dataset_label_name(t->data, i);
    return LT_OK;
}

static lt_status check_validation(lt_training *t) {
    const lt_dataset *data = t->validation;
    if (!data) return LT_OK;
    LT_TRY(check_labels(data, t->options->files.validation));
    for (size_t i = 0; i < lt_dataset_count(data); i++)
        if (class_of(t->state, data, i) < 0)
            return lt_fail(LT_ERROR_ARGUMENT, "%s: %s has the label %s, which no picture of %s has",
                           t->options->files.validation, lt_dataset_name(data, i),
                           lt_dataset_label_name(data, (size_t)lt_dataset_label(data, i)), t->options->files.data);
    return LT_OK;
}

/* Weights that a training goes on from must stand for the same classes in the same order. */
static lt_status check_init(lt_training *t) {
    const lt_train_models *m = t->models;
    const classifier_state *s = t->state;
    if (!m->init) return LT_OK;
    if (!m->init_classifier)
        return lt_fail(LT_ERROR_MODEL, "%s holds no classifier to go on from", t->options->files.init);
    const size_t count = lt_dataset_label_count(t->data);
    bool same = (size_t)m->init_classifier->classes == count;
    for (size_t i = 0; same && i < count; i++) same = !strcmp(m->init_labels[i], s->labels[i]);
    return same ? LT_OK
                : lt_fail(LT_ERROR_ARGUMENT, "%s tells other classes apart than %s", t->options->files.init,
                          t->options->files.data);
}

/* ---- Opening ---- */

/* Fresh weights, or those of options->init, and what their shapes can't tell. */
static lt_status make_classifier(lt_training *t) {
    classifier_state *s = t->state;
    const lt_train_options *o = t->options;
    const lt_classifier *init = t->models->init_classifier;
    const lt_shape z = s->latents.shape;
    const lt_unet unet = lt_training_unet(t, z.c);
    lt_tensor_list list = {0};
    LT_TRY(lt_classifier_list(&unet, z.h, (int)lt_dataset_label_count(t->data), &list));
    LT_TRY(lt_training_make_parameters(t, &list, lt_is_classifier, lt_is_classifier));
    LT_TRY(lt_classifier_open(t->parameters.weights, &s->classifier));
    s->classifier.half.groups = init ? init->half.groups : o->network.groups;
    s->classifier.half.heads = init ? init->half.heads : o->network.heads;
    s->classifier.size = init ? init->size : z.h;
    if (s->classifier.half.in_channels == z.c && s->classifier.size == z.h) return LT_OK;
    return lt_fail(LT_ERROR_ARGUMENT, "%s reads %dx%dx%d (height, width, channels), and these pictures make %dx%dx%d",
                   o->files.init, s->classifier.size, s->classifier.size, s->classifier.half.in_channels, z.h, z.w,
                   z.c);
}

static lt_status open(lt_training *t) {
    classifier_state *s = t->state;
    const lt_train_options *o = t->options;
    lt_graph graph = {0};
    LT_TRY(read_labels(t));
    LT_TRY(check_init(t));
    LT_TRY(lt_latents_open(t, &(lt_bucket){o->pictures.size, o->pictures.size}, &s->latents));
    LT_TRY(make_classifier(t));
    LT_TRY(check_validation(t));
    LT_TRY(lt_training_make_plan(
        t, &graph, lt_classifier_objective(&s->classifier, o->length.batch, o->computing.recompute, &graph)));
    s->plan = ports_of(t->plan);
    s->label = lt_plan_port(t->plan, "label");
    s->loss = lt_plan_port(t->plan, "loss");
    s->noise = lt_alloc(lt_shape_count(s->latents.shape) * sizeof *s->noise);
    s->x = lt_alloc(lt_shape_count(s->latents.shape) * sizeof *s->x);
    s->logits = lt_alloc(lt_shape_count(lt_port_shape(s->plan.logits)) * sizeof *s->logits);
    return s->noise && s->x && s->logits ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status start(lt_training *t) { return lt_latents_start(t, &((classifier_state *)t->state)->latents); }

/* ---- Batches ---- */

static size_t sample_count(const classifier_state *s) {
    return lt_shape_count(s->latents.shape) / (size_t)s->latents.shape.n;
}

/* Sample i of ports: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise, or x_0; and t. */
static void noise_sample(const lt_training *t, int i, lt_rng *rng, int step, const float *x0,
                         const classifier_ports *ports) {
    const classifier_state *s = t->state;
    const size_t each = sample_count(s), at = (size_t)i * each;
    const float *x = x0;
    if (!t->options->losses.clean) {
        lt_rng_normal(rng, s->noise + at, each);
        lt_forward_process(t->models->schedule, step, x0 + at, s->noise + at, s->x + at, each);
        x = s->x;
    }
    lt_port_write(ports->x, at, x + at, each);
    lt_port_write(ports->t, (size_t)i, &(float){(float)step}, 1);
}

/* What is random of a sample comes in this order: t, the noise. */
static void make_sample(const void *training, size_t index, int thread) {
    (void)thread;
    const lt_training *t = training;
    const int i = (int)index;
    const classifier_state *s = t->state;
    lt_rng rng;
    float uniform;
    lt_latents_random(&s->latents, i, &rng);
    lt_rng_uniform(&rng, &uniform, 1);
    const int drawn = (int)lt_min((size_t)(uniform * LT_TRAIN_STEPS), LT_TRAIN_STEPS - 1);
    const int step = t->options->losses.clean ? 0 : drawn;
    noise_sample(t, i, &rng, step, s->latents.z, &s->plan);
    lt_port_write_i32(s->label, index, &(int32_t){lt_dataset_label(t->data, s->latents.draws[i].index)}, 1);
}

static lt_status next(lt_training *t) {
    classifier_state *s = t->state;
    LT_TRY(lt_latents_next(t, &s->latents));
    lt_parallel(LT_ALL_THREADS, (size_t)s->latents.shape.n, LT_EVENLY, make_sample, t);
    return LT_OK;
}

static int largest(const float *values, int n) {
    int best = 0;
    for (int i = 1; i < n; i++)
        if (values[i] > values[best]) best = i;
    return best;
}

static double loss(lt_training *t, lt_log_row *row) {
    const classifier_state *s = t->state;
    const lt_shape shape = lt_port_shape(s->plan.logits);
    int right = 0;
    lt_port_read(s->plan.logits, 0, s->logits, lt_shape_count(shape));
    for (int i = 0; i < shape.n; i++)
        right += largest(s->logits + (size_t)i * (size_t)shape.c, shape.c) ==
                 lt_dataset_label(t->data, s->latents.draws[i].index);
    row->name[0] = "accuracy";
    row->value[0] = (double)right / shape.n;
    return (double)lt_port_value(s->loss);
}

/* ---- Accuracy by noise level ---- */

static lt_status open_evaluation(lt_training *t) {
    classifier_state *s = t->state;
    const lt_train_options *o = t->options;
    lt_graph encoder = {0}, classifier = {0};
    lt_status built = lt_classifier_build(&s->classifier, o->length.batch, &classifier);
    LT_TRY(lt_plan_built(&classifier, built, &t->target, &s->evaluator));
    s->measured = ports_of(s->evaluator);
    s->pixels = lt_alloc((size_t)o->pictures.size * (size_t)o->pictures.size * 3 * sizeof *s->pixels);
    s->x0 = lt_calloc(lt_shape_count(s->latents.shape), sizeof *s->x0);
    s->rngs = lt_calloc((size_t)o->length.batch, sizeof *s->rngs);
    if (!s->pixels || !s->x0 || !s->rngs) return LT_ERROR_MEMORY;
    if (o->losses.pixels) return LT_OK;
    built = lt_vae_build_encoder(t->models->vae, o->length.batch, o->pictures.size, o->pictures.size, &encoder);
    LT_TRY(lt_plan_built(&encoder, built, &t->target, &s->encoder));
    s->encoder_x = lt_plan_port(s->encoder, "x");
    s->moments = lt_plan_port(s->encoder, "moments");
    return LT_OK;
}

/* x_0 of the pixels that are in the encoder's input, a draw from the posterior: (mean + deviation * noise) * scaling.
 */
static lt_status encode(lt_training *t, int n) {
    const classifier_state *s = t->state;
    const size_t each = sample_count(s), c = (size_t)s->latents.shape.c;
    LT_TRY(lt_plan_run(s->encoder, LT_RATE_PROMPT, lt_training_poll_measuring, t));
    for (size_t i = 0; i < (size_t)n; i++) {
        float *z = s->x0 + i * each;
        lt_rng_normal(&s->rngs[i], z, each);
        for (size_t k = 0; k < each; k++) {
            const size_t at = (i * each + k) / c * 2 * c + k % c;
            float mean, logvar;
            lt_port_read(s->moments, at, &mean, 1);
            lt_port_read(s->moments, at + c, &logvar, 1);
            z[k] = (mean + expf(0.5f * lt_clamp_logvar(logvar)) * z[k]) * s->latents.scaling;
        }
    }
    return LT_OK;
}

/* Up to a batch of validation pictures from place on to where they go, the encoder or x0; those that can't be read are
 * passed over. Each has the random numbers of its place, whatever the batch. *n: how many there are. */
static lt_status load_pictures(lt_training *t, size_t *place, size_t end, int *classes, int *n) {
    const classifier_state *s = t->state;
    const lt_picture_options picture = {.size = t->options->pictures.size};
    const size_t each = (size_t)t->options->pictures.size * (size_t)t->options->pictures.size * 3;
    for (*n = 0; *n < t->options->length.batch && *place < end; ++*place) {
        LT_TRY(lt_training_poll_measuring(t));
        const size_t i = lt_dataset_draw(t->validation, 0, *place).index;
        if (lt_dataset_load(t->validation, i, &picture, 0, s->pixels)) continue;
        lt_port_write(s->encoder_x, (size_t)*n * each, s->pixels, each);
        if (!s->encoder) memcpy(s->x0 + (size_t)*n * each, s->pixels, each * sizeof *s->x0);
        lt_rng_seed(&s->rngs[*n], LT_RNG_CPU, *place);
        classes[(*n)++] = class_of(s, t->validation, i);
    }
    return LT_OK;
}

/* Adds to *right how many of the first n samples of s->x0 are told right at step. */
static lt_status count_right(lt_training *t, int n, int step, const int *classes, int *right) {
    const classifier_state *s = t->state;
    for (int i = 0; i < n; i++) noise_sample(t, i, &s->rngs[i], step, s->x0, &s->measured);
    LT_TRY(lt_plan_run(s->evaluator, LT_RATE_PROMPT, lt_training_poll_measuring, t));
    const int count = s->classifier.classes;
    lt_port_read(s->measured.logits, 0, s->logits, (size_t)n * (size_t)count);
    for (int i = 0; i < n; i++) *right += largest(s->logits + (size_t)i * (size_t)count, count) == classes[i];
    return LT_OK;
}

/* How many of the noise levels are looked at. */
static size_t level_count(const lt_training *t) { return t->options->losses.clean ? 1 : LT_COUNT(measured_steps); }

static lt_status tell(const lt_training *t, const int *right, int used) {
    lt_buffer text = {0};
    lt_status status = LT_OK;
    for (size_t k = 0; k < LT_COUNT(measured_steps) && !status && !t->options->losses.clean; k++)
        status = lt_buffer_printf(&text, "%s%.3f at t = %d", k ? ", " : "", (double)right[k] / used, measured_steps[k]);
    if (t->options->losses.clean) status = lt_buffer_printf(&text, "%.4f", (double)right[0] / used);
    if (!status) lt_training_notify(t, "accuracy on %d validation pictures: %s", used, text.data);
    lt_buffer_free(&text);
    return status;
}

/* classes [batch] is scratch. */
static lt_status measure(lt_training *t, int *classes) {
    const classifier_state *s = t->state;
    const size_t count = lt_dataset_count(t->validation),
                 end = t->options->losses.clean ? count : lt_min(count, MEASURED);
    int right[LT_COUNT(measured_steps)] = {0}, used = 0;
    for (size_t place = 0; place < end;) {
        int n;
        LT_TRY(load_pictures(t, &place, end, classes, &n));
        if (s->encoder) LT_TRY(encode(t, n));
        for (size_t k = 0; k < level_count(t); k++) LT_TRY(count_right(t, n, measured_steps[k], classes, &right[k]));
        used += n;
    }
    return used ? tell(t, right, used) : LT_OK;
}

static lt_status finish(lt_training *t) {
    if (!t->validation) return LT_OK;
    LT_TRY(open_evaluation(t));
    int *classes = lt_calloc((size_t)t->options->length.batch, sizeof *classes);
    const lt_status status = classes ? measure(t, classes) : LT_ERROR_MEMORY;
    lt_free(classes);
    return status;
}

/* ---- The end ---- */

static lt_status describe(lt_training *t, lt_settings *settings, lt_tensor_list *frozen) {
    const classifier_state *s = t->state;
    (void)frozen;
    LT_TRY(lt_settings_add_classifier(settings, &s->classifier, s->labels));
    return lt_settings_set(settings, "modelspec.resolution", "%dx%d", t->options->pictures.size,
                           t->options->pictures.size);
}

static void close(lt_training *t) {
    classifier_state *s = t->state;
    lt_latents_close(&s->latents);
    lt_plan_free(s->encoder);
    lt_plan_free(s->evaluator);
    lt_free(s->logits);
    lt_free(s->rngs);
    lt_free(s->pixels);
    lt_free(s->x0);
    lt_free(s->x);
    lt_free(s->noise);
    lt_free(s->labels);
}

const lt_task lt_task_classifier = {
    .name = "classifier",
    .module = "the classifier",
    .state_size = sizeof(classifier_state),
    .open = open,
    .start = start,
    .next = next,
    .loss = loss,
    .finish = finish,
    .describe = describe,
    .close = close,
};
