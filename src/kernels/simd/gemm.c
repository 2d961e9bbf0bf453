/* The matrix product's inner loops of float32, and what is done to the sums when they are complete. */
#include "kernels/simd/simd.h"
#include "kernels/simd/tile.h"

/* ---- The product ---- */

static void tile_f32(const lt_tile *t) { tile_any(t, NUMBERS_F32, LT_WEIGHT_F32, false); }
static void tile_f16(const lt_tile *t) { tile_any(t, NUMBERS_F32, LT_WEIGHT_F16, false); }
static void tile_bf16(const lt_tile *t) { tile_any(t, NUMBERS_F32, LT_WEIGHT_BF16, false); }
static void tile_outer(const lt_tile *t) { tile_any(t, NUMBERS_F32, LT_WEIGHT_F32, true); }

/* ---- Packing ---- */

/* Columns [0, n) of eight rows of numbers of `size` bytes, `stride` bytes apart, each to its own line. */
LT_INLINE void transpose_part(const char *from, size_t stride, size_t n, char *const line[8], const size_t size) {
    union {
        v8 floats[8];
        h8 halves[8];
    } block = {0};
    char *rows = (char *)&block;
    for (size_t i = 0; i < 8; i++) memcpy(rows + i * 8 * size, from + i * stride, n * size);
    if (size == sizeof(float))
        v8_transpose(block.floats);
    else
        h8_transpose(block.halves);
    for (size_t i = 0; i < n; i++) memcpy(line[i], rows + i * 8 * size, 8 * size);
}

LT_INLINE void transpose_any(const char *from, size_t from_stride, size_t rows, size_t c, size_t taps, char *to,
                             size_t to_stride, const size_t size) {
    size_t channel = 0, tap = 0;
    for (size_t k = 0; k < c * taps; k += 8) {
        const size_t n = lt_min(8, c * taps - k);
        char *line[8] = {0}; /* where column k + i goes */
        for (size_t i = 0; i < n; i++) {
            line[i] = to + (tap * c + channel) * to_stride;
            if (++tap == taps) {
                tap = 0;
                channel++;
            }
        }
        for (size_t row = 0; row < rows; row += 8) {
            const char *part = from + row * from_stride + k * size;
            if (n == 8)
                transpose_part(part, from_stride, 8, line, size);
            else
                transpose_part(part, from_stride, n, line, size);
            for (size_t i = 0; i < n; i++) line[i] += 8 * size;
        }
    }
}

static void transpose(const float *from, size_t from_stride, size_t rows, size_t c, size_t taps, float *to,
                      size_t to_stride) {
    const size_t size = sizeof(float);
    transpose_any((const char *)from, from_stride * size, rows, c, taps, (char *)to, to_stride * size, size);
}

static void transpose_16(const uint16_t *from, size_t from_stride, size_t rows, size_t c, size_t taps, uint16_t *to,
                         size_t to_stride) {
    const size_t size = sizeof(uint16_t);
    transpose_any((const char *)from, from_stride * size, rows, c, taps, (char *)to, to_stride * size, size);
}

/* ---- The epilogue ---- */

LT_INLINE vf activate(const lt_activation act, vf x) {
    switch (act) {
    case LT_ACT_SILU: return vf_silu(x, 1.0f);
    case LT_ACT_GELU: return vf_gelu(x);
    case LT_ACT_QUICK_GELU: return vf_silu(x, 1.702f);
    case LT_ACT_RELU: return vf_max(vf_set(0.0f), x);
    case LT_ACT_LEAKY_RELU: return vf_max(0.2f * x, x);
    case LT_ACT_NONE:
    case LT_ACT_GEGLU:
    case LT_ACT_SOFT_CLAMP: break;
    }
    return x;
}

LT_INLINE vf scaled(const lt_epilogue *e, const float *sum, ptrdiff_t column) {
    return e->scale ? vf_load(sum) * vf_load(e->scale + column) : vf_load(sum);
}

LT_INLINE void finish_row(const lt_epilogue *e, const lt_activation act, const bool bf16, size_t row,
                          const float *sums) {
    for (size_t j = 0; j < e->columns; j += LT_VEC) {
        const size_t n = lt_min(e->columns - j, LT_VEC), at = row * e->stride + j;
        const float *sum = act == LT_ACT_GEGLU ? sums + j / COLUMNS * (2 * COLUMNS) + j % COLUMNS : sums + j;
        vf x = scaled(e, sum, sum - sums);
        if (e->bias) x += vf_load_part(e->bias + j, n);
        if (act == LT_ACT_GEGLU) {
            vf gate = scaled(e, sum + COLUMNS, sum + COLUMNS - sums);
            if (e->gate_bias) gate += vf_load_part(e->gate_bias + j, n);
            x *= vf_gelu(gate);
        }
        x = activate(act, x) * e->alpha;
        if (e->residual) x += vf_load_part(e->residual + row * e->residual_stride + j, n);
        vf_store_value(e->dst, at, x, n, bf16);
    }
}

LT_INLINE void finish_rows(const lt_epilogue *e, const lt_activation act, size_t rows, const float *sums, size_t ldc) {
    if (e->type == LT_VALUE_BF16)
        for (size_t r = 0; r < rows; r++) finish_row(e, act, true, r, sums + r * ldc);
    else
        for (size_t r = 0; r < rows; r++) finish_row(e, act, false, r, sums + r * ldc);
}

static void finish(const lt_epilogue *e, size_t rows, const float *sums, size_t ldc) {
    switch (e->act) {
    case LT_ACT_NONE: finish_rows(e, LT_ACT_NONE, rows, sums, ldc); break;
    case LT_ACT_SILU: finish_rows(e, LT_ACT_SILU, rows, sums, ldc); break;
    case LT_ACT_GELU: finish_rows(e, LT_ACT_GELU, rows, sums, ldc); break;
    case LT_ACT_QUICK_GELU: finish_rows(e, LT_ACT_QUICK_GELU, rows, sums, ldc); break;
    case LT_ACT_RELU: finish_rows(e, LT_ACT_RELU, rows, sums, ldc); break;
    case LT_ACT_LEAKY_RELU: finish_rows(e, LT_ACT_LEAKY_RELU, rows, sums, ldc); break;
    case LT_ACT_GEGLU: finish_rows(e, LT_ACT_GEGLU, rows, sums, ldc); break;
    case LT_ACT_SOFT_CLAMP: break;
    }
}

const lt_gemm_simd LT_SIMD_NAME(lt_gemm_simd) = {
    .isa = LT_SIMD_SET,
    .rows = ROWS,
    .columns = COLUMNS,
    .tile = {[LT_WEIGHT_F32] = tile_f32, [LT_WEIGHT_F16] = tile_f16, [LT_WEIGHT_BF16] = tile_bf16},
    .tile_outer = tile_outer,
    .transpose = transpose,
    .transpose_16 = transpose_16,
    .finish = finish,
};
