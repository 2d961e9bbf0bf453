/* The matrix product's inner loop in AMX's tiles, of bf16 and of int8: 32 rows by 32 columns are four tiles of sums;
 * two tiles of a by two of b are added to them, 16 words of k at a time. Both are taken as they lie: AMX's left operand
 * is rows of 16 words, its right one what a panel has, rows of 16 columns' words.
 *
 * How large tiles are is a state of the thread, slow to change: it is set for whole ones (lt_amx_begin), and fewer rows
 * or a rest of k set it for themselves. */
#include "kernels/amx.h"
#include "kernels/gemm.h"
#include "kernels/simd/vec.h"

enum { SIDE = LT_AMX_SIDE, ROWS = 2 * SIDE, COLUMNS = 2 * SIDE, LINE = COLUMNS * sizeof(uint32_t), CACHE_LINE = 64 };

/* ---- Tiles ---- */

/* Sums in tiles 0 to 3, a in 4 and 5, b in 6 and 7. */
static void set_shape(size_t rows, size_t words) {
    const size_t upper = lt_min(rows, SIDE), lower = rows - upper;
    const size_t sides[8][2] = {{upper, SIDE},  {upper, SIDE},  {lower, SIDE}, {lower, SIDE},
                                {upper, words}, {lower, words}, {words, SIDE}, {words, SIDE}};
    lt_amx_shape shape = {0};
    for (size_t i = 0; i < 8; i++) {
        shape.rows[i] = (uint8_t)sides[i][0];
        shape.bytes[i] = sides[i][0] ? (uint16_t)(sides[i][1] * sizeof(uint32_t)) : 0;
    }
    lt_amx_set_shape(&shape);
}

/* So many bytes from one row to the next; 0: all rows are one. */
LT_INLINE void load_sums(const void *from, size_t stride, bool lower) {
    const char *row = from;
    _tile_loadd(0, row, stride);
    _tile_loadd(1, row + LINE / 2, stride);
    if (!lower) return;
    _tile_loadd(2, row + SIDE * stride, stride);
    _tile_loadd(3, row + SIDE * stride + LINE / 2, stride);
}

LT_INLINE void clear_sums(bool lower) {
    _tile_zero(0);
    _tile_zero(1);
    if (!lower) return;
    _tile_zero(2);
    _tile_zero(3);
}

LT_INLINE void store_sums(void *to, size_t stride, bool lower) {
    char *row = to;
    _tile_stored(0, row, stride);
    _tile_stored(1, row + LINE / 2, stride);
    if (!lower) return;
    _tile_stored(2, row + SIDE * stride, stride);
    _tile_stored(3, row + SIDE * stride + LINE / 2, stride);
}

#define ADD_PRODUCT(sum, a, b)                                                                                         \
    do {                                                                                                               \
        if (int8)                                                                                                      \
            _tile_dpbusd(sum, a, b);                                                                                   \
        else                                                                                                           \
            _tile_dpbf16ps(sum, a, b);                                                                                 \
    } while (0)

/* 16 words more of k. next: words from the first row of a to the 17th. */
LT_INLINE void add_step(const float *a, size_t stride, size_t next, const uint32_t *b, const bool lower,
                        const bool int8) {
    _tile_loadd(6, b, LINE);
    _tile_loadd(4, a, stride);
    ADD_PRODUCT(0, 4, 6);
    _tile_loadd(7, b + SIDE, LINE);
    ADD_PRODUCT(1, 4, 7);
    if (!lower) return;
    _tile_loadd(5, a + next, stride);
    ADD_PRODUCT(2, 5, 6);
    ADD_PRODUCT(3, 5, 7);
}

LT_INLINE void multiply(const lt_tile *t, const float *a, const uint32_t *b, size_t words, const bool lower,
                        const bool int8) {
    const size_t stride = t->lda * sizeof *a, fetched = lt_count_parts(t->soon_lines, words / SIDE + 1);
    const char *soon = t->soon;
    for (size_t k = 0; k < words; k += SIDE, a += SIDE, b += SIDE * COLUMNS) {
        for (size_t i = 0; i < fetched; i++, soon += CACHE_LINE) __builtin_prefetch(soon, 0, 2);
        add_step(a, stride, SIDE * t->lda, b, lower, int8);
    }
}

