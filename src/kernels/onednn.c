/* oneDNN as an implementer of convolutions, the forward half. Everything of that library is in onednn*.c.
 *
 * One primitive serves every shape, linear layers too: its direct convolution over NHWC, with weights in the order that
 * it asks for. On SD's shapes it runs 1x1 as fast as its matmul and its inner product do, at 95 % of the processor's
 * peak. A second source is a second convolution that adds to the first one's result. What follows the convolution:
 *   - an activation alone, or a residual alone, goes into the primitive as a post-operation. The residual is the `sum`
 * of what dst already holds (3x3 is a third slower with a `binary` one), so it is copied there first unless it is there
 * already;
 *   - GEGLU, and an activation and a residual together, take a pass of our own kernels over a sum in scratch memory.
 *
 * With bf16 the sources are rounded into scratch memory first; what is added to the sums stays float32. */
#include "kernels/onednn.h"
#include "kernels/bf16.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

/* ---- State ---- */

/* One source's share: dst (+)= the convolution of that source, with its channels of the weight. */
typedef struct part {
    lt_onednn_primitive p;
    size_t weight_at; /* bytes into the packed weight */
} part;

typedef struct onednn_state {
    lt_onednn_engine e;
    part parts[2];
    int part_count;
    bool separate; /* what follows the sum is a pass of our own */
    /* bytes into scratch: a source rounded to bf16; where separate: the sum, and GEGLU's result if a residual is added
     * to it */
    size_t rounded_at, sum_at, product_at;
} onednn_state;

static void onednn_free(lt_conv *conv) {
    onednn_state *s = conv->state;
    for (int i = 0; i < s->part_count; i++) lt_onednn_drop(&s->parts[i].p);
    lt_onednn_close(&s->e);
    lt_free(s);
}

/* ---- Creation ---- */

static dnnl_status_t append_activation(dnnl_post_ops_t ops, lt_activation act) {
    switch (act) {
    case LT_ACT_SILU: return append_eltwise(ops, dnnl_eltwise_swish, 1.0f);
    case LT_ACT_QUICK_GELU: return append_eltwise(ops, dnnl_eltwise_swish, 1.702f);
    case LT_ACT_GELU: return append_eltwise(ops, dnnl_eltwise_gelu_erf, 0.0f);
    case LT_ACT_NONE:
    case LT_ACT_GEGLU: break;
    }
    return dnnl_success;
}

/* The post-operations of one part: the sum with what is in dst, then the activation. */
static dnnl_status_t make_attribute(dnnl_primitive_attr_t *attr, bool sum, lt_activation act) {
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = lt_onednn_attribute(attr);
    if (status == dnnl_success) status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success && sum) status = append_sum(ops);
    if (status == dnnl_success) status = append_activation(ops, act);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*attr, ops);
    dnnl_post_ops_destroy(ops);
    return status;
}

/* The primitive that convolves source number `source`. */
static dnnl_status_t make_primitive(onednn_state *s, const lt_conv_desc *d, int source) {
    static const lt_onednn_use uses[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0},
        {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0},
        {DNNL_ARG_BIAS, dnnl_query_weights_md, 1},
        {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, 0},
    };
    const bool first = source == 0, last = source == s->part_count - 1;
    const dnnl_data_type_t type = lt_conv_is_bf16(d) ? dnnl_bf16 : dnnl_f32, types[3] = {type, type, dnnl_f32};
    lt_onednn_tensors t;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = lt_onednn_tensors_make(&t, d, source, first && d->bias, types);
    if (status == dnnl_success)
        status =
            make_attribute(&attr, !first || (d->residual && !s->separate), last && !s->separate ? d->act : LT_ACT_NONE);
    if (status == dnnl_success) status = lt_onednn_describe_forward(&pd, s->e.engine, dnnl_forward_inference, &t, attr);
    if (status == dnnl_success) status = lt_onednn_make(&s->parts[source].p, &s->e, pd, uses, LT_COUNT(uses));
    dnnl_primitive_attr_destroy(attr);
    lt_onednn_tensors_drop(&t);
    return status;
}

static lt_status make_parts(lt_conv *conv, size_t *primitive_scratch) {
    const lt_conv_desc *d = &conv->desc;
    onednn_state *s = conv->state;
    uint64_t hash = LT_ONEDNN_HASH;
    const char *implementation = "";
    *primitive_scratch = 0;
    for (int i = 0; i < s->part_count; i++) {
        const lt_onednn_primitive *p = &s->parts[i].p;
        const dnnl_status_t status = make_primitive(s, d, i);
        if (status != dnnl_success) return lt_onednn_failed(d, status, "creating");
        implementation = lt_onednn_name(p);
        LT_TRY(lt_onednn_check_fast(d, implementation));
        if (!lt_onednn_hash_blocking(dnnl_primitive_desc_query_md(p->pd, dnnl_query_weights_md, 0), &hash))
            return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN's %s has weights in an order of its own", implementation);
        s->parts[i].weight_at = conv->packed_size;
        conv->packed_size += lt_round_up(lt_onednn_bytes(p, dnnl_query_weights_md, 0), 64);
        *primitive_scratch = lt_max(*primitive_scratch, lt_onednn_bytes(p, dnnl_query_scratchpad_md, 0));
    }
    snprintf(conv->name, sizeof conv->name, "onednn:%s", implementation);
    snprintf(conv->layout, sizeof conv->layout, "onednn:%s:%dx%d+%dx%dx%d:%016llx", lt_conv_is_bf16(d) ? "bf16" : "f32",
             lt_conv_weight_rows(d), d->c[0], d->c[1], d->kernel, d->kernel, (unsigned long long)hash);
    return LT_OK;
}

