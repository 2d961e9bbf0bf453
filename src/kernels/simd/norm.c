/* Group and layer normalisation. Both go by differences from a nearby number, so that a mean far greater than the
 * deviation costs no precision, and write (x - shift) * a + b with the shift near the mean: the difference is exact
 * where it matters. */
#include "kernels/simd/simd.h"

#include <math.h>

/* ---- Group normalisation: statistics of pieces, a shift and slope for each channel, one pass to apply them ---- */

enum {
    STRIPE_VECTORS = LT_VEC == 16 ? 8 : 4, /* shifts, sums and sums of squares of a stripe fit the registers */
    STRIPE = STRIPE_VECTORS * LT_VEC,      /* channels of one piece of statistics */
    STATS_PIXELS = 256,                    /* pixels of one piece of statistics: short enough for sums in f32 */
    APPLY_FLOATS = 16384                   /* elements of one piece of applying, about */
};

typedef struct moments {
    double mean, m2; /* of one channel over one piece's pixels; m2 = the sum of (x - mean)^2 */
} moments;

/* The scratch: moments [n, blocks, c], then floats shift, slope, offset [n, c] each. */
typedef struct layout {
    size_t c, blocks, pixels;
    moments *partial;
    float *shift, *slope, *offset;
} layout;

static layout lay_out(const lt_group_norm_args *a) {
    layout l = {.c = (size_t)(a->c[0] + a->c[1]), .pixels = (size_t)a->pixels};
    l.blocks = (l.pixels + STATS_PIXELS - 1) / STATS_PIXELS;
    const size_t n = (size_t)a->n;
    l.partial = (moments *)(void *)a->scratch;
    l.shift = a->scratch + n * l.blocks * l.c * (sizeof(moments) / sizeof(float));
    l.slope = l.shift + n * l.c;
    l.offset = l.slope + n * l.c;
    return l;
}

size_t LT_SIMD_NAME(lt_group_norm_scratch)(const lt_group_norm_args *a) {
    const size_t n = (size_t)a->n, c = (size_t)(a->c[0] + a->c[1]);
    const size_t blocks = ((size_t)a->pixels + STATS_PIXELS - 1) / STATS_PIXELS;
    return n * c * (blocks * (sizeof(moments) / sizeof(float)) + 3);
}

