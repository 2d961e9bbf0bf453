/* Choosing who runs a convolution, and what all implementers have in common: checks of sizes, weights and pointers. */
#include "base/fields.h"
#include "kernels/winograd_pairs.h"

#include <limits.h>
#include <stdio.h>

const lt_conv_impl *const lt_conv_impls[] = {&lt_conv_winograd, &lt_conv_direct,    &lt_conv_gemm, &lt_conv_onednn,
                                             &lt_conv_rounded,  &lt_conv_reference, NULL};

/* Below this the plain loops of conv_reference.c take under a millisecond: who runs it can't matter. */
static const double tiny_flops = 1e6;

const char *lt_conv_shape_text(const lt_conv_desc *d, char *text, size_t size) {
    char second[16] = "", stride[24] = "";
    const char *wraps = d->wraps ? " that wrap" : "";
    if (d->c[1]) snprintf(second, sizeof second, "+%d", d->c[1]);
    if (d->stride != 1) snprintf(stride, sizeof stride, " by %d", d->stride);
    snprintf(text, size, "%d%s -> %d channels, %dx%d%s, of %dx%dx%d pixels%s", d->c[0], second, d->oc, d->kernel,
             d->kernel, stride, d->n, d->h, d->w, wraps);
    return text;
}

/* Whether a float tensor of these sizes can be addressed, with its sides and twice its channels as ints. */
static bool addressable(size_t a, size_t b, size_t c, size_t d) {
    size_t bytes;
    return a <= INT_MAX && b <= INT_MAX && c <= INT_MAX && d <= INT_MAX / 2 && lt_mul(a, b, &bytes) &&
           lt_mul(bytes, c, &bytes) && lt_mul(bytes, 2 * d, &bytes) && lt_mul(bytes, sizeof(double), &bytes) &&
           bytes <= PTRDIFF_MAX;
}

lt_status lt_conv_check(const lt_conv_desc *d) {
    char shape[160];
    if (d->n < 1 || d->h < 1 || d->w < 1 || d->c[0] < 1 || d->c[1] < 0 || d->oc < 1 || d->kernel < 1 || d->stride < 1 ||
        d->pad_begin < 0 || d->pad_end < 0 || d->threads < 1)
        return lt_fail(LT_ERROR_ARGUMENT, "convolution of %s: sizes, stride and threads (%d) must be positive",
                       lt_conv_shape_text(d, shape, sizeof shape), d->threads);
    if (d->wraps < LT_SEAMLESS_NONE || d->wraps > LT_SEAMLESS_BOTH)
        return lt_fail(LT_ERROR_ARGUMENT, "convolution of %s: there are no axes %d",
                       lt_conv_shape_text(d, shape, sizeof shape), (int)d->wraps);
    if (d->act < LT_ACT_NONE || d->act > LT_ACT_GEGLU || d->weight_type < 0 || d->weight_type >= LT_DTYPE_COUNT)
        return lt_fail(LT_ERROR_ARGUMENT, "convolution of %s: there is no activation %d or weight type %d",
                       lt_conv_shape_text(d, shape, sizeof shape), (int)d->act, (int)d->weight_type);

    if ((d->src_pitch && d->src_pitch < d->c[0]) || (d->dst_pitch && d->dst_pitch < d->oc) ||
        (d->residual_pitch && d->residual_pitch < d->oc))
        return lt_fail(LT_ERROR_ARGUMENT, "convolution of %s: pixels lie closer than their channels take",
                       lt_conv_shape_text(d, shape, sizeof shape));

    const size_t pad = (size_t)d->pad_begin + (size_t)d->pad_end, h = (size_t)d->h + pad, w = (size_t)d->w + pad;
    const size_t c = (size_t)d->c[0] + (size_t)d->c[1], k = (size_t)d->kernel;
    if (k > h || k > w)
        return lt_fail(LT_ERROR_ARGUMENT, "convolution of %s: the kernel is larger than the padded source",
                       lt_conv_shape_text(d, shape, sizeof shape));
    if (!addressable((size_t)d->n, h, w, c) || !addressable((size_t)d->n, h, w, (size_t)d->oc) ||
        !addressable(k, k, c, (size_t)d->oc))
        return lt_fail(LT_ERROR_ARGUMENT, "convolution of %s is too large for memory",
                       lt_conv_shape_text(d, shape, sizeof shape));
    return LT_OK;
}

bool lt_conv_reference_will_do(const lt_conv_desc *d) {
    const double c = (double)d->c[0] + d->c[1], taps = (double)d->kernel * d->kernel;
    return d->isa == LT_ISA_SCALAR || 2.0 * (double)lt_conv_rows(d) * lt_conv_weight_rows(d) * c * taps < tiny_flops;
}

/* Of narrow numbers of 16 bits, where the processor has no products of bf16, but those of Winograd's pairs. */
static bool is_pairs_alone(const lt_conv_desc *d) {
    return lt_conv_is_bf16(d) && !lt_isa_has(LT_ISA_AVX512BF16, d->isa);
}

lt_status lt_conv_check_precision(const lt_conv_desc *d) {
    return !is_pairs_alone(d) || lt_winograd_pairs(d)
               ? LT_OK
               : lt_fail(LT_ERROR_UNSUPPORTED, "bf16 takes a processor with AMX or AVX512-BF16");
}

lt_status lt_conv_check_pair(const lt_conv_desc *d, const lt_conv_pairs serves) {
    LT_TRY(lt_conv_check_precision(d));
    const lt_weight_format_id weight = lt_conv_weight_format(d);
    if (serves[lt_conv_precision(d)] >> weight & 1) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED, "no products of %s and weights in %s",
                   lt_precision_choices[lt_conv_precision(d)], lt_weight_formats[weight].name);
}