/* Lays the scratch memory out behind what the primitives take. */
static void plan_scratch(lt_conv *conv, size_t scratch) {
    const lt_conv_desc *d = &conv->desc;
    onednn_state *s = conv->state;
    const size_t rows = lt_conv_rows(d), pixels = (size_t)d->n * (size_t)d->h * (size_t)d->w;
    if (lt_conv_is_bf16(d)) {
        s->rounded_at = lt_round_up(scratch, 64);
        scratch = s->rounded_at + pixels * (size_t)(d->c[0] > d->c[1] ? d->c[0] : d->c[1]) * sizeof(uint16_t);
    }
    if (s->separate) {
        s->sum_at = lt_round_up(scratch, 64);
        s->product_at = lt_round_up(s->sum_at + rows * (size_t)lt_conv_weight_rows(d) * sizeof(float), 64);
        scratch = s->product_at;
        if (d->act == LT_ACT_GEGLU && d->residual) scratch += rows * (size_t)d->oc * sizeof(float);
    }
    conv->scratch_size = scratch;
}

static lt_status onednn_create(lt_conv *conv) {
    const lt_conv_desc *d = &conv->desc;
    if (!lt_onednn_allowed(d->isa))
        return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN can't be held to %s", lt_isa_name(d->isa));
    onednn_state *s = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    conv->state = s;
    s->part_count = d->c[1] ? 2 : 1;
    s->separate = d->act == LT_ACT_GEGLU || (d->act != LT_ACT_NONE && d->residual);

    size_t scratch = 0;
    const int threads = omp_get_max_threads();
    omp_set_num_threads(d->threads); /* oneDNN cuts the work for as many as it finds */
    const dnnl_status_t status = lt_onednn_open(&s->e);
    const lt_status made =
        status == dnnl_success ? make_parts(conv, &scratch) : lt_onednn_failed(d, status, "creating");
    omp_set_num_threads(threads);
    if (made == LT_OK)
        plan_scratch(conv, scratch);
    else
        onednn_free(conv);
    return made;
}

static lt_status onednn_pack(const lt_conv *conv, const lt_tensor *weight, void *packed) {
    const lt_conv_desc *d = &conv->desc;
    const onednn_state *s = conv->state;
    size_t first = 0;
    for (int i = 0; i < s->part_count; i++) {
        LT_TRY(lt_onednn_pack(&s->e, &s->parts[i].p, d, weight, first, (size_t)d->c[i],
                              (char *)packed + s->parts[i].weight_at));
        first += (size_t)d->c[i];
    }
    return LT_OK;
}

/* ---- Running ---- */

static dnnl_status_t run_part(const lt_conv *conv, const lt_conv_io *io, int source, float *dst) {
    const lt_conv_desc *d = &conv->desc;
    const onednn_state *s = conv->state;
    const part *own = &s->parts[source];
    const void *src = io->src[source];
    if (lt_conv_is_bf16(d)) {
        uint16_t *rounded = (uint16_t *)((char *)io->scratch + s->rounded_at);
        lt_to_bf16(src, rounded, (size_t)d->n * (size_t)d->h * (size_t)d->w * (size_t)d->c[source], d->threads);
        src = rounded;
    }
    const struct {
        int argument;
        const void *data;
    } where[] = {{DNNL_ARG_SRC, src},
                 {DNNL_ARG_WEIGHTS, (const char *)io->weight + own->weight_at},
                 {DNNL_ARG_DST, dst},
                 {DNNL_ARG_BIAS, io->bias},
                 {DNNL_ARG_SCRATCHPAD, io->scratch}};
    dnnl_status_t status = dnnl_success;
    for (size_t i = 0; i < LT_COUNT(where) && status == dnnl_success; i++)
        status = lt_onednn_set(&own->p, where[i].argument, where[i].data);
    return status == dnnl_success ? lt_onednn_execute(&own->p, &s->e) : status;
}

static void copy_rows(const float *from, float *to, size_t rows, size_t row) {
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < rows; i++) memcpy(to + i * row, from + i * row, row * sizeof(float));
}

/* dst = act(sum) + residual, in passes of our own. */
static void finish_separately(const lt_conv *conv, const lt_conv_io *io, float *sum) {
    const lt_conv_desc *d = &conv->desc;
    const onednn_state *s = conv->state;
    const lt_kernels *kernels = lt_kernels_get(d->isa);
    const size_t rows = lt_conv_rows(d), oc = (size_t)d->oc;
    float *activated = sum;
    if (d->act == LT_ACT_GEGLU) {
        activated = d->residual ? (float *)((char *)io->scratch + s->product_at) : io->dst;
        kernels->geglu(sum, activated, rows, oc);
    } else {
        kernels->activate(d->act, sum, sum, rows * oc);
    }
    if (d->residual) kernels->add(activated, io->residual, io->dst, rows * oc);
}

static lt_status onednn_run(const lt_conv *conv, const lt_conv_io *io) {
    const lt_conv_desc *d = &conv->desc;
    const onednn_state *s = conv->state;
    float *sum = s->separate ? (float *)((char *)io->scratch + s->sum_at) : io->dst;
    if (d->residual && !s->separate && io->residual != io->dst)
        copy_rows(io->residual, io->dst, lt_conv_rows(d), (size_t)d->oc);
    for (int i = 0; i < s->part_count; i++) {
        const dnnl_status_t status = run_part(conv, io, i, sum);
        if (status != dnnl_success) return lt_onednn_failed(d, status, "running");
    }
    if (s->separate) finish_separately(conv, io, sum);
    return LT_OK;
}

const lt_conv_impl lt_conv_onednn = {
    .create = onednn_create, .pack = onednn_pack, .run = onednn_run, .free = onednn_free, .bf16 = true};
