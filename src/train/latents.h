/* The pictures of a training as the U-Net sees them: latents drawn from the encoder's posterior, scaled, or pixels. */
#ifndef LT_LATENTS_H
#define LT_LATENTS_H

#include "base/rng.h"
#include "train/buckets.h"
#include "train/cache.h"
#include "train/task.h"

typedef struct lt_latents {
    lt_bucket bucket; /* whose pictures they are */
    lt_shape shape;   /* of a batch */
    float scaling;
    float *z;       /* the batch: (mean + deviation * noise) * scaling, noise drawn by draws[i].random */
    lt_draw *draws; /* [batch]: which pictures, and what else is to be drawn for them (lt_latents_random) */
    size_t *rows;   /* [batch]: which of the bucket's */
    lt_cache cache; /* mean and deviation of every one of those, where none is cropped or flipped; else */
    lt_loader *loader;
    lt_plan *encoder; /* NULL in pixel space */
    lt_port x, made;  /* of the encoder: pixels, and mean and log-variance */
    float *moments;   /* [batch, h, w, 2c] mean and deviation of what the encoder was given last */
} lt_latents;

/* Says what shape they have; the bucket stays the caller's. With options->pixels there is no VAE; else models->vae must
 * be there. */
lt_status lt_latents_open(const lt_training *t, const lt_bucket *bucket, lt_latents *l);
/* Begins at t->run.place; before, encodes all of the bucket if it isn't cached. */
lt_status lt_latents_start(lt_training *t, lt_latents *l);
/* The next batch; moves t->run.place on. */
lt_status lt_latents_next(lt_training *t, lt_latents *l);
/* The batch of which draws and rows are set. */
lt_status lt_latents_take(lt_latents *l);
void lt_latents_close(lt_latents *l); /* a zeroed one is fine */

/* A generator of sample i's own, for what the trainer draws. */
void lt_latents_random(const lt_latents *l, int i, lt_rng *rng);

#endif
