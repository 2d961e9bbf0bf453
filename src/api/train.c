/* Training: opens the models that it starts from or reads, and runs the trainer. */
#include "api/model.h"
#include "base/door.h"
#include "text/merges.h"
#include "train/task.h"

#include <string.h>

static const lt_task *const tasks[] = {
    [LT_TRAIN_VAE] = &lt_task_vae,   [LT_TRAIN_CLIP] = &lt_task_clip,
    [LT_TRAIN_UNET] = &lt_task_unet, [LT_TRAIN_CLASSIFIER] = &lt_task_classifier,
    [LT_TRAIN_LORA] = &lt_task_lora, [LT_TRAIN_EMBEDDING] = &lt_task_embedding,
};

lt_train_options lt_train_options_defaults(void) {
    return (lt_train_options){
        .pictures = {.size = 64},
        .length = {.steps = 10000, .batch = 32, .accumulate = 1, .save_minutes = 10},
        .adamw = {.rate = 1e-4,
                  .beta1 = 0.9,
                  .beta2 = 0.999,
                  .eps = 1e-8,
                  .decay = 1e-2,
                  .clip = 1,
                  .ema = 0.999,
                  .warmup = 100},
        .computing = {.isa = LT_ISA_BEST},
        .network = {.width = 64,
                    .levels = 4,
                    .mult = {1, 2, 4, 4},
                    .attention_levels = 7,
                    .blocks = 1,
                    .groups = 8,
                    .heads = 4,
                    .latent_channels = 4,
                    .text_width = 128,
                    .text_layers = 4,
                    .image_width = 192,
                    .image_layers = 4,
                    .patch = 8,
                    .projection = 128},
        .losses = {.kl = 1e-6, .drop_prompt = 0.1, .prior_weight = 1},
        .lora = {.rank = 16},
        .embedding = {.vectors = 1},
    };
}

/* ---- The models ---- */

typedef struct lt_train_sources {
    lt_model *init, *vae, *text;
    lt_tokenizer *tokenizer;
    lt_noise_schedule schedule;
    lt_train_models models;
} lt_train_sources;

static lt_status open_source(const lt_train_options *o, const char *path, lt_model **model) {
    if (!path) return LT_OK;
    lt_open_options options = lt_open_options_defaults();
    options.prediction = o->losses.prediction;
    options.notice = o->notice;
    options.notice_user = o->user;
    return lt_model_open(path, &options, model);
}

static void describe_init(const lt_model *m, lt_train_models *models) {
    const lt_components *parts = &m->parts;
    models->init = m->tensors.tensors;
    models->init_count = m->tensors.count;
    if (parts->has[LT_MODULE_UNET]) models->init_unet = &parts->unet;
    if (parts->has[LT_MODULE_VAE_ENCODER] && !parts->vae.tiny) models->init_vae = &parts->vae;
    if (parts->has[LT_MODULE_TEXT]) models->init_text = &parts->text;
    if (parts->has[LT_MODULE_IMAGE]) models->init_image = &parts->image;
    if (parts->has[LT_MODULE_CLASSIFIER]) {
        models->init_classifier = &parts->classifier;
        models->init_labels = parts->labels;
    }
}

/* Part i of what a training reads, from its own file or from init. */
static const lt_model *either(const lt_model *own, const lt_model *init, lt_module module) {
    const lt_model *m = own ? own : init;
    const bool tiny =
        m && module == LT_MODULE_VAE_ENCODER && m->parts.vae.tiny; /* which a VAE's latents aren't learned by */
    return m && m->parts.has[module] && !tiny ? m : NULL;
}

static void describe_read(const lt_train_sources *s, lt_train_models *models) {
    const lt_model *vae = either(s->vae, s->init, LT_MODULE_VAE_ENCODER);
    const lt_model *text = either(s->text, s->init, LT_MODULE_TEXT);
    if (vae) {
        models->vae = &vae->parts.vae;
        models->vae_tensors = vae->tensors.tensors;
        models->vae_count = vae->tensors.count;
    }
    if (text) {
        models->text = &text->parts.text;
        if (text->parts.has[LT_MODULE_IMAGE]) models->image = &text->parts.image;
        models->text_tensors = text->tensors.tensors;
        models->text_count = text->tensors.count;
    }
}

static lt_status open_sources(const lt_train_options *o, lt_train_sources *s) {
    LT_TRY(open_source(o, o->files.init, &s->init));
    LT_TRY(open_source(o, o->files.vae, &s->vae));
    LT_TRY(open_source(o, o->files.text, &s->text));
    LT_TRY(lt_tokenizer_of_clip(&s->tokenizer));
    const bool v = o->losses.prediction && !strcmp(o->losses.prediction, "v");
    if (s->init)
        s->schedule = s->init->parts.schedule;
    else
        LT_TRY(lt_noise_schedule_sd(&s->schedule, v ? LT_PREDICT_V : LT_PREDICT_EPSILON));
    if (s->init) describe_init(s->init, &s->models);
    describe_read(s, &s->models);
    s->models.tokenizer = s->tokenizer;
    s->models.schedule = &s->schedule;
    return LT_OK;
}

static lt_status train(lt_train_kind kind, const lt_train_options *options) {
    if ((size_t)kind >= LT_COUNT(tasks)) return lt_fail(LT_ERROR_ARGUMENT, "no such training: %d", (int)kind);
    if (!options) return lt_fail(LT_ERROR_ARGUMENT, "options are needed: begin with lt_train_options_defaults");
    LT_TRY(lt_training_check_options(tasks[kind], options));
    lt_train_sources s = {0};
    lt_status status = open_sources(options, &s);
    if (!status) status = lt_task_run(tasks[kind], options, &s.models);
    lt_model_close(s.init);
    lt_model_close(s.vae);
    lt_model_close(s.text);
    lt_tokenizer_free(s.tokenizer);
    return status;
}

lt_status lt_train(lt_train_kind kind, const lt_train_options *options) {
    const lt_argument arguments[] = {{"options", options}};
    lt_door door;
    lt_status status = lt_enter(&door, __func__, arguments, LT_COUNT(arguments));
    if (!status) status = train(kind, options);
    return lt_leave(&door, status);
}
