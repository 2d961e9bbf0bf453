/* oneDNN's objects, and what differs between its versions: see onednn.h. */
#include "kernels/onednn.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/mman.h>

/* ---- Descriptions ---- */

dnnl_status_t lt_onednn_tensors_make(lt_onednn_tensors *t, const lt_conv_desc *d, int source, bool bias,
                                     const lt_onednn_shape *shape) {
    const int rows = lt_conv_weight_rows(d), c = d->c[source];
    const dnnl_dims_t src = {shape->n, c, shape->h, shape->w}, weight = {rows, c, d->kernel, d->kernel},
                      bias_dims = {rows}, dst = {shape->n, rows, shape->oh, shape->ow};
    *t = (lt_onednn_tensors){.strides = {d->stride, d->stride},
                             .begin = {shape->top, d->pad_begin},
                             .end = {shape->bottom, d->pad_end},
                             .has_bias = bias,
                             .may_use_amx = lt_isa_has(LT_ISA_AMX, d->isa)};
    dnnl_status_t status = md_make(&t->src, 4, src, dnnl_bf16, dnnl_nhwc);
    if (status == dnnl_success)
        status = shape->weight ? md_copy(&t->weight, shape->weight)
                               : md_make(&t->weight, 4, weight, dnnl_bf16, dnnl_format_tag_any);
    if (status == dnnl_success) status = md_make(&t->bias, 1, bias_dims, dnnl_f32, dnnl_a);
    if (status == dnnl_success) status = md_make(&t->dst, 4, dst, dnnl_f32, dnnl_nhwc);
    return status;
}

void lt_onednn_tensors_drop(lt_onednn_tensors *t) {
    md_drop(&t->src);
    md_drop(&t->weight);
    md_drop(&t->bias);
    md_drop(&t->dst);
}

static bool uses_amx(const_dnnl_primitive_desc_t pd) {
    const char *name = "";
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
    return strstr(name, "amx") != NULL;
}

/* The library ranks its implementations. AMX's are passed over one by one where they may not run: a limit for all that
 * it does (dnnl_set_max_cpu_isa) would be the whole process's, and whoever makes the first primitive has set it. */
#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t pass_over_amx(dnnl_primitive_desc_t *pd) {
    dnnl_status_t status = dnnl_success;
    while (status == dnnl_success && uses_amx(*pd)) status = dnnl_primitive_desc_next_impl(*pd);
    if (status != dnnl_success) dnnl_primitive_desc_destroy(*pd);
    return status;
}
#else
static dnnl_status_t first_without_amx(dnnl_primitive_desc_t *pd, dnnl_primitive_desc_iterator_t all) {
    dnnl_status_t status = dnnl_success;
    while (status == dnnl_success) {
        if (!(*pd = dnnl_primitive_desc_iterator_fetch(all))) return dnnl_out_of_memory;
        if (!uses_amx(*pd)) return dnnl_success;
        dnnl_primitive_desc_destroy(*pd);
        status = dnnl_primitive_desc_iterator_next(all);
    }
    return status;
}

static dnnl_status_t describe(dnnl_primitive_desc_t *pd, const dnnl_convolution_desc_t *op, dnnl_engine_t engine,
                              bool may_use_amx, const_dnnl_primitive_attr_t attr) {
    if (may_use_amx) return dnnl_primitive_desc_create(pd, op, attr, engine, NULL);
    dnnl_primitive_desc_iterator_t all = NULL;
    dnnl_status_t status = dnnl_primitive_desc_iterator_create(&all, op, attr, engine, NULL);
    if (status == dnnl_success) status = first_without_amx(pd, all);
    dnnl_primitive_desc_iterator_destroy(all);
    return status;
}
#endif

dnnl_status_t lt_onednn_describe_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const lt_onednn_tensors *t,
                                         const_dnnl_primitive_attr_t attr) {
    const dnnl_prop_kind_t kind = dnnl_forward_inference;
    const md_ref src = md_borrow(&t->src), weight = md_borrow(&t->weight), dst = md_borrow(&t->dst);
    const md_ref bias = t->has_bias ? md_borrow(&t->bias) : NULL;
#if DNNL_VERSION_MAJOR >= 3
    const dnnl_dims_t dense = {0, 0};
    const dnnl_status_t status = dnnl_convolution_forward_primitive_desc_create(
        pd, engine, kind, dnnl_convolution_direct, src, weight, bias, dst, t->strides, dense, t->begin, t->end, attr);
    return status == dnnl_success && !t->may_use_amx ? pass_over_amx(pd) : status;
#else
    dnnl_convolution_desc_t op;
    const dnnl_status_t status = dnnl_convolution_forward_desc_init(&op, kind, dnnl_convolution_direct, src, weight,
                                                                    bias, dst, t->strides, t->begin, t->end);
    return status == dnnl_success ? describe(pd, &op, engine, t->may_use_amx, attr) : status;
#endif
}

dnnl_status_t lt_onednn_attribute(dnnl_primitive_attr_t *attr) {
    const dnnl_status_t status = dnnl_primitive_attr_create(attr);
    return status == dnnl_success ? dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user) : status;
}

