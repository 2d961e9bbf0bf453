/* Convolutions and matrix products: one interface, several implementers, chosen by what is fastest for the shape.
 *
 *     dst = alpha * act(conv([src0, src1]) + bias) + residual             all NHWC, alpha 1 if nobody says
 *
 * A linear layer is a 1x1 convolution over n = 1, h = 1, w = rows. The two sources are read as if their channels were
 * concatenated; no concatenation is made in memory where the implementer can avoid it. */
#ifndef LT_CONV_H
#define LT_CONV_H

#include "kernels/kernels.h"
#include "kernels/weight_source.h"

typedef struct lt_conv_desc {
    int n, h, w;        /* the sources' samples and size */
    int c[2];           /* the sources' channels; c[1] is 0 without a second */
    int oc;             /* channels of dst. With LT_ACT_GEGLU the weight has 2*oc rows: values first, gates second */
    int kernel, stride; /* square */
    int pad_begin, pad_end; /* before (top and left) and after (bottom and right): zeros, ... */
    lt_seamless wraps;      /* ... but along these axes what is on the other side of the source */
    bool bias, residual;
    lt_activation act;
    float alpha; /* 0: 1 */
    /* Floats from one pixel of src0, of dst and of the residual to the next; 0: as many as it has channels. Where dst
     * lies in src0, behind the channels that are read (a dense block, Huang et al. 2017), nothing need be copied. */
    int src_pitch, dst_pitch, residual_pitch;
    lt_value_type_id source_type[2], dst_type; /* float32, or bf16, which some implementers read and write */
    lt_dtype weight_type; /* what the weight is stored as: an implementer may keep its format (weight_format.h) */
    lt_isa isa;           /* not above this */
    int threads;          /* that will run it */
    /* Sources and weight are rounded to these numbers before they are multiplied (int8: narrow.h); sums, bias and
     * residual stay float32. bf16 is LT_ERROR_UNSUPPORTED without AVX512-BF16. LT_PRECISION_AUTO is float32. */
    lt_precision precision;
    /* Nobody trains by it: narrow products may be whatever errs no more than those of rounded numbers
     * (winograd_pairs.h). */
    bool inference;
} lt_conv_desc;

/* Whether narrow numbers win nothing on any processor. */
bool lt_conv_is_small(const lt_conv_desc *desc);
/* desc's precision or, where narrow numbers win nothing, float32: for the few rows of a time embedding and the few
 * channels of a latent or a picture, whose rounding everything would feel; and where Winograd's convolution takes the
 * shape and they are not much faster than floats: bf16 without AMX, int8 without VNNI. */
lt_precision lt_conv_worth(const lt_conv_desc *desc);
/* Whether desc, at the precision that is worth it, reads bf16 sooner than float32, and whether it can write bf16. */
bool lt_conv_reads_bf16(const lt_conv_desc *desc);
bool lt_conv_writes_bf16(const lt_conv_desc *desc);

typedef struct lt_conv lt_conv;

typedef struct lt_conv_io {
    const void *src[2];
    const void *weight;    /* packed by lt_conv_pack */
    const float *bias;     /* [oc], or [2*oc] with GEGLU; NULL without */
    const float *residual; /* [n, oh, ow, oc]; may be dst itself where that is float32; NULL without */
    void *dst;             /* [n, oh, ow, oc] */
    void *scratch;         /* lt_conv_scratch_size bytes, 64-byte aligned */
} lt_conv_io;

/* Where row or column `at` of a source's `size` is: itself or, where it lies beyond the border and the axis wraps, on
 * the other side; -1: nowhere, it is zeros. */
static inline ptrdiff_t lt_conv_find(ptrdiff_t at, ptrdiff_t size, bool wraps) {
    if (at >= 0 && at < size) return at;
    return wraps ? (at % size + size) % size : -1;
}

