/* CLIP's two towers: Radford et al. 2021. The text tower alone is SD 1.x's text encoder; XL has two of them. */
#ifndef LT_CLIP_H
#define LT_CLIP_H

#include "models/walk.h"

/* Names and shapes tell all but heads, activation, pad and how many layers are run. */
typedef struct lt_clip_text {
    lt_weights *weights; /* NULL: a description alone */
    const char *prefix;  /* of its tensors' names: "cond_stage_model.transformer.text_model." or "text_model." */
    int width, hidden, layers,
        heads;      /* layers: that are run, from the first on; all of them unless a configuration says less */
    int vocabulary; /* 49408 */
    int positions;  /* tokens at most: 77 */
    lt_activation activation; /* QuickGELU; OpenCLIP's tower has GELU */
    int32_t pad;              /* the token that fills a context: 49407, with OpenCLIP 0 */
    const char *state;        /* the output that the U-Net reads: "out"; XL's "penultimate", without the final norm */
    const char *projected_by; /* the layer that makes the text embedding */
    int projection;           /* channels of that; 0 without such a layer */
} lt_clip_text;

/* Walks over the tower; prefix stands before its places' names. */
void lt_clip_text_walk(const lt_clip_text *text, const char *prefix, lt_walk *walk);

/* What names and shapes tell of the tower under prefix; all 0 for what is missing. */
void lt_clip_text_read(const lt_names *names, const char *prefix, lt_clip_text *text);

/* The same with the projection, in transformers' names: XL's second text encoder. */
void lt_clip_projected_walk(const lt_clip_text *text, lt_walk *walk);

/* The text encoders that weights hold: SD 1.x's or a CLIP's, and the second one of XL, whose contexts are both towers'.
 * One that is missing is zeroed. */
lt_status lt_clip_texts_open(lt_weights *weights, lt_clip_text *text, lt_clip_text *text_2);
/* The layers that the checkpoint has. */
int lt_clip_text_layers(const lt_clip_text *text);

/* Input: i32 "ids" [n,1,positions,1]. skip: layers left out at the end (clip-skip 1 leaves out none, so skip is 0).
 * Outputs: "out" [n,1,positions,width], after the final norm, and "penultimate", what feeds the last layer that the
 * checkpoint has, or the first that is left out. With embed, from the i32 input "end" [n,1,1,1] (the end token's
 * place), also "text_embeds" [n,1,1,projection], not normalised, of all layers. */
lt_status lt_clip_text_build(const lt_clip_text *text, int n, int skip, bool embed, lt_graph *graph);
/* What a training of an embedding adds to a tower's tensors, behind its prefix: vectors that learn. */
#define LT_CLIP_VECTORS "embeddings.vectors.weight"

/* The same with an input "vectors" [1,1,vectors,width], for which ids under 0 stand: -1 - i for the i-th. 0: none, but
 * for LT_CLIP_VECTORS, if they are among the weights. */
lt_status lt_clip_text_build_with(const lt_clip_text *text, int n, int skip, bool embed, int vectors, lt_graph *graph);

/* The inputs of a text tower's plan. */
typedef struct lt_clip_inputs {
    lt_port ids, end;
} lt_clip_inputs;
lt_clip_inputs lt_clip_inputs_of(lt_plan *plan);

/* Row `row` of "ids" becomes ids [positions], and of "end", if it is there, the first end token's place. */
void lt_clip_write_ids(const lt_clip_inputs *inputs, int row, const int32_t *ids);
/* "end" of every row from "ids". */
void lt_clip_find_ends(const lt_clip_inputs *inputs);

/* Scales an embedding [n] to length 1, as CLIP compares them; zeros stay zeros. */
void lt_normalise(float *row, size_t n);

/* What pixels in [0, 1] are normalised by, for each channel. */
extern const float lt_clip_mean[3], lt_clip_deviation[3];

typedef struct lt_clip_image {
    lt_weights *weights;
    int width, hidden, layers, heads;
    int patch, size; /* pixels a side */
    lt_activation activation;
    int projection;
} lt_clip_image;

void lt_clip_image_walk(const lt_clip_image *image, lt_walk *walk);
void lt_clip_image_read(const lt_names *names, lt_clip_image *image);

/* Walks over a CLIP of two towers, the projections included. */
void lt_clip_walk(const lt_clip_text *text, const lt_clip_image *image, lt_walk *walk);

lt_status lt_clip_image_open(lt_weights *weights, lt_clip_image *image);

/* Input: "pixels" [n,size,size,3], normalised by CLIP's mean and deviation. Output: "image_embeds" [n,1,1,projection],
 * not normalised. */
lt_status lt_clip_image_build(const lt_clip_image *image, int n, lt_graph *graph);
/* The same behind a node of the graph, x. */
lt_status lt_clip_image_append(const lt_clip_image *image, lt_node *x, lt_graph *graph);
/* The same input; output: "penultimate" [n,1,1 + patches,width], what feeds the last layer, which is not run. */
lt_status lt_clip_image_build_states(const lt_clip_image *image, int n, lt_graph *graph);

#endif
