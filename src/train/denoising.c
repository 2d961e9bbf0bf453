/* Learning to predict the noise (Ho et al. 2020, algorithm 1), with dropped prompts so that guidance can work (Ho &
 * Salimans 2022). */
#include "train/denoising.h"

#include "base/threads.h"
#include "train/objectives.h"

#include <math.h>
#include <string.h>

/* ---- Opening ---- */

/* What is denoised has sides that the U-Net can halve at each level. */
static int step_of(const lt_training *t) {
    const lt_unet *init = t->models->init_unet;
    const int levels = init ? init->levels : t->options->network.levels;
    return (t->models->vae && !t->options->losses.pixels ? t->models->vae->factor : 1) << (levels - 1);
}

static lt_status open_frames(lt_training *t, lt_denoising *d) {
    LT_TRY(lt_buckets_open(t, step_of(t), &d->buckets));
    d->frames = lt_calloc(d->buckets.count, sizeof *d->frames);
    if (!d->frames) return LT_ERROR_MEMORY;
    d->now = d->frames;
    for (size_t i = 0; i < d->buckets.count; i++)
        LT_TRY(lt_latents_open(t, &d->buckets.items[i], &d->frames[i].latents));
    return LT_OK;
}

lt_status lt_denoising_open(lt_training *t, lt_denoising *d) {
    const lt_train_options *o = t->options;
    const lt_unet *init = t->models->init_unet;
    if (t->models->init && !init) return lt_fail(LT_ERROR_MODEL, "%s has no U-Net", o->files.init);
    d->schedule = *t->models->schedule;
    LT_TRY(open_frames(t, d));
    if (!(init ? init->context_dim > 0 : !o->losses.unconditional)) return LT_OK;
    LT_TRY(lt_contexts_open(t, &d->contexts));
    return lt_training_check_captions(t, t->data, o->files.data);
}

static lt_status check_served(const lt_unet *unet) {
    if (!unet->vector_dim) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED,
                   "this U-Net adds a vector of %d, a pooled text and sizes (label_emb, as SDXL does), to its time "
                   "embedding: this version can draw with it, not train it",
                   unet->vector_dim);
}

/* What its shapes can't tell, and whether it reads what it is given. */
static lt_status open_unet(lt_training *t, lt_denoising *d) {
    const lt_train_options *o = t->options;
    const lt_unet *init = t->models->init_unet;
    const int c = d->now->latents.shape.c;
    LT_TRY(lt_unet_open(t->parameters.weights, &d->unet));
    d->unet.groups = init ? init->groups : o->network.groups;
    d->unet.heads = init ? init->heads : o->network.heads;
    d->unet.head_size = init ? init->head_size : 0;
    LT_TRY(check_served(&d->unet));
    if (d->unet.in_channels != c || d->unet.out_channels != c)
        return lt_fail(LT_ERROR_MODEL, "this U-Net reads %d channels and makes %d; what it is to learn has %d",
                       d->unet.in_channels, d->unet.out_channels, c);
    if (d->unet.context_dim && d->unet.context_dim != d->contexts.width)
        return lt_fail(LT_ERROR_MODEL, "this U-Net reads contexts of %d, the text encoder makes %d",
                       d->unet.context_dim, d->contexts.width);
    return LT_OK;
}

static void find_ports(lt_plan *plan, lt_denoising_ports *p) {
    *p = (lt_denoising_ports){
        .x = lt_plan_port(plan, "x"),
        .t = lt_plan_port(plan, "t"),
        .context = lt_plan_port(plan, "context"),
        .target = lt_plan_port(plan, "target"),
        .weight = lt_plan_port(plan, "weight"),
        .loss = lt_plan_port(plan, "loss"),
        .text = lt_clip_inputs_of(plan),
    };
    lt_port_fill(lt_plan_port(plan, "context_lengths"), LT_CONTEXT_TOKENS);
}

/* That of frame f, which rests. */
static lt_status make_plan(lt_training *t, lt_denoising *d, lt_frame *f) {
    const lt_unet_objective_options options = {
        .shape = f->latents.shape,
        .tokens = d->contexts.width ? LT_CONTEXT_TOKENS : 0,
        .text = d->text.weights ? &d->text : NULL,
        .masked = t->options->files.masks != NULL,
        .recompute = t->options->computing.recompute,
    };
    lt_graph graph = {0};
    t->plan = NULL; /* that of the frame before is its own */
    const lt_status status = lt_training_make_plan(t, &graph, lt_unet_objective(&d->unet, &options, &graph));
    f->plan = t->plan;
    LT_TRY(status);
    lt_plan_rest(f->plan);
    return LT_OK;
}

