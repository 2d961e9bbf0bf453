/* oneDNN as an implementer of convolutions. Everything of that library is in this file; it builds against 2.6 and
 * any 3.x.
 *
 * One primitive serves every shape, linear layers too: its direct convolution over NHWC, with weights in the order that
 * it asks for. On SD's shapes it runs 1x1 as fast as its matmul and its inner product do, at 95 % of the processor's
 * peak. A second source is a second convolution that adds to the first one's result. What follows the convolution:
 *   - an activation alone, or a residual alone, goes into the primitive as a post-operation. The residual is the `sum`
 * of what dst already holds (3x3 is a third slower with a `binary` one), so it is copied there first unless it is there
 * already;
 *   - GEGLU, and an activation and a residual together, take a pass of our own kernels over a sum in scratch memory. */
#include "kernels/conv_impl.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <string.h>

/* ---- What differs between oneDNN 2 and 3: memory descriptors are structs there, handles here ---- */

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t md_owned; /* zero is none */
typedef const_dnnl_memory_desc_t md_ref;

static md_ref md_borrow(const md_owned *md) { return *md; }
static void md_drop(md_owned *md) { dnnl_memory_desc_destroy(*md); }

static dnnl_status_t md_make(md_owned *md, int rank, const dnnl_dim_t *dims, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_create_with_tag(md, rank, dims, dnnl_f32, tag);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
}

static dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha) {
    return dnnl_post_ops_append_eltwise(ops, alg, alpha, 0.0f);
}

#else

typedef dnnl_memory_desc_t md_owned;
typedef const dnnl_memory_desc_t *md_ref;

static md_ref md_borrow(const md_owned *md) { return md; }
static void md_drop(md_owned *md) { (void)md; }

static dnnl_status_t md_make(md_owned *md, int rank, const dnnl_dim_t *dims, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_init_by_tag(md, rank, dims, dnnl_f32, tag);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops) { return dnnl_post_ops_append_sum(ops, 1.0f); }

static dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha) {
    return dnnl_post_ops_append_eltwise(ops, 1.0f, alg, alpha, 0.0f);
}

#endif

/* A convolution's four tensors, as oneDNN is told of them. */
typedef struct tensors {
    md_owned src, weight, bias, dst;
} tensors;

static dnnl_status_t describe_convolution(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const lt_conv_desc *d,
                                          const tensors *t, bool bias, const_dnnl_primitive_attr_t attr) {
    const dnnl_dims_t strides = {d->stride, d->stride}, begin = {d->pad_begin, d->pad_begin},
                      end = {d->pad_end, d->pad_end};
    const md_ref src = md_borrow(&t->src), weight = md_borrow(&t->weight), dst = md_borrow(&t->dst);
    const md_ref bias_or_none = bias ? md_borrow(&t->bias) : NULL;
#if DNNL_VERSION_MAJOR >= 3
    const dnnl_dims_t dense = {0, 0};
    return dnnl_convolution_forward_primitive_desc_create(pd, engine, dnnl_forward_inference, dnnl_convolution_direct,
                                                          src, weight, bias_or_none, dst, strides, dense, begin, end,
                                                          attr);
#else
    dnnl_convolution_desc_t op;
    const dnnl_status_t status = dnnl_convolution_forward_desc_init(
        &op, dnnl_forward_inference, dnnl_convolution_direct, src, weight, bias_or_none, dst, strides, begin, end);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &op, attr, engine, NULL) : status;
#endif
}

static uint64_t hash_numbers(uint64_t hash, const dnnl_dim_t *numbers, int count) { /* FNV-1a, a number at a time */
    for (int i = 0; i < count; i++) hash = (hash ^ (uint64_t)numbers[i]) * 0x100000001B3u;
    return hash;
}

/* Goes into *hash: all that says where each element of a blocked tensor lies. False if the tensor isn't blocked. */
static bool hash_blocking(md_ref md, uint64_t *hash) {
#if DNNL_VERSION_MAJOR >= 3
    dnnl_format_kind_t kind;
    int rank, blocks;
    const dnnl_dim_t *padded, *strides, *sizes, *of;
    if (dnnl_memory_desc_query(md, dnnl_query_format_kind, &kind) != dnnl_success || kind != dnnl_blocked ||
        dnnl_memory_desc_query(md, dnnl_query_ndims_s32, &rank) != dnnl_success ||
        dnnl_memory_desc_query(md, dnnl_query_padded_dims, &padded) != dnnl_success ||
        dnnl_memory_desc_query(md, dnnl_query_strides, &strides) != dnnl_success ||
        dnnl_memory_desc_query(md, dnnl_query_inner_nblks_s32, &blocks) != dnnl_success ||
        dnnl_memory_desc_query(md, dnnl_query_inner_blks, &sizes) != dnnl_success ||
        dnnl_memory_desc_query(md, dnnl_query_inner_idxs, &of) != dnnl_success)
        return false;
#else
    if (md->format_kind != dnnl_blocked) return false;
    const dnnl_blocking_desc_t *b = &md->format_desc.blocking;
    const int rank = md->ndims, blocks = b->inner_nblks;
    const dnnl_dim_t *padded = md->padded_dims, *strides = b->strides, *sizes = b->inner_blks, *of = b->inner_idxs;
#endif
    *hash = hash_numbers(*hash, padded, rank);
    *hash = hash_numbers(*hash, strides, rank);
    *hash = hash_numbers(*hash, sizes, blocks);
    *hash = hash_numbers(*hash, of, blocks);
    return true;
}

