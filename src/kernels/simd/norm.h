/* Statistics of group and layer normalisation, for the forward and the backward half. Both go by differences from a
 * nearby number, so that a mean far greater than the deviation costs no precision, and write the normalised value as
 * (x - shift) * slope + offset with the shift near the mean: the difference is exact where it matters. */
#ifndef LT_NORM_H
#define LT_NORM_H

#include "kernels/kernels.h"
#include "kernels/simd/vec.h"

#include <math.h>

/* ---- Group normalisation: moments of pieces, put together for each group ---- */

enum {
    STRIPE_VECTORS = LT_VEC == 8 ? 4 : 8, /* shifts, sums and sums of squares of a stripe fit the registers */
    STRIPE = STRIPE_VECTORS * LT_VEC,     /* channels of one piece */
    STATS_PIXELS = 256                    /* pixels of one piece: short enough for sums in f32 */
};

typedef struct moments {
    double mean, m2; /* of one channel over one piece's pixels; m2 = the sum of (x - mean)^2 */
} moments;

/* A piece is a stripe of one source's channels over a block of one sample's pixels. */
typedef struct norm_piece {
    size_t source, c;  /* c: the source's channels */
    size_t begin, end; /* channels of the source */
    size_t row, count; /* first pixel, of all samples', and how many */
    size_t partial;    /* [n, blocks, c[0]+c[1]]: index of channel `begin` in arrays of so many */
    size_t channel;    /* [n, c[0]+c[1]]: the same */
} norm_piece;

static inline size_t norm_blocks(const lt_group_norm_args *a) {
    return ((size_t)a->pixels + STATS_PIXELS - 1) / STATS_PIXELS;
}

static inline size_t norm_stripes(int c) { return ((size_t)c + STRIPE - 1) / STRIPE; }

/* Pieces of `samples` samples. */
static inline size_t norm_pieces(const lt_group_norm_args *a, size_t samples) {
    return samples * norm_blocks(a) * (norm_stripes(a->c[0]) + norm_stripes(a->c[1]));
}

static inline norm_piece locate_piece(const lt_group_norm_args *a, size_t piece) {
    const size_t blocks = norm_blocks(a), stripes0 = norm_stripes(a->c[0]), stripes = stripes0 + norm_stripes(a->c[1]);
    const size_t stripe = piece % stripes, block = piece / stripes % blocks, sample = piece / stripes / blocks;
    const size_t c = (size_t)(a->c[0] + a->c[1]), first = block * STATS_PIXELS;
    norm_piece p = {.source = stripe >= stripes0, .row = sample * (size_t)a->pixels + first};
    p.c = (size_t)a->c[p.source];
    p.begin = (p.source ? stripe - stripes0 : stripe) * STRIPE;
    p.end = lt_min(p.begin + STRIPE, p.c);
    p.count = lt_min(STATS_PIXELS, (size_t)a->pixels - first);
    const size_t channel = p.begin + (p.source ? (size_t)a->c[0] : 0);
    p.partial = (sample * blocks + block) * c + channel;
    p.channel = sample * c + channel;
    return p;
}

/* Moments of `vectors` vectors of channels over `pixels` rows of x, c floats apart, by differences from the first
 * row. */
LT_INLINE void stripe_moments(const float *x, size_t c, size_t pixels, size_t vectors, size_t rest, moments *out) {
    vf first[STRIPE_VECTORS], sum[STRIPE_VECTORS] = {0}, squares[STRIPE_VECTORS] = {0};
#pragma GCC unroll 8
    for (size_t v = 0; v < vectors; v++) first[v] = vf_load_rest(x + v * LT_VEC, rest);
    for (size_t p = 1; p < pixels; p++) {
#pragma GCC unroll 8
        for (size_t v = 0; v < vectors; v++) {
            const vf difference = vf_load_rest(x + p * c + v * LT_VEC, rest) - first[v];
            sum[v] += difference;
            squares[v] += difference * difference;
        }
    }
    const double count = (double)pixels;
    for (size_t v = 0; v < vectors; v++)
        for (size_t i = 0; i < (rest ? rest : LT_VEC); i++) {
            const double s = (double)sum[v][i], m2 = (double)squares[v][i] - s * s / count;
            out[v * LT_VEC + i] = (moments){(double)first[v][i] + s / count, m2 > 0 ? m2 : 0};
        }
}

