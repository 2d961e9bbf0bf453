/* What an implementer of kernels/conv.h provides. conv.c asks them in the order of its table; the first that takes the
 * shape runs it. */
#ifndef LT_CONV_IMPL_H
#define LT_CONV_IMPL_H

#include "base/threads.h"
#include "kernels/conv.h"
#include "kernels/weight_format.h"

/* The pairs that an implementer serves: for the type in which the sources are multiplied, from LT_PRECISION_F32 on, a
 * set of weights' formats (1u << LT_WEIGHT_...). */
typedef unsigned lt_conv_pairs[LT_PRECISION_INT8 + 1];

#define LT_EVERY_FORMAT (~0u) /* by lt_tensor_read_f32, or not read at all */
/* Those that our inner loops widen. */
#define LT_WIDENED_FORMATS (1u << LT_WEIGHT_F32 | 1u << LT_WEIGHT_F16 | 1u << LT_WEIGHT_BF16)

/* Those of groups, which are widened before. */
#define LT_CODES_FORMATS (1u << LT_WEIGHT_CODES_16 | 1u << LT_WEIGHT_CODES_32)

typedef struct lt_conv_impl {
    /* Fills name, layout, packed_size, scratch_size and state of conv (desc is set). LT_ERROR_UNSUPPORTED: not this
     * shape or not this processor, ask the next one. Any other failure ends the search. On failure nothing is left to
     * free. */
    lt_status (*create)(lt_conv *conv);
    lt_status (*pack)(const lt_conv *conv, const lt_weight_source *weight, void *packed);
    lt_status (*run)(const lt_conv *conv, const lt_conv_io *io);
    void (*free)(lt_conv *conv); /* frees state */
    lt_conv_pairs serves;
    bool reads_bf16, makes_bf16; /* as the type of its sources, of dst */
} lt_conv_impl;

struct lt_conv {
    lt_conv_desc desc;
    const lt_conv_impl *impl;
    void *state;
    size_t packed_size, scratch_size;
    size_t pieces; /* that threads take of a run, of each of its blocks where it has several; 0: not said */
    char name[64], layout[128];
};

/* Every implementer in the order of preference, NULL at the end. */
extern const lt_conv_impl *const lt_conv_impls[];

/* lt_conv_create with one implementer and no other, for tests and bench. */
lt_status lt_conv_create_with(const lt_conv_impl *impl, const lt_conv_desc *desc, lt_conv **conv);

/* The gradients: one pass of lt_conv_backward, either backward_data, by the sources, or backward_weights, by the weight
 * and the bias. */
typedef struct lt_conv_pass lt_conv_pass;

typedef struct lt_conv_pass_impl { /* as lt_conv_impl */
    lt_status (*create)(lt_conv_pass *pass);
    lt_status (*pack)(const lt_conv_pass *pass, const lt_weight_source *weight,
                      void *packed); /* NULL: nothing to pack */
    lt_status (*run)(const lt_conv_pass *pass, const lt_conv_backward_io *io);
    void (*free)(lt_conv_pass *pass);
    lt_conv_pairs serves;
} lt_conv_pass_impl;

struct lt_conv_pass {
    lt_conv_desc desc;              /* no activation, no residual */
    lt_conv_backward_wanted wanted; /* the weight, or one or both sources */
    const lt_conv_pass_impl *impl;
    void *state;
    size_t packed_size, scratch_size;
    char name[64], layout[300];
};

extern const lt_conv_pass_impl *const lt_conv_pass_impls[];
lt_status lt_conv_pass_create_with(const lt_conv_pass_impl *impl, const lt_conv_desc *desc,
                                   const lt_conv_backward_wanted *wanted, lt_conv_pass **pass);
/* The first implementer that takes it. */
lt_status lt_conv_pass_create(const lt_conv_desc *desc, const lt_conv_backward_wanted *wanted, lt_conv_pass **pass);
void lt_conv_pass_free(lt_conv_pass *pass);

/* ---- What all of them share (conv.c) ---- */

