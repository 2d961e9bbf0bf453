/* Group and layer normalisation. Both write (x - shift) * slope + offset, see norm.h. */
#include "kernels/simd/norm.h"
#include "kernels/simd/simd.h"

/* ---- Group normalisation: statistics of pieces, a shift and slope for each channel, one pass to apply them ---- */

enum {
    APPLY_FLOATS = 16384, /* elements of one piece of applying, about */
    FINISH_SHARED = 1024  /* fewer channels of all samples are finished by one thread */
};

/* The scratch: moments [n, blocks, c], then floats shift, slope, offset [n, c] each. */
typedef struct layout {
    size_t c, pixels;
    moments *partial;
    float *shift, *slope, *offset;
} layout;

static layout lay_out(const lt_group_norm_args *a) {
    layout l = {.c = (size_t)(a->c[0] + a->c[1]), .pixels = (size_t)a->pixels};
    const size_t n = (size_t)a->n;
    l.partial = (moments *)(void *)a->scratch;
    l.shift = a->scratch + n * norm_blocks(a) * l.c * (sizeof(moments) / sizeof(float));
    l.slope = l.shift + n * l.c;
    l.offset = l.slope + n * l.c;
    return l;
}

size_t LT_SIMD_NAME(lt_group_norm_scratch)(const lt_group_norm_args *a) {
    const size_t n = (size_t)a->n, c = (size_t)(a->c[0] + a->c[1]);
    return n * c * (norm_blocks(a) * (sizeof(moments) / sizeof(float)) + 3);
}

/* Shift, slope and offset of one group's channels. */
static void finish_group(const lt_group_norm_args *a, const layout *l, size_t sample, size_t group) {
    const size_t width = l->c / (size_t)a->groups, begin = group * width;
    double mean, rstd;
    group_statistics(a, l->partial, sample, group, &mean, &rstd);
    for (size_t i = begin; i < begin + width; i++) {
        const size_t at = sample * l->c + i;
        const affine f = channel_affine(a, sample, i, mean, rstd);
        l->shift[at] = f.shift;
        l->slope[at] = f.slope;
        l->offset[at] = f.offset;
    }
}

LT_INLINE vf apply(lt_activation act, vf x, vf shift, vf slope, vf offset) {
    const vf y = (x - shift) * slope + offset;
    return act == LT_ACT_SILU ? vf_silu(y, 1.0f) : y;
}

/* One row of one source; shift, slope and offset belong to its channels, y's from number `at` on. */
LT_INLINE void apply_row(lt_activation act, const float *x, size_t c, const float *shift, const float *slope,
                         const float *offset, void *y, size_t at, const bool bf16) {
    size_t i = 0;
    for (; i + LT_VEC <= c; i += LT_VEC)
        vf_store_value(y, at + i,
                       apply(act, vf_load(x + i), vf_load(shift + i), vf_load(slope + i), vf_load(offset + i)), LT_VEC,
                       bf16);
    if (i < c) {
        const size_t rest = c - i;
        const vf last = apply(act, vf_load_part(x + i, rest), vf_load_part(shift + i, rest),
                              vf_load_part(slope + i, rest), vf_load_part(offset + i, rest));
        vf_store_value(y, at + i, last, rest, bf16);
    }
}

/* Pixels [begin, end) of a sample. */
LT_INLINE void apply_pixels(const lt_group_norm_args *a, const layout *l, const lt_activation act, const bool bf16,
                            size_t sample, size_t begin, size_t end) {
    const size_t c0 = (size_t)a->c[0], c1 = (size_t)a->c[1], at = sample * l->c;
    for (size_t p = sample * l->pixels + begin; p < sample * l->pixels + end; p++) {
        apply_row(act, a->x[0] + p * c0, c0, l->shift + at, l->slope + at, l->offset + at, a->y, p * l->c, bf16);
        if (c1)
            apply_row(act, a->x[1] + p * c1, c1, l->shift + at + c0, l->slope + at + c0, l->offset + at + c0, a->y,
                      p * l->c + c0, bf16);
    }
}

