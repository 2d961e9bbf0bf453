/* Training CLIP: pairs of texts and pictures, each text to be nearest to its own picture and the other way round
 * (Radford et al. 2021). */
#include "models/architecture.h"
#include "train/objectives.h"
#include "train/recall.h"
#include "train/task.h"

#include <math.h>
#include <string.h>

/* exp(logit_scale) is kept to this at most, as in the paper. */
static const float MAX_LOGIT_SCALE = 4.6051702f; /* ln 100 */

typedef struct clip_state {
    lt_clip_text text;
    lt_clip_image image;
    lt_loader *loader;
    lt_plan *towers; /* alone, for measuring */
} clip_state;

/* ---- Opening ---- */

static lt_status open(lt_training *t) {
    clip_state *s = t->state;
    const lt_train_options *o = t->options;
    const lt_clip_architecture a = {
        .text_width = (size_t)o->text_width,
        .vocab = 49408,
        .positions = LT_CONTEXT_TOKENS,
        .text_layers = o->text_layers,
        .image_width = (size_t)o->image_width,
        .image_size = (size_t)o->size,
        .patch_size = (size_t)o->patch,
        .image_layers = o->image_layers,
        .projection = (size_t)o->projection,
    };
    if (!t->models->init && (o->size % o->patch || o->text_width % 64 || o->image_width % 64))
        return lt_fail(LT_ERROR_ARGUMENT,
                       "the size (%d) must be a multiple of the patch (%d), and widths (%d, %d) of 64", o->size,
                       o->patch, o->text_width, o->image_width);
    lt_tensor_list list = {0};
    LT_TRY(lt_clip_list(&a, &list));
    LT_TRY(lt_training_make_parameters(t, &list, lt_is_any, lt_is_any));
    LT_TRY(lt_clip_text_open(t->parameters.weights, &s->text));
    LT_TRY(lt_clip_image_open(t->parameters.weights, &s->image));
    if (s->image.size != o->size)
        return lt_fail(LT_ERROR_ARGUMENT, "pictures of %d pixels: this CLIP sees %d", o->size, s->image.size);
    lt_graph graph = {0};
    return lt_training_make_plan(t, &graph, lt_clip_objective(&s->text, &s->image, o->batch, o->recompute, &graph));
}

static lt_status start(lt_training *t) {
    clip_state *s = t->state;
    const lt_train_options *o = t->options;
    const lt_picture_options picture = {.size = o->size, .crop = o->crop, .flip = o->flip};
    return lt_loader_start(t->data, &picture, o->batch, o->seed, t->run.place, o->notice, o->user, &s->loader);
}

/* ---- Batches ---- */

/* pixels [count, 3] in [-1, 1] as the image tower takes them. */
static void write_pixels(const float *pixels, float *to, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 3; k++)
            to[3 * i + k] = ((pixels[3 * i + k] + 1) / 2 - lt_clip_mean[k]) / lt_clip_deviation[k];
}

static lt_status write_text(const lt_training *t, lt_plan *plan, int row, const char *text) {
    const clip_state *s = t->state;
    lt_prompt prompt;
    LT_TRY(lt_prompt_parse(t->models->tokenizer, text, false, s->text.pad, &prompt));
    float *ids = lt_plan_tensor(plan, "ids") + (size_t)row * LT_CONTEXT_TOKENS;
    int end = 1;
    while (end < LT_CONTEXT_TOKENS - 1 && prompt.ids[end] != LT_TOKEN_END) end++;
    for (int i = 0; i < LT_CONTEXT_TOKENS; i++) ids[i] = (float)prompt.ids[i];
    lt_plan_tensor(plan, "end")[row] = (float)end;
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
    write_pixels(batch->pixels, lt_plan_tensor(t->plan, "pixels"), lt_shape_rows(lt_plan_shape(t->plan, "pixels")));
    for (int i = 0; i < batch->n; i++)
        LT_TRY(write_text(t, t->plan, i, text_of(t->data, batch->draws[i].index, batch->draws[i].text)));
    t->run.place = batch->place;
    lt_weight *scale = lt_weights_find(t->parameters.weights, "logit_scale");
    float *value = (float *)(uintptr_t)scale->tensor.data;
    *value = fminf(*value, MAX_LOGIT_SCALE);
    return LT_OK;
}

/* The share of texts whose own picture is the first, the first five, the first ten of all; pair i belongs together, and
 * so do pairs whose words are equal. Scales the rows [n, d] to length 1. */
static lt_status recall(float *texts, float *images, size_t n, size_t d, const char *const *words, lt_hits *hits) {
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
    if (!status) status = lt_recall(&queries, &pool, hits);
    lt_free(groups);
    return status;
}

