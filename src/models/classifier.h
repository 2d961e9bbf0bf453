/* A classifier of noisy latents, p(y | x_t): the half of the U-Net that goes down, with its time embedding; attention
 * pooling; a linear layer. Dhariwal & Nichol 2021, section 4. */
#ifndef LT_CLASSIFIER_H
#define LT_CLASSIFIER_H

#include "models/unet.h"

typedef struct lt_classifier {
    lt_weights *weights;
    lt_unet half; /* what goes down: in_channels is 4, or 3 for pixels; its heads are the pooling's too */
    int size;     /* latents a side: the positions of the pooling are made for it */
    int classes;
} lt_classifier;

/* Walks over all of it. */
void lt_classifier_walk(const lt_classifier *classifier, lt_walk *walk);

/* Reads the description from weights named "classifier....". */
lt_status lt_classifier_open(lt_weights *weights, lt_classifier *classifier);

/* Inputs: "x" [n,size,size,in_channels], "t" [n,1,1,1]. Output: "logits" [n,1,1,classes]. */
lt_status lt_classifier_build(const lt_classifier *classifier, int n, lt_graph *graph);

/* The same for a graph that is to be differentiated, and from the input "label" [n,1,1,1] the output "loss", the mean
 * of -log p(y | x_t). */
lt_status lt_classifier_build_loss(const lt_classifier *classifier, int n, lt_graph *graph);

/* The same with the gradient that guides: output "gradient" [as x], of the sum over samples of log p(y | x_t) by x_t.
 */
lt_status lt_classifier_build_gradient(const lt_classifier *classifier, int n, lt_graph *graph);

#endif
