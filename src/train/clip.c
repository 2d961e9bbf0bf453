/* Training CLIP: pairs of texts and pictures, each text to be nearest to its own picture and the other way round
 * (Radford et al. 2021). */
#include "train/objectives.h"
#include "train/recall.h"
#include "train/task.h"

#include <math.h>

/* exp(logit_scale) is kept to this at most, as in the paper. */
static const float MAX_LOGIT_SCALE = 4.6051702f; /* ln 100 */

/* What goes into a plan of both towers, and comes out. */
typedef struct clip_ports {
    lt_clip_inputs text;
    lt_port pixels, texts, images, loss;
} clip_ports;

static clip_ports ports_of(lt_plan *plan) {
    return (clip_ports){lt_clip_inputs_of(plan), lt_plan_port(plan, "pixels"), lt_plan_port(plan, "text_embeds"),
                        lt_plan_port(plan, "image_embeds"), lt_plan_port(plan, "loss")};
}

typedef struct clip_state {
    lt_clip_text text;
    lt_clip_image image;
    lt_loader *loader;
    clip_ports plan;       /* of the training's plan */
    float *texts, *images; /* [batch, projection] what it made of a batch */
    lt_plan *towers;       /* alone, for measuring */
    clip_ports measured;   /* of the towers */
} clip_state;

/* ---- Opening ---- */

static lt_clip_architecture architecture(const lt_train_options *o) {
    return (lt_clip_architecture){
        .text = {.width = o->network.text_width,
                 .hidden = 4 * o->network.text_width,
                 .layers = o->network.text_layers,
                 .vocabulary = 49408,
                 .positions = LT_CONTEXT_TOKENS,
                 .projection = o->network.projection},
        .image = {.width = o->network.image_width,
                  .hidden = 4 * o->network.image_width,
                  .layers = o->network.image_layers,
                  .size = o->pictures.size,
                  .patch = o->network.patch,
                  .projection = o->network.projection},
    };
}

/* Fresh weights, or those of options->init, and what their shapes can't tell. */
static lt_status make_towers(lt_training *t) {
    clip_state *s = t->state;
    const lt_train_models *m = t->models;
    const lt_clip_architecture a = architecture(t->options);
    lt_tensor_list list = {0};
    lt_clip_text none;
    LT_TRY(lt_clip_list(&a, &list));
    LT_TRY(lt_training_make_parameters(t, &list, lt_is_text, lt_is_text));
    LT_TRY(lt_clip_texts_open(t->parameters.weights, &s->text, &none));
    LT_TRY(lt_clip_image_open(t->parameters.weights, &s->image));
    if (m->init_text) {
        s->text.heads = m->init_text->heads;
        s->text.activation = m->init_text->activation;
    }
    if (m->init_image) {
        s->image.heads = m->init_image->heads;
        s->image.activation = m->init_image->activation;
    }
    return LT_OK;
}

static lt_status open(lt_training *t) {
    clip_state *s = t->state;
    const lt_train_options *o = t->options;
    if (!t->models->init &&
        (o->pictures.size % o->network.patch || o->network.text_width % 64 || o->network.image_width % 64))
        return lt_fail(LT_ERROR_ARGUMENT,
                       "the size (%d) must be a multiple of the patch (%d), and widths (%d, %d) of 64",
                       o->pictures.size, o->network.patch, o->network.text_width, o->network.image_width);
    LT_TRY(make_towers(t));
    if (s->text.positions != LT_CONTEXT_TOKENS)
        return lt_fail(LT_ERROR_UNSUPPORTED, "the text encoder reads %d tokens, expected %d", s->text.positions,
                       LT_CONTEXT_TOKENS);
    if (s->image.size != o->pictures.size)
        return lt_fail(LT_ERROR_ARGUMENT, "pictures of %d pixels: this CLIP sees %d", o->pictures.size, s->image.size);
    LT_TRY(lt_training_check_captions(t, t->data, o->files.data));
    if (t->validation) LT_TRY(lt_training_check_captions(t, t->validation, o->files.validation));
    lt_graph graph = {0};
    LT_TRY(lt_training_make_plan(
        t, &graph, lt_clip_objective(&s->text, &s->image, o->length.batch, o->computing.recompute, &graph)));
    s->plan = ports_of(t->plan);
    s->texts = lt_alloc(lt_shape_count(lt_port_shape(s->plan.texts)) * sizeof *s->texts);
    s->images = lt_alloc(lt_shape_count(lt_port_shape(s->plan.images)) * sizeof *s->images);
    return s->texts && s->images ? LT_OK : LT_ERROR_MEMORY;
}

