/* How often the right one is among the nearest: ranks, hits, recall. */
#ifndef LT_RECALL_H
#define LT_RECALL_H

#include "graph/graph.h"

/* ---- Ranks ----
 *
 * Everything that is searched belongs to a group: pictures of one emoji, equal texts. Whatever is of the group that was
 * asked for is right. */

#define LT_NO_GROUP SIZE_MAX

/* How many wrong ones score at least as high as the best right one: ties count against it, so that a model for which
 * all is the same finds nothing. A score that is not a number is the worst if right and the best if wrong. SIZE_MAX if
 * none of the n is right. */
size_t lt_rank(const double *scores, const size_t *groups, size_t n, size_t group);
void lt_hits_add(lt_hits *hits, size_t rank);
double lt_hits_share(const lt_hits *hits, int limit); /* limit: 0 .. LT_HIT_LIMITS - 1; 0 without a search */

/* The probability that of n things in a random order, of which `right` are right, one of the first `first` is:
 * 1 - C(n - right, first) / C(n, first). */
double lt_chance(size_t n, size_t right, size_t first);

/* Numbers the strings so that equal ones have one number, in no order that matters; NULL gets LT_NO_GROUP. groups [n];
 * count, if not NULL: how many different ones there are. */
lt_status lt_group(const char *const *strings, size_t n, size_t *groups, size_t *count);

/* ---- Embeddings ---- */

/* Rows of length 1 [count, dim], and their groups. */
typedef struct lt_embeddings {
    float *rows;
    size_t *groups;
    size_t count, dim;
} lt_embeddings;

double lt_similarity(const float *a, const float *b, size_t dim);

/* Every row of queries searches the pool. poll is asked after each; NULL: nobody. */
lt_status lt_recall(const lt_embeddings *queries, const lt_embeddings *pool, lt_poll_fn poll, void *user,
                    lt_hits *hits);

#endif
