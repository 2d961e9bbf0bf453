/* A training: one loop (train.c) for every trainer, and what a trainer provides. */
#ifndef LT_TASK_H
#define LT_TASK_H

#include "base/fields.h"
#include "data/dataset.h"
#include "diffusion/diffusion.h"
#include "graph/graph.h"
#include "models/architecture.h"
#include "models/classifier.h"
#include "models/clip.h"
#include "models/settings.h"
#include "models/unet.h"
#include "models/vae.h"
#include "text/text.h"
#include "train/parameters.h"
#include "train/state.h"

/* Models that a training reads and does not change, or goes on from. Zeroed parts are not there. */
typedef struct lt_train_models {
    const lt_tensor *init; /* [init_count], sorted canonical tensors of options->init; NULL: fresh weights */
    size_t init_count;
    const lt_unet *init_unet; /* what the shapes of init cannot tell; NULL where init has no such part */
    const lt_vae *init_vae;
    const lt_clip_text *init_text;
    const lt_clip_image *init_image;
    const lt_classifier *init_classifier;
    char *const *init_labels; /* [init_classifier->classes] */

    const lt_vae *vae; /* unet, classifier: the latents' */
    const lt_tensor *vae_tensors;
    size_t vae_count;
    const lt_clip_text *text;   /* unet: the contexts' */
    const lt_clip_image *image; /* of the same file; NULL if it has none */
    const lt_tensor *text_tensors;
    size_t text_count;

    const lt_tokenizer *tokenizer;
    const lt_noise_schedule *schedule;
} lt_train_models;

typedef struct lt_training {
    const lt_train_options *options;
    const lt_train_models *models;
    lt_target target;
    lt_dataset *data, *validation; /* validation: NULL without */
    char *cache;                   /* the folder for what is computed once */
    lt_parameters parameters;
    lt_plan *plan; /* forward and backward */
    lt_optimizer optimizer;
    lt_run_state run;
    bool stopped; /* the caller said so: what is left to be done is done soon */
    void *state;  /* the task's own */
} lt_training;

/* One kind of training. Functions may be NULL where that is said. */
typedef struct lt_task {
    const char *name;
    const char *module; /* what learns, for messages: "the VAE" */
    size_t state_size;
    bool alone; /* the model's file holds what describe lists, and nothing else of the parameters */
    /* Makes parameters and plan, and nothing that takes long; data sets are open. On failure close is still called. */
    lt_status (*open)(lt_training *t);
    /* Begins reading at t->run.place, after what is computed once. NULL: nothing to begin. */
    lt_status (*start)(lt_training *t);
    /* The next batch into the plan's inputs; moves t->run.place on. */
    lt_status (*next)(lt_training *t);
    /* The loss of the run that has just ended, and further numbers into row's names and values. */
    double (*loss)(lt_training *t, lt_log_row *row);
    /* Before the model is written, with the averaged weights in place: measures what goes into it. NULL: nothing.
     * LT_ERROR_CANCELLED where the caller stops it, by lt_training_poll: what was measured until then has to do. */
    lt_status (*finish)(lt_training *t);
    /* What the model's file says beside its tensors, and the tensors that are in it but not trained,
     * or, of a task that is alone, all that are in it. */
    lt_status (*describe)(lt_training *t, lt_settings *settings, lt_tensor_list *frozen);
    void (*close)(lt_training *t); /* frees what is in state */
} lt_task;

extern const lt_task lt_task_vae, lt_task_clip, lt_task_unet, lt_task_classifier, lt_task_lora, lt_task_embedding;

/* What a trained file's metadata say of the steps that made it. */
extern const char lt_train_steps_key[];

/* The loop. options have been checked. */
lt_status lt_task_run(const lt_task *task, const lt_train_options *options, const lt_train_models *models);

/* LT_ERROR_ARGUMENT for what makes no sense. */
lt_status lt_training_check_options(const lt_task *task, const lt_train_options *options);
/* LT_ERROR_ARGUMENT where the training would write over what it was not told to lose: the output, or these two. */
lt_status lt_training_check_place(const lt_train_options *options, const char *state, const char *log);

/* ---- For tasks (task.c) ---- */

/* Fresh parameters of list, or with options->init those of its tensors that part picks, of which trains are trained.
 * Frees list. */
lt_status lt_training_make_parameters(lt_training *t, lt_tensor_list *list, lt_trains_fn part, lt_trains_fn trains);

/* The same of list as it is: what has data begins with it. */
lt_status lt_training_own_parameters(lt_training *t, lt_tensor_list *list, lt_trains_fn trains);

/* The plan of graph, which is freed on failure. built: what building it returned. */
lt_status lt_training_make_plan(lt_training *t, lt_graph *graph, lt_status built);

/* Begins reading batches of the training's pictures at t->run.place. */
lt_status lt_training_start_loader(const lt_training *t, lt_loader **loader);

/* A fresh U-Net, or half of one, as the options have it, for inputs of so many channels. */
lt_unet lt_training_unet(const lt_training *t, int channels);

/* For a training that reads captions: says how many pictures have none, and refuses data, which is at path, where none
 * has one. */
lt_status lt_training_check_captions(const lt_training *t, const lt_dataset *data, const char *path);

/* LT_ERROR_CANCELLED where the caller asks to stop what is done beside the steps: "encoding pictures". */
lt_status lt_training_poll(const lt_training *t, const char *doing);
/* The same of what a task measures in the end, for plans. */
lt_status lt_training_poll_measuring(void *training);

/* Tells the caller's user something, printf style. */
void lt_training_notify(const lt_training *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
