/* The transforms of Winograd's F(4x4, 3x3), a vector of channels at a time.
 *
 *     Y = A' [ (G g G') * (B' d B) ] A                           Lavin & Gray 2016; Toom-Cook interpolation
 *
 * in the points 0, +-p, +-q, infinity with p = 1/sqrt 2 and q = sqrt 2. They lose half as much as the usual 0, +-1,
 * +-2: summing 320 channels in plain f32 order, the relative error of the outputs is 1.6e-6 instead of 3.4e-6; with the
 * sums cut into blocks, as they are here, it is below 1e-6 up to 2560 channels (Barabasz et al. 2020 on the choice of
 * points). With p*p = 1/2, q*q = 2:
 *
 *          | 1   0   -5/2   0    1   0 |          |   1      0     0   |
 *          | 0 -2p   -2     p    1   0 |          | -2/3  -2p/3  -1/3  |          | 1   1     1     1     1    0 |
 *     B' = | 0  2p   -2    -p    1   0 |     G =  | -2/3   2p/3  -1/3  |     A' = | 0   p    -p     q    -q    0 |
 *          | 0 -q/2  -1/2   q    1   0 |          |  1/6    q/6   1/3  |          | 0  1/2   1/2    2     2    0 |
 *          | 0  q/2  -1/2  -q    1   0 |          |  1/6   -q/6   1/3  |          | 0  p/2  -p/2   2q   -2q    1 |
 *          | 0   1     0  -5/2   0   1 |          |   0      0     1   |
 */
#include "kernels/simd/weight_format.h"
#include "kernels/winograd_pairs.h"

#include <float.h>

enum { IN = LT_WINOGRAD_IN, OUT = LT_WINOGRAD_OUT, COLUMNS = 2 * LT_VEC };

#define P 0.70710678118654752f
#define Q 1.41421356237309505f

/* a x + y, rounded once. Compilers contract a product into a sum as each sees fit, and some do not where it has two
 * uses; what is said here is the same with all of them. */
LT_INLINE vf axpy(float a, vf x, vf y) { return vf_fma(vf_set(a), x, y); }

/* v = B' d */
LT_INLINE void input_line(const vf d[IN], vf v[IN]) {
    const vf even_p = d[4] - 2.0f * d[2], odd_p = d[3] - 2.0f * d[1];
    const vf even_q = d[4] - 0.5f * d[2], odd_q = d[3] - 0.5f * d[1];
    v[0] = axpy(-2.5f, d[2], d[0]) + d[4];
    v[1] = axpy(P, odd_p, even_p);
    v[2] = axpy(-P, odd_p, even_p);
    v[3] = axpy(Q, odd_q, even_q);
    v[4] = axpy(-Q, odd_q, even_q);
    v[5] = axpy(-2.5f, d[3], d[1]) + d[5];
}

static void input(const void *const *pixels, size_t first, size_t channels, float *v, size_t stride) {
    for (size_t c = 0; c < channels; c += LT_VEC) {
        vf half[IN][IN]; /* B' d, transposed: half[x][i] */
        for (size_t x = 0; x < IN; x++) {
            vf d[IN];
            for (size_t y = 0; y < IN; y++) d[y] = vf_load((const float *)pixels[y * IN + x] + first + c);
            input_line(d, half[x]);
        }
        for (size_t i = 0; i < IN; i++) {
            vf d[IN], line[IN];
            for (size_t x = 0; x < IN; x++) d[x] = half[x][i];
            input_line(d, line);
            for (size_t x = 0; x < IN; x++) vf_store(v + (i * IN + x) * stride + c, line[x]);
        }
    }
}

/* ---- Pairs (kernels/winograd_pairs.h) ---- */

/* The greatest magnitude of the pixels' channels, as bits: as integers, magnitudes are in their order, and what is no
 * number is above them all. */
LT_INLINE float greatest(const void *const *pixels, const bool bf16, size_t first, size_t channels) {
    vi most = {0};
    for (size_t i = 0; i < IN * IN; i++)
        for (size_t c = 0; c < channels; c += LT_VEC)
            most = vi_max(most, (vi)vf_load_value(pixels[i], first + c, LT_VEC, bf16) & 0x7FFFFFFF);
    return vi_greatest_float(most);
}

