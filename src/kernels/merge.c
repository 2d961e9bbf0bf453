/* Token merging: similarities by the matrix product, a block of sources at a time. */
#include "kernels/merge.h"

#include "base/threads.h"
#include "kernels/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 56 }; /* sources: four tiles of AVX-512 */

/* ---- Matching ---- */

typedef struct matching {
    const lt_match_args *a;
    const lt_gemm_simd *simd;
    size_t sources, destinations, panels;
    const float *x;    /* [h, w, c] of the sample at hand */
    float *packed;     /* [panels][c][columns]: destinations at length 1, and zeros */
    lt_similar *found; /* [sources] */
    int32_t *tokens;   /* [sources]: which they are */
    float *work;       /* [threads][BLOCK * (c + columns)] */
} matching;

/* What scales a token to length 1. */
static float inverse_length(const float *x, size_t c) {
    float sum = 0;
    for (size_t k = 0; k < c; k++) sum += x[k] * x[k];
    return sum > 0 ? 1 / sqrtf(sum) : 0;
}

static void pack_panel(const void *context, size_t panel, int thread) {
    (void)thread;
    const matching *m = context;
    const size_t c = m->a->c, columns = m->simd->columns, across = m->a->w / 2;
    float *to = m->packed + panel * c * columns;
    for (size_t i = 0; i < columns; i++) {
        const size_t number = panel * columns + i;
        const bool there = number < m->destinations;
        const float *from = m->x + (there ? (number / across * 2 * m->a->w + number % across * 2) * c : 0);
        const float scale = there ? inverse_length(from, c) : 0;
        for (size_t k = 0; k < c; k++) to[k * columns + i] = there ? from[k] * scale : 0;
    }
}

/* The nearest so far of `count` sources, after a panel's cosines [count, columns]. */
static void keep_nearest(const matching *m, size_t panel, const float *cosines, size_t count, lt_similar *found) {
    const size_t columns = m->simd->columns, first = panel * columns;
    const size_t there = lt_min(columns, m->destinations - first);
    for (size_t row = 0; row < count; row++, cosines += columns)
        for (size_t i = 0; i < there; i++)
            if (cosines[i] > found[row].cosine) {
                found[row].cosine = cosines[i];
                found[row].nearest = (int32_t)(first + i);
            }
}

static void multiply(const matching *m, size_t panel, const float *sources, size_t count, float *cosines) {
    const size_t c = m->a->c, columns = m->simd->columns, step = m->simd->rows;
    for (size_t row = 0; row < count; row += step)
        m->simd->tile[LT_WEIGHT_F32](&(lt_tile){.rows = lt_min(step, count - row),
                                                .k = c,
                                                .a = sources + row * c,
                                                .lda = c,
                                                .next = sources,
                                                .b = m->packed + panel * c * columns,
                                                .c = cosines + row * columns,
                                                .ldc = columns});
}

static void match_block(const void *context, size_t block, int thread) {
    const matching *m = context;
    const size_t c = m->a->c, first = block * BLOCK, count = lt_min(BLOCK, m->sources - first);
    float *sources = m->work + (size_t)thread * BLOCK * (c + m->simd->columns), *cosines = sources + BLOCK * c;
    lt_similar *found = m->found + first;
    for (size_t i = 0; i < count; i++) {
        const float *x = m->x + (size_t)m->tokens[first + i] * c, scale = inverse_length(x, c);
        for (size_t k = 0; k < c; k++) sources[i * c + k] = x[k] * scale;
        found[i] = (lt_similar){-INFINITY, (int32_t)(first + i), 0};
    }
    for (size_t panel = 0; panel < m->panels; panel++) {
        multiply(m, panel, sources, count, cosines);
        keep_nearest(m, panel, cosines, count, found);
    }
}

/* The most similar first; of equal ones the first. */
static int by_cosine(const void *a, const void *b) {
    const lt_similar *x = a, *y = b;
    if (x->cosine > y->cosine || x->cosine < y->cosine) return x->cosine > y->cosine ? -1 : 1;
    return x->source < y->source ? -1 : x->source > y->source;
}

static int by_source(const void *a, const void *b) {
    const lt_similar *x = a, *y = b;
    return x->source < y->source ? -1 : x->source > y->source;
}

void lt_merge_place(const lt_match_args *a, lt_similar *found, int32_t *places) {
    enum { STAYS = -1 };
    const size_t sources = lt_merge_sources(a->h, a->w);
    int32_t destination = 0, next = (int32_t)lt_merge_destinations(a->h, a->w);
    qsort(found, sources, sizeof *found, by_cosine);
    for (size_t i = a->merged; i < sources; i++) found[i].nearest = STAYS;
    qsort(found, sources, sizeof *found, by_source);
    for (size_t token = 0, source = 0; token < a->h * a->w; token++) {
        const bool fixed = lt_merge_is_destination(a->h, a->w, token);
        const int32_t nearest = fixed || !sources ? STAYS : found[source++].nearest;
        places[token] = fixed ? destination++ : nearest == STAYS ? next++ : nearest;
    }
}