static lt_status check_values(const lt_conv_desc *d, const lt_conv_impl *impl) {
    const bool reads = d->source_type[0] == LT_VALUE_BF16 || d->source_type[1] == LT_VALUE_BF16;
    if ((!reads || impl->reads_bf16) && (d->dst_type != LT_VALUE_BF16 || impl->makes_bf16)) return LT_OK;
    return lt_fail(LT_ERROR_UNSUPPORTED, "a convolution that reads or makes float32 alone");
}

lt_status lt_conv_create_with(const lt_conv_impl *impl, const lt_conv_desc *desc, lt_conv **conv) {
    *conv = NULL;
    LT_TRY(lt_conv_check(desc));
    LT_TRY(lt_conv_check_pair(desc, impl->serves));
    LT_TRY(check_values(desc, impl));
    lt_conv *made = lt_calloc(1, sizeof *made);
    if (!made) return LT_ERROR_MEMORY;
    made->desc = *desc;
    made->impl = impl;
    const lt_status status = impl->create(made);
    if (!status)
        *conv = made;
    else
        lt_free(made);
    return status;
}

/* Whether narrow products are more than twice as fast as float32's: Winograd's convolution wins four times. */
static bool is_much_faster(const lt_conv_desc *d) {
    if (lt_conv_is_bf16(d)) return lt_isa_has_amx(d->isa);
    return lt_isa_has_vnni(d->isa) || lt_isa_has(LT_ISA_NEONDOT, d->isa);
}

bool lt_conv_is_small(const lt_conv_desc *d) {
    enum { FEW_ROWS = 16, FEW_CHANNELS = 16 };
    return lt_conv_rows(d) < FEW_ROWS || d->c[0] + d->c[1] < FEW_CHANNELS || d->oc < FEW_CHANNELS;
}

lt_precision lt_conv_worth(const lt_conv_desc *d) {
    const bool alone = is_pairs_alone(d) || (!is_much_faster(d) && lt_winograd_takes(d));
    const bool sooner_float = (alone || !lt_conv_is_plain(d)) && !lt_winograd_pairs(d);
    return sooner_float || lt_conv_is_small(d) ? LT_PRECISION_F32 : d->precision;
}

bool lt_conv_writes_bf16(const lt_conv_desc *d) { return lt_gemm_simd_get(d->isa) && !lt_conv_is_onednns(d); }

bool lt_conv_reads_bf16(const lt_conv_desc *d) {
    const bool whole = d->c[0] % 2 == 0 && d->c[1] % 2 == 0;
    return whole && lt_conv_writes_bf16(d) && lt_conv_worth(d) != LT_PRECISION_F32;
}

lt_status lt_conv_create(const lt_conv_desc *desc, lt_conv **conv) {
    *conv = NULL;
    LT_TRY(lt_conv_check(desc));
    LT_TRY(lt_conv_check_precision(desc));
    for (const lt_conv_impl *const *impl = lt_conv_impls; *impl; impl++) {
        if (*impl == &lt_conv_reference && !lt_conv_reference_will_do(desc)) continue;
        const lt_status status = lt_conv_create_with(*impl, desc, conv);
        if (status != LT_ERROR_UNSUPPORTED) return status;
    }
    char shape[160];
    return lt_fail_in(LT_ERROR_UNSUPPORTED, "no fast kernel for a convolution of %s with %s",
                      lt_conv_shape_text(desc, shape, sizeof shape), lt_isa_name(lt_isa_choose(desc->isa)));
}

void lt_conv_free(lt_conv *conv) {
    if (!conv) return;
    conv->impl->free(conv);
    lt_free(conv);
}

const char *lt_conv_name(const lt_conv *conv) { return conv->name; }
const char *lt_conv_layout(const lt_conv *conv) { return conv->layout; }
size_t lt_conv_packed_size(const lt_conv *conv) { return conv->packed_size; }
size_t lt_conv_scratch_size(const lt_conv *conv) { return conv->scratch_size; }

lt_status lt_conv_check_weight(const lt_conv_desc *d, const lt_weight_source *source) {
    const lt_tensor *weight = &source->tensor;
    const size_t k = (size_t)d->kernel;
    const size_t shape[4] = {(size_t)lt_conv_weight_rows(d), (size_t)d->c[0] + (size_t)d->c[1], k, k};
    if (lt_tensor_has_shape(weight, 4, shape) || (k == 1 && lt_tensor_has_shape(weight, 2, shape))) return LT_OK;
    char found[200];
    lt_tensor_shape_text(weight, found, sizeof found);
    return lt_fail(LT_ERROR_MODEL, "%s has shape %s, expected [%zu,%zu,%zu,%zu]",
                   weight->name ? weight->name : "a weight", found, shape[0], shape[1], k, k);
}

lt_status lt_conv_pack(const lt_conv *conv, const lt_weight_source *weight, void *packed) {
    LT_TRY(lt_conv_check_weight(&conv->desc, weight));
    return conv->impl->pack(conv, weight, packed);
}

lt_status lt_conv_run(const lt_conv *conv, const lt_conv_io *io) {
    const lt_conv_desc *d = &conv->desc;
    if (!io->src[0] || (d->c[1] && !io->src[1]) || !io->weight || (d->bias && !io->bias) ||
        (d->residual && !io->residual) || !io->dst || (conv->scratch_size && !io->scratch)) {
        char shape[160];
        return lt_fail(LT_ERROR_ARGUMENT, "convolution of %s: an input, an output or the scratch memory is missing",
                       lt_conv_shape_text(d, shape, sizeof shape));
    }
    return conv->impl->run(conv, io);
}
