/* oneDNN as an implementer of the gradients: its direct convolution's backward-data and backward-weights, one primitive
 * for each source. Their weights' gradients come in an order of oneDNN's own and are added to dweight from there. The
 * bias's gradient is a sum of our own: of ddst as it is, whatever the precision. */
#include "kernels/bf16.h"
#include "kernels/columns.h"
#include "kernels/onednn.h"

#include <omp.h>
#include <stdio.h>

typedef struct part {
    bool there;
    lt_onednn_primitive p;
    lt_onednn_primitive add; /* of the weight's gradient to dweight */
    size_t weight_at;        /* bytes into the packed weight */
} part;

typedef struct onednn_half {
    lt_onednn_engine e;
    part parts[2];
    /* bytes into scratch: ddst and a source rounded to bf16; the weight's gradient, a sum on its way to the bias's */
    size_t ddst_at, src_at, dweight_at, sums_at;
} onednn_half;

static void half_free(lt_conv_half *h) {
    onednn_half *s = h->state;
    for (int i = 0; i < 2; i++) {
        lt_onednn_drop(&s->parts[i].p);
        lt_onednn_drop(&s->parts[i].add);
    }
    lt_onednn_close(&s->e);
    lt_free(s);
}

/* ---- Creation ---- */

static dnnl_status_t describe_sources(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const lt_onednn_tensors *t,
                                      const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr) {
    const md_ref src = md_borrow(&t->src), weight = md_borrow(&t->weight), dst = md_borrow(&t->dst);
#if DNNL_VERSION_MAJOR >= 3
    const dnnl_dims_t dense = {0, 0};
    return dnnl_convolution_backward_data_primitive_desc_create(pd, engine, dnnl_convolution_direct, src, weight, dst,
                                                                t->strides, dense, t->begin, t->end, hint, attr);
#else
    dnnl_convolution_desc_t op;
    const dnnl_status_t status = dnnl_convolution_backward_data_desc_init(&op, dnnl_convolution_direct, src, weight,
                                                                          dst, t->strides, t->begin, t->end);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &op, attr, engine, hint) : status;
#endif
}

static dnnl_status_t describe_weight(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const lt_onednn_tensors *t,
                                     const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr) {
    const md_ref src = md_borrow(&t->src), weight = md_borrow(&t->weight), dst = md_borrow(&t->dst);
#if DNNL_VERSION_MAJOR >= 3
    const dnnl_dims_t dense = {0, 0};
    return dnnl_convolution_backward_weights_primitive_desc_create(
        pd, engine, dnnl_convolution_direct, src, weight, NULL, dst, t->strides, dense, t->begin, t->end, hint, attr);
#else
    dnnl_convolution_desc_t op;
    const dnnl_status_t status = dnnl_convolution_backward_weights_desc_init(&op, dnnl_convolution_direct, src, weight,
                                                                             NULL, dst, t->strides, t->begin, t->end);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &op, attr, engine, hint) : status;
#endif
}

static dnnl_status_t make_primitive(const lt_conv_half *h, int source) {
    static const lt_onednn_use uses[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0},
        {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0},
        {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0},
        {DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0},
        {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, 0},
        {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, 0},
    };
    const lt_conv_desc *d = &h->desc;
    onednn_half *s = h->state;
    const bool weight = h->wanted.weight;
    const dnnl_data_type_t type = lt_conv_is_bf16(d) ? dnnl_bf16 : dnnl_f32;
    const dnnl_data_type_t hint_types[3] = {type, type, type};
    const dnnl_data_type_t types[3] = {weight ? type : dnnl_f32, weight ? dnnl_f32 : type, type};
    lt_onednn_tensors forward, t = {0};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t hint = NULL, pd = NULL;
    dnnl_status_t status = lt_onednn_tensors_make(&forward, d, source, false, hint_types);
    if (status == dnnl_success) status = lt_onednn_tensors_make(&t, d, source, false, types);
    if (status == dnnl_success) status = lt_onednn_attribute(&attr);
    if (status == dnnl_success) /* both gradients ask for the forward convolution's description, as a hint */
        status = lt_onednn_describe_forward(&hint, s->e.engine, dnnl_forward_training, &forward, attr);
    if (status == dnnl_success)
        status = (weight ? describe_weight : describe_sources)(&pd, s->e.engine, &t, hint, attr);
    if (status == dnnl_success) status = lt_onednn_make(&s->parts[source].p, &s->e, pd, uses, LT_COUNT(uses));
    dnnl_primitive_desc_destroy(hint);
    dnnl_primitive_attr_destroy(attr);
    lt_onednn_tensors_drop(&forward);
    lt_onednn_tensors_drop(&t);
    return status;
}