/* Moments of up to STRIPE channels over `pixels` rows of x, c floats apart, by differences from the first row. */
LT_INLINE void stripe_moments(const float *x, size_t c, size_t pixels, size_t vectors, size_t rest, moments *out) {
    vf first[STRIPE_VECTORS], sum[STRIPE_VECTORS] = {0}, squares[STRIPE_VECTORS] = {0};
#pragma GCC unroll 8
    for (size_t v = 0; v < vectors; v++) first[v] = rest ? vf_load_part(x, rest) : vf_load(x + v * LT_VEC);
    for (size_t p = 1; p < pixels; p++) {
#pragma GCC unroll 8
        for (size_t v = 0; v < vectors; v++) {
            const float *at = x + p * c + v * LT_VEC;
            const vf difference = (rest ? vf_load_part(at, rest) : vf_load(at)) - first[v];
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

/* Moments of channels [begin, end) of one source: x [pixels, c]. */
static void block_moments(const float *x, size_t c, size_t pixels, size_t begin, size_t end, moments *out) {
    size_t i = begin;
    for (; i + STRIPE <= end; i += STRIPE) stripe_moments(x + i, c, pixels, STRIPE_VECTORS, 0, out + i);
    for (; i + LT_VEC <= end; i += LT_VEC) stripe_moments(x + i, c, pixels, 1, 0, out + i);
    if (i < end) stripe_moments(x + i, c, pixels, 1, end - i, out + i);
}

/* Shift, slope and offset of one group's channels, from all its pieces: mean = sum n_i mean_i / N and M2 = sum M2_i +
 * n_i (mean_i - mean)^2 (Chan, Golub & LeVeque 1983, for many parts at once). */
static void finish_group(const lt_group_norm_args *a, const layout *l, size_t sample, size_t group) {
    const size_t width = l->c / (size_t)a->groups, begin = group * width, end = begin + width;
    const double count = (double)l->pixels * (double)width;
    double mean = 0, m2 = 0;
    for (size_t block = 0; block < l->blocks; block++) {
        const moments *part = l->partial + (sample * l->blocks + block) * l->c;
        const double pixels = (double)lt_min(STATS_PIXELS, l->pixels - block * STATS_PIXELS);
        double sum = 0;
        for (size_t i = begin; i < end; i++)
            sum += part[i].mean + (a->vector ? (double)a->vector[sample * l->c + i] : 0);
        mean += sum * pixels;
    }
    mean /= count;
    for (size_t block = 0; block < l->blocks; block++) {
        const moments *part = l->partial + (sample * l->blocks + block) * l->c;
        const double pixels = (double)lt_min(STATS_PIXELS, l->pixels - block * STATS_PIXELS);
        for (size_t i = begin; i < end; i++) {
            const double off = part[i].mean + (a->vector ? (double)a->vector[sample * l->c + i] : 0) - mean;
            m2 += part[i].m2 + pixels * off * off;
        }
    }
    const double rstd = 1 / sqrt(m2 / count + (double)a->eps);
    for (size_t i = begin; i < end; i++) {
        const size_t at = sample * l->c + i;
        const double centre = mean - (a->vector ? (double)a->vector[at] : 0), slope = rstd * (double)a->gamma[i];
        l->shift[at] = (float)centre;
        l->slope[at] = (float)slope;
        l->offset[at] = (float)((double)a->beta[i] + ((double)l->shift[at] - centre) * slope);
    }
}

LT_INLINE vf apply(lt_activation act, vf x, vf shift, vf slope, vf offset) {
    const vf y = (x - shift) * slope + offset;
    return act == LT_ACT_SILU ? vf_silu(y, 1.0f) : y;
}

/* One row of one source; shift, slope, offset and y belong to its channels. */
LT_INLINE void apply_row(lt_activation act, const float *x, size_t c, const float *shift, const float *slope,
                         const float *offset, float *y) {
    size_t i = 0;
    for (; i + LT_VEC <= c; i += LT_VEC)
        vf_store(y + i, apply(act, vf_load(x + i), vf_load(shift + i), vf_load(slope + i), vf_load(offset + i)));
    if (i < c) {
        const size_t rest = c - i;
        const vf last = apply(act, vf_load_part(x + i, rest), vf_load_part(shift + i, rest),
                              vf_load_part(slope + i, rest), vf_load_part(offset + i, rest));
        vf_store_part(y + i, last, rest);
    }
}

/* Pixels [begin, end) of a sample. */
LT_INLINE void apply_pixels(const lt_group_norm_args *a, const layout *l, lt_activation act, size_t sample,
                            size_t begin, size_t end) {
    const size_t c0 = (size_t)a->c[0], c1 = (size_t)a->c[1], at = sample * l->c;
    for (size_t p = sample * l->pixels + begin; p < sample * l->pixels + end; p++) {
        apply_row(act, a->x[0] + p * c0, c0, l->shift + at, l->slope + at, l->offset + at, a->y + p * l->c);
        if (c1)
            apply_row(act, a->x[1] + p * c1, c1, l->shift + at + c0, l->slope + at + c0, l->offset + at + c0,
                      a->y + p * l->c + c0);
    }
}

/* Piece of the statistics: one sample, one block of pixels, one stripe of one source. */
static void stats_piece(const lt_group_norm_args *a, const layout *l, size_t piece) {
    const size_t c0 = (size_t)a->c[0], c1 = (size_t)a->c[1];
    const size_t stripes0 = (c0 + STRIPE - 1) / STRIPE, stripes = stripes0 + (c1 + STRIPE - 1) / STRIPE;
    const size_t stripe = piece % stripes, block = piece / stripes % l->blocks, sample = piece / stripes / l->blocks;
    const size_t source = stripe >= stripes0, c = source ? c1 : c0;
    const size_t begin = (source ? stripe - stripes0 : stripe) * STRIPE, first = block * STATS_PIXELS;
    block_moments(a->x[source] + (sample * l->pixels + first) * c, c, lt_min(STATS_PIXELS, l->pixels - first), begin,
                  lt_min(c, begin + STRIPE), l->partial + (sample * l->blocks + block) * l->c + (source ? c0 : 0));
}

void LT_SIMD_NAME(lt_group_norm)(const lt_group_norm_args *a) {
    const layout l = lay_out(a);
    const size_t n = (size_t)a->n, groups = (size_t)a->groups;
    const size_t stripes = ((size_t)a->c[0] + STRIPE - 1) / STRIPE + ((size_t)a->c[1] + STRIPE - 1) / STRIPE;
    const size_t step = lt_max(1, APPLY_FLOATS / l.c), blocks = (l.pixels + step - 1) / step;
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (size_t piece = 0; piece < n * l.blocks * stripes; piece++) stats_piece(a, &l, piece);
#pragma omp for schedule(static)
        for (size_t piece = 0; piece < n * groups; piece++) finish_group(a, &l, piece / groups, piece % groups);
#pragma omp for schedule(static)
        for (size_t piece = 0; piece < n * blocks; piece++) {
            const size_t sample = piece / blocks, begin = piece % blocks * step, end = lt_min(begin + step, l.pixels);
            if (a->act == LT_ACT_SILU)
                apply_pixels(a, &l, LT_ACT_SILU, sample, begin, end);
            else
                apply_pixels(a, &l, LT_ACT_NONE, sample, begin, end);
        }
    }
}

/* ---- Layer normalisation ---- */

/* Vector i of a row, zeros past its end. */
LT_INLINE vf row_vector(const float *x, size_t i, size_t c) {
    return i + LT_VEC <= c ? vf_load(x + i) : vf_load_part(x + i, c - i);
}

static void normalise_row(const lt_layer_norm_args *a, size_t row) {
    const size_t c = (size_t)a->c, whole = c / LT_VEC * LT_VEC;
    const float *x = a->x + row * c;
    float *y = a->y + row * c;
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
    const double rstd = 1 / sqrt((variance > 0 ? variance : 0) + (double)a->eps);
    const float slope = (float)rstd, offset = (float)(-off * rstd);
    for (size_t i = 0; i < whole; i += LT_VEC)
        vf_store(y + i, ((vf_load(x + i) - shift) * slope + offset) * vf_load(a->gamma + i) + vf_load(a->beta + i));
    if (whole < c) {
        const size_t rest = c - whole;
        const vf normal = (vf_load_part(x + whole, rest) - shift) * slope + offset;
        vf_store_part(y + whole, normal * vf_load_part(a->gamma + whole, rest) + vf_load_part(a->beta + whole, rest),
                      rest);
    }
}

void LT_SIMD_NAME(lt_layer_norm)(const lt_layer_norm_args *a) {
#pragma omp parallel for schedule(static) if (a->rows * (size_t)a->c >= 16384)
    for (size_t row = 0; row < a->rows; row++) normalise_row(a, row);
}
