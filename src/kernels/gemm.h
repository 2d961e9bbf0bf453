/* What our matrix product and our Winograd convolution share: panels of packed weights, and inner loops for each
 * instruction set.
 *
 * Weights are packed in panels of `columns` output channels: [panel][k][columns], k = (ky*kernel + kx)*c + channel,
 * missing columns 0, in the format of the checkpoint (weight_format.h), which is widened (exactly) in cache. With GEGLU
 * panels alternate: values, gates. */
#ifndef LT_GEMM_H
#define LT_GEMM_H

#include "kernels/conv_impl.h"

/* What happens to finished sums before they are stored: dst = alpha * act(sum + bias) + residual. */
typedef struct lt_epilogue {
    lt_activation act;
    float alpha;                    /* of what is added to the residual */
    size_t columns;                 /* of dst, from its first column on: the last panel may hold more */
    size_t stride, residual_stride; /* numbers from one row of dst, and of residual, to the next */
    const float *bias;              /* of dst's first column; NULL: none */
    const float *gate_bias;         /* GEGLU: of the gates */
    const float *scale;             /* of each column of the sums, which are multiplied by it first; NULL: none */
    const float *residual;          /* may be dst where that is float32; NULL: none */
    void *dst;
    lt_value_type_id type; /* of dst: float32 or bf16 */
} lt_epilogue;

/* Steps of a product whose a is not one run of k: each of 16 words, and where its rows of a begin. */
enum { LT_MOST_STEPS = 25 };
typedef struct lt_tile_steps {
    size_t count, a[LT_MOST_STEPS];
} lt_tile_steps;

/* c[rows, columns] = a[rows, k] b[k, columns], or += if add. Each sum runs over k in order, whatever rows is. */
typedef struct lt_tile {
    size_t rows, k;
    const float *a;
    size_t lda, ldc;
    const float *next; /* next[0], next[ahead] ... next[k*ahead] will be read soon: fetched into the cache meanwhile */
    size_t ahead;
    const void *b;
    const lt_tile_steps *steps; /* of `steps` only, instead of k; `next` is then the next tile's c */
    size_t lower;               /* likewise: words from the first row of a to the 17th; rows are 16 words apart */
    const char *soon;           /* AMX only: cache lines of panels that will be read soon; */
    size_t soon_lines;          /* so many in all or, of `steps`, of each step */
    float *c;
    bool add;
    size_t ldb;         /* tile_outer only: of a and b the rows are k, lda and ldb floats apart: c = a' b */
    const float *scale; /* int8 only, of each row: b begins with what its sums start from, and c is scale times them */
} lt_tile;

typedef struct lt_gemm_simd {
    lt_isa isa;
    size_t rows, columns; /* of the tile that stays in registers: at most rows, exactly columns */
    void (*tile[LT_WEIGHT_FORMATS])(const lt_tile *t); /* by b's format; NULL: b has to be widened before */
    void (*tile_outer)(const lt_tile *t);              /* c[rows, columns] = or += a[k, rows]' b[k, columns] */
    /* to[(tap*c + channel)*to_stride + row] = from[row*from_stride + channel*taps + tap]; rows: a multiple of 8 */
    void (*transpose)(const float *from, size_t from_stride, size_t rows, size_t c, size_t taps, float *to,
                      size_t to_stride);
    /* The same of numbers of 16 bits. */
    void (*transpose_16)(const uint16_t *from, size_t from_stride, size_t rows, size_t c, size_t taps, uint16_t *to,
                         size_t to_stride);
    /* sums [rows, ldc]; with GEGLU its columns alternate: a panel of values, a panel of gates */
    void (*finish)(const lt_epilogue *e, size_t rows, const float *sums, size_t ldc);
} lt_gemm_simd;

/* What stays near a core: rows that a panel serves, 280 KB of sums; words of k that a sum goes on for, 48 KB of a
 * panel of 32 columns. */
enum { LT_JOB_ROWS = 224, LT_BLOCK_K = 384 };

/* The same product of narrow numbers (narrow.h), of which a and b hold words: a tile of `rows` rows. */
typedef struct lt_product {
    lt_precision numbers;
    lt_isa needs;
    const lt_gemm_simd *simd; /* whose columns it has, and who finishes */
    size_t rows;
    size_t job_rows;     /* that one panel serves, at most */
    size_t words, block; /* of k: those that are multiplied at a time; those of bf16 that a sum goes on for, at most */
    void (*begin)(void), (*end)(void); /* by a thread, before its tiles and after them; NULL: nothing */
    void (*tile)(const lt_tile *t);
    void (*steps)(const lt_tile *t); /* the same over t->steps, of 16 rows or 32; NULL: none */
    void (*pairs)(
        const lt_tile *t); /* of int16 (winograd_pairs.h), with rows' scales as int8; NULL: floats are as fast */
} lt_product;

static inline void lt_product_begin(const lt_product *p) {
    if (p && p->begin) p->begin();
}
static inline void lt_product_end(const lt_product *p) {
    if (p && p->end) p->end();
}

/* The best there is, not above limit; NULL: none. */
const lt_product *lt_product_get(lt_precision numbers, lt_isa limit);

extern const lt_product lt_product_avx2, lt_product_avxvnni, lt_product_avx512, lt_product_avx512vnni,
    lt_product_avx512bf16, lt_product_amx_bf16, lt_product_amx_int8, lt_product_neon, lt_product_neondot;

/* F(4x4, 3x3): 4x4 outputs from 6x6 inputs with 36 products instead of 144. xi = 0..35 is the place in the transformed
 * tile. */
