/* The backward half of group and layer normalisation. y = act(u), u = gamma xh + beta, xh = (x - mean) rstd. With
 * du = dy act'(u), and < > the average over what was normalised together (Wu & He 2018, Ba et al. 2016):
 *
 *     dx = rstd (gamma du - <gamma du> - xh <gamma du xh>),  dgamma = sum du xh,  dbeta = sum du */
#include "kernels/simd/norm.h"
#include "kernels/simd/simd.h"

/* ---- Group normalisation: moments; then sums of du and du * x for each channel; then dx. The three go over the same
 * pieces (norm.h). ---- */

enum { SUM_VECTORS = STRIPE_VECTORS / 2 }; /* two sums and three coefficients a vector fit the registers */

typedef struct sums {
    double du, du_x; /* of one channel: sum du; sum du (x - shift), later sum du xh */
} sums;

/* What a channel of a sample needs between the passes, in double. */
typedef struct channel {
    double rstd, drift, mean_xh; /* mean_xh: xh averaged over the channel's own pixels */
    sums sum;
} channel;

/* The scratch: one of moments and sums [n, blocks, c]; channels [n, c]; then floats [n, c] each. dx = slope * du + by_x
 * * (x - shift) + constant. */
typedef struct layout {
    size_t c, blocks;
    moments *moments;
    sums *partial;
    channel *channel;
    float *shift, *slope, *offset, *by_x, *constant;
} layout;

static layout lay_out(const lt_group_norm_backward_args *a) {
    const lt_group_norm_args *f = &a->forward;
    layout l = {.c = (size_t)(f->c[0] + f->c[1]), .blocks = norm_blocks(f)};
    const size_t count = (size_t)f->n * l.c;
    l.moments = (moments *)(void *)a->scratch;
    l.partial = (sums *)(void *)a->scratch; /* written when the moments have been read */
    l.channel = (channel *)(void *)(l.partial + l.blocks * count);
    l.shift = (float *)(void *)(l.channel + count);
    l.slope = l.shift + count;
    l.offset = l.slope + count;
    l.by_x = l.offset + count;
    l.constant = l.by_x + count;
    return l;
}

size_t LT_SIMD_NAME(lt_group_norm_backward_scratch)(const lt_group_norm_backward_args *a) {
    const lt_group_norm_args *f = &a->forward;
    const size_t count = (size_t)f->n * (size_t)(f->c[0] + f->c[1]);
    return count * ((norm_blocks(f) * sizeof(sums) + sizeof(channel)) / sizeof(float) + 5);
}

/* After the moments: how to normalise one group's channels. */
static void finish_moments(const lt_group_norm_args *f, const layout *l, size_t sample, size_t group) {
    const size_t width = l->c / (size_t)f->groups, begin = group * width;
    double mean, rstd;
    group_statistics(f, l->moments, sample, group, &mean, &rstd);
    for (size_t i = begin; i < begin + width; i++) {
        const size_t at = sample * l->c + i;
        const affine normal = channel_affine(f, sample, i, mean, rstd);
        double own = 0;
        for (size_t block = 0; block < l->blocks; block++)
            own += l->moments[(sample * l->blocks + block) * l->c + i].mean *
                   (double)lt_min(STATS_PIXELS, (size_t)f->pixels - block * STATS_PIXELS);
        own /= (double)f->pixels;
        l->shift[at] = normal.shift;
        l->slope[at] = normal.slope;
        l->offset[at] = normal.offset;
        l->channel[at] = (channel){.rstd = rstd, .drift = normal.drift};
        l->channel[at].mean_xh = (own - (double)normal.shift + normal.drift) * rstd;
    }
}

