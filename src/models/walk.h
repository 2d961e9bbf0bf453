/* What a model is made of. Its description (lt_unet, lt_vae, lt_clip_text, ...) is numbers; one walk over it names
 * every layer in order, with its widths. Whoever needs to know goes along: the forward pass, the list of the tensors
 * that a file must have, the names that other programs give them, and the reading of the description itself, which
 * looks at the shapes of what the walk names.
 *
 * A walk goes from place to place ("input_blocks.4.0" is "down_blocks.1.resnets.0"), each with a table of the layers in
 * it ("in_layers.2" is "conv1", a convolution of OUT by IN). */
#ifndef LT_WALK_H
#define LT_WALK_H

#include "models/tensor_list.h"
#include "nn/nn.h"

/* Resolutions of a U-Net or a VAE, residual blocks at one of them, blocks of a transformer, at most. */
enum { LT_MAX_LEVELS = 8, LT_MAX_BLOCKS = 32, LT_MAX_DEPTH = 32 };
enum { LT_NAME_SIZE = 256, LT_PLACE_SIZE = 64 };

/* One resolution of a U-Net or a VAE, the finest first. */
typedef struct lt_resolution {
    int channels;
    int blocks; /* residual ones on the way down; on the way up there is one more */
    int depth;  /* of the transformer behind each; 0: there is none */
} lt_resolution;

typedef enum lt_naming {
    LT_NAMING_LDM,
    LT_NAMING_DIFFUSERS, /* text encoder and CLIP: transformers */
    LT_NAMINGS
} lt_naming;

/* ---- Tables ---- */

/* What the dimensions of a layer are. */
typedef enum lt_width {
    LT_NO_WIDTH,
    LT_IN,
    LT_OUT,
    LT_SHORTCUT, /* IN where it is not OUT */
    LT_TIME,
    LT_VECTOR,
    LT_SCALE,
    LT_SEEN, /* what a transformer's first attention reads: itself, or the context */
    LT_CONTEXT,
    LT_HIDDEN,
    LT_GATED,
    LT_LINEARLY, /* 1: a transformer projects with linear layers, not with 1x1 convolutions */
    LT_ENTRIES,
    LT_POSITIONS,
    LT_PATCH,
    LT_WIDTHS
} lt_width;

typedef enum lt_kind {
    LT_KIND_NORM,
    LT_KIND_LINEAR,
    LT_KIND_MATRIX, /* a linear layer without bias */
    LT_KIND_CONV1,
    LT_KIND_CONV3,
    LT_KIND_BARE_CONV3, /* without a bias */
    LT_KIND_SLOPES,     /* PReLU's: a vector without a bias */
    LT_KIND_POINTWISE,  /* a 1x1 convolution in LDM's files, a linear layer in diffusers' */
    LT_KIND_PROJECTION, /* a linear layer if LINEARLY, or a 1x1 convolution */
    LT_KIND_PATCHES,    /* a convolution of three channels by PATCH, without bias */
    LT_KIND_VECTOR,     /* itself, without ".weight" */
    LT_KIND_SCALAR
} lt_kind;

/* A layer: what it is called in both worlds, what it is, its widths, and which width is 0 where it is missing. */
typedef struct lt_row {
    const char *name[LT_NAMINGS];
    lt_kind kind;
    lt_width out, in, only;
    bool old; /* another name of a row before: read, not written */
} lt_row;

#define LT_ROWS(table) (table), LT_COUNT(table)

/* A layer in a place of its own, whose name is the layer's. */
extern const lt_row lt_whole_conv3[1], lt_whole_conv1[1], lt_whole_norm[1], lt_whole_linear[1], lt_whole_matrix[1];

/* ---- Places ---- */

/* What the forward pass does there. */
typedef enum lt_step {
    LT_STEP_NONE, /* nothing by itself */
    LT_STEP_BEGIN,
    LT_STEP_RESIDUAL,
    LT_STEP_RESIDUAL_UP, /* beside what went down */
    LT_STEP_TRANSFORMER, /* the whole, whose inner places follow */
    LT_STEP_ATTENTION,
    LT_STEP_DOWN,
    LT_STEP_UP,
    LT_STEP_DENSE, /* a convolution of a dense block */
    LT_STEP_TRUNK, /* the one that ends all of them */
    LT_STEP_END
} lt_step;

typedef struct lt_place {
    char name[LT_NAMINGS][LT_PLACE_SIZE];
    const lt_row *rows;
    size_t count;
    lt_step step;
    int level, depth;
    bool crossed; /* a transformer that reads the context in place of itself, too */
    bool kept;    /* what comes out is put beside what comes up */
    bool last;    /* of its level's blocks on the way down */
    bool outer;   /* outside of a U-Net's deep features (unet.h) */
    int width[LT_WIDTHS];
} lt_place;

typedef struct lt_walk {
    void (*visit)(void *user, const lt_place *place);
    void *user;
    lt_place place; /* further widths, level, depth and kept are what was set last */
} lt_walk;

/* Visits a place. format prints its name in LDM, a space, and in diffusers; without the space it has one name. */
void lt_walk_visit(lt_walk *walk, lt_step step, int in, int out, const lt_row *rows, size_t count, const char *format,
                   ...) __attribute__((format(printf, 7, 8)));

/* The layers' canonical names in a place that is a residual block. */
lt_residual_names lt_residual_names_of(const lt_place *place);

/* A walk that appends each tensor, without data, to list, under prefix. */
typedef struct lt_lister {
    lt_tensor_list *list;
    const char *prefix;
    lt_status status; /* of the first failure; what follows it does nothing */
} lt_lister;
lt_walk lt_walk_listing(lt_lister *lister);

/* ---- Reading: the names of one model in a file, or among weights ---- */

typedef struct lt_names {
    const lt_tensor *(*at)(const void *of, size_t i); /* sorted by name */
    const void *of;
    size_t count;
    const char *prefix; /* of the model's names */
    const char *model;  /* for messages */
} lt_names;

lt_names lt_names_of_tensors(const lt_tensor *tensors, size_t count, const char *prefix, const char *model);
lt_names lt_names_of_weights(const lt_weights *weights, const char *prefix, const char *model);

/* The rest of name after prefix, or NULL. */
const char *lt_name_after(const char *name, const char *prefix);

/* Is there a name that begins with stem, printf style? How many numbers follow it: the highest and one, at most
 * LT_MAX_BLOCKS * LT_MAX_LEVELS? */
bool lt_names_have(const lt_names *names, const char *format, ...) __attribute__((format(printf, 2, 3)));
int lt_names_count(const lt_names *names, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The table read backwards: the widths that a place's tensors have; 0 for what is not there. */
void lt_names_measure(const lt_names *names, lt_naming naming, const lt_place *place, int width[LT_WIDTHS]);

/* LT_ERROR_MODEL unless count levels are possible. */
lt_status lt_names_check(const lt_names *names, const lt_resolution *level, int count);

#endif
