/* Narrow numbers where nobody has a kernel for them: the float32 implementers, given numbers that are rounded. A
 * product of two such numbers is exact in float32 (of bf16), or nearly (of int8 times a scale), so the results are
 * theirs. */
#include "base/fields.h"
#include "kernels/bf16.h"
#include "kernels/columns.h"
#include "kernels/conv_impl.h"
#include "kernels/narrow.h"

#include <stdio.h>

/* What is rounded, one after the other in scratch memory: the two sources, ddst; then the float32 implementer's own. */
typedef struct rounding {
    lt_precision to;
    size_t rows[3], c[3], at[3], inner_at;
} rounding;

typedef struct rounded_conv {
    lt_conv *conv;
    rounding r;
} rounded_conv;

typedef struct rounded_pass {
    lt_conv_pass *pass;
    rounding r;
    size_t sums_at; /* bytes into scratch: the bias's gradient is of ddst as it is */
} rounded_pass;

static lt_conv_desc in_float(const lt_conv_desc *d) {
    lt_conv_desc f = *d;
    f.precision = LT_PRECISION_F32;
    f.weight_type = LT_F32;
    return f;
}

static void set_size(rounding *r, int which, size_t rows, int c) {
    r->rows[which] = rows;
    r->c[which] = (size_t)c;
}

static size_t plan(rounding *r, size_t inner_scratch) {
    size_t size = 0;
    for (int i = 0; i < 3; i++) {
        r->at[i] = size;
        size += lt_round_up(r->rows[i] * r->c[i] * sizeof(float), 64);
    }
    r->inner_at = size;
    return size + inner_scratch;
}

static void round_rows(lt_precision to, const float *x, float *y, size_t rows, size_t c, int threads) {
    if (to == LT_PRECISION_INT8)
        lt_round_to_int8(x, y, rows, c, threads);
    else
        lt_round_to_bf16(x, y, rows * c, threads);
}

static const float *round_one(const rounding *r, int which, const float *x, void *scratch, int threads) {
    if (!r->rows[which]) return x;
    float *to = (float *)((char *)scratch + r->at[which]);
    round_rows(r->to, x, to, r->rows[which], r->c[which], threads);
    return to;
}

/* A dense copy of the weight, rounded; lt_free its data. */
static lt_status round_weight(const lt_conv_desc *d, const lt_weight_source *weight, lt_weight_source *copy) {
    *copy = (lt_weight_source){.isa = d->isa};
    LT_TRY(lt_weight_source_copy(weight, &copy->tensor));
    float *data = (float *)(uintptr_t)copy->tensor.data;
    const size_t rows = (size_t)lt_conv_weight_rows(d);
    round_rows(d->precision, data, data, rows, lt_tensor_count(&copy->tensor) / rows, d->threads);
    return LT_OK;
}

/* ---- Forward ---- */

static lt_status rounded_create(lt_conv *conv) {
    const lt_conv_desc *d = &conv->desc, inner = in_float(d);
    if (!lt_conv_is_plain(d)) return lt_fail(LT_ERROR_UNSUPPORTED, "rounded: not of pixels that lie apart");
    rounded_conv *s = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    const lt_status status = lt_conv_create(&inner, &s->conv);
    if (status) {
        lt_free(s);
        return status;
    }
    s->r.to = d->precision;
    for (int i = 0; i < 2 && d->c[i]; i++) set_size(&s->r, i, lt_conv_pixels(d), d->c[i]);
    conv->state = s;
    conv->packed_size = lt_conv_packed_size(s->conv);
    conv->scratch_size = plan(&s->r, lt_conv_scratch_size(s->conv));
    const char *to = lt_precision_choices[d->precision];
    snprintf(conv->name, sizeof conv->name, "%s:rounded:%.40s", to, lt_conv_name(s->conv));
    snprintf(conv->layout, sizeof conv->layout, "%s:rounded:%.100s", to, lt_conv_layout(s->conv));
    return LT_OK;
}

static void rounded_free(lt_conv *conv) {
    rounded_conv *s = conv->state;
    lt_conv_free(s->conv);
    lt_free(s);
}