static double loss(lt_training *t, lt_log_row *row) {
    const lt_shape s = lt_plan_shape(t->plan, "text_embeds");
    float *texts = lt_plan_tensor(t->plan, "text_embeds"), *images = lt_plan_tensor(t->plan, "image_embeds");
    lt_hits hits = {0};
    row->name[0] = "accuracy"; /* of texts, which among the batch's pictures is theirs */
    if (!recall(texts, images, (size_t)s.n, (size_t)s.c, NULL, &hits)) row->value[0] = lt_hits_share(&hits, 0);
    row->name[1] = "scale";
    row->value[1] = exp((double)*(const float *)lt_weights_find(t->parameters.weights, "logit_scale")->tensor.data);
    return (double)*lt_plan_tensor(t->plan, "loss");
}

/* ---- Held-out pairs ---- */

static lt_status build_towers(lt_training *t) {
    clip_state *s = t->state;
    lt_graph graph = {0};
    lt_status status = lt_clip_text_build(&s->text, t->options->batch, 0, true, &graph);
    if (!status) status = lt_clip_image_build(&s->image, t->options->batch, &graph);
    if (!status) return lt_plan_create(&graph, &t->target, &s->towers);
    lt_graph_free(&graph);
    return status;
}

/* Embeddings of pairs [first, first + batch) of the validation set, as far as it goes, into texts and images. */
static lt_status embed(lt_training *t, size_t first, float *pixels, float *texts, float *images) {
    clip_state *s = t->state;
    const lt_picture_options picture = {.size = t->options->size};
    const size_t pixel_count = (size_t)t->options->size * (size_t)t->options->size, d = (size_t)s->text.projection;
    const size_t n = lt_min((size_t)t->options->batch, lt_dataset_count(t->validation) - first);
    for (size_t i = 0; i < n; i++) {
        LT_TRY(lt_dataset_load(t->validation, first + i, &picture, 0, pixels));
        write_pixels(pixels, lt_plan_tensor(s->towers, "pixels") + i * 3 * pixel_count, pixel_count);
        LT_TRY(write_text(t, s->towers, (int)i, text_of(t->validation, first + i, 0)));
    }
    for (int i = (int)n; i < t->options->batch; i++) LT_TRY(write_text(t, s->towers, i, "")); /* nobody looks at it */
    LT_TRY(lt_plan_run(s->towers, LT_RATE_PROMPT, NULL, NULL));
    memcpy(texts + first * d, lt_plan_tensor(s->towers, "text_embeds"), n * d * sizeof *texts);
    memcpy(images + first * d, lt_plan_tensor(s->towers, "image_embeds"), n * d * sizeof *images);
    return LT_OK;
}

static lt_status measure(lt_training *t, float *pixels, float *texts, float *images) {
    const size_t count = lt_dataset_count(t->validation), d = (size_t)((clip_state *)t->state)->text.projection;
    for (size_t i = 0; i < count; i += (size_t)t->options->batch) LT_TRY(embed(t, i, pixels, texts, images));
    const char **words = lt_calloc(count, sizeof *words);
    if (!words) return LT_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) words[i] = text_of(t->validation, i, 0);
    lt_hits hits;
    const lt_status status = recall(texts, images, count, d, words, &hits);
    lt_free(words);
    if (status) return status;
    lt_training_notify(t, "held-out pairs (%zu): recall@1 %.1f %%, recall@5 %.1f %%", count,
                       100 * lt_hits_share(&hits, 0), 100 * lt_hits_share(&hits, 1));
    return LT_OK;
}

static lt_status finish(lt_training *t) {
    if (!t->validation) return LT_OK;
    clip_state *s = t->state;
    LT_TRY(build_towers(t));
    const size_t count = lt_dataset_count(t->validation), d = (size_t)s->text.projection;
    const size_t pixel_count = (size_t)t->options->size * (size_t)t->options->size;
    float *memory = lt_alloc((2 * count * d + 3 * pixel_count) * sizeof *memory);
    if (!memory) return LT_ERROR_MEMORY;
    const lt_status status = measure(t, memory + 2 * count * d, memory, memory + count * d);
    lt_free(memory);
    if (!status || status == LT_ERROR_MEMORY) return status;
    lt_training_notify(t, "held-out pairs are not measured: %s", lt_error_message()); /* the model is worth keeping */
    return LT_OK;
}

static lt_status describe(lt_training *t, lt_settings *settings, lt_tensor_list *frozen) {
    (void)t;
    (void)settings; /* heads of 64 and QuickGELU: what the family has */
    (void)frozen;
    return LT_OK;
}

static void close(lt_training *t) {
    clip_state *s = t->state;
    lt_loader_stop(s->loader);
    lt_plan_free(s->towers);
}

const lt_task lt_task_clip = {
    .name = "clip",
    .state_size = sizeof(clip_state),
    .open = open,
    .start = start,
    .next = next,
    .loss = loss,
    .finish = finish,
    .describe = describe,
    .close = close,
};