/* ---- Primitives ---- */

/* Where an allocation fails, the library may end the process: better to ask first whether there is room. Of the system,
 * which touches none of it, as malloc does where it is told to fill what it gives (meson's tests do so). */
static lt_status check_room(void) {
    enum { ROOM = 64 << 20 };
    void *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return lt_fail(LT_ERROR_MEMORY, "no room for oneDNN (%d MiB)", ROOM >> 20);
    munmap(room, ROOM);
    return LT_OK;
}

lt_status lt_onednn_open(lt_onednn_engine *e) {
    LT_TRY(check_room());
    e->threads = (int (*)(void))(uintptr_t)dlsym(RTLD_DEFAULT, "omp_get_max_threads");
    e->set_threads = (void (*)(int))(uintptr_t)dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    dnnl_status_t status = dnnl_engine_create(&e->engine, dnnl_cpu, 0);
    if (status == dnnl_success) status = dnnl_stream_create(&e->stream, e->engine, dnnl_stream_default_flags);
    if (status == dnnl_success) return LT_OK;
    return status == dnnl_out_of_memory
               ? lt_fail(LT_ERROR_MEMORY, "oneDNN is out of memory")
               : lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN can't be used (its status %d)", (int)status);
}

int lt_onednn_alone(const lt_onednn_engine *e) {
    const int threads = e->threads ? e->threads() : 1;
    if (e->set_threads) e->set_threads(1);
    return threads;
}

void lt_onednn_together(const lt_onednn_engine *e, int threads) {
    if (e->set_threads) e->set_threads(threads);
}

void lt_onednn_close(lt_onednn_engine *e) {
    dnnl_stream_destroy(e->stream);
    dnnl_engine_destroy(e->engine);
}

static dnnl_status_t add_argument(lt_onednn_primitive *p, const lt_onednn_engine *e, int argument, md_ref md) {
    p->args[p->count].arg = argument;
    const dnnl_status_t status = dnnl_memory_create(&p->args[p->count].memory, md, e->engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success) p->count++;
    return status;
}