static lt_status rounded_pack(const lt_conv *conv, const lt_weight_source *weight, void *packed) {
    const rounded_conv *s = conv->state;
    lt_weight_source copy;
    LT_TRY(round_weight(&conv->desc, weight, &copy));
    const lt_status status = lt_conv_pack(s->conv, &copy, packed);
    lt_free((void *)(uintptr_t)copy.tensor.data);
    return status;
}

static lt_status rounded_run(const lt_conv *conv, const lt_conv_io *io) {
    const rounded_conv *s = conv->state;
    lt_conv_io inner = *io;
    for (int i = 0; i < 2; i++) inner.src[i] = round_one(&s->r, i, io->src[i], io->scratch, conv->desc.threads);
    inner.scratch = (char *)io->scratch + s->r.inner_at;
    return lt_conv_run(s->conv, &inner);
}

const lt_conv_impl lt_conv_rounded = {
    .create = rounded_create,
    .pack = rounded_pack,
    .run = rounded_run,
    .free = rounded_free,
    .serves = {[LT_PRECISION_BF16] = LT_EVERY_FORMAT, [LT_PRECISION_INT8] = LT_EVERY_FORMAT}};

/* ---- Backward ---- */

static lt_status pass_create(lt_conv_pass *pass) {
    const lt_conv_desc *d = &pass->desc;
    lt_conv_desc inner = in_float(d);
    inner.bias = false;
    rounded_pass *s = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    const lt_status status = lt_conv_pass_create(&inner, &pass->wanted, &s->pass);
    if (status) {
        lt_free(s);
        return status;
    }
    s->r.to = d->precision;
    for (int i = 0; i < 2 && pass->wanted.weight && d->c[i]; i++) set_size(&s->r, i, lt_conv_pixels(d), d->c[i]);
    set_size(&s->r, 2, lt_conv_rows(d), d->oc);
    pass->state = s;
    pass->packed_size = s->pass->packed_size;
    s->sums_at = lt_round_up(plan(&s->r, s->pass->scratch_size), 64);
    pass->scratch_size =
        s->sums_at + (pass->wanted.weight && d->bias ? lt_column_sums_scratch(lt_conv_rows(d), (size_t)d->oc) : 0);
    snprintf(pass->name, sizeof pass->name, "rounded:%.50s", s->pass->name);
    snprintf(pass->layout, sizeof pass->layout, "rounded:%.280s", s->pass->layout);
    return LT_OK;
}

static void pass_free(lt_conv_pass *pass) {
    rounded_pass *s = pass->state;
    lt_conv_pass_free(s->pass);
    lt_free(s);
}

static lt_status pass_pack(const lt_conv_pass *pass, const lt_weight_source *weight, void *packed) {
    const rounded_pass *s = pass->state;
    lt_weight_source copy;
    LT_TRY(round_weight(&pass->desc, weight, &copy));
    const lt_status status = s->pass->impl->pack(s->pass, &copy, packed);
    lt_free((void *)(uintptr_t)copy.tensor.data);
    return status;
}

static lt_status pass_run(const lt_conv_pass *pass, const lt_conv_backward_io *io) {
    const lt_conv_desc *d = &pass->desc;
    const rounded_pass *s = pass->state;
    lt_conv_backward_io inner = *io;
    for (int i = 0; i < 2; i++) inner.src[i] = round_one(&s->r, i, io->src[i], io->scratch, d->threads);
    inner.ddst = round_one(&s->r, 2, io->ddst, io->scratch, d->threads);
    if (pass->wanted.weight && d->bias)
        lt_column_sums(d->isa, io->ddst, lt_conv_rows(d), (size_t)d->oc, io->dbias, (char *)io->scratch + s->sums_at,
                       d->threads);
    inner.scratch = (char *)io->scratch + s->r.inner_at;
    return s->pass->impl->run(s->pass, &inner);
}

const lt_conv_pass_impl lt_backward_rounded = {.create = pass_create,
                                               .pack = pass_pack,
                                               .run = pass_run,
                                               .free = pass_free,
                                               .serves = {[LT_PRECISION_BF16] = LT_EVERY_FORMAT}};
