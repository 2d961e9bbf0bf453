/* Which layers of a U-Net stand 8 bits: see layers.h. */
#include "eval/layers.h"

#include "eval/eval.h"
#include "nn/nn.h"
#include "pipeline/branches.h"
#include "pipeline/context.h"
#include "pipeline/generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is drawn, and of how many of these pictures a state is looked at. */
enum { PICTURES = 4, STATES = 2, STEPS = 8, MOST_SIDE = 256 };
static const char *const prompts[PICTURES] = {"a red apple", "a smiling cat", "a house under a blue sky",
                                              "a yellow star"};

/* The limits with a margin: three quarters of the error, 2 dB. */
static const double most_error = 0.75 * LT_INT8_MOST_ERROR, least_psnr = LT_INT8_LEAST_PSNR + 2;
enum { ROUNDS = 8 };

typedef struct layer {
    lt_weight *weight;
    double share; /* in the U-Net's relative error, squared */
} layer;

typedef struct lt_search {
    const lt_layer_search *asked;
    lt_module_size size;
    lt_shape latent;        /* n = STATES */
    float *x, *exact, *out; /* [STATES, channels, h, w]; what the U-Net makes of it, [latent] */
    float t[STATES];
    lt_context contexts[STATES];
    lt_image pictures[PICTURES]; /* in float32 */
    layer *layers;
    size_t count;      /* layers */
    double parameters; /* of all of them */
} lt_search;

/* ---- Drawing ---- */

static lt_request request_of(const lt_components *parts, int sample) {
    const int factor = parts->vae.factor ? parts->vae.factor : 1, own = parts->sample_size * factor;
    lt_request r = lt_request_defaults();
    r.prompt = parts->unet.context_dim ? prompts[sample] : "";
    r.width = r.height = own < MOST_SIDE ? own : MOST_SIDE / factor * factor;
    r.steps = STEPS;
    r.sampler = "ddim"; /* whose states are the U-Net's inputs */
    r.keep_steps = true;
    r.random_seed = false;
    r.seed = (uint64_t)sample;
    return r;
}

static lt_status draw(lt_session *session, int sample, lt_result *result) {
    const lt_request r = request_of(session->parts, sample);
    return lt_paint(session, &r, &(lt_guides){NULL, NULL}, result);
}

/* ---- States ---- */

static lt_status allocate(lt_search *s, const int shape[3]) {
    s->latent = (lt_shape){STATES, shape[1], shape[2], shape[0]};
    s->size = (lt_module_size){.n = STATES, .h = shape[1], .w = shape[2]};
    float **const all[] = {&s->x, &s->exact, &s->out};
    for (size_t i = 0; i < LT_COUNT(all); i++)
        if (!(*all[i] = lt_alloc(lt_shape_count(s->latent) * sizeof(float)))) return LT_ERROR_MEMORY;
    return LT_OK;
}

/* A state of a picture, from early to late. */
static lt_status take_state(lt_search *s, int i, const lt_result *drawn) {
    lt_session *exact = s->asked->exact;
    if (!i) LT_TRY(allocate(s, drawn->latent_shape));
    const size_t count = lt_shape_count(s->latent) / STATES, step = (2 * (size_t)i + 1) * STEPS / (2 * STATES);
    memcpy(s->x + (size_t)i * count, drawn->step_latents[0] + step * count, count * sizeof(float));
    lt_steps steps;
    LT_TRY(lt_steps_make(&exact->parts->schedule, "ddim", NULL, STEPS, 1, &steps));
    s->t[i] = steps.timesteps[step];
    lt_steps_free(&steps);
    const lt_request r = request_of(exact->parts, i);
    const lt_sizes sizes = lt_sizes_of_whole(exact->parts, r.width, r.height);
    LT_TRY(lt_context_make(exact, r.prompt, (lt_encoding){.clip_skip = 1, .sizes = sizes}, &s->contexts[i]));
    s->size.tokens = s->contexts[i].tokens; /* a chunk each */
    return LT_OK;
}

/* Pictures in float32, and their states. */
static lt_status draw_states(lt_search *s) {
    for (int i = 0; i < PICTURES; i++) {
        lt_result drawn;
        LT_TRY(draw(s->asked->exact, i, &drawn));
        s->pictures[i] = drawn.images[0];
        drawn.images[0] = (lt_image){0};
        const lt_status status = i < STATES ? take_state(s, i, &drawn) : LT_OK;
        lt_result_free(&drawn);
        LT_TRY(status);
    }
    return LT_OK;
}

