/* The U-Net that predicts the noise: Ronneberger et al. 2015, Ho et al. 2020, Rombach et al. 2022; its description
 * holds SD 1.x, SD 2.x and SDXL, and others of any width, depth and number of levels. */
#ifndef LT_UNET_H
#define LT_UNET_H

#include "graph/graph.h"
#include "models/walk.h"

/* What stands between what goes down and what comes up. */
typedef enum lt_middle {
    LT_MIDDLE_WHOLE, /* two residual blocks, with a transformer between them that has depth */
    LT_MIDDLE_ONE,   /* a residual block (SSD-1B) */
    LT_MIDDLE_NONE   /* nothing (BK-SDM's small ones) */
} lt_middle;

typedef enum lt_unet_way { LT_WAY_DOWN, LT_WAY_UP, LT_WAYS } lt_unet_way;

/* Names and shapes tell all but groups, heads and head_size (lt_unet_open says what they are where nothing is said). */
typedef struct lt_unet {
    lt_weights *weights; /* NULL: a description alone */
    int in_channels,
        out_channels; /* 4 and 4; an inpainting model reads 9: latent 4, mask 1, masked picture's latent 4 */
    int channels;     /* of the first convolution; the time embedding has four times as many */
    int levels;       /* SD 1: 4 of two blocks each, 320, 640, 1280 and 1280 wide, with a transformer but for the */
    lt_resolution level[LT_MAX_LEVELS]; /* last; SDXL: 3, with transformers of 0, 2 and 10 blocks */
    /* What a block's transformer is deeper than its level says: in distilled ones (SSD-1B) it depends on the block. */
    int8_t deeper[LT_WAYS][LT_MAX_LEVELS][LT_MAX_BLOCKS + 1];
    lt_middle middle;
    int middle_depth; /* of the middle's transformer; 0: there is none */
    int context_dim;  /* of cross-attention; 0: the model takes no context */
    int vector_dim;   /* SDXL: of the pooled text and the sizes that are added to the time embedding; 0: none are */
    int scale_dim;    /* of the guidance scale that is told (lt_embed_scale), to models distilled with it; 0: not */
    bool linear;      /* transformers project with linear layers (SD 2, SDXL), not with 1x1 convolutions */
    bool crossed[LT_MAX_LEVELS]; /* SDXS: transformers read the context in place of themselves, too */
    int slots;  /* of blocks that LDM's names count at each level, in files that left some out; 0: those there */
    int groups; /* of every group norm */
    int heads, head_size; /* heads, or if that is 0, channels of a head */
} lt_unet;

/* Of the transformer behind a block; 0: there is none. */
int lt_unet_depth(const lt_unet *unet, lt_unet_way way, int level, int block);
/* How far LDM's names count its blocks on the way up. */
int lt_unet_outputs(const lt_unet *unet);
/* Whether any block of the level has one. */
bool lt_unet_attends(const lt_unet *unet, lt_unet_way way, int level);

/* Walks over all of it, or over what goes down, the middle included. */
void lt_unet_walk(const lt_unet *unet, lt_walk *walk);
void lt_unet_walk_down(const lt_unet *unet, lt_walk *walk);

/* What names and shapes tell, which is all 0 for what is missing, but for the number of levels and blocks:
 * LT_ERROR_MODEL where these make no sense. */
lt_status lt_unet_read(const lt_names *names, lt_naming naming, lt_unet *unet);

/* How many heads there are cannot be told from shapes: SD 1.x projects with convolutions and has 8 heads; SD 2.x
 * and SDXL project with linear layers and have heads of 64. */
void lt_unet_guess_heads(lt_unet *unet);

/* Reads the description from weights named as in an LDM file ("model.diffusion_model...."). */
lt_status lt_unet_open(lt_weights *weights, lt_unet *unet);

/* The deep features are what comes up to the last block, whose skip is the first convolution's output: all that lies
 * further inside. They change little from step to step, so that one step's may serve the next ones, which then run the
 * first convolution and the last block alone (DeepCache, Ma et al. 2023, with the outermost skip as branch). */
typedef enum lt_deep {
    LT_DEEP_INSIDE, /* nobody asks for them */
    LT_DEEP_OUT,    /* another output, "deep" [n,h,w,c] */
    LT_DEEP_IN      /* an input, "deep", in place of what makes them */
} lt_deep;