/* After the sums: what makes dx of one group's channels, and dvector, which is the sum of dx over the pixels. */
static void finish_sums(const lt_group_norm_backward_args *a, const layout *l, size_t sample, size_t group) {
    const lt_group_norm_args *f = &a->forward;
    const size_t width = l->c / (size_t)f->groups, begin = group * width, end = begin + width;
    const double pixels = (double)f->pixels, count = pixels * (double)width;
    double average = 0, average_xh = 0; /* of gamma du, of gamma du xh */
    for (size_t i = begin; i < end; i++) {
        channel *own = l->channel + sample * l->c + i;
        sums sum = {0, 0};
        for (size_t block = 0; block < l->blocks; block++) {
            const sums *part = l->partial + (sample * l->blocks + block) * l->c + i;
            sum.du += part->du;
            sum.du_x += part->du_x;
        }
        sum.du_x = (sum.du_x + own->drift * sum.du) * own->rstd;
        average += (double)f->gamma[i] * sum.du / count;
        average_xh += (double)f->gamma[i] * sum.du_x / count;
        own->sum = sum;
    }
    for (size_t i = begin; i < end; i++) {
        const size_t at = sample * l->c + i;
        const channel *own = l->channel + at;
        const double by_x = -own->rstd * own->rstd * average_xh;
        l->by_x[at] = (float)by_x;
        l->constant[at] = (float)(by_x * own->drift - own->rstd * average);
        if (a->dvector)
            a->dvector[at] = (float)(own->rstd * ((double)f->gamma[i] * own->sum.du -
                                                  pixels * (average + own->mean_xh * average_xh)));
    }
}

/* Sums of `vectors` vectors of channels over a piece's pixels. x, dy and du (or NULL) are the first pixel's channels;
 * from one pixel to the next are c, dc and c floats. */
LT_INLINE void stripe_sums(lt_activation act, const layout *l, size_t at, const float *x, size_t c, const float *dy,
                           size_t dc, float *du, size_t pixels, size_t vectors, size_t rest, sums *out) {
    vf sum[SUM_VECTORS] = {0}, by_x[SUM_VECTORS] = {0}, shift[SUM_VECTORS], slope[SUM_VECTORS], offset[SUM_VECTORS];
#pragma GCC unroll 8
    for (size_t v = 0; v < vectors; v++) {
        shift[v] = vf_load_rest(l->shift + at + v * LT_VEC, rest);
        slope[v] = vf_load_rest(l->slope + at + v * LT_VEC, rest);
        offset[v] = vf_load_rest(l->offset + at + v * LT_VEC, rest);
    }
    for (size_t p = 0; p < pixels; p++) {
#pragma GCC unroll 8
        for (size_t v = 0; v < vectors; v++) {
            const vf off = vf_load_rest(x + p * c + v * LT_VEC, rest) - shift[v];
            vf d = vf_load_rest(dy + p * dc + v * LT_VEC, rest);
            if (act == LT_ACT_SILU) {
                d *= vf_silu_derivative(off * slope[v] + offset[v], 1.0f);
                if (du) vf_store_rest(du + p * c + v * LT_VEC, d, rest);
            }
            sum[v] += d;
            by_x[v] += d * off;
        }
    }
    for (size_t v = 0; v < vectors; v++)
        for (size_t i = 0; i < (rest ? rest : LT_VEC); i++)
            out[v * LT_VEC + i] = (sums){(double)sum[v][i], (double)by_x[v][i]};
}

/* With SiLU, du is left where dx will be (if that is wanted), so that its exponential is not computed twice. */
LT_INLINE void piece_sums(const lt_group_norm_backward_args *a, const layout *l, const norm_piece *p,
                          lt_activation act) {
    const float *x = a->forward.x[p->source] + p->row * p->c;
    float *dx = a->dx[p->source];
    for (size_t i = p->begin, count; i < p->end; i += count) {
        const size_t left = p->end - i, at = p->channel + i - p->begin;
        const float *dy = a->dy + p->row * l->c + at % l->c;
        float *du = dx ? dx + p->row * p->c + i : NULL;
        sums *out = l->partial + p->partial + i - p->begin;
        count = lt_min(left, left >= SUM_VECTORS * LT_VEC ? SUM_VECTORS * LT_VEC : LT_VEC);
        if (count == SUM_VECTORS * LT_VEC)
            stripe_sums(act, l, at, x + i, p->c, dy, l->c, du, p->count, SUM_VECTORS, 0, out);
        else
            stripe_sums(act, l, at, x + i, p->c, dy, l->c, du, p->count, 1, count % LT_VEC, out);
    }
}

LT_INLINE vf input_gradient(const layout *l, size_t at, const float *x, const float *du, size_t rest) {
    const vf off = vf_load_rest(x, rest) - vf_load_rest(l->shift + at, rest);
    return vf_load_rest(du, rest) * vf_load_rest(l->slope + at, rest) +
           (off * vf_load_rest(l->by_x + at, rest) + vf_load_rest(l->constant + at, rest));
}