/* The training's plan becomes that of frame f. */
static lt_status turn_to(lt_training *t, lt_denoising *d, lt_frame *f) {
    if (d->now != f) lt_plan_rest(d->now->plan);
    d->now = f;
    t->plan = f->plan;
    LT_TRY(lt_plan_wake(f->plan));
    find_ports(f->plan, &f->port);
    return LT_OK;
}

lt_status lt_denoising_build(lt_training *t, lt_denoising *d) {
    float **const all[] = {&d->noise, &d->x, &d->target};
    size_t most = 0;
    LT_TRY(open_unet(t, d));
    for (size_t i = 0; i < d->buckets.count; i++) {
        LT_TRY(make_plan(t, d, &d->frames[i]));
        most = lt_max(most, lt_shape_count(d->frames[i].latents.shape));
    }
    for (size_t i = 0; i < LT_COUNT(all); i++)
        if (!(*all[i] = lt_alloc(most * sizeof(float)))) return LT_ERROR_MEMORY;
    return turn_to(t, d, d->frames);
}

static lt_status open_masks(const lt_training *t, lt_denoising *d) {
    size_t count = 0, without = 0;
    for (size_t i = 0; i < d->buckets.count; i++) {
        lt_frame *f = &d->frames[i];
        LT_TRY(lt_masks_open(t, &d->buckets.items[i], f->latents.shape, &f->masks));
        count += f->masks.count;
        without += f->masks.without;
    }
    if (count && without == count)
        return lt_fail(LT_ERROR_FORMAT, "%s: no mask is in it that is called as a picture is", t->options->files.masks);
    if (without) lt_training_notify(t, "%zu of %zu pictures have no mask: they are learned whole", without, count);
    return LT_OK;
}

lt_status lt_denoising_start(lt_training *t) {
    lt_denoising *d = t->state;
    LT_TRY(open_masks(t, d));
    for (size_t i = 0; i < d->buckets.count; i++) LT_TRY(lt_latents_start(t, &d->frames[i].latents));
    if (!d->contexts.width) return LT_OK;
    return d->text.weights ? lt_contexts_start_tokens(t, d->word.count ? &d->word : NULL, &d->contexts)
                           : lt_contexts_start(t, &d->contexts);
}

/* ---- Batches ---- */

/* Hang et al. 2023: every t is to count as min(SNR, gamma) does for a prediction of x_0. */
static double balance(const lt_training *t, float abar) {
    const double gamma = t->options->losses.min_snr;
    const double snr = (double)abar / (1 - (double)abar);
    if (gamma <= 0) return 1;
    const bool v = ((const lt_denoising *)t->state)->schedule.prediction == LT_PREDICT_V;
    return v ? fmin(snr, gamma) / (snr + 1) : fmin(1, gamma / snr); /* 1 where the snr is 0 */
}

static float weight_of(const lt_training *t, lt_draw draw, float abar) {
    const double prior = lt_dataset_is_prior(t->data, draw.index) ? t->options->losses.prior_weight : 1;
    return (float)(prior * balance(t, abar));
}

/* Some of the noise is the same all over a channel, so that pictures learn to be dark or light as a whole (Guttenberg
 * 2023). */
static void shift_noise(const lt_training *t, lt_rng *rng, float *noise, size_t count, size_t channels) {
    const float offset = (float)t->options->losses.noise_offset;
    float shift;
    for (size_t c = 0; offset > 0 && c < channels; c++) {
        lt_rng_normal(rng, &shift, 1);
        for (size_t i = c; i < count; i += channels) noise[i] += offset * shift;
    }
}

/* x_t = sqrt(abar) z + sqrt(1 - abar) eps, and what is to be predicted: eps, or v = sqrt(abar) eps - sqrt(1 - abar) z
 * (Salimans & Ho 2022). */