/* ---- The product ---- */

/* c = or += sums times their rows' scales. */
static void finish_integers(const lt_tile *t, const int32_t *sums) {
    for (size_t row = 0; row < t->rows; row++)
        for (size_t column = 0; column < COLUMNS; column += LT_VEC) {
            float *c = t->c + row * t->ldc + column;
            vi sum;
            memcpy(&sum, sums + row * COLUMNS + column, sizeof sum);
            const vf x = __builtin_convertvector(sum, vf) * vf_set(t->scale[row]);
            vf_store(c, t->add ? vf_load(c) + x : x);
        }
}

/* Words [k, end) of a tile's k: of whole tiles of words, or a rest that is less than one. sums: so far, if k is not 0;
 * of int8 the first row of b is what they start from. */
LT_INLINE void add_words(const lt_tile *t, size_t k, size_t end, void *sums, size_t stride, const bool int8) {
    const bool whole = t->rows == ROWS && (end - k) % SIDE == 0, lower = t->rows > SIDE;
    const uint32_t *b = (const uint32_t *)t->b + (k + int8) * COLUMNS;
    if (!whole) set_shape(t->rows, lt_min(end - k, SIDE));
    if (int8 && k == 0)
        load_sums(t->b, 0, lower);
    else if (k > 0 || (!int8 && t->add))
        load_sums(sums, stride, lower);
    else
        clear_sums(lower);
    if (lower)
        multiply(t, t->a + k, b, end - k, true, int8);
    else
        multiply(t, t->a + k, b, end - k, false, int8);
    store_sums(sums, stride, lower);
    if (!whole) lt_amx_begin();
}

LT_INLINE void add_all_words(const lt_tile *t, void *sums, size_t stride, const bool int8) {
    const size_t whole = t->k / SIDE * SIDE;
    if (whole) add_words(t, 0, whole, sums, stride, int8);
    if (whole < t->k) add_words(t, whole, t->k, sums, stride, int8);
}

/* What will be read soon: lines of the next weights, and of the next tile's sums. */
LT_INLINE void fetch(const lt_tile *t, size_t step) {
    enum { SUMS_LINES = ROWS * COLUMNS / SIDE };
    const size_t each = lt_count_parts(SUMS_LINES, t->steps->count);
    for (size_t i = step * t->soon_lines; i < (step + 1) * t->soon_lines; i++)
        __builtin_prefetch(t->soon + i * CACHE_LINE, 0, 2);
    for (size_t i = step * each; i < (step + 1) * each; i++) __builtin_prefetch(t->next + i * SIDE, 1, 3);
}

static void steps_bf16(const lt_tile *t) {
    const size_t stride = t->ldc * sizeof *t->c;
    const bool lower = t->rows > SIDE;
    const uint32_t *b = t->b;
    if (t->add)
        load_sums(t->c, stride, lower);
    else
        clear_sums(lower);
    for (size_t i = 0; i < t->steps->count; i++, b += SIDE * COLUMNS) {
        fetch(t, i);
        if (lower)
            add_step(t->a + t->steps->a[i], SIDE * sizeof *t->a, t->lower, b, true, false);
        else
            add_step(t->a + t->steps->a[i], SIDE * sizeof *t->a, 0, b, false, false);
    }
    store_sums(t->c, stride, lower);
}

static void tile_bf16(const lt_tile *t) { add_all_words(t, t->c, t->ldc * sizeof *t->c, false); }

static void tile_int8(const lt_tile *t) {
    _Alignas(64) int32_t sums[ROWS * COLUMNS];
    add_all_words(t, sums, LINE, true);
    finish_integers(t, sums);
}

#define PRODUCT(of, function, of_steps)                                                                                \
    {                                                                                                                  \
        .numbers = of, .needs = LT_ISA_AMX, .simd = &lt_gemm_simd_avx512, .rows = ROWS, .job_rows = 512,               \
        .words = SIDE, .block = 160, .begin = lt_amx_begin, .end = lt_amx_end, .tile = function, .steps = of_steps     \
    }

const lt_product lt_product_amx_bf16 = PRODUCT(LT_PRECISION_BF16, tile_bf16, steps_bf16);
const lt_product lt_product_amx_int8 = PRODUCT(LT_PRECISION_INT8, tile_int8, NULL);