/* ---- State ---- */

/* One source's share: dst (+)= the convolution of that source, with its channels of the weight. */
typedef struct part {
    dnnl_primitive_t primitive;
    const_dnnl_primitive_desc_t pd; /* the primitive's own */
    size_t weight_at;               /* bytes into the packed weight */
} part;

typedef struct onednn_state {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    part parts[2];
    int part_count;
    bool separate; /* what follows the sum is a pass of our own */
    size_t sum_at,
        product_at; /* bytes into scratch, where separate: the sum, and GEGLU's result if a residual is added to it */
} onednn_state;

static lt_status failed(const lt_conv_desc *d, dnnl_status_t status, const char *doing) {
    char shape[160];
    lt_conv_shape_text(d, shape, sizeof shape);
    if (status == dnnl_out_of_memory)
        return lt_fail(LT_ERROR_MEMORY, "oneDNN is out of memory %s a convolution of %s", doing, shape);
    return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN fails %s a convolution of %s (its status %d)", doing, shape,
                   (int)status);
}

static void onednn_free(lt_conv *conv) {
    onednn_state *s = conv->state;
    for (int i = 0; i < s->part_count; i++) dnnl_primitive_destroy(s->parts[i].primitive);
    dnnl_stream_destroy(s->stream);
    dnnl_engine_destroy(s->engine);
    lt_free(s);
}

/* ---- Creation ---- */

static bool effective_isa_has(dnnl_cpu_isa_t isa) {
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)isa) == (unsigned)isa;
}

/* oneDNN can't be held to an instruction set for one primitive alone, only for the whole process. */
static bool isa_allowed(lt_isa limit) {
    switch (limit) {
    case LT_ISA_SCALAR: return false;
    case LT_ISA_AVX2: return !effective_isa_has(dnnl_cpu_isa_avx512_core);
    case LT_ISA_AVX512:
    case LT_ISA_BEST: break;
    }
    return true;
}

/* The library's plain loops, and its detour over im2col where it has a direct kernel for the other shapes, are not what
 * was asked for. With few channels im2col is as good as anything. */
static bool is_fast(const lt_conv_desc *d, const char *implementation) {
    const bool wide = d->c[0] >= 16 && lt_conv_weight_rows(d) >= 16;
    const bool im2col = d->kernel > 1 && strstr(implementation, "gemm") != NULL;
    return !strstr(implementation, "ref") && !(im2col && wide && effective_isa_has(dnnl_cpu_isa_avx512_core));
}

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

/* User scratchpad, and the post-operations of one part: the sum with what is in dst, then the activation. */
static dnnl_status_t make_attr(dnnl_primitive_attr_t *attr, bool sum, lt_activation act) {
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(attr);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success && sum) status = append_sum(ops);
    if (status == dnnl_success) status = append_activation(ops, act);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*attr, ops);
    dnnl_post_ops_destroy(ops);
    return status;
}

/* The primitive that convolves source number `source`. */
static dnnl_status_t make_primitive(const onednn_state *s, const lt_conv_desc *d, int source,
                                    dnnl_primitive_t *primitive) {
    const int rows = lt_conv_weight_rows(d), c = d->c[source];
    const bool first = source == 0, last = source == s->part_count - 1, bias = first && d->bias;
    const dnnl_dims_t src = {d->n, c, d->h, d->w}, weight = {rows, c, d->kernel, d->kernel}, bias_dims = {rows},
                      dst = {d->n, rows, lt_conv_out_size(d, d->h), lt_conv_out_size(d, d->w)};
    tensors t = {0};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = md_make(&t.src, 4, src, dnnl_nhwc);
    if (status == dnnl_success) status = md_make(&t.weight, 4, weight, dnnl_format_tag_any);
    if (status == dnnl_success) status = md_make(&t.bias, 1, bias_dims, dnnl_a);
    if (status == dnnl_success) status = md_make(&t.dst, 4, dst, dnnl_nhwc);
    if (status == dnnl_success)
        status = make_attr(&attr, !first || (d->residual && !s->separate), last && !s->separate ? d->act : LT_ACT_NONE);
    if (status == dnnl_success) status = describe_convolution(&pd, s->engine, d, &t, bias, attr);
    if (status == dnnl_success) status = dnnl_primitive_create(primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_attr_destroy(attr);
    md_drop(&t.src);
    md_drop(&t.weight);
    md_drop(&t.bias);
    md_drop(&t.dst);
    return status;
}

static size_t md_bytes(const_dnnl_primitive_desc_t pd, dnnl_query_t what) {
    return dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(pd, what, 0));
}