static void noise_sample(const lt_training *t, int i, int step) {
    const lt_denoising *d = t->state;
    const lt_frame *f = d->now;
    const size_t count = lt_shape_count(f->latents.shape) / (size_t)f->latents.shape.n, at = (size_t)i * count;
    const float *z = f->latents.z + at, *noise = d->noise + at;
    float *x = d->x + at, *target = d->target + at;
    const float abar = d->schedule.alphas_cumprod[step], alpha = sqrtf(abar), sigma = sqrtf(1 - abar);
    lt_forward_process(&d->schedule, step, z, noise, x, count);
    const bool v = d->schedule.prediction == LT_PREDICT_V;
    for (size_t k = 0; k < count; k++) target[k] = v ? alpha * noise[k] - sigma * z[k] : noise[k];
    lt_port_write(f->port.x, at, x, count);
    lt_port_write(f->port.target, at, target, count);
    lt_port_write(f->port.t, (size_t)i, &(float){(float)step}, 1);
    const lt_draw draw = f->latents.draws[i];
    lt_masks_write(t, &f->masks, f->latents.rows[i], draw.random, weight_of(t, draw, abar), f->port.weight, (size_t)i);
}

static void write_context(const lt_training *t, int i, bool dropped) {
    const lt_denoising *d = t->state;
    const lt_draw draw = d->now->latents.draws[i];
    const bool empty = dropped || !lt_dataset_text_count(t->data, draw.index);
    const char *text = empty ? "" : lt_dataset_text(t->data, draw.index, draw.text);
    if (d->text.weights)
        lt_clip_write_ids(&d->now->port.text, i, lt_contexts_tokens(&d->contexts, text));
    else
        lt_contexts_read(t, &d->contexts, text, d->now->port.context, (size_t)i);
}

/* What is random of a sample comes in this order: t, whether the prompt is dropped, the noise, its offset. */
static void make_sample(const void *training, size_t index, int thread) {
    (void)thread;
    const lt_training *t = training;
    const int i = (int)index;
    const lt_denoising *d = t->state;
    const lt_latents *l = &d->now->latents;
    const size_t count = lt_shape_count(l->shape) / (size_t)l->shape.n;
    lt_rng rng;
    float uniform[2];
    lt_latents_random(l, i, &rng);
    lt_rng_uniform(&rng, uniform, 2);
    lt_rng_normal(&rng, d->noise + (size_t)i * count, count);
    shift_noise(t, &rng, d->noise + (size_t)i * count, count, (size_t)l->shape.c);
    noise_sample(t, i, (int)lt_min((size_t)(uniform[0] * LT_TRAIN_STEPS), LT_TRAIN_STEPS - 1));
    if (d->contexts.width) write_context(t, i, (double)uniform[1] < t->options->losses.drop_prompt);
}

/* The bucket that comes, and the pictures of it. */
static lt_status next_of_buckets(lt_training *t, lt_denoising *d) {
    lt_latents *l = &d->now->latents;
    const size_t i = lt_buckets_draw(t, &d->buckets, t->run.place, l->rows, l->draws);
    lt_latents *next = &d->frames[i].latents;
    if (next != l) memcpy(next->rows, l->rows, (size_t)next->shape.n * sizeof *next->rows);
    if (next != l) memcpy(next->draws, l->draws, (size_t)next->shape.n * sizeof *next->draws);
    t->run.place += (uint64_t)next->shape.n;
    LT_TRY(turn_to(t, d, &d->frames[i]));
    return lt_latents_take(next);
}

lt_status lt_denoising_next(lt_training *t) {
    lt_denoising *d = t->state;
    LT_TRY(t->options->pictures.buckets ? next_of_buckets(t, d) : lt_latents_next(t, &d->now->latents));
    lt_parallel(LT_ALL_THREADS, (size_t)d->now->latents.shape.n, LT_EVENLY, make_sample, t);
    return d->contexts.cache.values ? lt_cache_release(&d->contexts.cache) : LT_OK;
}

double lt_denoising_loss(lt_training *t, lt_log_row *row) {
    (void)row;
    return (double)lt_port_value(((lt_denoising *)t->state)->now->port.loss);
}

/* The plans, too: the training's own is one of them. */
void lt_denoising_close(lt_training *t) {
    lt_denoising *d = t->state;
    for (size_t i = 0; d->frames && i < d->buckets.count; i++) {
        lt_latents_close(&d->frames[i].latents);
        lt_masks_close(&d->frames[i].masks);
        lt_plan_free(d->frames[i].plan);
    }
    t->plan = NULL;
    lt_free(d->frames);
    lt_buckets_close(&d->buckets);
    lt_contexts_close(&d->contexts);
    lt_free(d->noise);
    lt_free(d->x);
    lt_free(d->target);
}
