/* The operations and their options. */
#ifndef LT_OPS_H
#define LT_OPS_H

#include "ops/op.h"

extern const lt_op lt_op_input; /* no inputs: the caller writes its memory before a run */

/* act(conv([x, skip]) + bias) + residual. inputs: x, skip (or none), residual (or none). weights: weight, bias (or
 * none). */
extern const lt_op lt_op_conv;
typedef struct lt_conv_options {
    int channels; /* of the output */
    int kernel, stride, pad_begin, pad_end;
    lt_activation activation;
} lt_conv_options;

/* inputs: x, skip (or none), vector [n,1,1,c] added to each pixel first (or none). weights: gamma, beta. */
extern const lt_op lt_op_group_norm;
typedef struct lt_group_norm_options {
    int groups;
    float eps;
    lt_activation activation;
} lt_group_norm_options;

/* inputs: x. weights: gamma, beta. */
extern const lt_op lt_op_layer_norm;
typedef struct lt_layer_norm_options {
    float eps;
} lt_layer_norm_options;

/* inputs: q, k, v, lengths [n,1,1,1] of k and v (or none). */
extern const lt_op lt_op_attention;
typedef struct lt_attention_options {
    int heads;
    bool causal;
} lt_attention_options;

/* inputs: a, b of the same shape. */
extern const lt_op lt_op_add;

/* inputs: x. Nearest neighbour to h x w, as torch.nn.functional.interpolate(mode="nearest"). */
extern const lt_op lt_op_upsample;
typedef struct lt_upsample_options {
    int h, w;
} lt_upsample_options;

/* inputs: t [n,1,1,1]. [cos(t f_i), sin(t f_i)], f_i = 10000^(-i / (channels/2)); Ho et al. 2020 with diffusers' order.
 */
extern const lt_op lt_op_timestep;
typedef struct lt_timestep_options {
    int channels;
} lt_timestep_options;

/* inputs: ids [n,1,tokens,1]. weights: table [vocabulary, c], positions [at least tokens, c]. table[id] + positions[i].
 */
extern const lt_op lt_op_token_embedding;

/* inputs: patches [n,h,w,c]. weights: class [c], positions [h*w+1, c]. [class; patches] + positions -> [n,1,h*w+1,c].
 */
extern const lt_op lt_op_class_token;

/* inputs: x [n,h,w,c], index [n,1,1,1] (or none: row 0). Row index[i] of sample i -> [n,1,1,c]. */
extern const lt_op lt_op_pick_row;

#endif
