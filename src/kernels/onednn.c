/* oneDNN as an implementer of convolutions in bf16, forward. Everything of that library is in onednn*.c.
 *
 * One primitive serves every shape, linear layers too: its direct convolution over NHWC, with weights in the order that
 * it asks for. A second source is a second convolution that adds to the first one's result. What follows the
 * convolution:
 *   - an activation alone, or a residual alone, goes into the primitive as a post-operation. The residual is the `sum`
 * of what dst already holds (3x3 is a third slower with a `binary` one), so it is copied there first unless it is there
 * already;
 *   - GEGLU, and an activation and a residual together, take a pass of our own kernels over a sum in scratch memory.
 *
 * The sources are rounded into scratch memory first; what is added to the sums stays float32.
 *
 * The library's own threads would spin beside ours, so it is given none: the output is cut into slices, a primitive
 * each, which our team shares. */
#include "kernels/onednn.h"
#include "kernels/bf16.h"

#include <stdio.h>
#include <string.h>

/* ---- State ---- */

/* Some of the output: whole samples, or rows of one sample, or, of a linear layer, some of its rows. */
typedef struct slice {
    lt_onednn_shape shape;
    size_t src_pixel, dst_pixel;  /* where it begins */
    lt_onednn_primitive parts[2]; /* of each source: dst (+)= its convolution */
    dnnl_status_t status;         /* of its last run */
} slice;

typedef struct onednn_state {
    lt_onednn_engine e;
    slice *slices;
    size_t slice_count;
    int part_count;
    size_t weight_at[2]; /* bytes into the packed weight */
    bool separate;       /* what follows the sum is a pass of our own */
    /* bytes into scratch, the slices' own first: how much each has; the sources rounded to bf16; where separate: the
     * sum, and GEGLU's result if a residual is added to it */
    size_t slice_scratch, rounded_at[2], sum_at, product_at;
} onednn_state;

static void onednn_free(lt_conv *conv) {
    onednn_state *s = conv->state;
    for (size_t i = 0; i < s->slice_count; i++)
        for (int part = 0; part < s->part_count; part++) lt_onednn_drop(&s->slices[i].parts[part]);
    lt_onednn_close(&s->e);
    lt_free(s->slices);
    lt_free(s);
}

/* ---- Slices ---- */

static bool is_linear(const lt_conv_desc *d) { return d->n == 1 && d->h == 1 && d->kernel == 1; }

/* Output rows [first, first + rows) of the slice's sample, and the source rows that they read. */
static void cut_rows(const lt_conv_desc *d, int first, int rows, slice *s) {
    const int begin = first * d->stride - d->pad_begin, end = (first + rows - 1) * d->stride - d->pad_begin + d->kernel;
    lt_onednn_shape *shape = &s->shape;
    shape->top = begin < 0 ? -begin : 0;
    shape->bottom = end > d->h ? end - d->h : 0;
    shape->h = end - begin - shape->top - shape->bottom;
    shape->oh = rows;
    s->src_pixel += (size_t)(begin + shape->top) * (size_t)d->w;
    s->dst_pixel += (size_t)first * (size_t)shape->ow;
}

/* Slice number i: so many samples, or one of the `bands` of one. */
static slice cut(const lt_conv_desc *d, int i, int samples, int bands) {
    const int oh = lt_conv_out_size(d, d->h), ow = lt_conv_out_size(d, d->w), sample = i / bands * samples;
    const int band = i % bands, first = oh * band / bands;
    slice s = {.shape = {.n = d->n - sample < samples ? d->n - sample : samples,
                         .h = d->h,
                         .w = d->w,
                         .oh = oh,
                         .ow = ow,
                         .top = d->pad_begin,
                         .bottom = d->pad_end}};
    s.src_pixel = (size_t)sample * (size_t)d->h * (size_t)d->w;
    s.dst_pixel = (size_t)sample * (size_t)oh * (size_t)ow;
    if (bands > 1) cut_rows(d, first, oh * (band + 1) / bands - first, &s);
    return s;
}

