/* The formulas of token merging, and nothing else. */
#include "kernels/merge.h"

#include <math.h>
#include <string.h>

static size_t match_scratch(const lt_match_args *a, int threads) {
    (void)threads;
    return lt_merge_sources(a->h, a->w) * sizeof(lt_similar) / sizeof(float);
}

static float cosine(const float *x, const float *y, size_t c) {
    float xy = 0, xx = 0, yy = 0;
    for (size_t k = 0; k < c; k++) {
        xy += x[k] * y[k];
        xx += x[k] * x[k];
        yy += y[k] * y[k];
    }
    return xx > 0 && yy > 0 ? xy / sqrtf(xx) / sqrtf(yy) : 0;
}

/* The nearest destination, of equal ones the first, of source number `source`, which is x's token `token`. */
static lt_similar nearest_of(const lt_match_args *a, const float *x, size_t token, size_t source) {
    lt_similar found = {-INFINITY, (int32_t)source, 0};
    int32_t destination = 0;
    for (size_t other = 0; other < a->h * a->w; other++) {
        if (!lt_merge_is_destination(a->h, a->w, other)) continue;
        const float similar = cosine(x + token * a->c, x + other * a->c, a->c);
        if (similar > found.cosine) found.cosine = similar, found.nearest = destination;
        destination++;
    }
    return found;
}

static void match(const lt_match_args *a) {
    const size_t tokens = a->h * a->w;
    lt_similar *found = (lt_similar *)(void *)a->scratch;
    for (size_t i = 0; i < a->n; i++) {
        for (size_t token = 0, source = 0; token < tokens && source < lt_merge_sources(a->h, a->w); token++)
            if (!lt_merge_is_destination(a->h, a->w, token)) {
                found[source] = nearest_of(a, a->x + i * tokens * a->c, token, source);
                source++;
            }
        lt_merge_place(a, found, a->places + i * tokens);
    }
}

static void merge(const lt_merge_args *a) {
    for (size_t i = 0; i < a->n; i++)
        for (size_t place = 0; place < a->kept; place++)
            for (size_t k = 0; k < a->c; k++) {
                float sum = 0, count = 0;
                for (size_t token = 0; token < a->tokens; token++)
                    if ((size_t)a->places[i * a->tokens + token] == place) {
                        sum += a->x[(i * a->tokens + token) * a->c + k];
                        count++;
                    }
                a->y[(i * a->kept + place) * a->c + k] = sum / count;
            }
}

static void unmerge(const lt_merge_args *a) {
    for (size_t row = 0; row < a->n * a->tokens; row++)
        for (size_t k = 0; k < a->c; k++) {
            const size_t from = row / a->tokens * a->kept + (size_t)a->places[row];
            a->y[row * a->c + k] = a->x[from * a->c + k] + a->residual[row * a->c + k];
        }
}

const lt_merging lt_merging_reference = {match_scratch, match, merge, unmerge};