/* What of the forward pass is left out; zeroed: nothing. */
typedef struct lt_shortcuts {
    lt_deep deep;
    int merged; /* tokens that are merged before each self-attention at the first level (kernels/merge.h) */
} lt_shortcuts;

/* What cross-attention reads beside the context: image prompts, each with so many tokens. */
typedef struct lt_image_tokens {
    int count, tokens[LT_MOST_IMAGE_PROMPTS];
} lt_image_tokens;

/* What comes from outside and is added on the way; zeroed: nothing. */
typedef struct lt_additions {
    int residuals; /* 1: inputs "residual.I" as large as what is kept at the I-th place, to that, and to what comes out
                      of the middle the one behind the last: a ControlNet's. Around given deep features, the first alone
                    */
    int features;  /* 1: inputs "feature.I" as large as what the I-th level ends with on the way down, to that: a
                      T2I-Adapter's */
    lt_image_tokens images;
} lt_additions;

enum { LT_MOST_RESIDUALS = 24 };
extern const char *const lt_residual_ports[LT_MOST_RESIDUALS]; /* "residual.0", ... */
extern const char *const lt_feature_ports[LT_MAX_LEVELS];      /* "feature.0", ... */

/* What it keeps of a picture of h x w, and what its middle makes: the shapes (n = 1) of its residuals. Returns how many
 * they are, LT_MOST_RESIDUALS at most. */
int lt_unet_residuals(const lt_unet *unet, int h, int w, lt_shape shapes[LT_MOST_RESIDUALS]);

/* The same of what its levels end with on the way down: of its features. */
int lt_unet_features(const lt_unet *unet, int h, int w, lt_shape shapes[LT_MAX_LEVELS]);

/* For a person: "Stable Diffusion 1", as the width of contexts and the vector tell. */
const char *lt_unet_family(const lt_unet *unet);

/* Inputs: "x" [n,h,w,in_channels], "t" [n,1,1,1], "context" [n,1,tokens,context_dim], unless it stands in the graph,
 * and "context_lengths" [n,1,1,1] (tokens of each sample's context that count), and with a vector_dim "y"
 * [n,1,1,vector_dim], with a scale_dim "timestep_cond" [n,1,1,scale_dim]. Output: "out"
 * [n,h,w,out_channels]. Of image prompts also, of each cross-attention in the order in which they run, for each prompt,
 * "image_keys" and "image_values" [n,1,tokens,c], and of each resolution that has any, for each prompt,
 * "image_weights" [n,h,w,1]. */
lt_status lt_unet_build(const lt_unet *unet, int n, int h, int w, int tokens, lt_shortcuts shortcuts,
                        lt_additions added, lt_graph *graph);

enum { LT_MOST_SCALE_DIM = 1024 };

/* What a model that was distilled with guidance is told of the scale (diffusers' get_guidance_scale_embedding of
 * guidance - 1, after Kingma et al. 2021): out [dim]. */
void lt_embed_scale(float guidance, int dim, float *out);

/* What can be looked at of a U-Net: where a place of the walk ends, and its cross-attentions. */
typedef struct lt_unet_spot {
    lt_name name; /* the graph's place (lt_graph_place), without the prefix */
    lt_step step; /* LT_STEP_ATTENTION, or the place's */
    int level;
    int beside; /* on the way up: the number of the spot whose value is put beside; else -1 */
} lt_unet_spot;
enum { LT_MAX_SPOTS = 1024 };
typedef struct lt_unet_spots {
    lt_unet_spot items[LT_MAX_SPOTS];
    int count;
    int kept[1 + LT_MAX_LEVELS * (LT_MAX_BLOCKS + 1)], depth; /* while they are listed */
} lt_unet_spots;
void lt_unet_list_spots(const lt_unet *unet, lt_unet_spots *spots);
/* The place's own name, or, of the first and the last, their convolution's. */
const char *lt_unet_spot_name(const lt_place *place);

/* Cross-attentions, at most. */
enum { LT_MAX_ATTENTIONS = 256 };

/* The channels of the U-Net's cross-attentions, in the order in which they run: those on the way down, in the middle
 * and on the way up; and how many they are in each of these. */
typedef struct lt_attentions {
    int channels[LT_MAX_ATTENTIONS], count;
    int down, middle, up;
} lt_attentions;
void lt_unet_attentions(const lt_unet *unet, lt_attentions *attentions);
/* Where the i-th stands that diffusers counts: down, up, middle. */
int lt_attention_running(const lt_attentions *attentions, int i);

#endif
