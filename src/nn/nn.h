/* Layers: each looks its weights up by name, checks their shapes, and appends operations to a graph.
 *
 * After a failure (a missing weight, a wrong shape) the graph keeps the status and every layer returns NULL; a model's
 * forward pass reads as if nothing could fail, and asks for the status once at its end. */
#ifndef LT_NN_H
#define LT_NN_H

#include "graph/graph.h"

typedef struct lt_nn {
    lt_graph *graph;
    lt_weights *weights;
    const char *model; /* for messages: "unet" */
    int groups;        /* of every group norm */
} lt_nn;

/* A name made of parts, by value: lt_name_of("%s.%d", block, i).text */
typedef struct lt_name {
    char text[192];
} lt_name;
lt_name lt_name_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Output channels of the layer called name (the first dimension of its weight), or 0 with the graph failed. */
int lt_channels_of(lt_nn *nn, const char *name);

/* ---- Layers ---- */

/* A convolution, or with kernel 0 a linear layer, which takes [oc, c] and [oc, c, 1, 1] weights alike. Where the
 * weights have NAME.lora_down.weight, a pair of low rank is added to it that learns in its place (Hu et al. 2021):
 *     layer(x) + alpha / rank * up(down(x)),     NAME.lora_down.weight [rank, c, kernel, kernel], NAME.lora_up.weight
 *                                                [oc, rank, 1, 1], NAME.alpha [] */
typedef struct lt_conv_layer {
    int channels;                           /* of the output; 0: what the weight has */
    int kernel, stride, pad_begin, pad_end; /* stride 0 is 1 */
    bool no_bias;
    lt_activation activation;
    lt_node *skip;     /* a second source, behind x */
    lt_node *residual; /* added last */
    float alpha;       /* as lt_conv_options has them, as are: */
    int reads, width;
    bool append;
} lt_conv_layer;

lt_node *lt_conv_of(lt_nn *nn, const char *name, lt_node *x, lt_conv_layer layer);
static inline lt_node *lt_linear(lt_nn *nn, const char *name, lt_node *x) {
    return lt_conv_of(nn, name, x, (lt_conv_layer){0});
}
static inline lt_node *lt_conv3x3(lt_nn *nn, const char *name, lt_node *x) {
    return lt_conv_of(nn, name, x, (lt_conv_layer){.kernel = 3, .pad_begin = 1, .pad_end = 1});
}

typedef struct lt_group_norm_layer {
    float eps;
    lt_activation activation;
    lt_node *skip;   /* a second source, behind x */
    lt_node *vector; /* [n,1,1,c], added before the norm */
} lt_group_norm_layer;

lt_node *lt_group_norm(lt_nn *nn, const char *name, lt_node *x, lt_group_norm_layer layer);
lt_node *lt_layer_norm(lt_nn *nn, const char *name, lt_node *x);
lt_node *lt_sum(lt_nn *nn, lt_node *a, lt_node *b);                    /* of one shape */
lt_node *lt_activate(lt_nn *nn, lt_node *x, lt_activation activation); /* x itself for LT_ACT_NONE */
lt_node *lt_attention(lt_nn *nn, lt_node *q, lt_node *k, lt_node *v, lt_node *lengths, int heads, bool causal);
lt_node *lt_match_tokens(lt_nn *nn, lt_node *x, int merged);
lt_node *lt_merge_tokens(lt_nn *nn, lt_node *x, lt_node *places, int merged);
lt_node *lt_unmerge_tokens(lt_nn *nn, lt_node *x, lt_node *places, lt_node *residual, int merged);
lt_node *lt_upsample(lt_nn *nn, lt_node *x, int h, int w);
lt_node *lt_shuffle(lt_nn *nn, lt_node *x, int factor, bool fine);
lt_node *lt_blend(lt_nn *nn, lt_node *a, lt_node *b, lt_blend_options options);
lt_node *lt_prelu(lt_nn *nn, const char *name, lt_node *x);
lt_node *lt_halve(lt_nn *nn, lt_node *x);
lt_node *lt_timestep(lt_nn *nn, lt_node *t, int channels);
/* Tables of two dimensions, by their whole names. more: vectors [1,1,rows,c] for the ids under 0; NULL: none. */
lt_node *lt_token_embedding(lt_nn *nn, const char *table, const char *positions, lt_node *ids, lt_node *more);
lt_node *lt_class_token(lt_nn *nn, const char *token, const char *positions, lt_node *patches);
lt_node *lt_pick_row(lt_nn *nn, lt_node *x, lt_node *index);
/* The weight of that whole name, [.., tokens, c], as tokens of each of n samples [n,1,tokens,c]. */
lt_node *lt_learned_tokens(lt_nn *nn, const char *name, int n);
lt_node *lt_join_tokens(lt_nn *nn, lt_node *a, lt_node *b);
lt_node *lt_channels(lt_nn *nn, lt_node *x, int first, int count);
lt_node *lt_reshape(lt_nn *nn, lt_node *x, int tokens);
lt_node *lt_add_weighed(lt_nn *nn, lt_node *a, lt_node *b, lt_node *weights);
lt_node *lt_clip_crop(lt_nn *nn, lt_node *x, int size);
lt_node *lt_affine(lt_nn *nn, lt_node *x, const float *numbers, int channels); /* scale [channels], shift [channels] */
lt_node *lt_cosine(lt_nn *nn, lt_node *a, lt_node *b);
lt_node *lt_cross_entropy(lt_nn *nn, lt_node *logits, lt_node *labels);

/* ---- Blocks ---- */

/* The names of a residual block's layers, which U-Net and VAE give differently. */
typedef struct lt_residual_names {
    const char *norm1, *conv1, *time, *norm2, *conv2, *shortcut;
} lt_residual_names;

/* h = conv2(silu(norm2(conv1(silu(norm1([x, skip]))) + time(emb)))) + shortcut([x, skip]); He et al. 2015, Ho et al.
 * 2020. emb [n,1,1,c] has had its SiLU; NULL in the VAE. The shortcut is a 1x1 convolution if there is a weight for it.
 */
lt_node *lt_residual_block(lt_nn *nn, const char *name, const lt_residual_names *names, lt_node *x, lt_node *skip,
                           lt_node *emb, float eps);

/* What cross-attention reads, and how heads are counted: heads if not 0, else channels / head_size. */
typedef struct lt_transformer_inputs {
    lt_node *context, *context_lengths;
    int heads, head_size;
    bool crossed; /* the first attention of each block reads the context, too (diffusers' only_cross_attention) */
    int merged;   /* tokens that are merged away before self-attention; 0: none */
    /* Image prompts (IP-Adapter, Ye et al. 2023): each has keys and values of its own for the same queries, and its
     * attention is added, for each query weighed by weights [n,h,w,1]. */
    int image_count;
    struct {
        int tokens;
        lt_node *weights;
    } images[LT_MOST_IMAGE_PROMPTS];
} lt_transformer_inputs;

/* Rombach et al. 2022: norm, proj_in, then for each of its depth blocks self-attention, cross-attention and a GEGLU
 * network, each behind a layer norm and added back, then proj_out, and x added. Each cross-attention has for each image
 * prompt inputs "image_keys" and "image_values" [n,1,tokens,c] of the graph, in this order. */
lt_node *lt_spatial_transformer(lt_nn *nn, const char *name, lt_node *x, int depth,
                                const lt_transformer_inputs *inputs);

/* CLIP's layer: self-attention and a two-layer network, each behind a layer norm and added back. name: "...layers.3" */
lt_node *lt_clip_layer(lt_nn *nn, const char *name, lt_node *x, int heads, bool causal, lt_activation activation);

#endif
