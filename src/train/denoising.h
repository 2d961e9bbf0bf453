/* Learning to predict the noise: what the trainers of the U-Net, of LoRAs and of embeddings share. The state of their
 * tasks begins with it. */
#ifndef LT_DENOISING_H
#define LT_DENOISING_H

#include "train/contexts.h"
#include "train/latents.h"
#include "train/masks.h"
#include "train/task.h"

/* Of the training's plan. */
typedef struct lt_denoising_ports {
    lt_port x, t, context, target, weight, loss;
    lt_clip_inputs text; /* where the text encoder learns */
} lt_denoising_ports;

/* All that belongs to pictures of one size. */
typedef struct lt_frame {
    lt_latents latents;
    lt_masks masks;
    lt_plan *plan; /* which rests while another frame's runs */
    lt_denoising_ports port;
} lt_frame;

typedef struct lt_denoising {
    lt_unet unet;
    lt_clip_text text;   /* over the training's weights, where gradients go through it; else without weights */
    lt_vector_word word; /* that stands for vectors which learn; count 0: none */
    lt_noise_schedule schedule;
    lt_buckets buckets;
    lt_frame *frames, *now; /* [buckets.count]; now: the one whose plan is the training's */
    lt_contexts contexts;
    float *noise, *x, *target; /* [batch, h, w, c] of the largest frame */
} lt_denoising;

/* Says what shapes latents and contexts have. Then come the training's parameters, and text, if it learns; */
lt_status lt_denoising_open(lt_training *t, lt_denoising *d);
/* then the plan. */
lt_status lt_denoising_build(lt_training *t, lt_denoising *d);

/* Of tasks (task.h). */
lt_status lt_denoising_start(lt_training *t);
lt_status lt_denoising_next(lt_training *t);
double lt_denoising_loss(lt_training *t, lt_log_row *row);
void lt_denoising_close(lt_training *t);

#endif