/* The copy that adds a source's part of the weight's gradient to dweight, which holds both sources' channels. */
static dnnl_status_t make_add(const lt_conv_half *h, int source) {
    const lt_conv_desc *d = &h->desc;
    onednn_half *s = h->state;
    const int k = d->kernel, row = (d->c[0] + d->c[1]) * k * k;
    const dnnl_dims_t dims = {d->oc, d->c[source], k, k}, strides = {row, k * k, k, 1};
    md_owned to = {0};
    dnnl_status_t status = md_make_strided(&to, 4, dims, strides);
    if (status == dnnl_success)
        status = lt_onednn_make_reorder(
            &s->parts[source].add, &s->e,
            dnnl_primitive_desc_query_md(s->parts[source].p.pd, dnnl_query_diff_weights_md, 0), md_borrow(&to), true);
    md_drop(&to);
    return status;
}

static lt_status make_part(lt_conv_half *h, int source, size_t *scratch, uint64_t *hash) {
    const lt_conv_desc *d = &h->desc;
    onednn_half *s = h->state;
    part *own = &s->parts[source];
    dnnl_status_t status = make_primitive(h, source);
    if (status != dnnl_success) return lt_onednn_failed(d, status, "creating the gradients of");
    const char *name = lt_onednn_name(&own->p);
    LT_TRY(lt_onednn_check_fast(d, name));
    if (h->wanted.weight) {
        status = make_add(h, source);
        if (status != dnnl_success) return lt_onednn_failed(d, status, "creating the gradients of");
    } else {
        if (!lt_onednn_hash_blocking(dnnl_primitive_desc_query_md(own->p.pd, dnnl_query_weights_md, 0), hash))
            return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN's %s has weights in an order of its own", name);
        own->weight_at = h->packed_size;
        h->packed_size += lt_round_up(lt_onednn_bytes(&own->p, dnnl_query_weights_md, 0), 64);
    }
    *scratch = lt_max(*scratch, lt_onednn_bytes(&own->p, dnnl_query_scratchpad_md, 0));
    *scratch = lt_max(*scratch, own->add.pd ? lt_onednn_bytes(&own->add, dnnl_query_scratchpad_md, 0) : 0);
    own->there = true;
    snprintf(h->name, sizeof h->name, "onednn:%s", name);
    return LT_OK;
}

static void plan_scratch(lt_conv_half *h, size_t scratch) {
    const lt_conv_desc *d = &h->desc;
    onednn_half *s = h->state;
    if (lt_conv_is_bf16(d)) {
        const size_t c = (size_t)(d->c[0] > d->c[1] ? d->c[0] : d->c[1]);
        s->ddst_at = lt_round_up(scratch, 64);
        s->src_at = scratch = lt_round_up(s->ddst_at + lt_conv_rows(d) * (size_t)d->oc * sizeof(uint16_t), 64);
        if (h->wanted.weight) scratch += lt_conv_pixels(d) * c * sizeof(uint16_t);
    }
    if (h->wanted.weight) {
        size_t size = 0;
        for (int i = 0; i < 2; i++)
            if (s->parts[i].there) size = lt_max(size, lt_onednn_bytes(&s->parts[i].p, dnnl_query_diff_weights_md, 0));
        s->dweight_at = lt_round_up(scratch, 64);
        s->sums_at = lt_round_up(s->dweight_at + size, 64);
        scratch = s->sums_at + (d->bias ? lt_column_sums_scratch((size_t)d->oc, d->threads) : 0);
    }
    h->scratch_size = scratch;
}

static lt_status make_parts(lt_conv_half *h) {
    const lt_conv_desc *d = &h->desc;
    onednn_half *s = h->state;
    uint64_t hash = LT_ONEDNN_HASH;
    size_t scratch = 0;
    const dnnl_status_t status = lt_onednn_open(&s->e);
    if (status != dnnl_success) return lt_onednn_failed(d, status, "creating the gradients of");
    for (int i = 0; i < 2; i++)
        if (d->c[i] && (h->wanted.weight || h->wanted.src[i])) LT_TRY(make_part(h, i, &scratch, &hash));
    snprintf(h->layout, sizeof h->layout, "onednn:backward:%s:%dx%d%s+%d%sx%dx%d:%016llx",
             lt_conv_is_bf16(d) ? "bf16" : "f32", d->oc, d->c[0], h->wanted.src[0] ? "" : "-", d->c[1],
             h->wanted.src[1] ? "" : "-", d->kernel, d->kernel, (unsigned long long)hash);
    plan_scratch(h, scratch);
    return LT_OK;
}