static lt_status make_parts(lt_conv *conv, size_t *primitive_scratch) {
    const lt_conv_desc *d = &conv->desc;
    onednn_state *s = conv->state;
    uint64_t hash = 0xCBF29CE484222325u;
    const char *implementation = "";
    *primitive_scratch = 0;
    for (int i = 0; i < s->part_count; i++) {
        part *p = &s->parts[i];
        dnnl_status_t status = make_primitive(s, d, i, &p->primitive);
        if (status == dnnl_success) status = dnnl_primitive_get_primitive_desc(p->primitive, &p->pd);
        if (status == dnnl_success)
            status = dnnl_primitive_desc_query(p->pd, dnnl_query_impl_info_str, 0, &implementation);
        if (status != dnnl_success) return failed(d, status, "creating");
        if (!is_fast(d, implementation) ||
            !hash_blocking(dnnl_primitive_desc_query_md(p->pd, dnnl_query_weights_md, 0), &hash)) {
            char shape[160];
            return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN has nothing better than %s for a convolution of %s",
                           implementation, lt_conv_shape_text(d, shape, sizeof shape));
        }
        p->weight_at = conv->packed_size;
        conv->packed_size += lt_round_up(md_bytes(p->pd, dnnl_query_weights_md), 64);
        *primitive_scratch = lt_max(*primitive_scratch, md_bytes(p->pd, dnnl_query_scratchpad_md));
    }
    snprintf(conv->name, sizeof conv->name, "onednn:%s", implementation);
    snprintf(conv->layout, sizeof conv->layout, "onednn:f32:%dx%d+%dx%dx%d:%016llx", lt_conv_weight_rows(d), d->c[0],
             d->c[1], d->kernel, d->kernel, (unsigned long long)hash);
    return LT_OK;
}

static lt_status onednn_create(lt_conv *conv) {
    const lt_conv_desc *d = &conv->desc;
    if (!isa_allowed(d->isa)) return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN can't be held to %s", lt_isa_name(d->isa));
    onednn_state *s = lt_calloc(1, sizeof *s);
    if (!s) return LT_ERROR_MEMORY;
    conv->state = s;
    s->part_count = d->c[1] ? 2 : 1;
    s->separate = d->act == LT_ACT_GEGLU || (d->act != LT_ACT_NONE && d->residual);

    size_t scratch = 0;
    const int threads = omp_get_max_threads();
    omp_set_num_threads(d->threads); /* oneDNN cuts the work for as many as it finds */
    dnnl_status_t status = dnnl_engine_create(&s->engine, dnnl_cpu, 0);
    if (status == dnnl_success) status = dnnl_stream_create(&s->stream, s->engine, dnnl_stream_default_flags);
    const lt_status made = status == dnnl_success ? make_parts(conv, &scratch) : failed(d, status, "creating");
    omp_set_num_threads(threads);
    if (made != LT_OK) {
        onednn_free(conv);
        return made;
    }
    if (s->separate) {
        const size_t rows = lt_conv_rows(d), floats = rows * (size_t)lt_conv_weight_rows(d);
        s->sum_at = lt_round_up(scratch, 64);
        s->product_at = lt_round_up(s->sum_at + floats * sizeof(float), 64);
        scratch = s->product_at;
        if (d->act == LT_ACT_GEGLU && d->residual) scratch += rows * (size_t)d->oc * sizeof(float);
    }
    conv->scratch_size = scratch;
    return LT_OK;
}

/* ---- Weights ---- */

/* The weight's input channels [first, first + count), dense float32, into out [oc, count, k, k]. */
static void read_channels(const lt_tensor *weight, size_t first, size_t count, lt_isa isa, float *out) {
    lt_tensor view = *weight;
    view.shape[1] = count;
    view.data = (const char *)weight->data + first * weight->stride[1] * lt_dtype_size(weight->dtype);
    if (view.dtype == LT_F16 && lt_tensor_contiguous(&view) && (uintptr_t)view.data % sizeof(uint16_t) == 0)
        lt_kernels_get(isa)->widen_f16(view.data, out, lt_tensor_count(&view));
    else
        lt_tensor_read_f32(&view, out);
}

