/* Attention goes through heads: each head's keys and values are packed once, for all its queries, and tiles of queries
 * run over them. This is what its kernels have in common; how they pack and what a tile does is theirs. */
#ifndef LT_HEADS_H
#define LT_HEADS_H

#include "base/threads.h"
#include "kernels/kernels.h"

typedef struct lt_heads {
    size_t block;                                      /* keys that are packed at a time */
    size_t (*packed_size)(const lt_attention_args *a); /* floats, of one head */
    size_t (*own_size)(const lt_attention_args *a);    /* floats, of a thread */
    /* Tiles of each head's queries, where so many heads are gone through by so many threads. */
    size_t (*tiles)(const lt_attention_args *a, size_t heads, int threads);
    /* Head `pair` of all samples' heads: block `index` of its keys and values; tile `index` of `tiles`. */
    void (*pack)(const lt_attention_args *a, size_t pair, size_t index, float *packed);
    void (*run)(const lt_attention_args *a, size_t pair, size_t index, size_t tiles, const float *packed, float *own);
} lt_heads;

size_t lt_heads_scratch(const lt_heads *h, const lt_attention_args *a, int threads); /* floats */
void lt_heads_run(const lt_heads *h, const lt_attention_args *a);

/* Keys of a sample that are there. */
static inline size_t lt_heads_keys(const lt_attention_args *a, size_t sample) {
    return a->lengths ? (size_t)a->lengths[sample] : (size_t)a->tokens_k;
}

/* Fewer multiplications in a product are not worth waking threads for. */
static inline int lt_heads_threads(const lt_attention_args *a) {
    enum { SERIAL = 2 << 20 };
    const size_t pairs = (size_t)a->n * (size_t)a->heads;
    return pairs * (size_t)a->tokens_q * (size_t)a->tokens_k * (size_t)a->d >= SERIAL ? LT_ALL_THREADS : 1;
}

#endif
