/* The gradients of a convolution as the formula has them, summed in double: what the other implementers are tested
 * against, and what runs where an instruction set below AVX2 is asked for. Any shape.
 *
 *     dsrc[p, c] = sum over taps t, outputs o: ddst[q(p, t), o] weight[o, c, t]      q(p, t): the pixel that reads p by
 * t dweight[o, c, t] = sum over pixels q of ddst: ddst[q, o] src[p(q, t), c] */
#include "kernels/conv_impl.h"

#include <stdio.h>

enum { BLOCK = 32 }; /* channels at a time: their sums stay on the stack */

static size_t taps_of(const lt_conv_desc *d) { return (size_t)d->kernel * (size_t)d->kernel; }
static size_t channels_of(const lt_conv_desc *d) { return (size_t)(d->c[0] + d->c[1]); }

static lt_status reference_create(lt_conv_pass *pass) {
    const lt_conv_desc *d = &pass->desc;
    if (!pass->wanted.weight) pass->packed_size = channels_of(d) * taps_of(d) * (size_t)d->oc * sizeof(float);
    snprintf(pass->name, sizeof pass->name, "reference");
    snprintf(pass->layout, sizeof pass->layout, "reference:backward:%s", lt_conv_is_bf16(d) ? "bf16" : "f32");
    return LT_OK;
}

static void reference_free(lt_conv_pass *pass) { (void)pass; }

static lt_status reference_pack(const lt_conv_pass *pass, const lt_weight_source *weight, void *packed) {
    return lt_conv_reference_pack(&pass->desc, weight, packed);
}

/* The place along one side of ddst whose window has its tap `tap` at `at` of the source; -1: there is none. */
static int reader_of(const lt_conv_desc *d, int at, int tap, int size) {
    const int shifted = at + d->pad_begin - tap;
    return shifted < 0 || shifted % d->stride || shifted / d->stride >= size ? -1 : shifted / d->stride;
}

/* sum[0..count): the gradients by channels [first, first + count) of both sources at pixel (n, y, x) */
static void gather(const lt_conv_desc *d, const lt_conv_backward_io *io, const int at[3], size_t first, size_t count,
                   double *sum) {
    const int oh = lt_conv_out_size(d, d->h), ow = lt_conv_out_size(d, d->w);
    const size_t oc = (size_t)d->oc;
    for (size_t c = 0; c < count; c++) sum[c] = 0;
    for (int tap = 0; tap < d->kernel * d->kernel; tap++) {
        const int y = reader_of(d, at[1], tap / d->kernel, oh), x = reader_of(d, at[2], tap % d->kernel, ow);
        if (y < 0 || x < 0) continue;
        const float *g = io->ddst + (((size_t)at[0] * (size_t)oh + (size_t)y) * (size_t)ow + (size_t)x) * oc;
        const float *w = (const float *)io->weight + ((size_t)tap * channels_of(d) + first) * oc;
        for (size_t c = 0; c < count; c++)
            for (size_t o = 0; o < oc; o++) sum[c] += (double)lt_conv_rounded_value(d, g[o]) * (double)w[c * oc + o];
    }
}

typedef struct run {
    const lt_conv_pass *pass;
    const lt_conv_backward_io *io;
} run;

static void source_pixel(const void *context, size_t p, int thread) {
    (void)thread;
    const run *r = context;
    const lt_conv_desc *d = &r->pass->desc;
    const size_t w = (size_t)d->w, height = (size_t)d->h;
    const int at[3] = {(int)(p / w / height), (int)(p / w % height), (int)(p % w)};
    for (int s = 0; s < 2; s++) {
        if (!r->pass->wanted.src[s]) continue;
        const size_t c = (size_t)d->c[s], before = s ? (size_t)d->c[0] : 0;
        for (size_t first = 0; first < c; first += BLOCK) {
            const size_t count = lt_min(BLOCK, c - first);
            double sum[BLOCK];
            gather(d, r->io, at, before + first, count, sum);
            for (size_t i = 0; i < count; i++) r->io->dsrc[s][p * c + first + i] = (float)sum[i];
        }
    }
}

/* dweight of output channel o, one tap, channels [first, first + count) of source s */
static void correlate(const lt_conv_desc *d, const lt_conv_backward_io *io, size_t o, int tap, int s, size_t first,
                      size_t count) {
    const size_t ow = (size_t)lt_conv_out_size(d, d->w), oh = (size_t)lt_conv_out_size(d, d->h), c = (size_t)d->c[s];
    double sum[BLOCK] = {0};
    for (size_t q = 0; q < lt_conv_rows(d); q++) {
        const int y = (int)(q / ow % oh) * d->stride + tap / d->kernel - d->pad_begin;
        const int x = (int)(q % ow) * d->stride + tap % d->kernel - d->pad_begin;
        if (y < 0 || x < 0 || y >= d->h || x >= d->w) continue;
        const double g = (double)lt_conv_rounded_value(d, io->ddst[q * (size_t)d->oc + o]);
        const float *v = io->src[s] + ((q / ow / oh * (size_t)d->h + (size_t)y) * (size_t)d->w + (size_t)x) * c + first;
        for (size_t i = 0; i < count; i++) sum[i] += g * (double)lt_conv_rounded_value(d, v[i]);
    }
    const size_t before = first + (s ? (size_t)d->c[0] : 0);
    for (size_t i = 0; i < count; i++) {
        float *to = &io->dweight[(o * channels_of(d) + before + i) * taps_of(d) + (size_t)tap];
        *to = (float)((double)*to + sum[i]);
    }
}

static void weight_output(const void *context, size_t o, int thread) {
    (void)thread;
    const run *r = context;
    const lt_conv_desc *d = &r->pass->desc;
    for (int tap = 0; tap < d->kernel * d->kernel; tap++)
        for (int s = 0; s < 2; s++)
            for (size_t first = 0; first < (size_t)d->c[s]; first += BLOCK)
                correlate(d, r->io, o, tap, s, first, lt_min(BLOCK, (size_t)d->c[s] - first));
    if (!d->bias) return;
    double sum = 0;
    for (size_t q = 0; q < lt_conv_rows(d); q++) sum += (double)r->io->ddst[q * (size_t)d->oc + o];
    r->io->dbias[o] = (float)((double)r->io->dbias[o] + sum);
}

static lt_status reference_run(const lt_conv_pass *pass, const lt_conv_backward_io *io) {
    const lt_conv_desc *d = &pass->desc;
    const run r = {pass, io};
    if (pass->wanted.weight)
        lt_parallel(d->threads, (size_t)d->oc, LT_EVENLY, weight_output, &r);
    else
        lt_parallel(d->threads, lt_conv_pixels(d), LT_EVENLY, source_pixel, &r);
    return LT_OK;
}

const lt_conv_pass_impl lt_backward_reference = {
    .create = reference_create,
    .pack = reference_pack,
    .run = reference_run,
    .free = reference_free,
    .serves = {[LT_PRECISION_F32] = LT_EVERY_FORMAT, [LT_PRECISION_BF16] = LT_EVERY_FORMAT}};