/* plain [oc, c, k, k] into the order that the part's primitive reads. */
static dnnl_status_t reorder(const onednn_state *s, const part *p, const dnnl_dim_t *dims, const float *plain,
                             void *packed) {
    const md_ref to = dnnl_primitive_desc_query_md(p->pd, dnnl_query_weights_md, 0);
    md_owned from = {0};
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, NULL}, {DNNL_ARG_TO, NULL}};
    dnnl_status_t status = md_make(&from, 4, dims, dnnl_oihw);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&pd, md_borrow(&from), s->engine, to, s->engine, NULL);
    if (status == dnnl_success) status = dnnl_primitive_create(&primitive, pd);
    if (status == dnnl_success)
        status = dnnl_memory_create(&args[0].memory, md_borrow(&from), s->engine, (void *)(uintptr_t)plain);
    if (status == dnnl_success) status = dnnl_memory_create(&args[1].memory, to, s->engine, packed);
    if (status == dnnl_success) status = dnnl_primitive_execute(primitive, s->stream, LT_COUNT(args), args);
    if (status == dnnl_success) status = dnnl_stream_wait(s->stream);
    for (size_t i = 0; i < LT_COUNT(args); i++) dnnl_memory_destroy(args[i].memory);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(pd);
    md_drop(&from);
    return status;
}

static lt_status onednn_pack(const lt_conv *conv, const lt_tensor *weight, void *packed) {
    const lt_conv_desc *d = &conv->desc;
    const onednn_state *s = conv->state;
    const size_t rows = (size_t)lt_conv_weight_rows(d), taps = (size_t)d->kernel * (size_t)d->kernel;
    const bool as_it_is = s->part_count == 1 && weight->dtype == LT_F32 && lt_tensor_contiguous(weight) &&
                          (uintptr_t)weight->data % sizeof(float) == 0;
    float *dense = NULL;
    if (!as_it_is && !(dense = lt_alloc(rows * (size_t)(d->c[0] > d->c[1] ? d->c[0] : d->c[1]) * taps * sizeof(float))))
        return LT_ERROR_MEMORY;
    dnnl_status_t status = dnnl_success;
    size_t first = 0;
    for (int i = 0; i < s->part_count && status == dnnl_success; i++) {
        const dnnl_dims_t dims = {lt_conv_weight_rows(d), d->c[i], d->kernel, d->kernel};
        if (dense) read_channels(weight, first, (size_t)d->c[i], d->isa, dense);
        status = reorder(s, &s->parts[i], dims, dense ? dense : weight->data, (char *)packed + s->parts[i].weight_at);
        first += (size_t)d->c[i];
    }
    lt_free(dense);
    return status == dnnl_success ? LT_OK : failed(d, status, "packing the weights of");
}

/* ---- Running ---- */

static dnnl_status_t run_part(const onednn_state *s, const lt_conv_io *io, int source, float *dst) {
    const part *p = &s->parts[source];
    const struct {
        int argument;
        dnnl_query_t what;
        int index;
        const void *data;
    } uses[] = {
        {DNNL_ARG_SRC, dnnl_query_src_md, 0, io->src[source]},
        {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0, (const char *)io->weight + p->weight_at},
        {DNNL_ARG_DST, dnnl_query_dst_md, 0, dst},
        {DNNL_ARG_BIAS, dnnl_query_weights_md, 1, source == 0 ? io->bias : NULL},
        {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, 0, io->scratch},
    };
    dnnl_exec_arg_t args[LT_COUNT(uses)];
    int count = 0;
    dnnl_status_t status = dnnl_success;
    for (size_t i = 0; i < LT_COUNT(uses) && status == dnnl_success; i++) {
        if (!uses[i].data) continue;
        const md_ref md = dnnl_primitive_desc_query_md(p->pd, uses[i].what, uses[i].index);
        args[count] = (dnnl_exec_arg_t){uses[i].argument, NULL};
        status = dnnl_memory_create(&args[count].memory, md, s->engine, (void *)(uintptr_t)uses[i].data);
        if (status == dnnl_success) count++;
    }
    if (status == dnnl_success) status = dnnl_primitive_execute(p->primitive, s->stream, count, args);
    if (status == dnnl_success) status = dnnl_stream_wait(s->stream);
    for (int i = 0; i < count; i++) dnnl_memory_destroy(args[i].memory);
    return status;
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
        const dnnl_status_t status = run_part(s, io, i, sum);
        if (status != dnnl_success) return failed(d, status, "running");
    }
    if (s->separate) finish_separately(conv, io, sum);
    return LT_OK;
}

const lt_conv_impl lt_conv_onednn = {onednn_create, onednn_pack, onednn_run, onednn_free};
