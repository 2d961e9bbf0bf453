/* Token merging (Bolya et al. 2023; for Stable Diffusion Bolya & Hoffman 2023): tokens that are alike become their mean
 * before attention, which then has fewer of them, and get the same result behind it.
 *
 * Tokens lie in h x w. The first of each whole tile of 2x2 is a destination, all others are sources: as their program
 * tomesd has it without random numbers (bipartite_soft_matching_random2d with no_rand), so that a seed's picture stays
 * the same. The sources that are the most similar to any destination, by the cosine, are merged into that one. */
#ifndef LT_MERGE_H
#define LT_MERGE_H

#include "base/base.h"
#include "kernels/isa.h"

/* Where each token goes. What is no number is merged last. */
typedef struct lt_match_args {
    size_t n, h, w, c;
    size_t merged;   /* sources that are merged, at most lt_merge_sources(h, w) */
    lt_isa isa;      /* whose products find the similarities */
    const float *x;  /* [n, h, w, c] */
    int32_t *places; /* [n, h*w]: among the h*w - merged that stay, destinations first, then sources, both in order */
    float *scratch;  /* match_scratch floats, aligned as an arena is */
} lt_match_args;

/* Along places: y[n, kept, c] is the mean of the tokens x[n, tokens, c] that go there; and back, y[n, tokens, c] is
 * x[n, kept, c] at each token's place, plus residual. */
typedef struct lt_merge_args {
    size_t n, tokens, kept, c;
    const int32_t *places; /* [n, tokens] */
    const float *x;
    const float *residual; /* back: [n, tokens, c], may be y */
    float *y;
    float *shares; /* to: [n, kept], scratch: 1 / the tokens of each place */
} lt_merge_args;

static inline size_t lt_merge_destinations(size_t h, size_t w) { return h / 2 * (w / 2); }
/* Without destinations nothing can be merged. */
static inline size_t lt_merge_sources(size_t h, size_t w) {
    const size_t destinations = lt_merge_destinations(h, w);
    return destinations ? h * w - destinations : 0;
}
static inline bool lt_merge_is_destination(size_t h, size_t w, size_t token) {
    const size_t y = token / w, x = token % w;
    return y % 2 == 0 && x % 2 == 0 && y / 2 < h / 2 && x / 2 < w / 2;
}

typedef struct lt_merging {
    size_t (*match_scratch)(const lt_match_args *a, int threads);
    void (*match)(const lt_match_args *a);
    void (*merge)(const lt_merge_args *a);
    void (*unmerge)(const lt_merge_args *a);
} lt_merging;

/* The ones for every instruction set, and the formula in plain C, which it is tested against. */
extern const lt_merging lt_merging_fast, lt_merging_reference;

/* A source, by its number, and how similar it is to the destination that is the nearest. */
typedef struct lt_similar {
    float cosine;
    int32_t source, nearest;
} lt_similar;

/* From that of all sources, in order, to the places of a sample's tokens; sorts found. */
void lt_merge_place(const lt_match_args *a, lt_similar *found, int32_t *places);

#endif