/* by: of each of the 36 values. x + LT_ROUNDING_SHIFT has x, rounded, in its low bits. */
LT_INLINE void round_inputs(const void *const *pixels, const bool bf16, size_t first, size_t channels,
                            const float by[IN * IN], uint16_t *v, size_t stride) {
    for (size_t c = 0; c < channels; c += LT_VEC) {
        vf half[IN][IN];
        for (size_t x = 0; x < IN; x++) {
            vf d[IN];
            for (size_t y = 0; y < IN; y++) d[y] = vf_load_value(pixels[y * IN + x], first + c, LT_VEC, bf16);
            input_line(d, half[x]);
        }
        for (size_t i = 0; i < IN; i++) {
            vf d[IN], line[IN];
            for (size_t x = 0; x < IN; x++) d[x] = half[x][i];
            input_line(d, line);
            for (size_t x = 0; x < IN; x++)
                vf_store_low_halves(v + (i * IN + x) * stride + c,
                                    axpy(by[i * IN + x], line[x], vf_set(LT_ROUNDING_SHIFT)));
        }
    }
}

LT_INLINE void input_pairs_of(const void *const *pixels, const bool bf16, size_t first, size_t channels, uint32_t *v,
                              size_t stride, float *scales, size_t scales_stride) {
    const float most = greatest(pixels, bf16, first, channels);
    const float inverse = most >= LT_NARROW_LEAST && most <= FLT_MAX ? LT_PAIRS_INPUT / most : 0;
    float by[IN * IN];
    for (size_t xi = 0; xi < IN * IN; xi++) {
        const float reach = lt_winograd_reach[xi / IN] * lt_winograd_reach[xi % IN];
        by[xi] = inverse / reach;
        scales[xi * scales_stride] =
            most / LT_PAIRS_INPUT * (reach / (lt_winograd_gain[xi / IN] * lt_winograd_gain[xi % IN]));
    }
    round_inputs(pixels, bf16, first, channels, by, (uint16_t *)v, 2 * stride);
}

static void input_pairs(const void *const *pixels, bool bf16, size_t first, size_t channels, uint32_t *v, size_t stride,
                        float *scales, size_t scales_stride) {
    if (bf16)
        input_pairs_of(pixels, true, first, channels, v, stride, scales, scales_stride);
    else
        input_pairs_of(pixels, false, first, channels, v, stride, scales, scales_stride);
}

/* u = G g */
LT_INLINE void weight_line(const vf g[3], vf u[IN]) {
    const vf even_p = 2.0f * g[0] + g[2], odd_p = g[1] * (-2.0f / 3.0f * P);
    const vf even_q = 0.5f * g[0] + g[2], odd_q = g[1] * (1.0f / 6.0f * Q);
    u[0] = g[0];
    u[1] = axpy(-1.0f / 3.0f, even_p, odd_p);
    u[2] = axpy(-1.0f / 3.0f, even_p, -odd_p);
    u[3] = axpy(1.0f / 3.0f, even_q, odd_q);
    u[4] = axpy(1.0f / 3.0f, even_q, -odd_q);
    u[5] = g[2];
}

LT_INLINE void weights(const void *packed, const lt_weight_format_id format, size_t tap, size_t channels, float *u,
                       size_t stride) {
    for (size_t at = 0; at < channels * COLUMNS; at += LT_VEC) {
        vf lines[3][IN];
        for (size_t x = 0; x < 3; x++) {
            vf g[3];
            for (size_t y = 0; y < 3; y++) g[y] = vf_load_weight(format, packed, (y * 3 + x) * tap * COLUMNS + at);
            weight_line(g, lines[x]);
        }
        for (size_t i = 0; i < IN; i++) {
            const vf g[3] = {lines[0][i], lines[1][i], lines[2][i]};
            vf line[IN];
            weight_line(g, line);
            for (size_t x = 0; x < IN; x++) vf_store(u + (i * IN + x) * stride + at, line[x]);
        }
    }
}

