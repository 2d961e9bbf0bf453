/* The operations and their options. */
#ifndef LT_OPS_H
#define LT_OPS_H

#include "ops/op.h"

/* No inputs: what holds the plan writes it before a run. Nothing runs. */
extern const lt_op lt_op_input;
typedef struct lt_input_options {
    lt_shape shape;
    lt_value_type_id type;
} lt_input_options;

/* inputs: a backward operation, one of whose results it holds; attributes: the shape. Nothing runs. */
extern const lt_op lt_op_result;

/* act(conv([x, skip]) + bias) + residual. inputs: x, skip (or none), residual (or none). weights: weight, bias (or
 * none). */
extern const lt_op lt_op_conv;
/* Whether one of these may be multiplied in 8 bits. */
bool lt_op_conv_narrows(const lt_operation *o);
typedef struct lt_conv_options {
    int channels; /* of the output */
    int kernel, stride, pad_begin, pad_end;
    lt_seamless wraps; /* axes along which the padding is what is on the other side */
    lt_activation activation;
    float alpha; /* act(conv([x, skip]) + bias) times that, + residual; 0: 1 */
    int reads;   /* channels of x, the first, that are read; 0: all. What the residual has more of is not read either */
    int width;   /* the output has so many, of which it writes its first ones; 0: its own */
    bool append; /* the output is x, with what is made behind the channels that are read: a dense block */
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

/* inputs: q, k, v, i32 lengths [n,1,1,1] of k and v (or none). */
extern const lt_op lt_op_attention;
typedef struct lt_attention_options {
    int heads;
    bool causal;
} lt_attention_options;

/* Token merging (kernels/merge.h): inputs: x [n,h,w,c] -> i32 places [n,1,h*w,1]; x [n,h,w,c] and places -> the means
 * there [n,1,kept,c]; x [n,1,kept,c], places and a residual [n,h,w,c] -> x at each token's place, plus that. */
extern const lt_op lt_op_match_tokens, lt_op_merge_tokens, lt_op_unmerge_tokens;
typedef struct lt_token_merge {
    int merged; /* tokens of a sample that go; no more do than there are sources */
} lt_token_merge;

/* inputs: a, b of the same shape. */
extern const lt_op lt_op_add;
/* inputs: a, b of the same shape [n,h,w,c], weights [n,h,w,1]. a + weights * b. Without a gradient. */
extern const lt_op lt_op_add_weighed;

/* No inputs; attributes: one float. [1,1,1,1] */
extern const lt_op lt_op_constant;

/* inputs: x. act(x), or with LT_ACT_GEGLU the first half of the channels times GELU of the second. */
extern const lt_op lt_op_activate;
typedef struct lt_activate_options {
    lt_activation activation;
} lt_activate_options;

/* inputs: x. Nearest neighbour to h x w, as torch.nn.functional.interpolate(mode="nearest"). */
extern const lt_op lt_op_upsample;
typedef struct lt_upsample_options {
    int h, w;
} lt_upsample_options;

/* inputs: x [n,h,w,c]. The mean of each 2x2 pixels, as far as they are there -> [n,(h+1)/2,(w+1)/2,c]. Without a
 * gradient. */
extern const lt_op lt_op_halve;

/* inputs: x [n,h,w,c]. What CLIP's preprocessing leaves of it: the shorter side scaled to size by antialiased bicubic,
 * then the centre -> [n,size,size,c]. */
extern const lt_op lt_op_clip_crop;
typedef struct lt_clip_crop_options {
    int size;
} lt_clip_crop_options;

/* inputs: x. attributes: floats scale [c], shift [c]. scale * x + shift. */
extern const lt_op lt_op_affine;

/* inputs: x. Pixels for channels, factor to 1 along each side, or with fine channels for pixels: kernels/pixels.h. */
extern const lt_op lt_op_shuffle;
typedef struct lt_shuffle_options {
    int factor;
    bool fine;
} lt_shuffle_options;

/* inputs: a, b (or none). The first channels of a + scale * b, in a value of `width` channels, whose others mean
 * nothing.
 */
extern const lt_op lt_op_blend;
typedef struct lt_blend_options {
    int channels, width;
    float scale;
} lt_blend_options;

/* inputs: x. weights: slopes [c]. x, times its channel's slope where it is below 0. */
extern const lt_op lt_op_prelu;

/* inputs: t [n,1,1,1]. [cos(t f_i), sin(t f_i)], f_i = 10000^(-i / (channels/2)); Ho et al. 2020 with diffusers' order.
 */
extern const lt_op lt_op_timestep;
typedef struct lt_timestep_options {
    int channels;
} lt_timestep_options;

/* inputs: i32 ids [n,1,tokens,1]. weights: table [vocabulary, c], positions [at least tokens, c]. table[id] +
 * positions[i].
 */
extern const lt_op lt_op_token_embedding;
/* The same with a second input more [1,1,rows,c]: id -1 - i stands for its row i. */
extern const lt_op lt_op_token_embedding_extended;

/* inputs: patches [n,h,w,c]. weights: class [c], positions [h*w+1, c]. [class; patches] + positions -> [n,1,h*w+1,c].
 */
extern const lt_op lt_op_class_token;

/* inputs: x [n,h,w,c], i32 index [n,1,1,1] (or none: row 0). Row index[i] of sample i -> [n,1,1,c]. */
extern const lt_op lt_op_pick_row;

/* Tokens [n,1,tokens,c] that are learned. No inputs; weights: [.., tokens, c]: the same ones for each of n samples. */
extern const lt_op lt_op_learned;
typedef struct lt_learned_options {
    int n;
} lt_learned_options;

/* inputs: a [n,1,tokens_a,c], b [n,1,tokens_b,c]. b behind a -> [n,1,tokens_a + tokens_b,c]. */
extern const lt_op lt_op_join_tokens;

/* inputs: x. Its channels [first, first + count). */
extern const lt_op lt_op_channels;
typedef struct lt_channels_options {
    int first, count;
} lt_channels_options;

/* inputs: x [n,h,w,c]. The numbers of a sample as so many tokens -> [n,1,tokens,h*w*c / tokens]. */
extern const lt_op lt_op_reshape;
typedef struct lt_reshape_options {
    int tokens;
} lt_reshape_options;

/* ---- Losses: scalars [1,1,1,1], summed in double precision ---- */

/* inputs: x, target (which has no gradient), weight [n,1,1,1] (or none: 1). The mean over samples of weight times the
 * mean over elements of (x - target)^2, or with absolute |x - target|. */
extern const lt_op lt_op_error;
typedef struct lt_error_options {
    bool absolute;
} lt_error_options;

/* inputs: moments [n,h,w,2c], mean then log-variance (clamped to [-30, 20]), noise [n,h,w,c]. mean + deviation * noise
 * -> [n,h,w,c]. The reparameterisation of Kingma & Welling 2013. */
extern const lt_op lt_op_posterior;

/* inputs: moments. KL(N(mean, variance) || N(0, 1)), summed over the latent, mean over the samples. */
extern const lt_op lt_op_kl;

/* inputs: images, texts [n,1,1,d]. weights: logit_scale. The symmetric cross-entropy of exp(logit_scale) times the
 * cosines of every image with every text, pair i belonging together; Radford et al. 2021. */
extern const lt_op lt_op_contrastive;

/* inputs: a, b (which has no gradient) of the same shape. The mean over samples of the cosine of the angle between
 * them. */
extern const lt_op lt_op_cosine;

/* inputs: logits [n,1,1,c], i32 labels [n,1,1,1]. mean of -log softmax(logits)[label]. */
extern const lt_op lt_op_cross_entropy;

#endif