/* ---- The U-Net on them ---- */

static void write_inputs(const lt_search *s, lt_plan *plan) {
    const lt_port context = lt_plan_port(plan, "context"), lengths = lt_plan_port(plan, "context_lengths"),
                  y = lt_plan_port(plan, "y");
    const size_t dim = (size_t)lt_port_shape(y).c;
    lt_port_write_nchw(lt_plan_port(plan, "x"), s->x);
    lt_port_write(lt_plan_port(plan, "t"), 0, s->t, STATES);
    lt_tell_scale(lt_plan_port(plan, "timestep_cond"), request_of(s->asked->exact->parts, 0).guidance);
    for (size_t i = 0; i < STATES; i++) {
        const lt_context *c = &s->contexts[i];
        const size_t count = (size_t)c->tokens * (size_t)c->width;
        lt_port_write(context, i * count, c->values, count);
        lt_port_write_i32(lengths, i, &(int32_t){c->tokens}, 1);
        lt_port_write(y, i * dim, c->vector, dim);
    }
}

static lt_status predict(const lt_search *s, lt_session *session, float *out) {
    lt_plan *plan;
    lt_module_renew(session, LT_MODULE_UNET);
    LT_TRY(lt_module_plan(session, LT_MODULE_UNET, &s->size, &plan));
    LT_TRY(lt_module_expect(LT_MODULE_UNET, lt_plan_port(plan, "out"), s->latent));
    write_inputs(s, plan);
    LT_TRY(lt_module_run(session, plan, LT_RATE_PROMPT));
    lt_port_read(lt_plan_port(plan, "out"), 0, out, lt_shape_count(s->latent));
    return LT_OK;
}

/* |out - exact|^2 / |exact|^2 */
static double square_error(const lt_search *s) {
    double error = 0, norm = 0;
    for (size_t i = 0; i < lt_shape_count(s->latent); i++) {
        const double d = (double)s->out[i] - (double)s->exact[i], e = (double)s->exact[i];
        error += d * d;
        norm += e * e;
    }
    return error / norm;
}

/* ---- Layers ---- */

static lt_status list_layers(lt_search *s, const lt_graph *graph) {
    s->layers = lt_calloc(graph->count, sizeof *s->layers);
    if (!s->layers) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < graph->count; i++) {
        const lt_operation *o = &graph->nodes[i]->operation;
        if (o->op != &lt_op_conv || !lt_op_conv_narrows(o)) continue;
        s->layers[s->count++].weight = o->weight[0];
        s->parameters += (double)lt_tensor_count(&o->weight[0]->tensor);
    }
    return s->count ? LT_OK : lt_fail(LT_ERROR_UNSUPPORTED, "no layer of this model is large enough for int8");
}

static lt_status find_layers(lt_search *s) {
    lt_graph graph = {0};
    lt_status status = lt_module_build(s->asked->exact->parts, LT_MODULE_UNET, &s->size, &graph);
    if (!status) status = list_layers(s, &graph);
    lt_graph_free(&graph);
    return status;
}

static void keep_everything(const lt_weights *weights) {
    for (size_t i = 0; i < lt_weights_count(weights); i++) lt_weights_at(weights, i)->kept = true;
}

static void keep_none(const lt_search *s) {
    for (size_t i = 0; i < s->count; i++) s->layers[i].weight->kept = false;
}

/* One after the other in 8 bits. Beside them all is float32: to round to bf16 anew what one of them has changed would
 * weigh more than most of their shares. */
static lt_status measure_layers(lt_search *s) {
    const lt_layer_search *a = s->asked;
    for (size_t i = 0; i < s->count; i++) {
        if (a->progress && !a->progress(a->user, i, s->count)) return lt_fail(LT_ERROR_CANCELLED, "stopped");
        s->layers[i].weight->kept = false;
        LT_TRY(predict(s, a->single, s->out));
        s->layers[i].share = square_error(s);
        s->layers[i].weight->kept = true;
    }
    return LT_OK;
}

/* ---- Choosing ---- */

static int worst_first(const void *a, const void *b) {
    const layer *x = a, *y = b;
    if (x->share > y->share || x->share < y->share) return x->share > y->share ? -1 : 1;
    return strcmp(x->weight->tensor.name, y->weight->tensor.name);
}