static void weights_f32(const void *packed, size_t tap, size_t channels, float *u, size_t stride) {
    weights(packed, LT_WEIGHT_F32, tap, channels, u, stride);
}

static void weights_f16(const void *packed, size_t tap, size_t channels, float *u, size_t stride) {
    weights(packed, LT_WEIGHT_F16, tap, channels, u, stride);
}

static void weights_bf16(const void *packed, size_t tap, size_t channels, float *u, size_t stride) {
    weights(packed, LT_WEIGHT_BF16, tap, channels, u, stride);
}

/* LT_VEC taps from number `at` on. */
LT_INLINE vf load_taps(const size_t format, const void *packed, size_t at) {
    return format == LT_WEIGHT_FORMATS ? vf_load_i8((const int8_t *)packed + at)
                                       : vf_load_weight((lt_weight_format_id)format, packed, at);
}

/* The three columns of G g, each channel's taps times `by`. */
LT_INLINE void weight_lines(const void *packed, const size_t format, size_t tap, size_t at, vf by, vf lines[3][IN]) {
    for (size_t x = 0; x < 3; x++) {
        vf g[3];
        for (size_t y = 0; y < 3; y++) g[y] = load_taps(format, packed, (y * 3 + x) * tap * COLUMNS + at) * by;
        weight_line(g, lines[x]);
    }
}

/* Row i of u, each value times its gain, rounded in the low bits. */
LT_INLINE void round_weights(const vf lines[3][IN], size_t i, vu u[IN]) {
    const vf g[3] = {lines[0][i], lines[1][i], lines[2][i]};
    vf line[IN];
    weight_line(g, line);
    for (size_t x = 0; x < IN; x++)
        u[x] = (vu)axpy(lt_winograd_gain[i] * lt_winograd_gain[x], line[x], vf_set(LT_ROUNDING_SHIFT));
}

LT_INLINE void weights_pairs(const void *packed, const size_t format, size_t tap, size_t channels, const float *by,
                             uint32_t *u, size_t stride) {
    for (size_t pair = 0; pair < channels / 2; pair++)
        for (size_t column = 0; column < COLUMNS; column += LT_VEC) {
            const size_t at = 2 * pair * COLUMNS + column;
            vf low[3][IN], high[3][IN];
            weight_lines(packed, format, tap, at, vf_load(by + column), low);
            weight_lines(packed, format, tap, at + COLUMNS, vf_load(by + column), high);
            for (size_t i = 0; i < IN; i++) {
                vu a[IN], b[IN];
                round_weights(low, i, a);
                round_weights(high, i, b);
                for (size_t x = 0; x < IN; x++) {
                    const vu both = (a[x] & 0xFFFF) | b[x] << 16;
                    memcpy(u + (i * IN + x) * stride + pair * COLUMNS + column, &both, sizeof both);
                }
            }
        }
}

#define WEIGHTS_PAIRS(name, format)                                                                                    \
    static void name(const void *packed, size_t tap, size_t channels, const float *by, uint32_t *u, size_t stride) {   \
        weights_pairs(packed, format, tap, channels, by, u, stride);                                                   \
    }
WEIGHTS_PAIRS(weights_pairs_f32, LT_WEIGHT_F32)
WEIGHTS_PAIRS(weights_pairs_f16, LT_WEIGHT_F16)
WEIGHTS_PAIRS(weights_pairs_bf16, LT_WEIGHT_BF16)
WEIGHTS_PAIRS(weights_pairs_bytes, LT_WEIGHT_FORMATS)

/* y = A' m */
LT_INLINE void output_line(const vf m[IN], vf y[OUT]) {
    const vf even_p = m[1] + m[2], odd_p = m[1] - m[2], even_q = m[3] + m[4], odd_q = m[3] - m[4];
    y[0] = m[0] + even_p + even_q;
    y[1] = axpy(P, odd_p, Q * odd_q);
    y[2] = 0.5f * even_p + 2.0f * even_q;
    y[3] = axpy(0.5f * P, odd_p, 2.0f * Q * odd_q) + m[5];
}

