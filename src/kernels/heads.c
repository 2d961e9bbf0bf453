/* Attention goes through heads: see heads.h. */
#include "kernels/heads.h"

enum {
    PACKED_BUDGET = 8 << 20, /* bytes of packed k and v at a time; one head may take more */
    NEAR_BUDGET = 512 << 10  /* bytes of them that stay in a core's own cache */
};

/* Heads, of all samples, that are packed at a time. */
static size_t most_heads(const lt_heads *h, const lt_attention_args *a) {
    const size_t fit = PACKED_BUDGET / (h->packed_size(a) * sizeof(float));
    return lt_max(1, lt_min(fit, (size_t)a->n * (size_t)a->heads));
}

size_t lt_heads_scratch(const lt_heads *h, const lt_attention_args *a, int threads) {
    return most_heads(h, a) * h->packed_size(a) + (size_t)threads * h->own_size(a);
}

/* The heads' tiles are gone through head by head, so that its keys and values stay in cache; or, where those of all of
 * them do, tile by tile, so that the queries' rows are read whole. */
typedef struct group {
    const lt_heads *heads;
    const lt_attention_args *a;
    size_t first, count;  /* heads, of all samples */
    size_t blocks, tiles; /* of one */
    size_t packed_size, own_size;
    bool near;
    float *packed, *own;
} group;

static void pack_piece(const void *context, size_t piece, int thread) {
    (void)thread;
    const group *g = context;
    const size_t slot = piece / g->blocks;
    g->heads->pack(g->a, g->first + slot, piece % g->blocks, g->packed + slot * g->packed_size);
}

static void tile_piece(const void *context, size_t piece, int thread) {
    const group *g = context;
    const size_t slot = g->near ? piece % g->count : piece / g->tiles;
    const size_t index = g->near ? piece / g->count : piece % g->tiles;
    g->heads->run(g->a, g->first + slot, index, g->tiles, g->packed + slot * g->packed_size,
                  g->own + (size_t)thread * g->own_size);
}

void lt_heads_run(const lt_heads *h, const lt_attention_args *a) {
    const size_t pairs = (size_t)a->n * (size_t)a->heads, most = most_heads(h, a);
    const int threads = lt_heads_threads(a);
    group g = {
        .heads = h,
        .a = a,
        .blocks = ((size_t)a->tokens_k + h->block - 1) / h->block,
        .tiles = h->tiles(a, most, threads),
        .packed_size = h->packed_size(a),
        .own_size = h->own_size(a),
        .near = most * h->packed_size(a) * sizeof(float) <= NEAR_BUDGET,
        .packed = a->scratch,
        .own = a->scratch + most * h->packed_size(a),
    };
    for (; g.first < pairs; g.first += most) {
        g.count = lt_min(most, pairs - g.first);
        lt_parallel(threads, g.count * g.blocks, LT_EVENLY, pack_piece, &g);
        lt_parallel(threads, g.count * g.tiles, 1, tile_piece, &g);
    }
}
