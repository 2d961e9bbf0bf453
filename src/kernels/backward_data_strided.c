/* backward_data: the gradients by the sources of a strided convolution (any shape, in truth): a linear layer gives each
 * output pixel's share in its window, and a source pixel gathers the shares of the windows that it is in.
 *
 *     shares[q, tap, c] = sum over outputs o: ddst[q, o] weight[o, c, tap]
 *     dsrc[p, c] = sum over taps: shares[q(p, tap), tap, c]      q(p, tap): the pixel that reads p by this tap */
#include "kernels/gemm.h"

#include <stdio.h>
#include <string.h>

typedef struct strided {
    lt_conv *linear; /* ddst [rows, oc] to shares [rows, taps*c] */
    size_t inner_at; /* bytes into scratch, behind the shares: what the linear layer needs */
} strided;

static size_t taps_of(const lt_conv_desc *d) { return (size_t)d->kernel * (size_t)d->kernel; }
static size_t channels_of(const lt_conv_desc *d) { return (size_t)d->c[0] + (size_t)d->c[1]; }

static lt_status strided_create(lt_conv_pass *pass) {
    const lt_conv_desc *d = &pass->desc;
    const size_t rows = lt_conv_rows(d), shares = taps_of(d) * channels_of(d);
    if (pass->wanted.weight || d->stride == 1 || d->isa == LT_ISA_SCALAR || rows > INT_MAX || shares > INT_MAX / 2)
        return lt_fail(LT_ERROR_UNSUPPORTED, "a linear layer gives no such gradient");
    const lt_conv_desc linear = {.n = 1,
                                 .h = 1,
                                 .w = (int)rows,
                                 .c = {d->oc, 0},
                                 .oc = (int)shares,
                                 .kernel = 1,
                                 .stride = 1,
                                 .weight_type = LT_F32,
                                 .isa = d->isa,
                                 .threads = d->threads,
                                 .precision = d->precision};
    strided *s = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    const lt_status status = lt_conv_create(&linear, &s->linear);
    if (status) {
        lt_free(s);
        return status;
    }
    pass->state = s;
    pass->packed_size = lt_conv_packed_size(s->linear);
    s->inner_at = lt_round_up(rows * shares * sizeof(float), 64);
    pass->scratch_size = s->inner_at + lt_conv_scratch_size(s->linear);
    snprintf(pass->name, sizeof pass->name, "%s", lt_conv_name(s->linear));
    snprintf(pass->layout, sizeof pass->layout, "backward_data_strided:%s", lt_conv_layout(s->linear));
    return LT_OK;
}

static void strided_free(lt_conv_pass *pass) {
    strided *s = pass->state;
    lt_conv_free(s->linear);
    lt_free(s);
}

/* [oc, c, taps] becomes [taps, c, oc]: the linear layer's outputs by its inputs. */
static lt_status strided_pack(const lt_conv_pass *pass, const lt_weight_source *weight, void *packed) {
    const lt_conv_desc *d = &pass->desc;
    const strided *s = pass->state;
    const size_t oc = (size_t)d->oc, c = channels_of(d), taps = taps_of(d), count = oc * c * taps;
    float *dense = lt_alloc(2 * count * sizeof *dense), *turned = dense + count;
    if (!dense) return LT_ERROR_MEMORY;
    lt_weight_source_read_all(weight, dense);
    for (size_t o = 0; o < oc; o++)
        for (size_t i = 0; i < c; i++)
            for (size_t tap = 0; tap < taps; tap++) turned[(tap * c + i) * oc + o] = dense[(o * c + i) * taps + tap];
    lt_tensor view = {.name = weight->tensor.name, .dtype = LT_F32, .rank = 2, .shape = {taps * c, oc}, .data = turned};
    lt_tensor_set_contiguous(&view);
    const lt_status status = lt_conv_pack(s->linear, &(lt_weight_source){.tensor = view, .isa = d->isa}, packed);
    lt_free(dense);
    return status;
}

typedef struct run {
    const lt_conv_pass *pass;
    const lt_conv_backward_io *io;
} run;

static void add_share(const float *share, float *to, size_t c) {
    for (size_t i = 0; i < c; i++) to[i] += share[i];
}

/* Adds what the windows hold that have the pixel in their row of taps ky, y being theirs in ddst. */
static void gather_row(const run *r, size_t sample, int y, int ky, int x_padded, float *const to[2]) {
    const lt_conv_desc *d = &r->pass->desc;
    const int oh = lt_conv_out_size(d, d->h), ow = lt_conv_out_size(d, d->w);
    const size_t c0 = (size_t)d->c[0], c1 = (size_t)d->c[1], line = (sample * (size_t)oh + (size_t)y) * (size_t)ow;
    for (int kx = x_padded % d->stride; kx < d->kernel && kx <= x_padded; kx += d->stride) {
        const int x = (x_padded - kx) / d->stride;
        if (x >= ow) continue;
        const size_t tap = (size_t)(ky * d->kernel + kx);
        const float *share = (const float *)r->io->scratch + ((line + (size_t)x) * taps_of(d) + tap) * (c0 + c1);
        if (r->pass->wanted.src[0]) add_share(share, to[0], c0);
        if (r->pass->wanted.src[1]) add_share(share + c0, to[1], c1);
    }
}

static void gather_pixel(const void *context, size_t p, int thread) {
    (void)thread;
    const run *r = context;
    const lt_conv_desc *d = &r->pass->desc;
    const size_t w = (size_t)d->w, height = (size_t)d->h, sample = p / w / height;
    const int y_padded = (int)(p / w % height) + d->pad_begin, x_padded = (int)(p % w) + d->pad_begin;
    float *to[2] = {NULL, NULL};
    for (int s = 0; s < 2; s++) {
        if (!r->pass->wanted.src[s]) continue;
        to[s] = r->io->dsrc[s] + p * (size_t)d->c[s];
        memset(to[s], 0, (size_t)d->c[s] * sizeof(float));
    }
    for (int ky = y_padded % d->stride; ky < d->kernel && ky <= y_padded; ky += d->stride)
        if ((y_padded - ky) / d->stride < lt_conv_out_size(d, d->h))
            gather_row(r, sample, (y_padded - ky) / d->stride, ky, x_padded, to);
}

static lt_status strided_run(const lt_conv_pass *pass, const lt_conv_backward_io *io) {
    const strided *s = pass->state;
    const lt_conv_io linear = {
        .src = {io->ddst}, .weight = io->weight, .dst = io->scratch, .scratch = (char *)io->scratch + s->inner_at};
    LT_TRY(lt_conv_run(s->linear, &linear));
    const run r = {pass, io};
    lt_parallel(pass->desc.threads, lt_conv_pixels(&pass->desc), LT_EVENLY, gather_pixel, &r);
    return LT_OK;
}

const lt_conv_pass_impl lt_backward_data_strided = {
    .create = strided_create,
    .pack = strided_pack,
    .run = strided_run,
    .free = strided_free,
    .serves = {[LT_PRECISION_F32] = LT_EVERY_FORMAT, [LT_PRECISION_BF16] = LT_EVERY_FORMAT}};
