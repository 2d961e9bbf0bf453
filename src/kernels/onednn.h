/* What the files that speak to oneDNN share (onednn*.c): nobody else includes this. Builds against 2.6 and any 3.x.
 *
 * A primitive's memory objects are made once and told where their data lies before each run, which is why one
 * convolution can't be run by two threads at once. */
#ifndef LT_ONEDNN_H
#define LT_ONEDNN_H

#include "kernels/conv_impl.h"

#include <oneapi/dnnl/dnnl.h>

/* ---- What differs between oneDNN 2 and 3: memory descriptors are structs there, handles here ---- */

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t md_owned; /* zero is none */
typedef const_dnnl_memory_desc_t md_ref;

static inline md_ref md_borrow(const md_owned *md) { return *md; }
static inline void md_drop(md_owned *md) { dnnl_memory_desc_destroy(*md); }

static inline dnnl_status_t md_make(md_owned *md, int rank, const dnnl_dim_t *dims, dnnl_data_type_t type,
                                    dnnl_format_tag_t tag) {
    return dnnl_memory_desc_create_with_tag(md, rank, dims, type, tag);
}

static inline dnnl_status_t md_copy(md_owned *md, md_ref from) { return dnnl_memory_desc_clone(md, from); }

static inline dnnl_status_t md_make_strided(md_owned *md, int rank, const dnnl_dim_t *dims, const dnnl_dim_t *strides) {
    return dnnl_memory_desc_create_with_strides(md, rank, dims, dnnl_f32, strides);
}

static inline dnnl_status_t append_sum(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
}

static inline dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha) {
    return dnnl_post_ops_append_eltwise(ops, alg, alpha, 0.0f);
}

#else

typedef dnnl_memory_desc_t md_owned;
typedef const dnnl_memory_desc_t *md_ref;

static inline md_ref md_borrow(const md_owned *md) { return md; }
static inline void md_drop(md_owned *md) { (void)md; }

static inline dnnl_status_t md_make(md_owned *md, int rank, const dnnl_dim_t *dims, dnnl_data_type_t type,
                                    dnnl_format_tag_t tag) {
    return dnnl_memory_desc_init_by_tag(md, rank, dims, type, tag);
}

static inline dnnl_status_t md_copy(md_owned *md, md_ref from) {
    *md = *from;
    return dnnl_success;
}

static inline dnnl_status_t md_make_strided(md_owned *md, int rank, const dnnl_dim_t *dims, const dnnl_dim_t *strides) {
    return dnnl_memory_desc_init_by_strides(md, rank, dims, dnnl_f32, strides);
}

static inline dnnl_status_t append_sum(dnnl_post_ops_t ops) { return dnnl_post_ops_append_sum(ops, 1.0f); }

static inline dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha) {
    return dnnl_post_ops_append_eltwise(ops, 1.0f, alg, alpha, 0.0f);
}

#endif

/* ---- A convolution of one source, as oneDNN is told of it ---- */

/* What of it one primitive does: n samples of h x w, with so many rows of zeros above and below, to oh x ow. */
typedef struct lt_onednn_shape {
    int n, h, w, oh, ow, top, bottom;
    md_ref weight; /* the order of the weight; NULL: the one that the primitive asks for */
} lt_onednn_shape;

typedef struct lt_onednn_tensors {
    md_owned src, weight, bias, dst; /* src: NHWC, bf16; dst: NHWC, f32 */
    dnnl_dims_t strides, begin, end;
    bool has_bias, may_use_amx;
} lt_onednn_tensors;

/* lt_onednn_tensors_drop whether or not it fails. */
dnnl_status_t lt_onednn_tensors_make(lt_onednn_tensors *t, const lt_conv_desc *d, int source, bool bias,
                                     const lt_onednn_shape *shape);
void lt_onednn_tensors_drop(lt_onednn_tensors *t);

dnnl_status_t lt_onednn_describe_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const lt_onednn_tensors *t,
                                         const_dnnl_primitive_attr_t attr);

/* ---- Primitives and where they run ---- */

typedef struct lt_onednn_engine {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int (*threads)(void); /* OpenMP's, where the library is built on it; else NULL */
    void (*set_threads)(int threads);
} lt_onednn_engine;

typedef struct lt_onednn_primitive {
    dnnl_primitive_t primitive;
    const_dnnl_primitive_desc_t pd; /* the primitive's own */
    dnnl_exec_arg_t args[8];
    int count;
} lt_onednn_primitive;

lt_status lt_onednn_open(lt_onednn_engine *e);
void lt_onednn_close(lt_onednn_engine *e);

/* Between these two the library works in the calling thread alone. alone returns what together needs. */
int lt_onednn_alone(const lt_onednn_engine *e);
void lt_onednn_together(const lt_onednn_engine *e, int threads);

/* Of what lt_onednn_bind is given: an argument, and which of the primitive's tensors it is. */
typedef struct lt_onednn_use {
    int argument;
    dnnl_query_t what;
    int index;
} lt_onednn_use;

/* Makes pd's primitive, with memory objects for those of uses that it has, and destroys pd. */
dnnl_status_t lt_onednn_make(lt_onednn_primitive *p, const lt_onednn_engine *e, dnnl_primitive_desc_t pd,
                             const lt_onednn_use *uses, size_t use_count);
void lt_onednn_drop(lt_onednn_primitive *p);
const char *lt_onednn_name(const lt_onednn_primitive *p);
size_t lt_onednn_bytes(const lt_onednn_primitive *p, dnnl_query_t what, int index);

/* Where an argument's data lies from now on; one that the primitive doesn't have is let be. */
dnnl_status_t lt_onednn_set(const lt_onednn_primitive *p, int argument, const void *data);
dnnl_status_t lt_onednn_execute(const lt_onednn_primitive *p, const lt_onednn_engine *e);

/* A new attribute that has the primitive's scratch memory come from its caller. */
dnnl_status_t lt_onednn_attribute(dnnl_primitive_attr_t *attr);

/* ---- Weights ---- */

/* The weight's input channels [first, first + count) into `packed`, in the order of p's weights. */
lt_status lt_onednn_pack(const lt_onednn_engine *e, const lt_onednn_primitive *p, const lt_conv_desc *d,
                         const lt_tensor *weight, size_t first, size_t count, void *packed);

/* Goes into *hash: all that says where each element of a blocked tensor lies. False if the tensor isn't blocked. */
bool lt_onednn_hash_blocking(md_ref md, uint64_t *hash);
#define LT_ONEDNN_HASH 0xCBF29CE484222325u /* what a hash starts as */

/* ---- Choices and failures ---- */

/* The library's plain loops, and its detour over im2col where it has a direct kernel for the other shapes, are not what
 * was asked for. With few channels im2col is as good as anything. Sets the message if so. */
lt_status lt_onednn_check_fast(const lt_conv_desc *d, const char *implementation);
lt_status lt_onednn_failed(const lt_conv_desc *d, dnnl_status_t status, const char *doing);

#endif
