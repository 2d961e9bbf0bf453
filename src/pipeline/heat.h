/* Where words act, over a whole drawing: cross-attention's maps averaged as DAAM does (Tang et al. 2022). */
#ifndef LT_HEAT_H
#define LT_HEAT_H

#include "base/base.h"

/* What heat is of; maps of one branch that read different numbers of tokens are not one. */
typedef struct lt_heat_key {
    size_t tap;
    int branch;
    size_t tokens;
} lt_heat_key;

/* The sum of a layer's maps. */
typedef struct lt_heat_layer {
    lt_heat_key key;
    char *name;
    size_t heads, count; /* count: of the maps that were added */
    int h, w;
    float *sum; /* [heads, h, w, tokens] */
} lt_heat_layer;

typedef struct lt_heat {
    lt_heat_layer *layers; /* [count] */
    size_t count;
} lt_heat;

/* map [heads, h, w, key.tokens] */
lt_status lt_heat_add(lt_heat *heat, lt_heat_key key, const char *layer, size_t heads, int h, int w, const float *map);
/* Of the layers that have i's key: mean [h, w, tokens] of each head's mean map, enlarged to that size. */
lt_status lt_heat_mean(const lt_heat *heat, size_t i, int h, int w, float *mean);
/* Whether the i-th layer is the first of its key. */
bool lt_heat_is_first(const lt_heat *heat, size_t i);
void lt_heat_free(lt_heat *heat); /* and empties it */

#endif