static void output(const float *m, size_t stride, float *y) {
    for (size_t c = 0; c < COLUMNS; c += LT_VEC) {
        vf half[IN][OUT];
        for (size_t x = 0; x < IN; x++) {
            vf d[IN];
            for (size_t i = 0; i < IN; i++) d[i] = vf_load(m + (i * IN + x) * stride + c);
            output_line(d, half[x]);
        }
        for (size_t i = 0; i < OUT; i++) {
            vf d[IN], line[OUT];
            for (size_t x = 0; x < IN; x++) d[x] = half[x][i];
            output_line(d, line);
            for (size_t x = 0; x < OUT; x++) vf_store(y + (i * OUT + x) * COLUMNS + c, line[x]);
        }
    }
}

/* ---- The gradient by the weights ---- */

/* m = A y */
LT_INLINE void gradient_line(const vf y[OUT], vf m[IN]) {
    const vf even_p = y[0] + 0.5f * y[2], odd_p = y[1] + 0.5f * y[3];
    const vf even_q = y[0] + 2.0f * y[2], odd_q = y[1] + 2.0f * y[3];
    m[0] = y[0];
    m[1] = axpy(P, odd_p, even_p);
    m[2] = axpy(-P, odd_p, even_p);
    m[3] = axpy(Q, odd_q, even_q);
    m[4] = axpy(-Q, odd_q, even_q);
    m[5] = y[3];
}

static void gradient(const void *const *pixels, size_t channels, float *m, size_t stride) {
    for (size_t c = 0; c < channels; c += LT_VEC) {
        vf half[OUT][IN];
        for (size_t x = 0; x < OUT; x++) {
            vf y[OUT];
            for (size_t i = 0; i < OUT; i++) y[i] = vf_load((const float *)pixels[i * OUT + x] + c);
            gradient_line(y, half[x]);
        }
        for (size_t i = 0; i < IN; i++) {
            vf y[OUT], line[IN];
            for (size_t x = 0; x < OUT; x++) y[x] = half[x][i];
            gradient_line(y, line);
            for (size_t x = 0; x < IN; x++) vf_store(m + (i * IN + x) * stride + c, line[x]);
        }
    }
}

/* g = G' u */
LT_INLINE void taps_line(const vf u[IN], vf g[3]) {
    const vf even_p = u[1] + u[2], odd_p = u[1] - u[2], even_q = u[3] + u[4], odd_q = u[3] - u[4];
    g[0] = axpy(1.0f / 6.0f, even_q, axpy(-2.0f / 3.0f, even_p, u[0]));
    g[1] = axpy(1.0f / 6.0f * Q, odd_q, (-2.0f / 3.0f * P) * odd_p);
    g[2] = axpy(1.0f / 3.0f, even_q - even_p, u[5]);
}

static void taps(const float *u, size_t stride, float *g) {
    for (size_t c = 0; c < COLUMNS; c += LT_VEC) {
        vf half[IN][3];
        for (size_t x = 0; x < IN; x++) {
            vf line[IN];
            for (size_t i = 0; i < IN; i++) line[i] = vf_load(u + (i * IN + x) * stride + c);
            taps_line(line, half[x]);
        }
        for (size_t y = 0; y < 3; y++) {
            vf line[IN], out[3];
            for (size_t x = 0; x < IN; x++) line[x] = half[x][y];
            taps_line(line, out);
            for (size_t x = 0; x < 3; x++) vf_store(g + (y * 3 + x) * COLUMNS + c, out[x]);
        }
    }
}

const lt_winograd_simd LT_SIMD_NAME(lt_winograd_simd) = {
    .channels = LT_VEC,
    .input = input,
    .weights = {[LT_WEIGHT_F32] = weights_f32, [LT_WEIGHT_F16] = weights_f16, [LT_WEIGHT_BF16] = weights_bf16},
    .input_pairs = input_pairs,
    .weights_pairs = {[LT_WEIGHT_F32] = weights_pairs_f32,
                      [LT_WEIGHT_F16] = weights_pairs_f16,
                      [LT_WEIGHT_BF16] = weights_pairs_bf16,
                      [LT_WEIGHT_FORMATS] = weights_pairs_bytes},
    .output = output,
    .gradient = gradient,
    .taps = taps,
};