static void piece_dx(const lt_group_norm_backward_args *a, const layout *l, const norm_piece *p) {
    if (!a->dx[p->source]) return;
    const size_t width = p->end - p->begin;
    const bool fused = a->forward.act == LT_ACT_SILU;
    for (size_t row = p->row; row < p->row + p->count; row++) {
        const float *x = a->forward.x[p->source] + row * p->c + p->begin;
        float *dx = a->dx[p->source] + row * p->c + p->begin;
        const float *du = fused ? dx : a->dy + row * l->c + p->channel % l->c;
        size_t i = 0;
        for (; i + LT_VEC <= width; i += LT_VEC) vf_store(dx + i, input_gradient(l, p->channel + i, x + i, du + i, 0));
        if (i < width) vf_store_part(dx + i, input_gradient(l, p->channel + i, x + i, du + i, width - i), width - i);
    }
}

/* dgamma and dbeta of one channel: over the samples, in their order. */
static void add_samples(const lt_group_norm_backward_args *a, const layout *l, size_t i) {
    sums sum = {0, 0};
    for (size_t sample = 0; sample < (size_t)a->forward.n; sample++) {
        sum.du += l->channel[sample * l->c + i].sum.du;
        sum.du_x += l->channel[sample * l->c + i].sum.du_x;
    }
    if (a->dgamma) a->dgamma[i] = (float)((double)a->dgamma[i] + sum.du_x);
    if (a->dbeta) a->dbeta[i] = (float)((double)a->dbeta[i] + sum.du);
}

/* In this order, each reading what the one before it wrote of the same sample. */
enum { MOMENTS, FINISH_MOMENTS, SUMS, FINISH_SUMS, GRADIENTS, PHASES };

/* A phase's pieces for so many samples. */
static size_t phase_pieces(const lt_group_norm_args *f, int phase, size_t samples) {
    return phase == FINISH_MOMENTS || phase == FINISH_SUMS ? samples * (size_t)f->groups : norm_pieces(f, samples);
}

static void run_piece(const lt_group_norm_backward_args *a, const layout *l, int phase, size_t piece) {
    const lt_group_norm_args *f = &a->forward;
    const size_t groups = (size_t)f->groups;
    if (phase == FINISH_MOMENTS) {
        finish_moments(f, l, piece / groups, piece % groups);
        return;
    }
    if (phase == FINISH_SUMS) {
        finish_sums(a, l, piece / groups, piece % groups);
        return;
    }
    const norm_piece p = locate_piece(f, piece);
    if (phase == MOMENTS)
        piece_moments(f, &p, l->moments);
    else if (phase == GRADIENTS)
        piece_dx(a, l, &p);
    else if (f->act == LT_ACT_SILU)
        piece_sums(a, l, &p, LT_ACT_SILU);
    else
        piece_sums(a, l, &p, LT_ACT_NONE);
}

typedef struct group_norm {
    const lt_group_norm_backward_args *a;
    layout l;
    int phase; /* where the pieces of one are gone through */
} group_norm;

static void phase_piece(const void *context, size_t piece, int thread) {
    (void)thread;
    const group_norm *g = context;
    run_piece(g->a, &g->l, g->phase, piece);
}

static void whole_sample(const void *context, size_t sample, int thread) {
    (void)thread;
    const group_norm *g = context;
    const lt_group_norm_args *f = &g->a->forward;
    for (int phase = 0; phase < PHASES; phase++)
        for (size_t i = phase_pieces(f, phase, sample); i < phase_pieces(f, phase, sample + 1); i++)
            run_piece(g->a, &g->l, phase, i);
}

/* Where every thread gets samples of its own, a sample stays in its cache from phase to phase, and no thread waits for
 * another; else the threads share each phase's pieces. The results are the same. */
void LT_SIMD_NAME(lt_group_norm_backward)(const lt_group_norm_backward_args *a) {
    group_norm g = {.a = a, .l = lay_out(a)};
    const size_t n = (size_t)a->forward.n;
    const int threads = lt_threads_worth(n * (size_t)a->forward.pixels * g.l.c);
    if (n >= (size_t)lt_thread_count())
        lt_parallel(threads, n, 1, whole_sample, &g);
    else
        for (; g.phase < PHASES; g.phase++)
            lt_parallel(threads, phase_pieces(&a->forward, g.phase, n), LT_EVENLY, phase_piece, &g);
    for (size_t i = 0; i < g.l.c; i++) add_samples(a, &g.l, i);
}