/* Numbers from one pixel of a source to the next, and of dst. */
static inline size_t lt_conv_src_pitch(const lt_conv_desc *d, int source) {
    return (size_t)(source == 0 && d->src_pitch ? d->src_pitch : d->c[source]);
}
static inline size_t lt_conv_dst_pitch(const lt_conv_desc *d) { return (size_t)(d->dst_pitch ? d->dst_pitch : d->oc); }
static inline size_t lt_conv_residual_pitch(const lt_conv_desc *d) {
    return (size_t)(d->residual_pitch ? d->residual_pitch : d->oc);
}
static inline float lt_conv_alpha(const lt_conv_desc *d) { return d->alpha != 0.0f ? d->alpha : 1.0f; }
/* Whether pixels lie side by side and nothing is scaled: what a library's or a matrix product takes. */
static inline bool lt_conv_is_plain(const lt_conv_desc *d) {
    return !d->src_pitch && !d->dst_pitch && !d->residual_pitch && !(d->alpha != 0.0f);
}

static inline int lt_conv_out_size(const lt_conv_desc *d, int in) {
    return (in + d->pad_begin + d->pad_end - d->kernel) / d->stride + 1;
}

/* Chooses an implementer. LT_ERROR_UNSUPPORTED, naming the shape, if there is none but a library's slow reference path.
 */
lt_status lt_conv_create(const lt_conv_desc *desc, lt_conv **conv);
void lt_conv_free(lt_conv *conv);

const char *lt_conv_name(const lt_conv *conv); /* "onednn:brgconv:avx512_core", "avx512:winograd4x4", ... */

/* Packed weights can be shared by every conv whose layout string is equal. */
const char *lt_conv_layout(const lt_conv *conv);
size_t lt_conv_packed_size(const lt_conv *conv); /* bytes */
/* weight: [oc, c, kernel, kernel] or, for 1x1, [oc, c]; any dtype, any strides. packed is 64-byte aligned. */
lt_status lt_conv_pack(const lt_conv *conv, const lt_weight_source *weight, void *packed);

size_t lt_conv_scratch_size(const lt_conv *conv);
/* Allocates nothing of ours. One conv runs once at a time: implementers keep handles of a run in it. The same goes for
 * lt_conv_backward. */
lt_status lt_conv_run(const lt_conv *conv, const lt_conv_io *io);

/* ---- Gradients of dst = conv([src0, src1]) + bias: no activation and no residual, which are other operations ----
 *
 * With bf16, ddst, the sources and the weight are rounded before they are multiplied; sums and results are float32. */

typedef struct lt_conv_backward lt_conv_backward;

typedef struct lt_conv_backward_wanted {
    bool src[2], weight; /* the weight's gradient comes with the bias's, if desc.bias */
} lt_conv_backward_wanted;

typedef struct lt_conv_backward_io {
    const float *src[2]; /* read for the weight's gradient only */
    const void *weight;  /* packed by lt_conv_backward_pack; read for the sources' gradients only */
    const float *ddst;   /* [n, oh, ow, oc] */
    float *dsrc[2];      /* [n, h, w, c[i]], written, where wanted */
    float *dweight;      /* [oc, c[0]+c[1], kernel, kernel] row-major, added to, where wanted */
    float *dbias;        /* [oc], added to, where wanted */
    void *scratch;       /* lt_conv_backward_scratch_size bytes, 64-byte aligned */
} lt_conv_backward_io;

/* The same bytes from run to run for the same number of threads. desc.residual and desc.act are not looked at. */
lt_status lt_conv_backward_create(const lt_conv_desc *desc, const lt_conv_backward_wanted *wanted,
                                  lt_conv_backward **backward);
void lt_conv_backward_free(lt_conv_backward *backward);
const char *lt_conv_backward_name(const lt_conv_backward *backward);
/* Packed weights, as for lt_conv; the size is 0 where no source's gradient is wanted. */
const char *lt_conv_backward_layout(const lt_conv_backward *backward);
size_t lt_conv_backward_packed_size(const lt_conv_backward *backward);
lt_status lt_conv_backward_pack(const lt_conv_backward *backward, const lt_weight_source *weight, void *packed);
size_t lt_conv_backward_scratch_size(const lt_conv_backward *backward);
lt_status lt_conv_backward_run(const lt_conv_backward *backward, const lt_conv_backward_io *io);

#endif