/* partial: moments [n, blocks, c[0]+c[1]] */
static inline void piece_moments(const lt_group_norm_args *a, const norm_piece *p, moments *partial) {
    const float *x = a->x[p->source] + p->row * p->c;
    moments *out = partial + p->partial - p->begin;
    size_t i = p->begin;
    for (; i + STRIPE <= p->end; i += STRIPE) stripe_moments(x + i, p->c, p->count, STRIPE_VECTORS, 0, out + i);
    for (; i + LT_VEC <= p->end; i += LT_VEC) stripe_moments(x + i, p->c, p->count, 1, 0, out + i);
    if (i < p->end) stripe_moments(x + i, p->c, p->count, 1, p->end - i, out + i);
}

/* Mean and 1 / sqrt(variance + eps) of one group, from all its pieces: mean = sum n_i mean_i / N and M2 = sum M2_i +
 * n_i (mean_i - mean)^2 (Chan, Golub & LeVeque 1983, for many parts at once). */
static inline void group_statistics(const lt_group_norm_args *a, const moments *partial, size_t sample, size_t group,
                                    double *mean, double *rstd) {
    const size_t c = (size_t)(a->c[0] + a->c[1]), width = c / (size_t)a->groups, blocks = norm_blocks(a);
    const size_t begin = group * width, end = begin + width, total = (size_t)a->pixels;
    const double count = (double)total * (double)width;
    const float *vector = a->vector ? a->vector + sample * c : NULL;
    double sum = 0, m2 = 0;
    *mean = 0;
    for (int pass = 0; pass < 2; pass++) { /* the mean, then differences from it */
        for (size_t block = 0; block < blocks; block++) {
            const moments *part = partial + (sample * blocks + block) * c;
            const double pixels = (double)lt_min(STATS_PIXELS, total - block * STATS_PIXELS);
            for (size_t i = begin; i < end; i++) {
                const double value = part[i].mean + (vector ? (double)vector[i] : 0), off = value - *mean;
                if (pass == 0)
                    sum += value * pixels;
                else
                    m2 += part[i].m2 + pixels * off * off;
            }
        }
        *mean = sum / count;
    }
    *rstd = 1 / sqrt(m2 / count + (double)a->eps);
}

/* What normalises a channel of a sample: (x - shift) * slope + offset. `drift` is what rounding took from the shift:
 * (x - shift + drift) * rstd is the normalised value before gamma and beta. */
typedef struct affine {
    float shift, slope, offset;
    double drift;
} affine;

static inline affine channel_affine(const lt_group_norm_args *a, size_t sample, size_t i, double mean, double rstd) {
    const size_t c = (size_t)(a->c[0] + a->c[1]);
    const double centre = mean - (a->vector ? (double)a->vector[sample * c + i] : 0),
                 slope = rstd * (double)a->gamma[i];
    affine f = {.shift = (float)centre, .slope = (float)slope};
    f.drift = (double)f.shift - centre;
    f.offset = (float)((double)a->beta[i] + f.drift * slope);
    return f;
}

/* ---- Layer normalisation ---- */

/* The normalised value is (x - shift) * slope + offset. */
typedef struct row_statistics {
    float shift, slope, offset;
} row_statistics;

/* Vector i of a row, zeros past its end. */
LT_INLINE vf row_vector(const float *x, size_t i, size_t c) {
    return i + LT_VEC <= c ? vf_load(x + i) : vf_load_part(x + i, c - i);
}

LT_INLINE row_statistics statistics_of_row(const float *x, size_t c, float eps) {
    const size_t whole = c / LT_VEC * LT_VEC;
    vf sum = {0}, differences = {0}, squares = {0};
    for (size_t i = 0; i < c; i += LT_VEC) sum += row_vector(x, i, c);
    const float shift = vf_sum(sum) / (float)c;
    for (size_t i = 0; i < whole; i += LT_VEC) {
        const vf difference = vf_load(x + i) - shift;
        differences += difference;
        squares += difference * difference;
    }
    double d = (double)vf_sum(differences), m2 = (double)vf_sum(squares);
    for (size_t i = whole; i < c; i++) {
        const double difference = (double)(x[i] - shift);
        d += difference;
        m2 += difference * difference;
    }
    const double off = d / (double)c, variance = m2 / (double)c - off * off; /* the mean is shift + off */
    const double rstd = 1 / sqrt((variance > 0 ? variance : 0) + (double)eps);
    return (row_statistics){.shift = shift, .slope = (float)rstd, .offset = (float)(-off * rstd)};
}

#endif
