/* How often the right one is among the nearest. Plain functions. */
#include "train/recall.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Ranks ---- */

size_t lt_hit_limit(int i) {
    static const size_t limits[LT_HIT_LIMITS] = {1, 5, 10};
    return i >= 0 && i < LT_HIT_LIMITS ? limits[i] : 0;
}

size_t lt_rank(const double *scores, const size_t *groups, size_t n, size_t group) {
    double best = -INFINITY;
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        if (groups[i] != group) continue;
        found = true;
        best = fmax(best, scores[i]); /* which ignores what is not a number */
    }
    if (!found) return SIZE_MAX;
    size_t rank = 0;
    for (size_t i = 0; i < n; i++) rank += groups[i] != group && !(scores[i] < best);
    return rank;
}

void lt_hits_add(lt_hits *hits, size_t rank) {
    hits->searches++;
    for (int i = 0; i < LT_HIT_LIMITS; i++) hits->hits[i] += rank < lt_hit_limit(i);
}

double lt_hits_share(const lt_hits *hits, int limit) {
    return hits->searches ? (double)hits->hits[limit] / (double)hits->searches : 0;
}

double lt_chance(size_t n, size_t right, size_t first) {
    double none = 1; /* of the first i is right */
    for (size_t i = 0; i < first; i++) {
        if (n <= right + i) return right ? 1 : 0; /* the wrong ones are used up */
        none *= (double)(n - right - i) / (double)(n - i);
    }
    return 1 - none;
}

static int compare_places(const void *a, const void *b) {
    return strcmp(**(const char *const *const *)a, **(const char *const *const *)b);
}

lt_status lt_group(const char *const *strings, size_t n, size_t *groups, size_t *count) {
    const char *const **sorted = lt_calloc(n, sizeof *sorted);
    if (!sorted) return LT_ERROR_MEMORY;
    size_t named = 0, different = 0;
    for (size_t i = 0; i < n; i++) {
        groups[i] = LT_NO_GROUP;
        if (strings[i]) sorted[named++] = &strings[i];
    }
    qsort(sorted, named, sizeof *sorted, compare_places);
    for (size_t i = 0; i < named; i++) {
        if (!i || strcmp(*sorted[i], *sorted[i - 1])) different++;
        groups[sorted[i] - strings] = different - 1;
    }
    lt_free(sorted);
    if (count) *count = different;
    return LT_OK;
}

/* ---- Embeddings ---- */

double lt_similarity(const float *a, const float *b, size_t dim) {
    double sum = 0;
    for (size_t i = 0; i < dim; i++) sum += (double)a[i] * b[i];
    return sum;
}

lt_status lt_recall(const lt_embeddings *queries, const lt_embeddings *pool, lt_poll_fn poll, void *user,
                    lt_hits *hits) {
    lt_status status = LT_OK;
    *hits = (lt_hits){0};
    double *scores = lt_calloc(pool->count, sizeof *scores);
    if (!scores) return LT_ERROR_MEMORY;
    for (size_t q = 0; q < queries->count && !status; q++) {
        for (size_t i = 0; i < pool->count; i++)
            scores[i] = lt_similarity(queries->rows + q * queries->dim, pool->rows + i * pool->dim, pool->dim);
        lt_hits_add(hits, lt_rank(scores, pool->groups, pool->count, queries->groups[q]));
        if (poll) status = poll(user);
    }
    lt_free(scores);
    return status;
}
