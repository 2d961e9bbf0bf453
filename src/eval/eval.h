/* How good a model is, in numbers: what is counted (plain functions), and what is measured over a data set or over
 * pictures that were drawn. `latent eval` prints them. */
#ifndef LT_EVAL_H
#define LT_EVAL_H

#include "data/dataset.h"
#include "diffusion/bound.h"
#include "formats/arena.h"
#include "pipeline/session.h"
#include "train/recall.h"

/* ---- Pictures ---- */

/* Mean squared error of bytes [n] taken as 0 .. 1, and the PSNR that it means in dB; of equal pictures, which have
 * none, LT_PSNR_MOST. */
double lt_mean_square(const uint8_t *a, const uint8_t *b, size_t n);
double lt_psnr(double mean_square);
enum { LT_PSNR_MOST = 100 };

/* ---- Lists: what is asked for by name (list.c) ---- */

typedef struct lt_prompt_row {
    const char *prompt, *key; /* key: NULL where it is not asked for */
    size_t line;              /* of the file */
} lt_prompt_row;

typedef struct lt_prompt_list {
    lt_prompt_row *rows;
    size_t count;
    lt_arena arena; /* that the strings live in */
} lt_prompt_list;

/* Prompts of a file: of a .txt one in each line that isn't blank, of any other file a JSON object in each line, whose
 * "prompt" is the prompt. key, if not NULL, is what each object must have besides: a string or a whole number. Stops
 * after limit of them, if that is not 0. Messages name file and line. */
lt_status lt_prompts_read(const char *path, const char *key, size_t limit, lt_prompt_list *list);
void lt_prompts_free(lt_prompt_list *list); /* a zeroed one is fine */

/* The same key of each picture of a data set, from folder/metadata.jsonl, NULL where a picture has none; keys
 * [lt_dataset_count], their strings in arena. */
lt_status lt_dataset_keys(const lt_dataset *dataset, const char *folder, const char *key, lt_arena *arena,
                          const char **keys);

/* ---- Who watches ---- */

typedef struct lt_watch {
    bool (*progress)(void *user, size_t done, size_t count); /* false ends it with LT_ERROR_CANCELLED; may be NULL */
    bool (*cancelled)(void *user);                           /* asked within a picture; may be NULL */
    void *user;
} lt_watch;

/* ---- Over a data set (vae.c, recall.c, bound.c) ---- */

/* Pictures of a data set: all of them, or `count` that the seed draws. */
typedef struct lt_eval_data {
    lt_session *session;
    const lt_dataset *dataset;
    size_t count; /* 0: all */
    int size;     /* pixels a side; 0: the model's own */
    uint64_t seed;
    lt_watch watch;
} lt_eval_data;

/* What the VAE makes of pictures that go through it, by the posterior's mean, compared as bytes. */
typedef struct lt_reconstruction {
    size_t count;
    int size;
    double mean_psnr;    /* of each picture's */
    double psnr_of_mean; /* of the mean squared error over all */
    double worst_psnr, best_psnr;
    const char *worst, *best; /* names, of the data set */
} lt_reconstruction;
lt_status lt_eval_reconstruction(const lt_eval_data *data, lt_reconstruction *out);

/* CLIP over pairs of a picture and its first text; pictures without one are left out. Texts that are the same are one:
 * a text finds any of its pictures. */
typedef struct lt_clip_recall {
    size_t pictures, texts; /* in the two pools */
    lt_hits by_text, by_picture;
} lt_clip_recall;
lt_status lt_eval_recall(const lt_eval_data *data, lt_clip_recall *out);

/* The variational bound (diffusion/bound.h) of the U-Net over the latents (the posterior's mean) of pictures, given
 * their first text; in nats for each dimension of the latent. */
typedef struct lt_bound_terms {
    double prior, steps, end; /* L_T, the sum of L_{t-1}, L_0 */
    double total, error;      /* their sum, and its standard error over the pictures; 0 for one picture */
} lt_bound_terms;
typedef struct lt_bound {
    size_t count, dimensions;
    int size, timesteps;
    lt_bound_terms terms[LT_VARIANCE_COUNT];
} lt_bound;
/* timesteps: at how many places of the schedule each picture is noised for the sum of L_{t-1}, 1 .. 10000. */
lt_status lt_eval_bound(const lt_eval_data *data, int timesteps, lt_bound *out);

/* ---- Over a data set, by classifiers (judges.c) ---- */

enum { LT_MAX_JUDGES = 16, LT_MAX_KINDS = 64 };

/* A classifier of clean pixels, and which key of a picture's line says the class that it should see. */
typedef struct lt_judge {
    const char *aspect; /* "thing", "colour" */
    lt_session *session;
} lt_judge;

typedef struct lt_judging {
    const lt_dataset *dataset;
    const lt_judge *judges; /* [count], LT_MAX_JUDGES at most */
    size_t count;
    lt_watch watch;
} lt_judging;

/* Pictures whose lines have the same "kind" ("all": none). */
typedef struct lt_judged {
    const char *kind;
    size_t pictures, all_right; /* that some judge was asked about; that all who were asked found right */
    size_t asked[LT_MAX_JUDGES], right[LT_MAX_JUDGES];
} lt_judged;

typedef struct lt_judgement {
    lt_judged kinds[LT_MAX_KINDS]; /* [count], in the order in which they come */
    size_t count;
    lt_arena arena;
} lt_judgement;

/* Every judge looks at each picture whose line, in folder/metadata.jsonl, has its aspect, and a class that it knows.
 * Where a line has "things", two of them, and a "relation" (left, beside, above, on), the judge of "thing" looks for
 * each of both where the relation has it. lt_judgement_free is due even after a failure. */
lt_status lt_eval_judges(const lt_judging *judging, const char *folder, lt_judgement *out);
void lt_judgement_free(lt_judgement *judgement); /* a zeroed one is fine */

/* ---- Over pictures that were drawn (samples.c) ---- */

enum { LT_THUMBNAIL = 32 }; /* pixels a side, at which pictures are compared */

typedef struct lt_clip_score {
    size_t count;
    double similarity; /* mean cosine of a picture and its prompt */
    double score;      /* mean max(100 cosine, 0): Hessel et al. 2021 as it is usually scaled */
    double baseline;   /* mean cosine with the other prompts; NaN without others */
    lt_hits hits;      /* the prompt searched among all prompts by its picture */
} lt_clip_score;

typedef struct lt_retrieval {
    size_t pictures; /* of the data set */
    lt_hits hits;
    double chance[LT_HIT_LIMITS]; /* what hits would be in a random order */
} lt_retrieval;

typedef struct lt_samples lt_samples;

/* Begins a comparison of samples with their prompts by clip (NULL: without) and with the pictures of a data set, whose
 * keys are keys (dataset NULL: without). Every prompt's key must be some picture's. All of it outlives the samples. */
lt_status lt_samples_open(const lt_prompt_list *prompts, lt_session *clip, const lt_dataset *dataset,
                          const char *const *keys, const lt_watch *watch, lt_samples **samples);
/* A picture that was drawn for prompts->rows[prompt]. */
lt_status lt_samples_add(lt_samples *samples, size_t prompt, const lt_image *image);
/* What they are so far; what was not asked for is zeroed. */
void lt_samples_result(const lt_samples *samples, lt_clip_score *score, lt_retrieval *retrieval);
void lt_samples_close(lt_samples *samples); /* NULL is fine */

#endif
