/* Convolution as the formula has it, summed in double: what the other implementers are tested against, and what runs
 * where an instruction set below AVX2 is asked for. Any shape. */
#include "kernels/conv_impl.h"

#include <math.h>
#include <stdio.h>

enum { BLOCK = 32 }; /* output channels at a time: their sums stay on the stack */

static lt_status reference_create(lt_conv *conv) {
    const lt_conv_desc *d = &conv->desc;
    const size_t taps = (size_t)d->kernel * (size_t)d->kernel;
    conv->packed_size = ((size_t)d->c[0] + (size_t)d->c[1]) * taps * (size_t)lt_conv_weight_rows(d) * sizeof(float);
    snprintf(conv->name, sizeof conv->name, "reference");
    snprintf(conv->layout, sizeof conv->layout, "reference:%s", lt_conv_is_bf16(d) ? "bf16" : "f32");
    return LT_OK;
}

static void reference_free(lt_conv *conv) { (void)conv; }

lt_status lt_conv_reference_pack(const lt_conv_desc *d, const lt_weight_source *weight, float *packed) {
    const size_t oc = (size_t)lt_conv_weight_rows(d), c = (size_t)d->c[0] + (size_t)d->c[1];
    const size_t taps = (size_t)d->kernel * (size_t)d->kernel;
    lt_tensor copy;
    LT_TRY(lt_weight_source_copy(weight, &copy));
    const float *dense = copy.data;
    for (size_t o = 0; o < oc; o++)
        for (size_t i = 0; i < c; i++)
            for (size_t tap = 0; tap < taps; tap++)
                packed[(tap * c + i) * oc + o] = lt_conv_rounded_value(d, dense[(o * c + i) * taps + tap]);
    lt_free((void *)(uintptr_t)dense);
    return LT_OK;
}

static lt_status reference_pack(const lt_conv *conv, const lt_weight_source *weight, void *packed) {
    return lt_conv_reference_pack(&conv->desc, weight, packed);
}

static double activate(lt_activation act, double x) {
    switch (act) {
    case LT_ACT_SILU: return x / (1 + exp(-x));
    case LT_ACT_GELU: return 0.5 * x * erfc(-x * M_SQRT1_2);
    case LT_ACT_QUICK_GELU: return x / (1 + exp(-1.702 * x));
    case LT_ACT_RELU: return x < 0 ? 0 : x;
    case LT_ACT_LEAKY_RELU: return x < 0 ? 0.2 * x : x;
    case LT_ACT_NONE:
    case LT_ACT_GEGLU:
    case LT_ACT_SOFT_CLAMP: break;
    }
    return x;
}

/* sum[0..count) = bias + the convolution at output pixel (n, y, x), for weight rows [first, first + count) */
static void convolve(const lt_conv_desc *d, const lt_conv_io *io, const int at[3], int first, int count, double *sum) {
    const size_t rows = (size_t)lt_conv_weight_rows(d), channels = (size_t)d->c[0] + (size_t)d->c[1];
    for (int o = 0; o < count; o++) sum[o] = d->bias ? (double)io->bias[first + o] : 0;
    for (int ky = 0; ky < d->kernel; ky++) {
        const ptrdiff_t y = lt_conv_find(at[1] * d->stride + ky - d->pad_begin, d->h, d->wraps & LT_SEAMLESS_Y);
        if (y < 0) continue;
        for (int kx = 0; kx < d->kernel; kx++) {
            const ptrdiff_t x = lt_conv_find(at[2] * d->stride + kx - d->pad_begin, d->w, d->wraps & LT_SEAMLESS_X);
            if (x < 0) continue;
            const size_t pixel = ((size_t)at[0] * (size_t)d->h + (size_t)y) * (size_t)d->w + (size_t)x;
            const size_t tap = (size_t)ky * (size_t)d->kernel + (size_t)kx;
            const float *w = (const float *)io->weight + tap * channels * rows + first;
            for (int s = 0; s < 2; s++)
                for (int c = 0; c < d->c[s]; c++, w += rows) {
                    const double v = (double)lt_conv_rounded_value(
                        d, ((const float *)io->src[s])[pixel * lt_conv_src_pitch(d, s) + (size_t)c]);
                    for (int o = 0; o < count; o++) sum[o] += v * (double)w[o];
                }
        }
    }
}

typedef struct run {
    const lt_conv_desc *d;
    const lt_conv_io *io;
} run;

static void output_pixel(const void *context, size_t p, int thread) {
    (void)thread;
    const lt_conv_desc *d = ((const run *)context)->d;
    const lt_conv_io *io = ((const run *)context)->io;
    const size_t oh = (size_t)lt_conv_out_size(d, d->h), ow = (size_t)lt_conv_out_size(d, d->w);
    const int at[3] = {(int)(p / (oh * ow)), (int)(p / ow % oh), (int)(p % ow)};
    for (int first = 0; first < d->oc; first += BLOCK) {
        const int count = d->oc - first < BLOCK ? d->oc - first : BLOCK;
        double sum[BLOCK], gate[BLOCK];
        convolve(d, io, at, first, count, sum);
        if (d->act == LT_ACT_GEGLU) convolve(d, io, at, d->oc + first, count, gate);
        for (int o = 0; o < count; o++) {
            const size_t k = (size_t)(first + o);
            const double act =
                d->act == LT_ACT_GEGLU ? sum[o] * activate(LT_ACT_GELU, gate[o]) : activate(d->act, sum[o]);
            const double y = (double)lt_conv_alpha(d) * act;
            ((float *)io->dst)[p * lt_conv_dst_pitch(d) + k] =
                (float)(d->residual ? y + (double)io->residual[p * lt_conv_residual_pitch(d) + k] : y);
        }
    }
}

static lt_status reference_run(const lt_conv *conv, const lt_conv_io *io) {
    const run r = {&conv->desc, io};
    lt_parallel(conv->desc.threads, lt_conv_rows(&conv->desc), LT_EVENLY, output_pixel, &r);
    return LT_OK;
}

const lt_conv_impl lt_conv_reference = {
    .create = reference_create,
    .pack = reference_pack,
    .run = reference_run,
    .free = reference_free,
    .serves = {[LT_PRECISION_F32] = LT_EVERY_FORMAT, [LT_PRECISION_BF16] = LT_EVERY_FORMAT}};