typedef struct group_norm {
    const lt_group_norm_args *a;
    layout l;
    size_t step, blocks; /* pixels of one piece of applying; pieces of a sample */
} group_norm;

static void measure(const void *context, size_t piece, int thread) {
    (void)thread;
    const group_norm *g = context;
    const norm_piece p = locate_piece(g->a, piece);
    piece_moments(g->a, &p, g->l.partial);
}

static void finish(const void *context, size_t piece, int thread) {
    (void)thread;
    const group_norm *g = context;
    finish_group(g->a, &g->l, piece / (size_t)g->a->groups, piece % (size_t)g->a->groups);
}

static void apply_piece(const void *context, size_t piece, int thread) {
    (void)thread;
    const group_norm *g = context;
    const size_t sample = piece / g->blocks, begin = piece % g->blocks * g->step;
    const size_t end = lt_min(begin + g->step, g->l.pixels);
    const bool silu = g->a->act == LT_ACT_SILU, bf16 = g->a->type == LT_VALUE_BF16;
    if (silu && bf16)
        apply_pixels(g->a, &g->l, LT_ACT_SILU, true, sample, begin, end);
    else if (silu)
        apply_pixels(g->a, &g->l, LT_ACT_SILU, false, sample, begin, end);
    else if (bf16)
        apply_pixels(g->a, &g->l, LT_ACT_NONE, true, sample, begin, end);
    else
        apply_pixels(g->a, &g->l, LT_ACT_NONE, false, sample, begin, end);
}

void LT_SIMD_NAME(lt_group_norm)(const lt_group_norm_args *a) {
    group_norm g = {.a = a, .l = lay_out(a)};
    const size_t n = (size_t)a->n;
    g.step = lt_max(1, APPLY_FLOATS / g.l.c);
    g.blocks = (g.l.pixels + g.step - 1) / g.step;
    const int threads = lt_threads_worth(n * g.l.pixels * g.l.c);
    lt_parallel(threads, norm_pieces(a, n), LT_EVENLY, measure, &g);
    lt_parallel(n * g.l.c >= FINISH_SHARED ? threads : 1, n * (size_t)a->groups, LT_EVENLY, finish, &g);
    lt_parallel(threads, n * g.blocks, LT_EVENLY, apply_piece, &g);
}

/* ---- Layer normalisation ---- */

LT_INLINE void normalise_row(const lt_layer_norm_args *a, size_t row, const bool bf16) {
    const size_t c = (size_t)a->c, whole = c / LT_VEC * LT_VEC;
    const float *x = a->x + row * c;
    const row_statistics s = statistics_of_row(x, c, a->eps);
    for (size_t i = 0; i < whole; i += LT_VEC) {
        const vf normal = (vf_load(x + i) - s.shift) * s.slope + s.offset;
        vf_store_value(a->y, row * c + i, normal * vf_load(a->gamma + i) + vf_load(a->beta + i), LT_VEC, bf16);
    }
    if (whole < c) {
        const size_t rest = c - whole;
        const vf normal = (vf_load_part(x + whole, rest) - s.shift) * s.slope + s.offset;
        vf_store_value(a->y, row * c + whole,
                       normal * vf_load_part(a->gamma + whole, rest) + vf_load_part(a->beta + whole, rest), rest, bf16);
    }
}

static void layer_norm_row(const void *context, size_t row, int thread) {
    (void)thread;
    const lt_layer_norm_args *a = context;
    if (a->type == LT_VALUE_BF16)
        normalise_row(a, row, true);
    else
        normalise_row(a, row, false);
}

void LT_SIMD_NAME(lt_layer_norm)(const lt_layer_norm_args *a) {
    lt_parallel(lt_threads_worth(a->rows * (size_t)a->c), a->rows, LT_EVENLY, layer_norm_row, a);
}
