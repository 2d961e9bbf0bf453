/* How good a model is, in numbers: what latent.h has of it, below. */
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

/* ---- Keys (list.c) ---- */

/* The same key of each picture of a data set, from folder/metadata.jsonl, NULL where a picture has none; keys
 * [lt_dataset_count], their strings in arena. */
lt_status lt_dataset_keys(const lt_dataset *dataset, const char *folder, const char *key, lt_arena *arena,
                          const char **keys);

/* ---- Over pictures that were drawn (samples.c) ---- */

enum { LT_THUMBNAIL = 32 }; /* pixels a side, at which pictures are compared */

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