enum { LT_WINOGRAD_OUT = 4, LT_WINOGRAD_IN = 6, LT_WINOGRAD_TILE = 36 };

typedef struct lt_winograd_simd {
    size_t channels; /* each source's channels must be a multiple of this */
    /* V = B' d B: pixels[36] point at a tile's inputs, row by row, of which channels from `first` on; v[xi*stride +
     * channel - first] */
    void (*input)(const void *const *pixels, size_t first, size_t channels, float *v, size_t stride);
    /* The same as pairs (winograd_pairs.h), of pixels that are float32 or bf16; scales[xi*scales_stride]: of the
     * products of each of the 36. */
    void (*input_pairs)(const void *const *pixels, bool bf16, size_t first, size_t channels, uint32_t *v, size_t stride,
                        float *scales, size_t scales_stride);
    /* U = G g G': packed panel rows of 9 taps, `tap` rows apart, `channels` of them; u[xi*stride + channel*columns +
     * column] */
    void (*weights[LT_WEIGHT_FORMATS])(const void *packed, size_t tap, size_t channels, float *u, size_t stride);
    /* The same as pairs of channels, u[xi*stride + pair*columns + column], each column's weights multiplied by `by`.
     * After the formats: of bytes. */
    void (*weights_pairs[LT_WEIGHT_FORMATS + 1])(const void *packed, size_t tap, size_t channels, const float *by,
                                                 uint32_t *u, size_t stride);
    /* Y = A' M A: m[xi*stride + column], y[4*4][columns] */
    void (*output)(const float *m, size_t stride, float *y);
    /* Of the gradient by the weights. M = A dy A': pixels[16] point at a tile of ddst; m[xi*stride + channel] */
    void (*gradient)(const void *const *pixels, size_t channels, float *m, size_t stride);
    /* dg = G' dU G: u[xi*stride + column], taps[9][columns] */
    void (*taps)(const float *u, size_t stride, float *taps);
} lt_winograd_simd;

/* Whether Winograd's convolution of floats is for this shape, as desc.isa has it. */
bool lt_winograd_takes(const lt_conv_desc *d);
/* Where the side*side pixels start that begin `before` pixels above and to the left of the outputs of a tile, in a
 * tensor x of d's sides and pixels of so many bytes; beyond the border, zero. */
void lt_winograd_pixels(const lt_conv_desc *d, const void *x, size_t bytes, size_t tile, size_t side, size_t before,
                        const void *zero, const void **pixels);

/* NULL where the processor, or limit, has neither AVX2 nor AVX-512 nor NEON. */
const lt_gemm_simd *lt_gemm_simd_get(lt_isa limit);
const lt_winograd_simd *lt_winograd_simd_get(lt_isa limit);

extern const lt_gemm_simd lt_gemm_simd_avx2, lt_gemm_simd_avx512, lt_gemm_simd_neon;
extern const lt_winograd_simd lt_winograd_simd_avx2, lt_winograd_simd_avx512, lt_winograd_simd_neon;

/* How many parts of this size n makes, the last one perhaps smaller. */
static inline size_t lt_count_parts(size_t n, size_t size) { return (n + size - 1) / size; }
/* The size of a part when n is cut into as many equal parts as it takes for none to be over most. */
static inline size_t lt_part(size_t n, size_t most) { return lt_count_parts(n, lt_count_parts(n, most)); }

/* tile_outer over any number of rows and of columns, which b and c have room for in whole tiles: all says the rest. */
static inline void lt_gemm_outer(const lt_gemm_simd *simd, const lt_tile *all, size_t columns) {
    const size_t step = lt_part(all->rows, simd->rows);
    for (size_t column = 0; column < columns; column += simd->columns)
        for (size_t row = 0; row < all->rows; row += step) {
            lt_tile t = *all;
            t.rows = lt_min(step, all->rows - row);
            t.a += row;
            t.b = (const float *)all->b + column;
            t.c += row * all->ldc + column;
            simd->tile_outer(&t);
        }
}

/* Packed weights, for both. */
static inline size_t lt_panels(const lt_conv_desc *d, const lt_gemm_simd *simd) {
    return lt_count_parts((size_t)d->oc, simd->columns) * (d->act == LT_ACT_GEGLU ? 2 : 1);
}
static inline size_t lt_panel_k(const lt_conv_desc *d) {
    return (size_t)(d->c[0] + d->c[1]) * (size_t)d->kernel * (size_t)d->kernel;
}
/* Floats from one line of a weight to the next where it is packed: an odd number of cache lines, so that the lines of a
 * panel don't share sets. */
static inline size_t lt_panel_line(const lt_conv_desc *d) { return (lt_round_up(lt_panel_k(d), 16) / 16 | 1) * 16; }
/* Fills layout and packed_size. */
void lt_panels_describe(lt_conv *conv, const lt_gemm_simd *simd);
/* weight's shape is checked (lt_conv_pack). */
lt_status lt_panels_pack(const lt_conv *conv, const lt_gemm_simd *simd, const lt_weight_source *weight, void *packed);

/* One panel: p. lines: room for `spare` floats. */
typedef void lt_pack_panel(const lt_conv_desc *d, const lt_gemm_simd *simd, const lt_weight_source *weight, size_t p,
                           float *lines, void *panel);
lt_pack_panel lt_pack_floats; /* in the checkpoint's format; with columns + 1 lines */
/* All panels, shared out. */
lt_status lt_panels_pack_by(const lt_conv *conv, const lt_gemm_simd *simd, const lt_weight_source *weight, size_t spare,
                            lt_pack_panel *pack, void *packed);

#endif