dnnl_status_t lt_onednn_make(lt_onednn_primitive *p, const lt_onednn_engine *e, dnnl_primitive_desc_t pd,
                             const lt_onednn_use *uses, size_t use_count) {
    dnnl_status_t status = dnnl_primitive_create(&p->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    if (status == dnnl_success) status = dnnl_primitive_get_primitive_desc(p->primitive, &p->pd);
    for (size_t i = 0; i < use_count && status == dnnl_success; i++) {
        const md_ref md = dnnl_primitive_desc_query_md(p->pd, uses[i].what, uses[i].index);
        if (md && dnnl_memory_desc_get_size(md)) status = add_argument(p, e, uses[i].argument, md);
    }
    return status;
}

void lt_onednn_drop(lt_onednn_primitive *p) {
    for (int i = 0; i < p->count; i++) dnnl_memory_destroy(p->args[i].memory);
    dnnl_primitive_destroy(p->primitive);
    *p = (lt_onednn_primitive){0};
}

const char *lt_onednn_name(const lt_onednn_primitive *p) {
    const char *name = "";
    dnnl_primitive_desc_query(p->pd, dnnl_query_impl_info_str, 0, &name);
    return name;
}

size_t lt_onednn_bytes(const lt_onednn_primitive *p, dnnl_query_t what, int index) {
    const md_ref md = dnnl_primitive_desc_query_md(p->pd, what, index);
    return md ? dnnl_memory_desc_get_size(md) : 0;
}

dnnl_status_t lt_onednn_set(const lt_onednn_primitive *p, int argument, const void *data) {
    for (int i = 0; i < p->count; i++)
        if (p->args[i].arg == argument) return dnnl_memory_set_data_handle(p->args[i].memory, (void *)(uintptr_t)data);
    return dnnl_success;
}

dnnl_status_t lt_onednn_execute(const lt_onednn_primitive *p, const lt_onednn_engine *e) {
    const dnnl_status_t status = dnnl_primitive_execute(p->primitive, e->stream, p->count, p->args);
    return status == dnnl_success ? dnnl_stream_wait(e->stream) : status;
}

/* ---- Weights ---- */

/* A primitive that copies `from` into `to`, whatever their orders and types. */
static dnnl_status_t make_reorder(lt_onednn_primitive *p, const lt_onednn_engine *e, md_ref from, md_ref to) {
    static const lt_onednn_use uses[] = {{DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, 0}};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = lt_onednn_attribute(&attr);
    if (status == dnnl_success) status = dnnl_reorder_primitive_desc_create(&pd, from, e->engine, to, e->engine, attr);
    dnnl_primitive_attr_destroy(attr);
    if (status == dnnl_success) status = lt_onednn_make(p, e, pd, uses, LT_COUNT(uses));
    if (status == dnnl_success) status = add_argument(p, e, DNNL_ARG_FROM, from);
    if (status == dnnl_success) status = add_argument(p, e, DNNL_ARG_TO, to);
    return status;
}

/* Whether oneDNN can read the weight where it is. */
static bool readable(const lt_tensor *w) {
    for (int i = 0; i < w->rank; i++)
        if (w->stride[i] == 0) return false; /* one element seen as many */
    return w->dtype == LT_F32 && (uintptr_t)w->data % sizeof(float) == 0;
}

/* lt_tensor_read_f32, by vectors where it can be. */
static void read_fast(const lt_tensor *w, lt_isa isa, float *out) {
    const lt_weight_format_id format = lt_weight_format_of(w->dtype);
    const bool in_blocks = lt_weight_formats[format].dtype == w->dtype && lt_tensor_contiguous(w);
    if (in_blocks && (uintptr_t)w->data % lt_dtype_size(w->dtype) == 0)
        lt_weight_widen(format, isa, w->data, out, lt_tensor_count(w));
    else
        lt_tensor_read_f32(w, out);
}

static dnnl_status_t copy_weight(const lt_onednn_engine *e, md_ref to, const lt_tensor *view, void *packed) {
    dnnl_dims_t dims = {1, 1, 1, 1}, strides = {1, 1, 1, 1};
    for (int i = 0; i < view->rank; i++) {
        dims[i] = (dnnl_dim_t)view->shape[i];
        strides[i] = (dnnl_dim_t)view->stride[i];
    }
    md_owned from = {0};
    lt_onednn_primitive copy = {0};
    dnnl_status_t status = md_make_strided(&from, 4, dims, strides);
    if (status == dnnl_success) status = make_reorder(&copy, e, md_borrow(&from), to);
    void *scratch = NULL;
    if (status == dnnl_success) {
        const size_t size = lt_onednn_bytes(&copy, dnnl_query_scratchpad_md, 0);
        if (size && !(scratch = lt_alloc(size))) status = dnnl_out_of_memory;
    }
    if (status == dnnl_success) status = lt_onednn_set(&copy, DNNL_ARG_SCRATCHPAD, scratch);
    if (status == dnnl_success) status = lt_onednn_set(&copy, DNNL_ARG_FROM, view->data);
    if (status == dnnl_success) status = lt_onednn_set(&copy, DNNL_ARG_TO, packed);
    if (status == dnnl_success) status = lt_onednn_execute(&copy, e);
    lt_free(scratch);
    lt_onednn_drop(&copy);
    md_drop(&from);
    return status;
}

lt_status lt_onednn_pack(const lt_onednn_engine *e, const lt_onednn_primitive *p, const lt_conv_desc *d,
                         const lt_tensor *weight, size_t first, size_t count, void *packed) {
    lt_tensor view = *weight;
    view.shape[1] = count;
    lt_tensor_skip(&view, first * weight->stride[1]);
    float *dense = NULL;
    if (!readable(&view)) {
        if (!(dense = lt_alloc(lt_tensor_count(&view) * sizeof *dense))) return LT_ERROR_MEMORY;
        read_fast(&view, d->isa, dense);
        view.data = dense;
        lt_tensor_set_contiguous(&view);
    }
    const dnnl_status_t status =
        copy_weight(e, dnnl_primitive_desc_query_md(p->pd, dnnl_query_weights_md, 0), &view, packed);
    lt_free(dense);
    return status == dnnl_success ? LT_OK : lt_onednn_failed(d, status, "packing the weights of");
}

static uint64_t hash_numbers(uint64_t hash, const dnnl_dim_t *numbers, int count) { /* FNV-1a, a number at a time */
    for (int i = 0; i < count; i++) hash = (hash ^ (uint64_t)numbers[i]) * 0x100000001B3u;
    return hash;
}

bool lt_onednn_hash_blocking(md_ref md, uint64_t *hash) {
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

/* ---- Choices and failures ---- */

static bool effective_isa_has(dnnl_cpu_isa_t isa) {
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)isa) == (unsigned)isa;
}

lt_status lt_onednn_check_fast(const lt_conv_desc *d, const char *implementation) {
    const bool wide = d->c[0] >= 16 && lt_conv_weight_rows(d) >= 16;
    const bool im2col = d->kernel > 1 && strstr(implementation, "gemm") != NULL;
    if (!strstr(implementation, "ref") && !(im2col && wide && effective_isa_has(dnnl_cpu_isa_avx512_core)))
        return LT_OK;
    char shape[160];
    return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN has nothing better than %s for a convolution of %s", implementation,
                   lt_conv_shape_text(d, shape, sizeof shape));
}

lt_status lt_onednn_failed(const lt_conv_desc *d, dnnl_status_t status, const char *doing) {
    char shape[160];
    lt_conv_shape_text(d, shape, sizeof shape);
    if (status == dnnl_out_of_memory)
        return lt_fail(LT_ERROR_MEMORY, "oneDNN is out of memory %s a convolution of %s", doing, shape);
    return lt_fail(LT_ERROR_UNSUPPORTED, "oneDNN fails %s a convolution of %s (its status %d)", doing, shape,
                   (int)status);
}