static lt_status start(lt_training *t) { return lt_training_start_loader(t, &((clip_state *)t->state)->loader); }

/* ---- Batches ---- */

/* pixels [count, 3] in [-1, 1] as the image tower takes them, from its pixel number `first` on. */
static void write_pixels(const float *pixels, lt_port to, size_t first, size_t count) {
    for (size_t i = 0; i < 3 * count; i++) {
        const float value = ((pixels[i] + 1) / 2 - lt_clip_mean[i % 3]) / lt_clip_deviation[i % 3];
        lt_port_write(to, 3 * first + i, &value, 1);
    }
}

static lt_status write_text(const lt_training *t, const lt_clip_inputs *inputs, int row, const char *text) {
    const clip_state *s = t->state;
    lt_prompt prompt;
    LT_TRY(lt_prompt_parse(t->models->tokenizer, text, false, s->text.pad, &prompt));
    lt_clip_write_ids(inputs, row, prompt.ids);
    lt_prompt_free(&prompt);
    return LT_OK;
}

static const char *text_of(const lt_dataset *data, size_t index, size_t text) {
    return lt_dataset_text_count(data, index) ? lt_dataset_text(data, index, text) : "";
}

static lt_status next(lt_training *t) {
    clip_state *s = t->state;
    const lt_batch *batch;
    LT_TRY(lt_loader_next(s->loader, &batch));
    write_pixels(batch->pixels, s->plan.pixels, 0, lt_shape_rows(lt_port_shape(s->plan.pixels)));
    for (int i = 0; i < batch->n; i++)
        LT_TRY(write_text(t, &s->plan.text, i, text_of(t->data, batch->draws[i].index, batch->draws[i].text)));
    t->run.place = batch->place;
    lt_weight *scale = lt_weights_find(t->parameters.weights, "logit_scale");
    float *value = (float *)(uintptr_t)scale->tensor.data;
    *value = fminf(*value, MAX_LOGIT_SCALE);
    return LT_OK;
}

/* The share of texts whose own picture is the first, the first five, the first ten of all; pair i belongs together, and
 * so do pairs whose words are equal. Scales the rows [n, d] to length 1. With words, the caller may stop it. */
static lt_status recall(lt_training *t, float *texts, float *images, size_t n, size_t d, const char *const *words,
                        lt_hits *hits) {
    size_t *groups = lt_alloc(n * sizeof *groups);
    if (!groups) return LT_ERROR_MEMORY;
    lt_status status = LT_OK;
    if (words) status = lt_group(words, n, groups, NULL);
    for (size_t i = 0; i < n; i++) {
        if (!words) groups[i] = i;
        lt_normalise(texts + i * d, d);
        lt_normalise(images + i * d, d);
    }
    const lt_embeddings queries = {texts, groups, n, d}, pool = {images, groups, n, d};
    if (!status) status = lt_recall(&queries, &pool, words ? lt_training_poll_measuring : NULL, t, hits);
    lt_free(groups);
    return status;
}

static double loss(lt_training *t, lt_log_row *row) {
    const clip_state *s = t->state;
    const lt_shape shape = lt_port_shape(s->plan.texts);
    lt_hits hits = {0};
    lt_port_read(s->plan.texts, 0, s->texts, lt_shape_count(shape));
    lt_port_read(s->plan.images, 0, s->images, lt_shape_count(shape));
    row->name[0] = "accuracy"; /* of texts, which among the batch's pictures is theirs */
    if (!recall(t, s->texts, s->images, (size_t)shape.n, (size_t)shape.c, NULL, &hits))
        row->value[0] = lt_hits_share(&hits, 0);
    row->name[1] = "scale";
    row->value[1] = exp((double)*(const float *)lt_weights_find(t->parameters.weights, "logit_scale")->tensor.data);
    return (double)lt_port_value(s->plan.loss);
}

/* ---- Held-out pairs ---- */

static lt_status build_towers(lt_training *t) {
    clip_state *s = t->state;
    lt_graph graph = {0};
    lt_status status = lt_clip_text_build(&s->text, t->options->length.batch, 0, true, &graph);
    if (!status) status = lt_clip_image_build(&s->image, t->options->length.batch, &graph);
    graph.maker = "CLIP";
    LT_TRY(lt_plan_built(&graph, status, &t->target, &s->towers));
    s->measured = ports_of(s->towers);
    return LT_OK;
}

/* The held-out pairs: embeddings of those whose pictures can be read, and their texts. */
typedef struct pairs {
    size_t count;
    float *texts, *images; /* [count, projection] */
    float *pixels;         /* [size, size, 3] of one picture */
    const char **words;    /* [count] */
} pairs;

