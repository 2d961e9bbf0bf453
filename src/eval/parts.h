/* What the files of an evaluation share. */
#ifndef LT_EVAL_PARTS_H
#define LT_EVAL_PARTS_H

#include "eval/eval.h"

/* ---- Pictures of a data set ---- */

size_t lt_eval_count(const lt_eval_data *data);
/* Which picture comes at place i: all in their order, or those that the seed draws, none of them twice. */
size_t lt_eval_index(const lt_eval_data *data, size_t i);

lt_status lt_eval_report(const lt_watch *watch, size_t done, size_t count);
/* The door of a public function that measures over a data set, to out [size]: measure is called with work, and the
 * model asks whether to stop, also within a picture. */
lt_status lt_eval_enter(const char *function, const lt_eval_data *data, void *out, size_t size,
                        lt_status (*measure)(const lt_eval_data *, void *), void *work);

/* ---- A picture on its way through the VAE (vae.c) ---- */

typedef struct lt_eval_vae {
    int size;
    size_t pixel_count, latent_count;
    float *pixels; /* [size, size, 3] */
    float *latent; /* [size / factor, size / factor, latent channels] */
} lt_eval_vae;

/* lt_eval_vae_close is due even after a failure. */
lt_status lt_eval_vae_open(const lt_eval_data *data, lt_eval_vae *w);
void lt_eval_vae_close(lt_eval_vae *w);
/* Picture i of the data set into pixels and latent (the posterior's mean). */
lt_status lt_eval_vae_load(const lt_eval_data *data, size_t i, lt_eval_vae *w);

/* ---- Embeddings (recall.c) ---- */

/* Takes in an embedding as pipeline/embedding.h gives it, and frees it. The first one says how long rows
 * are, and makes room for capacity of them; one of another length is LT_ERROR_MODEL. */
lt_status lt_embeddings_keep(lt_embeddings *e, size_t capacity, float *row, size_t dim, size_t group);
void lt_embeddings_free(lt_embeddings *e); /* a zeroed one is fine */

#endif
