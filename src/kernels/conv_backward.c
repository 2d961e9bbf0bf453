/* The gradients of a convolution: two halves, by the sources and by the weight, each run by the first implementer that
 * takes its shape. */
#include "kernels/conv_impl.h"

#include <stdio.h>

const lt_conv_half_impl *const lt_conv_half_impls[] = {
    &lt_conv_half_forward, &lt_conv_half_scatter, &lt_conv_half_winograd,
#if defined(__x86_64__)
    &lt_conv_half_amx,
#endif
    &lt_conv_half_gemm,    &lt_conv_half_rounded, &lt_conv_half_reference, NULL,
};

struct lt_conv_backward {
    lt_conv_desc desc;
    lt_conv_backward_wanted wanted;
    lt_conv_half *sources, *weight; /* NULL: not wanted */
    char name[132];
};

/* ---- Halves ---- */

lt_status lt_conv_half_create_with(const lt_conv_half_impl *impl, const lt_conv_desc *desc,
                                   const lt_conv_backward_wanted *wanted, lt_conv_half **half) {
    *half = NULL;
    LT_TRY(lt_conv_check_precision(desc, impl->bf16));
    lt_conv_half *made = lt_calloc(1, sizeof *made);
    if (!made) return LT_ERROR_MEMORY;
    made->desc = *desc;
    made->wanted = *wanted;
    made->impl = impl;
    const lt_status status = impl->create(made);
    if (status == LT_OK)
        *half = made;
    else
        lt_free(made);
    return status;
}

lt_status lt_conv_half_create(const lt_conv_desc *desc, const lt_conv_backward_wanted *wanted, lt_conv_half **half) {
    for (const lt_conv_half_impl *const *impl = lt_conv_half_impls; *impl; impl++) {
        if (*impl == &lt_conv_half_reference && !lt_conv_reference_will_do(desc)) continue;
        const lt_status status = lt_conv_half_create_with(*impl, desc, wanted, half);
        if (status != LT_ERROR_UNSUPPORTED) return status;
    }
    char shape[160];
    return lt_fail_in(LT_ERROR_UNSUPPORTED, "no fast kernel for the gradients of a convolution of %s with %s",
                      lt_conv_shape_text(desc, shape, sizeof shape), lt_isa_name(lt_isa_choose(desc->isa)));
}

void lt_conv_half_free(lt_conv_half *half) {
    if (!half) return;
    half->impl->free(half);
    lt_free(half);
}

/* ---- Both together ---- */

lt_status lt_conv_backward_create(const lt_conv_desc *desc, const lt_conv_backward_wanted *wanted,
                                  lt_conv_backward **backward) {
    *backward = NULL;
    lt_conv_desc d = *desc;
    d.act = LT_ACT_NONE;
    d.residual = false;
    LT_TRY(lt_conv_check(&d));
    LT_TRY(lt_conv_check_precision(&d, true));
    lt_conv_backward *b = lt_calloc(1, sizeof *b);
    if (!b) return LT_ERROR_MEMORY;
    b->desc = d;
    b->wanted = *wanted;
    b->wanted.src[1] = wanted->src[1] && d.c[1];
    const lt_conv_backward_wanted sources = {.src = {b->wanted.src[0], b->wanted.src[1]}}, weight = {.weight = true};
    lt_status status = LT_OK;
    if (sources.src[0] || sources.src[1]) status = lt_conv_half_create(&d, &sources, &b->sources);
    if (status == LT_OK && wanted->weight) status = lt_conv_half_create(&d, &weight, &b->weight);
    if (status != LT_OK) {
        lt_conv_backward_free(b);
        return status;
    }
    snprintf(b->name, sizeof b->name, "%s%s%s", b->sources ? b->sources->name : "", b->sources && b->weight ? "|" : "",
             b->weight ? b->weight->name : "");
    *backward = b;
    return LT_OK;
}

void lt_conv_backward_free(lt_conv_backward *b) {
    if (!b) return;
    lt_conv_half_free(b->sources);
    lt_conv_half_free(b->weight);
    lt_free(b);
}

const char *lt_conv_backward_name(const lt_conv_backward *b) { return b->name; }
const char *lt_conv_backward_layout(const lt_conv_backward *b) { return b->sources ? b->sources->layout : ""; }
size_t lt_conv_backward_packed_size(const lt_conv_backward *b) { return b->sources ? b->sources->packed_size : 0; }

/* The halves take turns in it. */
size_t lt_conv_backward_scratch_size(const lt_conv_backward *b) {
    return lt_max(b->sources ? b->sources->scratch_size : 0, b->weight ? b->weight->scratch_size : 0);
}

lt_status lt_conv_backward_pack(const lt_conv_backward *b, const lt_tensor *weight, void *packed) {
    LT_TRY(lt_conv_check_weight(&b->desc, weight));
    return b->sources ? b->sources->impl->pack(b->sources, weight, packed) : LT_OK;
}

lt_status lt_conv_backward_run(const lt_conv_backward *b, const lt_conv_backward_io *io) {
    const lt_conv_desc *d = &b->desc;
    bool missing = !io->ddst || (lt_conv_backward_scratch_size(b) && !io->scratch) || (b->sources && !io->weight) ||
                   (b->weight && (!io->dweight || (d->bias && !io->dbias)));
    for (int i = 0; i < 2; i++) missing |= (b->wanted.src[i] && !io->dsrc[i]) || (b->weight && d->c[i] && !io->src[i]);
    if (missing) {
        char shape[160];
        return lt_fail(LT_ERROR_ARGUMENT,
                       "gradients of a convolution of %s: an input, an output or the scratch memory is missing",
                       lt_conv_shape_text(d, shape, sizeof shape));
    }
    if (b->sources) LT_TRY(b->sources->impl->run(b->sources, io));
    return b->weight ? b->weight->impl->run(b->weight, io) : LT_OK;
}