static lt_status make_slices(onednn_state *s, const lt_conv_desc *d) {
    const int oh = lt_conv_out_size(d, d->h), threads = d->threads;
    const int samples = d->n > threads ? (d->n + threads - 1) / threads : 1, groups = (d->n + samples - 1) / samples;
    const int wanted = samples > 1 ? 1 : (threads + groups - 1) / groups, bands = wanted < oh ? wanted : oh;
    const int columns = is_linear(d) ? (d->w + threads - 1) / threads : d->w;
    const int count = is_linear(d) ? (d->w + columns - 1) / columns : groups * bands;
    s->slices = lt_calloc((size_t)count, sizeof *s->slices);
    if (!s->slices) return LT_ERROR_MEMORY;
    for (int i = 0; i < count; i++) {
        s->slices[i] = cut(d, is_linear(d) ? 0 : i, samples, bands);
        if (!is_linear(d)) continue;
        const int first = i * columns, there = d->w - first < columns ? d->w - first : columns;
        s->slices[i].shape.w = s->slices[i].shape.ow = there;
        s->slices[i].src_pixel = s->slices[i].dst_pixel = (size_t)first;
    }
    s->slice_count = (size_t)count;
    return LT_OK;
}

/* ---- Creation ---- */

static dnnl_status_t append_activation(dnnl_post_ops_t ops, lt_activation act) {
    switch (act) {
    case LT_ACT_SILU: return append_eltwise(ops, dnnl_eltwise_swish, 1.0f);
    case LT_ACT_QUICK_GELU: return append_eltwise(ops, dnnl_eltwise_swish, 1.702f);
    case LT_ACT_GELU: return append_eltwise(ops, dnnl_eltwise_gelu_erf, 0.0f);
    case LT_ACT_RELU: return append_eltwise(ops, dnnl_eltwise_relu, 0.0f);
    case LT_ACT_LEAKY_RELU: return append_eltwise(ops, dnnl_eltwise_relu, 0.2f);
    case LT_ACT_NONE:
    case LT_ACT_GEGLU:
    case LT_ACT_SOFT_CLAMP: break;
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

/* A slice's primitive of source number `source`, with weights in the order of the first slice's. */
static dnnl_status_t make_primitive(onednn_state *s, const lt_conv_desc *d, slice *own, int source) {
    static const lt_onednn_use uses[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0},
        {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0},
        {DNNL_ARG_BIAS, dnnl_query_weights_md, 1},
        {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, 0},
    };
    const bool first = source == 0, last = source == s->part_count - 1;
    lt_onednn_shape shape = own->shape;
    if (own != s->slices)
        shape.weight = dnnl_primitive_desc_query_md(s->slices->parts[source].pd, dnnl_query_weights_md, 0);
    lt_onednn_tensors t;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = lt_onednn_tensors_make(&t, d, source, first && d->bias, &shape);
    if (status == dnnl_success)
        status =
            make_attribute(&attr, !first || (d->residual && !s->separate), last && !s->separate ? d->act : LT_ACT_NONE);
    if (status == dnnl_success) status = lt_onednn_describe_forward(&pd, s->e.engine, &t, attr);
    if (status == dnnl_success) status = lt_onednn_make(&own->parts[source], &s->e, pd, uses, LT_COUNT(uses));
    dnnl_primitive_attr_destroy(attr);
    lt_onednn_tensors_drop(&t);
    return status;
}

static lt_status make_slice(onednn_state *s, const lt_conv_desc *d, slice *own) {
    for (int i = 0; i < s->part_count; i++) {
        const dnnl_status_t status = make_primitive(s, d, own, i);
        if (status != dnnl_success) return lt_onednn_failed(d, status, "creating");
        LT_TRY(lt_onednn_check_fast(d, lt_onednn_name(&own->parts[i])));
        s->slice_scratch = lt_max(s->slice_scratch, lt_onednn_bytes(&own->parts[i], dnnl_query_scratchpad_md, 0));
    }
    return LT_OK;
}

/* What the first slice says of all. */
static lt_status describe(lt_conv *conv) {
    const lt_conv_desc *d = &conv->desc;
    onednn_state *s = conv->state;
    uint64_t hash = LT_ONEDNN_HASH;
    const char *implementation = lt_onednn_name(&s->slices->parts[s->part_count - 1]);
    for (int i = 0; i < s->part_count; i++) {
        const lt_onednn_primitive *p = &s->slices->parts[i];
        if (!lt_onednn_hash_blocking(dnnl_primitive_desc_query_md(p->pd, dnnl_query_weights_md, 0), &hash))
            return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN's %s has weights in an order of its own", implementation);
        s->weight_at[i] = conv->packed_size;
        conv->packed_size += lt_round_up(lt_onednn_bytes(p, dnnl_query_weights_md, 0), 64);
    }
    snprintf(conv->name, sizeof conv->name, "onednn:%s", implementation);
    snprintf(conv->layout, sizeof conv->layout, "onednn:%dx%d+%dx%dx%d:%016llx", lt_conv_weight_rows(d), d->c[0],
             d->c[1], d->kernel, d->kernel, (unsigned long long)hash);
    return LT_OK;
}

/* Lays the scratch memory out behind what the slices take. */
static void plan_scratch(lt_conv *conv) {
    const lt_conv_desc *d = &conv->desc;
    onednn_state *s = conv->state;
    s->slice_scratch = lt_round_up(s->slice_scratch, 64);
    size_t scratch = s->slice_scratch * s->slice_count;
    for (int i = 0; i < s->part_count; i++) {
        s->rounded_at[i] = scratch;
        scratch = lt_round_up(scratch + lt_conv_pixels(d) * (size_t)d->c[i] * sizeof(uint16_t), 64);
    }
    if (s->separate) {
        const size_t rows = lt_conv_rows(d);
        s->sum_at = scratch;
        s->product_at = lt_round_up(s->sum_at + rows * (size_t)lt_conv_weight_rows(d) * sizeof(float), 64);
        scratch = s->product_at;
        if (d->act == LT_ACT_GEGLU && d->residual) scratch += rows * (size_t)d->oc * sizeof(float);
    }
    conv->scratch_size = scratch;
}

static lt_status make_all(lt_conv *conv) {
    const lt_conv_desc *d = &conv->desc;
    onednn_state *s = conv->state;
    LT_TRY(lt_onednn_open(&s->e));
    LT_TRY(make_slices(s, d));
    const int threads = lt_onednn_alone(&s->e);
    lt_status made = LT_OK;
    for (size_t i = 0; i < s->slice_count && !made; i++) made = make_slice(s, d, &s->slices[i]);
    lt_onednn_together(&s->e, threads);
    return made ? made : describe(conv);
}

static lt_status onednn_create(lt_conv *conv) {
    const lt_conv_desc *d = &conv->desc;
    if (d->wraps) return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN pads with zeros alone");
    if (!lt_conv_is_plain(d)) return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN: not for pixels that lie apart");
    onednn_state *s = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    conv->state = s;
    s->part_count = d->c[1] ? 2 : 1;
    s->separate = d->act == LT_ACT_GEGLU || (d->act != LT_ACT_NONE && d->residual);
    const lt_status made = make_all(conv);
    if (!made)
        plan_scratch(conv);
    else
        onednn_free(conv);
    return made;
}

static lt_status onednn_pack(const lt_conv *conv, const lt_weight_source *weight, void *packed) {
    const lt_conv_desc *d = &conv->desc;
    const onednn_state *s = conv->state;
    lt_tensor sum, *all = weight->count ? &sum : NULL;
    if (all) LT_TRY(lt_weight_source_copy(weight, all));
    const int threads = lt_onednn_alone(&s->e);
    lt_status status = LT_OK;
    size_t first = 0;
    for (int i = 0; i < s->part_count && !status; i++) {
        status = lt_onednn_pack(&s->e, &s->slices->parts[i], d, all ? all : &weight->tensor, first, (size_t)d->c[i],
                                (char *)packed + s->weight_at[i]);
        first += (size_t)d->c[i];
    }
    lt_onednn_together(&s->e, threads);
    if (all) lt_free((void *)(uintptr_t)all->data);
    return status;
}

/* ---- Running ---- */

typedef struct run {
    const lt_conv *conv;
    const lt_conv_io *io;
    float *sum;
} run;

static dnnl_status_t run_part(const run *r, const slice *own, size_t number, int source) {
    const lt_conv_desc *d = &r->conv->desc;
    const onednn_state *s = r->conv->state;
    const lt_onednn_primitive *p = &own->parts[source];
    char *scratch = r->io->scratch;
    const struct {
        int argument;
        const void *data;
    } where[] = {{DNNL_ARG_SRC, (uint16_t *)(scratch + s->rounded_at[source]) + own->src_pixel * (size_t)d->c[source]},
                 {DNNL_ARG_WEIGHTS, (const char *)r->io->weight + s->weight_at[source]},
                 {DNNL_ARG_DST, r->sum + own->dst_pixel * (size_t)lt_conv_weight_rows(d)},
                 {DNNL_ARG_BIAS, r->io->bias},
                 {DNNL_ARG_SCRATCHPAD, scratch + number * s->slice_scratch}};
    dnnl_status_t status = dnnl_success;
    for (size_t i = 0; i < LT_COUNT(where) && status == dnnl_success; i++)
        status = lt_onednn_set(p, where[i].argument, where[i].data);
    return status == dnnl_success ? lt_onednn_execute(p, &s->e) : status;
}

static void run_slice(const void *context, size_t number, int thread) {
    (void)thread;
    const run *r = context;
    const onednn_state *s = r->conv->state;
    slice *own = &s->slices[number];
    const int threads = lt_onednn_alone(&s->e);
    own->status = dnnl_success;
    for (int i = 0; i < s->part_count && own->status == dnnl_success; i++) own->status = run_part(r, own, number, i);
    lt_onednn_together(&s->e, threads);
}

typedef struct rows_copy {
    const float *from;
    float *to;
    size_t row; /* floats */
} rows_copy;

static void copy_row(const void *context, size_t i, int thread) {
    (void)thread;
    const rows_copy *c = context;
    memcpy(c->to + i * c->row, c->from + i * c->row, c->row * sizeof(float));
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
    const run r = {conv, io, s->separate ? (float *)((char *)io->scratch + s->sum_at) : io->dst};
    if (d->residual && !s->separate && io->residual != io->dst) {
        const rows_copy copy = {io->residual, io->dst, (size_t)d->oc};
        lt_parallel(d->threads, lt_conv_rows(d), LT_EVENLY, copy_row, &copy);
    }
    for (int i = 0; i < s->part_count; i++)
        lt_to_bf16(io->src[i], (uint16_t *)((char *)io->scratch + s->rounded_at[i]),
                   lt_conv_pixels(d) * (size_t)d->c[i], d->threads);
    lt_parallel(d->threads, s->slice_count, 1, run_slice, &r);
    for (size_t i = 0; i < s->slice_count; i++)
        if (s->slices[i].status != dnnl_success) return lt_onednn_failed(d, s->slices[i].status, "running");
    if (s->separate) finish_separately(conv, io, r.sum);
    return LT_OK;
}

const lt_conv_impl lt_conv_onednn = {.create = onednn_create,
                                     .pack = onednn_pack,
                                     .run = onednn_run,
                                     .free = onednn_free,
                                     .serves = {[LT_PRECISION_BF16] = LT_EVERY_FORMAT}};