/* Puts the pictures from *next on, as many as a batch takes, and their texts before the towers. Returns how many. */
static lt_status load_pairs(lt_training *t, size_t *next, pairs *p, int *n) {
    clip_state *s = t->state;
    const lt_picture_options picture = {.size = t->options->pictures.size};
    const size_t pixel_count = (size_t)t->options->pictures.size * (size_t)t->options->pictures.size;
    for (*n = 0; *n < t->options->length.batch && *next < lt_dataset_count(t->validation); ++*next) {
        LT_TRY(lt_training_poll_measuring(t));
        const lt_status status = lt_dataset_load(t->validation, *next, &picture, 0, p->pixels);
        if (status == LT_ERROR_MEMORY) return status;
        if (status) {
            lt_training_notify(t, "left out of the held-out pairs: %s", lt_error_message());
            continue;
        }
        write_pixels(p->pixels, s->measured.pixels, (size_t)*n * pixel_count, pixel_count);
        p->words[p->count + (size_t)*n] = text_of(t->validation, *next, 0);
        LT_TRY(write_text(t, &s->measured.text, *n, p->words[p->count + (size_t)*n]));
        ++*n;
    }
    for (int i = *n; i < t->options->length.batch; i++)
        LT_TRY(write_text(t, &s->measured.text, i, "")); /* nobody looks at it */
    return LT_OK;
}

static lt_status embed_pairs(lt_training *t, pairs *p) {
    const clip_state *s = t->state;
    const size_t d = (size_t)s->text.projection;
    int n = 0;
    for (size_t next = 0; next < lt_dataset_count(t->validation); p->count += (size_t)n) {
        LT_TRY(load_pairs(t, &next, p, &n));
        LT_TRY(lt_plan_run(s->towers, LT_RATE_PROMPT, lt_training_poll_measuring, t));
        lt_port_read(s->measured.texts, 0, p->texts + p->count * d, (size_t)n * d);
        lt_port_read(s->measured.images, 0, p->images + p->count * d, (size_t)n * d);
    }
    return p->count ? LT_OK : lt_fail(LT_ERROR_FILE, "no picture of %s can be read", t->options->files.validation);
}

static lt_status measure(lt_training *t, pairs *p) {
    lt_hits hits;
    LT_TRY(embed_pairs(t, p));
    LT_TRY(
        recall(t, p->texts, p->images, p->count, (size_t)((clip_state *)t->state)->text.projection, p->words, &hits));
    lt_training_notify(t, "held-out pairs (%zu): recall@1 %.1f %%, recall@5 %.1f %%", p->count,
                       100 * lt_hits_share(&hits, 0), 100 * lt_hits_share(&hits, 1));
    return LT_OK;
}

static lt_status finish(lt_training *t) {
    if (!t->validation) return LT_OK;
    LT_TRY(build_towers(t));
    const size_t count = lt_dataset_count(t->validation), d = (size_t)((clip_state *)t->state)->text.projection;
    pairs p = {.texts = lt_calloc(count, d * sizeof(float)),
               .images = lt_calloc(count, d * sizeof(float)),
               .pixels =
                   lt_calloc((size_t)t->options->pictures.size, (size_t)t->options->pictures.size * 3 * sizeof(float)),
               .words = lt_calloc(count, sizeof *p.words)};
    const lt_status status = p.texts && p.images && p.pixels && p.words ? measure(t, &p) : LT_ERROR_MEMORY;
    lt_free(p.texts);
    lt_free(p.images);
    lt_free(p.pixels);
    lt_free(p.words);
    if (!status || status == LT_ERROR_MEMORY || status == LT_ERROR_CANCELLED) return status;
    lt_training_notify(t, "held-out pairs are not measured: %s", lt_error_message()); /* the model is worth keeping */
    return LT_OK;
}

static lt_status describe(lt_training *t, lt_settings *settings, lt_tensor_list *frozen) {
    const clip_state *s = t->state;
    (void)frozen;
    LT_TRY(lt_settings_add_text(settings, "text_encoder", &s->text));
    return lt_settings_add_image(settings, &s->image);
}

static void close(lt_training *t) {
    clip_state *s = t->state;
    lt_loader_stop(s->loader);
    lt_plan_free(s->towers);
    lt_free(s->texts);
    lt_free(s->images);
}

const lt_task lt_task_clip = {
    .name = "clip",
    .module = "CLIP",
    .state_size = sizeof(clip_state),
    .open = open,
    .start = start,
    .next = next,
    .loss = loss,
    .finish = finish,
    .describe = describe,
    .close = close,
};