static lt_status half_create(lt_conv_half *h) {
    const lt_conv_desc *d = &h->desc;
    if (!lt_onednn_allowed(d->isa))
        return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN can't be held to %s", lt_isa_name(d->isa));
    if (lt_conv_is_bf16(d) && d->kernel == d->stride && d->kernel > 2 && !h->wanted.weight)
        return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN takes seconds over pictures in patches with AMX");
    onednn_half *s = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    h->state = s;
    const int threads = omp_get_max_threads();
    omp_set_num_threads(d->threads); /* oneDNN cuts the work for as many as it finds */
    const lt_status made = make_parts(h);
    omp_set_num_threads(threads);
    if (made != LT_OK) half_free(h);
    return made;
}

static lt_status half_pack(const lt_conv_half *h, const lt_tensor *weight, void *packed) {
    const onednn_half *s = h->state;
    size_t first = 0;
    for (int i = 0; i < 2; i++) {
        const size_t c = (size_t)h->desc.c[i];
        if (s->parts[i].there)
            LT_TRY(lt_onednn_pack(&s->e, &s->parts[i].p, &h->desc, weight, first, c,
                                  (char *)packed + s->parts[i].weight_at));
        first += c;
    }
    return LT_OK;
}

/* ---- Running ---- */

/* x, or x rounded to bf16 at scratch + at. */
static const void *operand(const lt_conv_desc *d, const float *x, size_t count, void *scratch, size_t at) {
    if (!lt_conv_is_bf16(d)) return x;
    uint16_t *to = (uint16_t *)((char *)scratch + at);
    lt_to_bf16(x, to, count, d->threads);
    return to;
}

typedef struct place {
    int argument;
    const void *data;
} place;

static dnnl_status_t execute(const onednn_half *s, const lt_onednn_primitive *p, const place *places, size_t count) {
    dnnl_status_t status = dnnl_success;
    for (size_t i = 0; i < count && status == dnnl_success; i++)
        status = lt_onednn_set(p, places[i].argument, places[i].data);
    return status == dnnl_success ? lt_onednn_execute(p, &s->e) : status;
}

static dnnl_status_t run_source(const lt_conv_half *h, const lt_conv_backward_io *io, int source, const void *ddst) {
    const onednn_half *s = h->state;
    const part *own = &s->parts[source];
    const place places[] = {{DNNL_ARG_DIFF_DST, ddst},
                            {DNNL_ARG_WEIGHTS, (const char *)io->weight + own->weight_at},
                            {DNNL_ARG_DIFF_SRC, io->dsrc[source]},
                            {DNNL_ARG_SCRATCHPAD, io->scratch}};
    return execute(s, &own->p, places, LT_COUNT(places));
}

static dnnl_status_t run_weight(const lt_conv_half *h, const lt_conv_backward_io *io, int source, const void *ddst) {
    const lt_conv_desc *d = &h->desc;
    const onednn_half *s = h->state;
    const part *own = &s->parts[source];
    const size_t before = source ? (size_t)d->c[0] * (size_t)d->kernel * (size_t)d->kernel : 0;
    float *dweight = (float *)((char *)io->scratch + s->dweight_at);
    const void *src = operand(d, io->src[source], lt_conv_pixels(d) * (size_t)d->c[source], io->scratch, s->src_at);
    const place places[] = {{DNNL_ARG_DIFF_DST, ddst},
                            {DNNL_ARG_SRC, src},
                            {DNNL_ARG_DIFF_WEIGHTS, dweight},
                            {DNNL_ARG_SCRATCHPAD, io->scratch}};
    const place adds[] = {
        {DNNL_ARG_FROM, dweight}, {DNNL_ARG_TO, io->dweight + before}, {DNNL_ARG_SCRATCHPAD, io->scratch}};
    dnnl_status_t status = execute(s, &own->p, places, LT_COUNT(places));
    if (status == dnnl_success) status = execute(s, &own->add, adds, LT_COUNT(adds));
    return status;
}

static lt_status half_run(const lt_conv_half *h, const lt_conv_backward_io *io) {
    const lt_conv_desc *d = &h->desc;
    const onednn_half *s = h->state;
    const void *ddst = operand(d, io->ddst, lt_conv_rows(d) * (size_t)d->oc, io->scratch, s->ddst_at);
    for (int i = 0; i < 2; i++) {
        if (!s->parts[i].there) continue;
        const dnnl_status_t status = (h->wanted.weight ? run_weight : run_source)(h, io, i, ddst);
        if (status != dnnl_success) return lt_onednn_failed(d, status, "running the gradients of");
    }
    if (h->wanted.weight && d->bias)
        lt_column_sums(d->isa, io->ddst, lt_conv_rows(d), (size_t)d->oc, io->dbias, (char *)io->scratch + s->sums_at,
                       d->threads);
    return LT_OK;
}

const lt_conv_half_impl lt_conv_half_onednn = {
    .create = half_create, .pack = half_pack, .run = half_run, .free = half_free, .bf16 = true};