static size_t sizes_of(const lt_match_args *a, int threads, size_t sizes[4]) {
    const lt_gemm_simd *simd = lt_gemm_simd_get(a->isa);
    const size_t columns = simd ? simd->columns : 1, sources = lt_merge_sources(a->h, a->w);
    sizes[0] = lt_round_up(lt_merge_destinations(a->h, a->w), columns) * a->c;
    sizes[1] = sources * sizeof(lt_similar) / sizeof(float);
    sizes[2] = sources;
    sizes[3] = (size_t)threads * BLOCK * (a->c + columns);
    size_t all = 0;
    for (int i = 0; i < 4; i++) all += sizes[i] = lt_round_up(sizes[i], 16);
    return all;
}

static size_t match_scratch(const lt_match_args *a, int threads) {
    size_t sizes[4];
    return sizes_of(a, threads, sizes);
}

static void match(const lt_match_args *a) {
    size_t sizes[4];
    sizes_of(a, 1, sizes);
    matching m = {.a = a, .simd = lt_gemm_simd_get(a->isa), .sources = lt_merge_sources(a->h, a->w)};
    m.destinations = lt_merge_destinations(a->h, a->w);
    m.packed = a->scratch;
    m.found = (lt_similar *)(void *)(m.packed + sizes[0]);
    m.tokens = (int32_t *)(void *)(m.packed + sizes[0] + sizes[1]);
    m.work = m.packed + sizes[0] + sizes[1] + sizes[2];
    if (!m.simd) {
        lt_merging_reference.match(a);
        return;
    }
    m.panels = lt_count_parts(m.destinations, m.simd->columns);
    for (size_t token = 0, source = 0; m.sources && token < a->h * a->w; token++)
        if (!lt_merge_is_destination(a->h, a->w, token)) m.tokens[source++] = (int32_t)token;
    for (size_t i = 0; i < a->n; i++) {
        m.x = a->x + i * a->h * a->w * a->c;
        lt_parallel(LT_ALL_THREADS, m.panels, LT_EVENLY, pack_panel, &m);
        lt_parallel(LT_ALL_THREADS, lt_count_parts(m.sources, BLOCK), 1, match_block, &m);
        lt_merge_place(a, m.found, a->places + i * a->h * a->w);
    }
}

/* ---- Along places ---- */

enum { CHANNELS = 32 };

/* Some channels of a sample's tokens, whose shares are counted along with the first of them. */
static void merge_channels(const void *context, size_t part, int thread) {
    (void)thread;
    const lt_merge_args *a = context;
    const size_t parts = lt_count_parts(a->c, CHANNELS), i = part / parts, first = part % parts * CHANNELS;
    const size_t count = lt_min(CHANNELS, a->c - first);
    const float *x = a->x + i * a->tokens * a->c + first;
    float *y = a->y + i * a->kept * a->c + first;
    const int32_t *places = a->places + i * a->tokens;
    for (size_t place = 0; place < a->kept; place++) memset(y + place * a->c, 0, count * sizeof *y);
    for (size_t token = 0; token < a->tokens; token++)
        for (size_t k = 0; k < count; k++) y[(size_t)places[token] * a->c + k] += x[token * a->c + k];
    for (size_t place = 0; place < a->kept; place++)
        for (size_t k = 0; k < count; k++) y[place * a->c + k] *= a->shares[i * a->kept + place];
}

static void merge(const lt_merge_args *a) {
    for (size_t i = 0; i < a->n; i++) {
        float *shares = a->shares + i * a->kept;
        memset(shares, 0, a->kept * sizeof *shares);
        for (size_t token = 0; token < a->tokens; token++) shares[a->places[i * a->tokens + token]]++;
        for (size_t place = 0; place < a->kept; place++) shares[place] = 1 / shares[place];
    }
    lt_parallel(LT_ALL_THREADS, a->n * lt_count_parts(a->c, CHANNELS), 1, merge_channels, a);
}

static void unmerge_token(const void *context, size_t row, int thread) {
    (void)thread;
    const lt_merge_args *a = context;
    const size_t from = row / a->tokens * a->kept + (size_t)a->places[row];
    for (size_t k = 0; k < a->c; k++) a->y[row * a->c + k] = a->x[from * a->c + k] + a->residual[row * a->c + k];
}

static void unmerge(const lt_merge_args *a) {
    lt_parallel(lt_threads_worth(a->n * a->tokens * a->c), a->n * a->tokens, LT_EVENLY, unmerge_token, a);
}

const lt_merging lt_merging_fast = {match_scratch, match, merge, unmerge};
