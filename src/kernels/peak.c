/* The speed of the matrix product's tile alone. */
#include "kernels/peak.h"

#include "base/threads.h"
#include "kernels/gemm.h"

#include <string.h>

enum {
    WORDS = 128,  /* of k: with the widest panel 16 KB of weights, and 7 KB of rows */
    TILES = 4096, /* of a thread in one measurement: some milliseconds */
    TIMES = 6
};

typedef struct tile_speed {
    const lt_product *product; /* NULL: of floats */
    void (*tile)(const lt_tile *t);
    size_t rows, columns;
    double flop; /* of a tile */
    size_t floats;
    float *memory; /* [threads][floats]: a, b, c and the rows' scales */
} tile_speed;

static void run_tiles(const void *context, size_t i, int thread) {
    (void)thread;
    const tile_speed *s = context;
    float *a = s->memory + i * s->floats, *b = a + s->rows * WORDS, *c = b + (WORDS + 1) * s->columns;
    const lt_tile t = {.rows = s->rows,
                       .k = WORDS,
                       .a = a,
                       .lda = WORDS,
                       .ldc = s->columns,
                       .next = a,
                       .b = b,
                       .c = c,
                       .scale = c + s->rows * s->columns};
    lt_product_begin(s->product);
    for (int n = 0; n < TILES; n++) s->tile(&t);
    lt_product_end(s->product);
}

/* False: nobody multiplies them. */
static bool choose(tile_speed *s, lt_precision numbers, lt_isa limit) {
    const int in_a_word = numbers == LT_PRECISION_INT8 ? 4 : numbers == LT_PRECISION_BF16 ? 2 : 1;
    const lt_product *product = in_a_word > 1 ? lt_product_get(numbers, limit) : NULL;
    const lt_gemm_simd *simd = in_a_word > 1 ? product ? product->simd : NULL : lt_gemm_simd_get(limit);
    if (!simd) return false;
    s->product = product;
    s->tile = product ? product->tile : simd->tile[LT_WEIGHT_F32];
    s->rows = product ? product->rows : simd->rows;
    s->columns = simd->columns;
    s->flop = 2.0 * (double)(s->rows * s->columns * WORDS) * in_a_word;
    s->floats = lt_round_up(s->rows * WORDS + (WORDS + 1) * s->columns + s->rows * (s->columns + 1), 1024);
    return true;
}

double lt_product_peak(lt_precision numbers, lt_isa limit, int threads) {
    tile_speed s = {.tile = NULL};
    double best = 0;
    if (!choose(&s, numbers, limit)) return 0;
    s.memory = lt_calloc((size_t)threads, s.floats * sizeof *s.memory);
    for (int i = 0; s.memory && i < TIMES; i++) {
        const double start = lt_now();
        lt_parallel(threads, (size_t)threads, 1, run_tiles, &s);
        const double speed = s.flop * TILES * threads / (lt_now() - start);
        best = speed > best ? speed : best;
    }
    lt_free(s.memory);
    return best;
}
