/* The table of weights' formats: see weight_format.h. */
#include "kernels/weight_format.h"

#include "base/blocks.h"
#include "base/threads.h"
#include "kernels/bf16.h"

#include <string.h>

/* ---- In plain C ---- */

static void read_f32(const void *x, float *y, size_t n) { memcpy(y, x, n * sizeof *y); }
static void pack_f32(const float *x, void *y, size_t n) { memcpy(y, x, n * sizeof *x); }

static void read_f16(const void *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = lt_f16_to_f32(((const uint16_t *)x)[i]);
}
static void pack_f16(const float *x, void *y, size_t n) {
    for (size_t i = 0; i < n; i++) ((uint16_t *)y)[i] = lt_f32_to_f16(x[i]);
}

/* ---- The table ---- */

#if defined(__x86_64__)
#define WIDEN(name)                                                                                                    \
    { [LT_ISA_AVX2] = lt_widen_##name##_avx2, [LT_ISA_AVX512] = lt_widen_##name##_avx512 }
#elif defined(__aarch64__)
#define WIDEN(name)                                                                                                    \
    { [LT_ISA_NEON] = lt_widen_##name##_neon }
#else
#define WIDEN(name)                                                                                                    \
    { NULL }
#endif

const lt_weight_format lt_weight_formats[] = {
    [LT_WEIGHT_F32] = {"f32", LT_F32, 1, 4, read_f32, pack_f32, WIDEN(f32)},
    [LT_WEIGHT_F16] = {"f16", LT_F16, 1, 2, read_f16, pack_f16, WIDEN(f16)},
    [LT_WEIGHT_BF16] = {"bf16", LT_BF16, 1, 2, lt_bf16_read, lt_bf16_write, WIDEN(bf16)},
    [LT_WEIGHT_CODES_16] = {"codes16", LT_FOREIGN, 16, 16 + 8, NULL, NULL, WIDEN(codes_16)},
    [LT_WEIGHT_CODES_32] = {"codes32", LT_FOREIGN, 32, 32 + 8, NULL, NULL, WIDEN(codes_32)},
};

lt_weight_format_id lt_weight_format_of(lt_dtype type) {
    static const lt_weight_format_id kept_as[LT_DTYPE_COUNT] = {
        [LT_F16] = LT_WEIGHT_F16,
        [LT_F8_E4M3] = LT_WEIGHT_F16,
        [LT_F8_E5M2] = LT_WEIGHT_F16, /* every F8 is an F16 */
        [LT_BF16] = LT_WEIGHT_BF16,   /* all others: float32 */
    };
    const lt_block_format *blocks = lt_block_format_of(type);
    if (blocks) return blocks->group == 16 ? LT_WEIGHT_CODES_16 : LT_WEIGHT_CODES_32;
    return kept_as[type];
}

/* ---- Codes ---- */

void lt_codes_put(const lt_weight_format *f, const int8_t *codes, const float *scale, const float *offset, size_t n,
                  size_t columns, size_t column, void *panel) {
    for (size_t g = 0; g < n / f->block; g++) {
        float *scales = (float *)(void *)((char *)panel + g * columns * f->bytes);
        int8_t *to = (int8_t *)(scales + 2 * columns) + column;
        scales[column] = scale[g];
        scales[columns + column] = offset[g];
        for (size_t i = 0; i < f->block; i++) to[i * columns] = codes[g * f->block + i];
    }
}

/* ---- Widening ---- */

enum { CHUNK = 4096 }; /* values that a thread takes at a time, of whole blocks */

typedef struct widening {
    const lt_weight_format *format;
    lt_widen_loop *widen;
    const char *blocks;
    float *values;
    size_t n;
} widening;

static void widen_chunk(const void *context, size_t chunk, int thread) {
    (void)thread;
    const widening *w = context;
    const size_t i = chunk * CHUNK, n = lt_min(CHUNK, w->n - i);
    const char *from = w->blocks + lt_weight_bytes(w->format, i);
    if (w->widen)
        w->widen(from, w->values + i, n, 1);
    else
        w->format->read(from, w->values + i, n);
}

void lt_weight_widen(lt_weight_format_id format, lt_isa limit, const void *blocks, float *values, size_t n) {
    const lt_weight_format *f = &lt_weight_formats[format];
    const widening all = {f, f->widen[lt_isa_vectors(limit)], blocks, values, n};
    lt_parallel(lt_threads_worth(n), (n + CHUNK - 1) / CHUNK, LT_EVENLY, widen_chunk, &all);
}
