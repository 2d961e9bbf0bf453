/* What attention's fast path never has: the map itself. */
#ifndef LT_ATTENTION_MAP_H
#define LT_ATTENTION_MAP_H

#include "base/base.h"

typedef struct lt_attention_map {
    const float *q;               /* [pixels, heads * d] */
    const float *k;               /* [tokens, heads * d] */
    size_t pixels, tokens, heads; /* tokens: at least 1 */
    size_t d;
    float *map; /* [heads, pixels, tokens] */
} lt_attention_map;

/* map = softmax(q k^T / sqrt(d)), head by head, in the calling thread's team. */
void lt_attention_map_make(const lt_attention_map *map);

#endif