/* Keeps the worst until what is left is at most `square` by the sum of shares; returns how many. */
static size_t keep_worst(const lt_search *s, double least, double square) {
    double left = least, kept = 0;
    size_t i = 0;
    for (size_t k = 0; k < s->count; k++) left += s->layers[k].share;
    keep_none(s);
    for (; i < s->count && left > square; i++) {
        kept += (double)lt_tensor_count(&s->layers[i].weight->tensor);
        if (kept > 0.5 * s->parameters) break;
        s->layers[i].weight->kept = true;
        left -= s->layers[i].share;
    }
    return i;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median PSNR of the pictures as they are drawn now. */
static lt_status measure_pictures(const lt_search *s, double *median) {
    double psnr[PICTURES];
    for (int i = 0; i < PICTURES; i++) {
        lt_result drawn;
        LT_TRY(draw(s->asked->narrow, i, &drawn));
        const lt_image *a = &drawn.images[0], *b = &s->pictures[i];
        psnr[i] = lt_psnr(lt_mean_square(a->pixels, b->pixels, (size_t)a->width * (size_t)a->height * 3));
        lt_result_free(&drawn);
    }
    qsort(psnr, PICTURES, sizeof *psnr, by_value);
    *median = 0.5 * (psnr[PICTURES / 2 - 1] + psnr[PICTURES / 2]);
    return LT_OK;
}

/* Shares add up where they are small and independent: what they make together is measured, and what pictures are. */
static lt_status measure_choice(lt_search *s, lt_layer_choice *c) {
    LT_TRY(predict(s, s->asked->narrow, s->out));
    c->error = sqrt(square_error(s));
    return measure_pictures(s, &c->psnr);
}

/* How much smaller the error would have to be; 1 or more: it is small enough. An error of kept layers stays. */
static double missing(const lt_layer_choice *c) {
    const double in_pictures = pow(10, (c->psnr - least_psnr) / 20);
    return c->error <= 2 * c->least_error ? 1 : fmin(most_error / c->error, in_pictures);
}

static lt_status choose(lt_search *s, lt_layer_choice *c) {
    const double least = c->least_error * c->least_error;
    double limit = fmax(most_error, 2 * c->least_error);
    for (int round = 0, ended = 0; round < ROUNDS && !ended; round++) {
        const size_t before = c->kept;
        c->kept = keep_worst(s, least, limit * limit);
        ended = round && c->kept == before;
        LT_TRY(measure_choice(s, c));
        ended |= missing(c) >= 1;
        limit *= 0.95 * fmin(missing(c), 1);
    }
    return LT_OK;
}

static lt_status list_worst(const lt_search *s, lt_layer_choice *c) {
    c->worst = lt_calloc(s->count, sizeof *c->worst);
    for (size_t i = 0; c->worst && i < s->count; i++) c->worst[i] = s->layers[i].weight;
    return c->worst ? LT_OK : LT_ERROR_MEMORY;
}

/* ---- All of it ---- */

static lt_status search(lt_search *s, lt_layer_choice *c) {
    LT_TRY(draw_states(s));
    LT_TRY(predict(s, s->asked->exact, s->exact));
    lt_session_drop(s->asked->exact);
    LT_TRY(find_layers(s));
    keep_everything(s->asked->exact->parts->weights);
    LT_TRY(predict(s, s->asked->narrow, s->out));
    c->layers = s->count;
    c->least_error = sqrt(square_error(s));
    LT_TRY(measure_layers(s));
    lt_session_drop(s->asked->single);
    qsort(s->layers, s->count, sizeof *s->layers, worst_first);
    LT_TRY(list_worst(s, c));
    return choose(s, c);
}

static void free_search(lt_search *s) {
    for (int i = 0; i < STATES; i++) lt_context_free(&s->contexts[i]);
    for (int i = 0; i < PICTURES; i++) lt_image_free(&s->pictures[i]);
    lt_free(s->layers);
    lt_free(s->x);
    lt_free(s->exact);
    lt_free(s->out);
}

lt_status lt_layers_choose(const lt_layer_search *asked, lt_layer_choice *choice) {
    lt_search s = {.asked = asked};
    *choice = (lt_layer_choice){0};
    const lt_status status = search(&s, choice);
    free_search(&s);
    return status;
}
