/* The gradients of a convolution: two passes, backward_data and backward_weights, each run by the first implementer
 * that takes its shape. */
#include "kernels/conv_impl.h"

#include <stdio.h>

const lt_conv_pass_impl *const lt_conv_pass_impls[] = {
    &lt_backward_data_conv,    &lt_backward_data_strided, &lt_backward_weights_winograd,
#if defined(__x86_64__)
    &lt_backward_weights_amx,
#endif
    &lt_backward_weights_gemm, &lt_backward_rounded,      &lt_backward_reference,        NULL,
};

struct lt_conv_backward {
    lt_conv_desc desc;
    lt_conv_backward_wanted wanted;
    lt_conv_pass *data, *weights; /* NULL: not wanted */
    char name[132];
};

/* ---- Passes ---- */

lt_status lt_conv_pass_create_with(const lt_conv_pass_impl *impl, const lt_conv_desc *desc,
                                   const lt_conv_backward_wanted *wanted, lt_conv_pass **pass) {
    *pass = NULL;
    LT_TRY(lt_conv_check_pair(desc, impl->serves));
    if (desc->wraps) return lt_fail(LT_ERROR_UNSUPPORTED, "the gradients of a convolution that wraps");
    lt_conv_pass *made = lt_calloc(1, sizeof *made);
    if (!made) return LT_ERROR_MEMORY;
    made->desc = *desc;
    made->wanted = *wanted;
    made->impl = impl;
    const lt_status status = impl->create(made);
    if (!status)
        *pass = made;
    else
        lt_free(made);
    return status;
}

lt_status lt_conv_pass_create(const lt_conv_desc *desc, const lt_conv_backward_wanted *wanted, lt_conv_pass **pass) {
    for (const lt_conv_pass_impl *const *impl = lt_conv_pass_impls; *impl; impl++) {
        if (*impl == &lt_backward_reference && !lt_conv_reference_will_do(desc)) continue;
        const lt_status status = lt_conv_pass_create_with(*impl, desc, wanted, pass);
        if (status != LT_ERROR_UNSUPPORTED) return status;
    }
    char shape[160];
    return lt_fail_in(LT_ERROR_UNSUPPORTED, "no fast kernel for the gradients of a convolution of %s with %s",
                      lt_conv_shape_text(desc, shape, sizeof shape), lt_isa_name(lt_isa_choose(desc->isa)));
}

void lt_conv_pass_free(lt_conv_pass *pass) {
    if (!pass) return;
    pass->impl->free(pass);
    lt_free(pass);
}

/* ---- Both together ---- */

lt_status lt_conv_backward_create(const lt_conv_desc *desc, const lt_conv_backward_wanted *wanted,
                                  lt_conv_backward **backward) {
    *backward = NULL;
    lt_conv_desc d = *desc;
    d.act = LT_ACT_NONE;
    d.residual = false;
    LT_TRY(lt_conv_check(&d));
    LT_TRY(lt_conv_check_precision(&d));
    lt_conv_backward *b = lt_calloc(1, sizeof *b);
    if (!b) return LT_ERROR_MEMORY;
    b->desc = d;
    b->wanted = *wanted;
    b->wanted.src[1] = wanted->src[1] && d.c[1];
    const lt_conv_backward_wanted data = {.src = {b->wanted.src[0], b->wanted.src[1]}}, weights = {.weight = true};
    lt_status status = LT_OK;
    if (data.src[0] || data.src[1]) status = lt_conv_pass_create(&d, &data, &b->data);
    if (!status && wanted->weight) status = lt_conv_pass_create(&d, &weights, &b->weights);
    if (status) {
        lt_conv_backward_free(b);
        return status;
    }
    snprintf(b->name, sizeof b->name, "%s%s%s", b->data ? b->data->name : "", b->data && b->weights ? "|" : "",
             b->weights ? b->weights->name : "");
    *backward = b;
    return LT_OK;
}

void lt_conv_backward_free(lt_conv_backward *b) {
    if (!b) return;
    lt_conv_pass_free(b->data);
    lt_conv_pass_free(b->weights);
    lt_free(b);
}

const char *lt_conv_backward_name(const lt_conv_backward *b) { return b->name; }
const char *lt_conv_backward_layout(const lt_conv_backward *b) { return b->data ? b->data->layout : ""; }
size_t lt_conv_backward_packed_size(const lt_conv_backward *b) { return b->data ? b->data->packed_size : 0; }

/* The passes take turns in it. */
size_t lt_conv_backward_scratch_size(const lt_conv_backward *b) {
    return lt_max(b->data ? b->data->scratch_size : 0, b->weights ? b->weights->scratch_size : 0);
}

lt_status lt_conv_backward_pack(const lt_conv_backward *b, const lt_weight_source *weight, void *packed) {
    LT_TRY(lt_conv_check_weight(&b->desc, weight));
    return b->data ? b->data->impl->pack(b->data, weight, packed) : LT_OK;
}

lt_status lt_conv_backward_run(const lt_conv_backward *b, const lt_conv_backward_io *io) {
    const lt_conv_desc *d = &b->desc;
    bool missing = !io->ddst || (lt_conv_backward_scratch_size(b) && !io->scratch) || (b->data && !io->weight) ||
                   (b->weights && (!io->dweight || (d->bias && !io->dbias)));
    for (int i = 0; i < 2; i++) missing |= (b->wanted.src[i] && !io->dsrc[i]) || (b->weights && d->c[i] && !io->src[i]);
    if (missing) {
        char shape[160];
        return lt_fail(LT_ERROR_ARGUMENT,
                       "gradients of a convolution of %s: an input, an output or the scratch memory is missing",
                       lt_conv_shape_text(d, shape, sizeof shape));
    }
    if (b->data) LT_TRY(b->data->impl->run(b->data, io));
    return b->weights ? b->weights->impl->run(b->weights, io) : LT_OK;
}
