/* backward_data: the gradients by the sources of a convolution of stride 1, which are forward convolutions of ddst:
 *
 *     dsrc[i] = conv(ddst, weight of source i with its inputs and outputs exchanged and its taps in reverse)
 *
 * padded by kernel - 1 - pad, and so have our Winograd and our matrix product. */
#include "kernels/gemm.h"

#include <stdio.h>

typedef struct backward_data {
    lt_conv *conv[2]; /* NULL: not wanted */
    size_t packed_at[2];
} backward_data;

static void data_free(lt_conv_pass *pass) {
    backward_data *t = pass->state;
    lt_conv_free(t->conv[0]);
    lt_conv_free(t->conv[1]);
    lt_free(t);
}

/* Weights of 16 bits stay so. */
static lt_dtype type_of(const lt_conv_desc *d) {
    return d->weight_type == LT_F16 || d->weight_type == LT_BF16 ? d->weight_type : LT_F32;
}

static lt_conv_desc data_desc(const lt_conv_desc *d, int source) {
    return (lt_conv_desc){.n = d->n,
                          .h = lt_conv_out_size(d, d->h),
                          .w = lt_conv_out_size(d, d->w),
                          .c = {d->oc, 0},
                          .oc = d->c[source],
                          .kernel = d->kernel,
                          .stride = 1,
                          .pad_begin = d->kernel - 1 - d->pad_begin,
                          .pad_end = d->kernel - 1 - d->pad_end,
                          .weight_type = type_of(d),
                          .isa = d->isa,
                          .threads = d->threads,
                          .precision = d->precision};
}

static lt_status make_convs(lt_conv_pass *pass, backward_data *t) {
    const lt_conv_desc *d = &pass->desc;
    const char *layout[2] = {"", ""};
    for (int i = 0; i < 2; i++) {
        if (!pass->wanted.src[i]) continue;
        const lt_conv_desc desc = data_desc(d, i);
        LT_TRY(lt_conv_create(&desc, &t->conv[i]));
        t->packed_at[i] = pass->packed_size;
        pass->packed_size += lt_round_up(lt_conv_packed_size(t->conv[i]), 64);
        pass->scratch_size = lt_max(pass->scratch_size, lt_conv_scratch_size(t->conv[i]));
        layout[i] = lt_conv_layout(t->conv[i]);
        snprintf(pass->name, sizeof pass->name, "%s", lt_conv_name(t->conv[i]));
    }
    snprintf(pass->layout, sizeof pass->layout, "backward_data:%d:%s+%d:%s", d->c[0], layout[0], d->c[1], layout[1]);
    return LT_OK;
}

static lt_status data_create(lt_conv_pass *pass) {
    const lt_conv_desc *d = &pass->desc;
    if (pass->wanted.weight || d->stride != 1 || d->isa == LT_ISA_SCALAR || d->pad_begin >= d->kernel ||
        d->pad_end >= d->kernel)
        return lt_fail(LT_ERROR_UNSUPPORTED, "a forward convolution gives no such gradient");
    backward_data *t = lt_calloc(1, sizeof *t);
    if (!t) return LT_ERROR_MEMORY;
    pass->state = t;
    const lt_status status = make_convs(pass, t);
    if (status) data_free(pass);
    return status;
}

enum { BLOCK = 8 };

typedef struct turning {
    const lt_conv_desc *d;
    const void *dense;
    void *out;
} turning;

/* A block of outputs at a time: rows that are a multiple of 4096 bytes apart share their set of the first-level cache,
 * which holds twelve lines. */
static void turn_block(const void *context, size_t number, int thread) {
    (void)thread;
    const turning *t = context;
    const lt_conv_desc *d = t->d;
    const float *dense = t->dense;
    float *out = t->out;
    const size_t oc = (size_t)d->oc, c = (size_t)(d->c[0] + d->c[1]), taps = (size_t)d->kernel * (size_t)d->kernel;
    const lt_gemm_simd *simd = lt_gemm_simd_get(d->isa);
    const size_t block = number * BLOCK;
    if (simd && taps == 1 && block + BLOCK <= oc) {
        simd->transpose(dense + block * c, c, BLOCK, c, 1, out + block, oc);
        return;
    }
    for (size_t i = 0; i < c; i++)
        for (size_t o = block; o < lt_min(block + BLOCK, oc); o++)
            for (size_t tap = 0; tap < taps; tap++)
                out[(i * oc + o) * taps + tap] = dense[(o * c + i) * taps + taps - 1 - tap];
}

