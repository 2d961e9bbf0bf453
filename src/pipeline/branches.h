/* What the U-Net is told: a list of branches, each of which predicts, and whose predictions are then one. No prompt, a
 * prompt, and a prompt with a negative one are the same list of one or two. */
#ifndef LT_BRANCHES_H
#define LT_BRANCHES_H

#include "pipeline/context.h"
#include "pipeline/image_prompts.h"
#include "text/edits.h"

/* The prediction is that of the first branch, plus the weight of each other one times its difference from it:
 * classifier-free guidance (Ho & Salimans 2022) has the negative prompt first and the prompt with the scale behind it;
 * several prompts there are composed (Liu et al. 2022), each in its own region with masks. Outside of its interval a
 * branch is not there, and is not computed: with one for the negative prompt guidance is for some noise levels alone
 * (Kynkäänniemi et al. 2024), and at the others the prompt predicts by itself.
 *
 * What a ControlNet adds to skips and middle is made for each branch (control.h). What an image prompt adds to keys and
 * values is there once, and `negative` says which a branch is told. */
typedef struct lt_branch {
    lt_context context;
    const lt_context **told; /* [calls], owned, of lt_branches.texts: what each of the U-Net's calls reads, and those
                                behind them as the last; NULL: context */
    int calls;
    float weight;  /* of the first one that is there: not read */
    float *mask;   /* [h, w] of the latent, by which weight is multiplied; NULL: 1 */
    float *share;  /* [h, w], in the place of both where the first branch of all isn't there; NULL: they stay */
    bool negative; /* the negative prompt's: of image prompts it is told what they are without a picture, and of
                      controls nothing where they are for the prompt alone */
    bool limited;  /* to the timesteps in between, both included */
    struct {
        float from, to;
    } interval;
} lt_branch;

enum { LT_MAX_BRANCHES = 16 };

/* A text with what XL is told beside it, encoded once for all branches and calls that read it. */
typedef struct lt_told {
    char *text;
    uint64_t hash;
    lt_sizes sizes;
    lt_context context;
} lt_told;

typedef struct lt_branches {
    lt_branch items[LT_MAX_BRANCHES];
    int count;
    float guidance, rescale; /* what the weights behind the first add up to; of a sum of several, the share that is
                                scaled to the deviation of what that sum is at guidance 1 */
    lt_told **texts;         /* [text_count] */
    size_t text_count, text_capacity;
    const lt_image_contexts
        *images;                  /* the caller's image prompts, and the steps of which they are there for a share; */
    int steps;                    /* NULL: none */
    struct lt_controls *controls; /* what pictures say of all of them; NULL: nothing */
} lt_branches;

/* What the branches are for. */
typedef struct lt_pass {
    lt_timeline timeline; /* of the prompts */
    int calls;            /* that are made of the U-Net, at least 1 */
    int h, w;             /* of the latent */
} lt_pass;

/* The branches of a request: of guidance 0 the negative prompt alone, else that and each part of the prompt and of the
 * regions' prompts; without it where guidance times their weights is 1 and there are no regions. A model that
 * reads no text has one, with an empty context. The negative one is there within the guidance_interval alone; elsewhere
 * the others are weighed to 1. lt_branches_free is due even after a failure. */
lt_status lt_branches_read(lt_session *session, const lt_request *request, const lt_pass *pass, lt_branches *branches);
void lt_branches_free(lt_branches *branches); /* with vectors and masks; a zeroed one is fine */

/* Scales sum [n], of several predictions, the first of which is `first`, as branches->rescale says. room [n] */
void lt_branches_rescale(const lt_branches *branches, size_t n, const float *first, float *room, float *sum);

/* What a branch reads at a call, counted from 0. */
static inline const lt_context *lt_branch_context(const lt_branch *branch, int call) {
    return branch->told ? branch->told[call < branch->calls ? call : branch->calls - 1] : &branch->context;
}

/* What a branch that is not the first one weighs at a pixel, where the first one of all is there. */
static inline float lt_branch_weight(const lt_branch *branch, size_t pixel) {
    return branch->mask ? branch->weight * branch->mask[pixel] : branch->weight;
}

int lt_branches_tokens(const lt_branches *branches); /* of the longest context that any of them is told */
bool lt_branch_is_there(const lt_branch *branch, float t);

/* A plan whose samples are told branches: a U-Net's, or a ControlNet's. */
typedef struct lt_hearing {
    int first;                                 /* the branch that the first sample is told; -1: none yet */
    const lt_context *told[LT_MAX_BRANCHES];   /* what the samples read */
    lt_rate changed;                           /* what the next run has to compute anew */
    lt_port x, t, context, context_lengths, y; /* y: contexts' vectors */
    lt_port scale;                             /* what a distilled model is told of guidance */
} lt_hearing;

lt_hearing lt_hearing_of(lt_plan *plan);
/* All samples of a U-Net that was distilled with guidance are told the scale; of others the port has no node. */
void lt_tell_scale(lt_port port, float guidance);
/* Makes the next run that of these branches, one for each sample, at a call of the U-Net. True where they are others,
 * or say something else now: the prompts' part is computed anew, and whatever else depends on them is to be written. */
bool lt_branches_tell(const lt_branches *branches, const int *which, int call, lt_hearing *hearing);
/* The same x [h, w, c], at timestep t, for all samples. */
void lt_hearing_show(const lt_hearing *hearing, const float *x, float t);

#endif