/* ---- Layer normalisation: pieces of ROWS rows, each with its own sums for dgamma and dbeta ---- */

enum { ROWS = 64 };

static size_t row_pieces(const lt_layer_norm_args *f) { return (f->rows + ROWS - 1) / ROWS; }

/* Floats of one piece's sums: dgamma, dbeta, each with zeros up to a whole vector. */
static size_t row_sums_size(const lt_layer_norm_args *f) { return 2 * lt_round_up((size_t)f->c, LT_VEC); }

size_t LT_SIMD_NAME(lt_layer_norm_backward_scratch)(const lt_layer_norm_backward_args *a) {
    return row_pieces(&a->forward) * row_sums_size(&a->forward);
}

/* dx of one row, or NULL; dgamma and dbeta are added to. */
static void backward_row(const lt_layer_norm_args *f, const float *x, const float *dy, float *dx, float *dgamma,
                         float *dbeta) {
    const size_t c = (size_t)f->c;
    const row_statistics s = statistics_of_row(x, c, f->eps);
    vf sum = {0}, sum_xh = {0};
    for (size_t i = 0; i < c; i += LT_VEC) {
        const vf xh = (row_vector(x, i, c) - s.shift) * s.slope + s.offset, du = row_vector(dy, i, c);
        const vf d = du * row_vector(f->gamma, i, c);
        sum += d;
        sum_xh += d * xh;
        vf_store(dgamma + i, vf_load(dgamma + i) + du * xh);
        vf_store(dbeta + i, vf_load(dbeta + i) + du);
    }
    if (!dx) return;
    const float average = vf_sum(sum) / (float)c * s.slope, average_xh = vf_sum(sum_xh) / (float)c * s.slope;
    for (size_t i = 0; i < c; i += LT_VEC) {
        const vf xh = (row_vector(x, i, c) - s.shift) * s.slope + s.offset;
        const vf d = row_vector(dy, i, c) * row_vector(f->gamma, i, c) * s.slope - average - xh * average_xh;
        if (i + LT_VEC <= c)
            vf_store(dx + i, d);
        else
            vf_store_part(dx + i, d, c - i);
    }
}

static void backward_rows(const lt_layer_norm_backward_args *a, size_t piece) {
    const lt_layer_norm_args *f = &a->forward;
    const size_t c = (size_t)f->c, size = row_sums_size(f), end = lt_min((piece + 1) * ROWS, f->rows);
    float *dgamma = a->scratch + piece * size, *dbeta = dgamma + size / 2;
    memset(dgamma, 0, size * sizeof(float));
    for (size_t row = piece * ROWS; row < end; row++)
        backward_row(f, f->x + row * c, a->dy + row * c, a->dx ? a->dx + row * c : NULL, dgamma, dbeta);
}

/* to[i] += the pieces' sums, in their order */
static void add_pieces(const float *partial, size_t pieces, size_t size, size_t i, float *to) {
    double sum = 0;
    for (size_t piece = 0; piece < pieces; piece++) sum += (double)partial[piece * size + i];
    to[i] = (float)((double)to[i] + sum);
}

static void rows_piece(const void *context, size_t piece, int thread) {
    (void)thread;
    backward_rows(context, piece);
}

static void add_channel(const void *context, size_t i, int thread) {
    (void)thread;
    const lt_layer_norm_backward_args *a = context;
    const size_t pieces = row_pieces(&a->forward), size = row_sums_size(&a->forward);
    if (a->dgamma) add_pieces(a->scratch, pieces, size, i, a->dgamma);
    if (a->dbeta) add_pieces(a->scratch + size / 2, pieces, size, i, a->dbeta);
}

void LT_SIMD_NAME(lt_layer_norm_backward)(const lt_layer_norm_backward_args *a) {
    const lt_layer_norm_args *f = &a->forward;
    const int threads = lt_threads_worth(f->rows * (size_t)f->c);
    lt_parallel(threads, row_pieces(f), LT_EVENLY, rows_piece, a);
    lt_parallel(threads, (size_t)f->c, LT_EVENLY, add_channel, a);
}