/* Sizes that make sense and can be addressed. */
lt_status lt_conv_check(const lt_conv_desc *desc);
/* LT_ERROR_UNSUPPORTED where desc asks for bf16 and the processor hasn't got it. */
lt_status lt_conv_check_precision(const lt_conv_desc *desc);
/* The same, and where desc's pair is not among those that are served. */
lt_status lt_conv_check_pair(const lt_conv_desc *desc, const lt_conv_pairs serves);
lt_status lt_conv_check_weight(const lt_conv_desc *desc, const lt_weight_source *weight);
/* Whether the plain loops of the references may run it. */
bool lt_conv_reference_will_do(const lt_conv_desc *desc);

/* "320+320 -> 640 channels, 3x3, of 2x64x64 pixels": for names in messages. Returns text. */
const char *lt_conv_shape_text(const lt_conv_desc *desc, char *text, size_t size);

/* Sizes that lt_conv_create has checked not to overflow. */
static inline size_t lt_conv_rows(const lt_conv_desc *d) { /* pixels of dst */
    return (size_t)d->n * (size_t)lt_conv_out_size(d, d->h) * (size_t)lt_conv_out_size(d, d->w);
}
static inline size_t lt_conv_pixels(const lt_conv_desc *d) { /* of each source */
    return (size_t)d->n * (size_t)d->h * (size_t)d->w;
}
static inline lt_precision lt_conv_precision(const lt_conv_desc *d) {
    return d->precision == LT_PRECISION_AUTO ? LT_PRECISION_F32 : d->precision;
}
static inline bool lt_conv_is_bf16(const lt_conv_desc *d) { return d->precision == LT_PRECISION_BF16; }
/* bf16 with AMX in training, whose few channels oneDNN multiplies sooner; it knows no padding but zeros. */
static inline bool lt_conv_is_onednns(const lt_conv_desc *d) {
    return lt_conv_is_bf16(d) && !d->inference && lt_isa_has_amx(d->isa) && !d->wraps;
}
static inline lt_weight_format_id lt_conv_weight_format(const lt_conv_desc *d) {
    const lt_weight_format_id id = lt_weight_format_of(d->weight_type);
    const bool whole = d->kernel == 1 && (size_t)(d->c[0] + d->c[1]) % lt_weight_formats[id].block == 0;
    return id < LT_WEIGHT_ALONE || whole ? id : LT_WEIGHT_F32; /* taps are packed apart, which would part groups */
}
static inline int lt_conv_weight_rows(const lt_conv_desc *d) { return d->act == LT_ACT_GEGLU ? 2 * d->oc : d->oc; }

/* The references' layout [k, k, c, oc], float32, rounded as desc's precision says. */
lt_status lt_conv_reference_pack(const lt_conv_desc *desc, const lt_weight_source *weight, float *packed);
static inline float lt_conv_rounded_value(const lt_conv_desc *d, float x) {
    return lt_conv_is_bf16(d) ? lt_bf16_to_f32(lt_f32_to_bf16(x)) : x;
}

extern const lt_conv_impl lt_conv_reference; /* conv_reference.c: the formula; any shape */
extern const lt_conv_impl lt_conv_onednn;    /* onednn.c: bf16 */
extern const lt_conv_impl lt_conv_direct;    /* conv_direct.c: bf16 by AMX */
extern const lt_conv_impl lt_conv_gemm;      /* gemm.c: our matrix product, 1x1 and (implicitly) k x k */
extern const lt_conv_impl lt_conv_winograd;  /* winograd.c: 3x3, stride 1 */
extern const lt_conv_impl lt_conv_rounded;   /* conv_rounded.c: bf16 by way of float32 */

extern const lt_conv_pass_impl lt_backward_reference;        /* backward_reference.c: the formula; any shape */
extern const lt_conv_pass_impl lt_backward_data_conv;        /* backward_data.c: as forward convolutions */
extern const lt_conv_pass_impl lt_backward_data_strided;     /* backward_data_strided.c */
extern const lt_conv_pass_impl lt_backward_weights_winograd; /* backward_weights_winograd.c: 3x3, stride 1 */
extern const lt_conv_pass_impl lt_backward_weights_amx;      /* backward_weights_amx.c: in bf16 */
extern const lt_conv_pass_impl lt_backward_weights_gemm;     /* backward_weights_gemm.c: any shape */
extern const lt_conv_pass_impl lt_backward_rounded;          /* conv_rounded.c */

#endif