/* The same of 16 bits. */
static void turn_halves(const void *context, size_t number, int thread) {
    (void)thread;
    const turning *t = context;
    const uint16_t *dense = t->dense;
    uint16_t *out = t->out;
    const size_t oc = (size_t)t->d->oc, c = (size_t)(t->d->c[0] + t->d->c[1]);
    const size_t taps = (size_t)t->d->kernel * (size_t)t->d->kernel, block = number * BLOCK;
    for (size_t i = 0; i < c; i++)
        for (size_t o = block; o < lt_min(block + BLOCK, oc); o++)
            for (size_t tap = 0; tap < taps; tap++)
                out[(i * oc + o) * taps + tap] = dense[(o * c + i) * taps + taps - 1 - tap];
}

/* dense [oc, c, taps] -> out [c, oc, taps], the taps in reverse. */
static void turn(const lt_conv_desc *d, const void *dense, void *out) {
    const turning t = {d, dense, out};
    lt_parallel(d->threads, lt_count_parts((size_t)d->oc, BLOCK), LT_EVENLY,
                type_of(d) == LT_F32 ? turn_block : turn_halves, &t);
}

static lt_status pack_slices(const lt_conv_pass *pass, const char *name, const char *all, void *packed) {
    const lt_conv_desc *d = &pass->desc;
    const backward_data *t = pass->state;
    const lt_dtype type = type_of(d);
    const size_t oc = (size_t)d->oc, k = (size_t)d->kernel;
    for (int i = 0; i < 2; i++) {
        if (!t->conv[i]) continue;
        lt_tensor slice = {.name = name,
                           .dtype = type,
                           .rank = 4,
                           .shape = {(size_t)d->c[i], oc, k, k},
                           .data = all + (i ? (size_t)d->c[0] * oc * k * k * lt_dtype_size(type) : 0)};
        lt_tensor_set_contiguous(&slice);
        LT_TRY(lt_conv_pack(t->conv[i], &(lt_weight_source){.tensor = slice, .isa = d->isa},
                            (char *)packed + t->packed_at[i]));
    }
    return LT_OK;
}

/* The weight in that type, of which count values go to out. */
static lt_status read_dense(const lt_weight_source *weight, lt_dtype type, size_t count, void *out) {
    const bool stored = !weight->count && weight->tensor.dtype == type;
    float *sums = type == LT_F32 || stored ? out : lt_alloc(count * sizeof *sums);
    if (!sums) return LT_ERROR_MEMORY;
    if (stored)
        lt_tensor_read_raw(&weight->tensor, out);
    else
        lt_weight_source_read_all(weight, sums);
    if (sums == out) return LT_OK;
    lt_weight_formats[lt_weight_format_of(type)].pack(sums, out, count);
    lt_free(sums);
    return LT_OK;
}

static lt_status data_pack(const lt_conv_pass *pass, const lt_weight_source *weight, void *packed) {
    const lt_conv_desc *d = &pass->desc;
    const lt_dtype type = type_of(d);
    const size_t size = lt_dtype_size(type);
    const size_t oc = (size_t)d->oc, taps = (size_t)d->kernel * (size_t)d->kernel, c = (size_t)(d->c[0] + d->c[1]);
    const size_t count = oc * c * taps, bytes = count * size;
    const lt_tensor *w = &weight->tensor;
    const bool as_it_is =
        !weight->count && w->dtype == type && lt_tensor_contiguous(w) && (uintptr_t)w->data % size == 0;
    char *out = lt_alloc((as_it_is ? 1 : 2) * bytes);
    if (!out) return LT_ERROR_MEMORY;
    lt_status status = as_it_is ? LT_OK : read_dense(weight, type, count, out + bytes);
    if (!status) turn(d, as_it_is ? w->data : out + bytes, out);
    if (!status) status = pack_slices(pass, w->name, out, packed);
    lt_free(out);
    return status;
}

static lt_status data_run(const lt_conv_pass *pass, const lt_conv_backward_io *io) {
    const backward_data *t = pass->state;
    for (int i = 0; i < 2; i++) {
        if (!t->conv[i]) continue;
        const lt_conv_io forward = {.src = {io->ddst},
                                    .weight = (const char *)io->weight + t->packed_at[i],
                                    .dst = io->dsrc[i],
                                    .scratch = io->scratch};
        LT_TRY(lt_conv_run(t->conv[i], &forward));
    }
    return LT_OK;
}

const lt_conv_pass_impl lt_backward_data_conv = {
    .create = data_create,
    .pack = data_pack,
    .run = data_run,
    .free = data_free,
    .serves = {[LT_PRECISION_F32] = LT_EVERY_FORMAT, [LT_PRECISION_BF16] = LT_EVERY_FORMAT}};
