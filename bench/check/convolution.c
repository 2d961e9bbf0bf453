/* Convolutions and linear layers: every implementer in every precision that it serves, and the passes of their
 * gradients. */
#include "check.h"
#include "kernels/conv_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SRC0, SRC1, WEIGHT, BIAS, RESIDUAL, DDST = RESIDUAL };

typedef struct shape {
    int n, h, w, c[2], oc, kernel, stride, begin, end, wraps;
} shape;

static const shape edges[] = {
    {1, 1, 77, {320, 0}, 320, 1, 1, 0, 0},   {1, 1, 131, {40, 0}, 64, 1, 1, 0, 0},
    {1, 1, 1, {320, 0}, 64, 1, 1, 0, 0},     {1, 1, 2, {64, 0}, 320, 1, 1, 0, 0},
    {1, 1, 33, {9, 0}, 40, 1, 1, 0, 0},      {1, 1, 65, {64, 32}, 40, 1, 1, 0, 0},
    {1, 1, 513, {64, 0}, 96, 1, 1, 0, 0},    {2, 5, 7, {40, 9}, 64, 1, 1, 0, 0},
    {2, 9, 7, {4, 0}, 4, 1, 1, 0, 0},        {2, 16, 16, {64, 0}, 64, 3, 1, 1, 1},
    {2, 9, 7, {320, 0}, 64, 3, 1, 1, 1},     {1, 8, 8, {64, 0}, 320, 3, 1, 1, 1},
    {2, 13, 11, {4, 0}, 40, 3, 1, 1, 1},     {1, 12, 12, {9, 0}, 64, 3, 1, 1, 1},
    {1, 17, 5, {64, 0}, 4, 3, 1, 1, 1},      {1, 16, 20, {32, 0}, 3, 3, 1, 1, 1},
    {1, 15, 15, {3, 0}, 32, 3, 1, 1, 1},     {2, 16, 12, {40, 0}, 40, 3, 2, 1, 1},
    {1, 15, 13, {64, 0}, 64, 3, 2, 1, 1},    {1, 16, 16, {32, 0}, 40, 3, 2, 0, 1},
    {1, 17, 16, {64, 0}, 32, 3, 2, 0, 1},    {1, 56, 56, {3, 0}, 40, 14, 14, 0, 0},
    {2, 48, 48, {3, 0}, 64, 16, 16, 0, 0},   {1, 64, 64, {3, 0}, 64, 32, 32, 0, 0},
    {3, 24, 24, {3, 0}, 48, 8, 8, 0, 0},     {1, 10, 6, {64, 40}, 64, 3, 1, 1, 1},
    {4, 16, 16, {64, 32}, 32, 3, 1, 1, 1},   {1, 9, 9, {32, 4}, 40, 3, 2, 1, 1},
    {1, 1, 1, {1, 0}, 1, 1, 1, 0, 0},        {3, 3, 3, {1, 0}, 1, 3, 1, 1, 1},
    {1, 2, 2, {33, 0}, 17, 3, 1, 1, 1},      {2, 10, 9, {32, 0}, 32, 3, 1, 0, 1},
    {2, 8, 8, {32, 0}, 32, 4, 2, 1, 1},      {1, 21, 21, {16, 0}, 24, 5, 3, 2, 1},
    {1, 16, 16, {64, 0}, 64, 3, 1, 1, 1, 3}, {2, 9, 7, {320, 0}, 64, 3, 1, 1, 1, 1},
    {1, 10, 6, {64, 40}, 64, 3, 1, 1, 1, 2}, {2, 16, 12, {40, 0}, 40, 3, 2, 1, 1, 3},
    {1, 13, 11, {4, 0}, 40, 3, 1, 1, 1, 3},  {1, 1, 2, {32, 0}, 32, 3, 1, 1, 1, 3},
    {2, 5, 16, {64, 0}, 40, 3, 1, 1, 1},     {1, 7, 32, {32, 64}, 70, 3, 1, 1, 1, 3},
    {3, 6, 48, {32, 0}, 33, 5, 1, 2, 2},     {1, 40, 18, {96, 0}, 32, 3, 1, 0, 0},
    {1, 3, 16, {32, 32}, 64, 3, 1, 1, 1, 1}, {5, 1, 16, {32, 0}, 7, 3, 1, 1, 1, 2},
};
static const shape shapes[] = {
    /* Stable Diffusion 1.5's guided step */
    {2, 64, 64, {320, 0}, 320, 3, 1, 1, 1},
    {2, 32, 32, {640, 0}, 640, 3, 1, 1, 1},
    {2, 16, 16, {1280, 1280}, 1280, 3, 1, 1, 1},
    {2, 8, 8, {1280, 0}, 1280, 3, 1, 1, 1},
    {1, 1, 8192, {320, 0}, 320, 1, 1, 0, 0},
    {1, 1, 512, {1280, 0}, 10240, 1, 1, 0, 0},
    /* its VAE's decoder */
    {1, 256, 256, {256, 0}, 256, 3, 1, 1, 1},
    /* what is trained here */
    {32, 32, 32, {64, 0}, 64, 3, 1, 1, 1},
    {32, 16, 16, {128, 0}, 128, 3, 1, 1, 1},
    {32, 16, 16, {128, 64}, 128, 3, 1, 1, 1},
    {8, 32, 32, {320, 0}, 320, 3, 1, 1, 1},
    {32, 32, 32, {64, 0}, 64, 3, 2, 1, 1},
    {32, 32, 32, {4, 0}, 64, 3, 1, 1, 1},
    {32, 32, 32, {64, 0}, 4, 3, 1, 1, 1},
    {16, 224, 224, {3, 0}, 384, 16, 16, 0, 0},
    {1, 1, 8192, {128, 0}, 1024, 1, 1, 0, 0},
    {1, 1, 2464, {512, 0}, 2048, 1, 1, 0, 0},
    {1, 1, 32, {256, 0}, 1024, 1, 1, 0, 0},
};
enum { FIRST_TRAINED = 7 };

static shape random_shape(check_problem *p) {
    const int kernel = check_int(p, 0, 2) ? 3 : 1, spatial = kernel == 3;
    return (shape){.n = check_int(p, 1, 3),
                   .h = check_int(p, 3, 19),
                   .w = check_int(p, 3, 19),
                   .c = {check_int(p, 1, 70), check_int(p, 0, 3) ? 0 : check_int(p, 1, 50)},
                   .oc = check_int(p, 1, 70),
                   .kernel = kernel,
                   .stride = spatial ? check_int(p, 1, 2) : 1,
                   .begin = spatial ? check_int(p, 0, 1) : 0,
                   .end = spatial ? check_int(p, 0, 1) : 0,
                   .wraps = spatial && check_int(p, 0, 2) ? 0 : check_int(p, 0, 3)};
}

/* ---- Forward ---- */

static lt_conv_desc describe(const check_problem *p, const shape *s) {
    return (lt_conv_desc){.n = s->n,
                          .h = s->h,
                          .w = s->w,
                          .c = {s->c[0], s->c[1]},
                          .oc = s->oc,
                          .kernel = s->kernel,
                          .stride = s->stride,
                          .pad_begin = s->begin,
                          .pad_end = s->end,
                          .wraps = (lt_seamless)s->wraps,
                          .bias = true,
                          .weight_type = LT_F32,
                          .isa = LT_ISA_BEST,
                          .threads = 1,
                          .precision = p->kernel->numbers};
}

static lt_conv_desc make_desc(check_problem *p, size_t first) {
    const shape s = p->speed                       ? shapes[first + p->number]
                    : p->number < p->kernel->edges ? edges[p->number]
                                                   : random_shape(p);
    return describe(p, &s);
}

static void make_sources(check_problem *p, const lt_conv_desc *d) {
    const size_t taps = (size_t)(d->kernel * d->kernel), k = (size_t)(d->c[0] + d->c[1]) * taps;
    const float most = 3 / sqrtf((float)k);
    for (int i = 0; i < 2; i++) check_factor(p, lt_conv_pixels(d) * (size_t)d->c[i], -1, 1);
    check_input(p, (size_t)lt_conv_weight_rows(d) * k, -most, most);
    p->flop = 2.0 * (double)lt_conv_rows(d) * (double)lt_conv_weight_rows(d) * (double)k;
}

static void make_convolution(check_problem *p) {
    static const char *const names[] = {"", ", SiLU", ", GELU", ", quick GELU", ", ReLU", ", leaky ReLU", ", GEGLU"};
    lt_conv_desc d = make_desc(p, 0);
    if (!p->speed) {
        d.act = (lt_activation)check_int(p, LT_ACT_NONE, LT_ACT_GEGLU);
        d.bias = check_int(p, 0, 3);
        d.residual = check_int(p, 0, 1);
    }
    const size_t out = lt_conv_rows(&d) * (size_t)d.oc;
    make_sources(p, &d);
    check_input(p, (size_t)lt_conv_weight_rows(&d), -1, 1);
    check_input(p, d.residual ? out : 0, -1, 1);
    check_output(p, out, NULL);
    p->in_place = d.residual ? 1u << RESIDUAL : 0;
    lt_conv_shape_text(&d, p->shape, 100);
    snprintf(p->shape + strlen(p->shape), 60, "%s%s%s", names[d.act], d.bias ? ", bias" : "",
             d.residual ? ", residual" : "");
    check_arguments(p, &d, sizeof d);
}

static lt_weight_source weight_of(const check_run *r, const lt_conv_desc *d) {
    const size_t k = (size_t)d->kernel;
    lt_tensor t = {.name = "weight", .dtype = LT_F32, .rank = k == 1 ? 2 : 4, .data = r->problem->in[WEIGHT].values};
    t.shape[0] = (size_t)lt_conv_weight_rows(d);
    t.shape[1] = (size_t)(d->c[0] + d->c[1]);
    t.shape[2] = t.shape[3] = k;
    lt_tensor_set_contiguous(&t);
    return (lt_weight_source){.tensor = t};
}

/* int8's reference rounds in plain C and multiplies floats. */
static const lt_conv_impl *reference_of(lt_precision numbers) {
    return numbers == LT_PRECISION_INT8 ? &lt_conv_rounded : &lt_conv_reference;
}

static bool create(check_run *r, lt_conv **conv) {
    const check_kernel *k = r->problem->kernel;
    lt_conv_desc d = *(const lt_conv_desc *)r->problem->arguments;
    const bool bf16 = d.precision == LT_PRECISION_BF16; /* whose reference asks for a processor that has it, too */
    d.isa = !r->reference ? r->limit : bf16 ? LT_ISA_BEST : LT_ISA_SCALAR;
    d.threads = r->threads;
    d.source_type[0] = d.source_type[1] = check_reads(r);
    d.dst_type = check_writes(r);
    return lt_conv_create_with(r->reference ? reference_of(k->numbers) : k->with, &d, conv) == LT_OK;
}

static bool prepare_convolution(check_run *r) {
    lt_conv *conv;
    if (!create(r, &conv)) return false;
    const lt_weight_source weight = weight_of(r, &conv->desc);
    r->state = conv;
    r->scratch_size = lt_conv_scratch_size(conv);
    r->packed_size = lt_conv_packed_size(conv);
    r->packed = check_memory(r->packed_size);
    snprintf(r->name, sizeof r->name, "%s", lt_conv_name(conv));
    return lt_conv_pack(conv, &weight, r->packed) == LT_OK;
}

static lt_status run_convolution(check_run *r) {
    const lt_conv *conv = r->state;
    const lt_conv_io io = {.src = {r->in[SRC0], r->in[SRC1]},
                           .weight = r->packed,
                           .bias = conv->desc.bias ? r->in[BIAS] : NULL,
                           .residual = conv->desc.residual ? r->in[RESIDUAL] : NULL,
                           .dst = r->out[0],
                           .scratch = r->scratch};
    return lt_conv_run(conv, &io);
}

static void finish_convolution(check_run *r) {
    lt_conv_free(r->state);
    lt_free(r->packed);
}

/* Winograd's transforms cost a digit. */
#define CONVOLUTION(impl, precision, reads, writes, allowed)                                                           \
    {                                                                                                                  \
        .name = "convolution", .numbers = precision, .reads_bf16 = reads, .writes_bf16 = writes, .tolerance = allowed, \
        .with = &impl, .edges = LT_COUNT(edges), .shapes = LT_COUNT(shapes), .make = make_convolution,                 \
        .prepare = prepare_convolution, .run = run_convolution, .finish = finish_convolution                           \
    }
const check_kernel check_convolutions[] = {
    CONVOLUTION(lt_conv_winograd, LT_PRECISION_F32, false, true, 1e-5),
    CONVOLUTION(lt_conv_gemm, LT_PRECISION_F32, true, true, 2e-6),
    CONVOLUTION(lt_conv_gemm, LT_PRECISION_BF16, true, true, 2e-6),
    CONVOLUTION(lt_conv_direct, LT_PRECISION_BF16, true, true, 2e-6),
    CONVOLUTION(lt_conv_onednn, LT_PRECISION_BF16, false, false, 2e-6),
    CONVOLUTION(lt_conv_rounded, LT_PRECISION_BF16, false, false, 1e-5),
    CONVOLUTION(lt_conv_gemm, LT_PRECISION_INT8, true, true, 2e-6),
    CONVOLUTION(lt_conv_rounded, LT_PRECISION_INT8, false, false, 1e-5),
    {0},
};

/* ---- Backward ---- */

static lt_conv_desc make_pass(check_problem *p) {
    lt_conv_desc d = make_desc(p, FIRST_TRAINED);
    d.wraps = LT_SEAMLESS_NONE;
    d.bias = p->speed || check_int(p, 0, 3);
    make_sources(p, &d);
    check_input(p, d.bias ? (size_t)d.oc : 0, -1, 1);
    check_input(p, lt_conv_rows(&d) * (size_t)d.oc, -1, 1);
    lt_conv_shape_text(&d, p->shape, sizeof p->shape);
    check_arguments(p, &d, sizeof d);
    return d;
}

static void make_data_pass(check_problem *p) {
    make_pass(p);
    for (int i = 0; i < 2; i++) check_output(p, p->in[SRC0 + i].count, NULL);
}

static void make_weights_pass(check_problem *p) {
    make_pass(p);
    check_output(p, p->in[WEIGHT].count, p->in[WEIGHT].values);
    check_output(p, p->in[BIAS].count, p->in[BIAS].values);
}

static bool create_pass(check_run *r, bool weight, lt_conv_pass **pass) {
    lt_conv_desc d = *(const lt_conv_desc *)r->problem->arguments;
    const lt_conv_backward_wanted wanted = {.src = {!weight, !weight && d.c[1]}, .weight = weight};
    d.isa = r->reference ? LT_ISA_BEST : r->limit;
    d.threads = r->threads;
    return lt_conv_pass_create_with(r->reference ? &lt_backward_reference : r->problem->kernel->with, &d, &wanted,
                                    pass) == LT_OK;
}

static bool prepare_pass(check_run *r, bool weight) {
    lt_conv_pass *pass;
    if (!create_pass(r, weight, &pass)) return false;
    const lt_weight_source source = weight_of(r, &pass->desc);
    r->state = pass;
    r->scratch_size = pass->scratch_size;
    r->packed_size = pass->packed_size;
    r->packed = check_memory(r->packed_size);
    snprintf(r->name, sizeof r->name, "%s", pass->name);
    return !pass->packed_size || pass->impl->pack(pass, &source, r->packed) == LT_OK;
}

static bool prepare_data_pass(check_run *r) { return prepare_pass(r, false); }
static bool prepare_weights_pass(check_run *r) { return prepare_pass(r, true); }

static lt_status run_pass(check_run *r) {
    const lt_conv_pass *pass = r->state;
    const bool weight = pass->wanted.weight;
    const lt_conv_backward_io io = {.src = {r->in[SRC0], r->in[SRC1]},
                                    .weight = r->packed,
                                    .ddst = r->in[DDST],
                                    .dsrc = {weight ? NULL : check_out(r, 0), weight ? NULL : check_out(r, 1)},
                                    .dweight = weight ? check_out(r, 0) : NULL,
                                    .dbias = weight ? check_out(r, 1) : NULL,
                                    .scratch = r->scratch};
    return pass->impl->run(pass, &io);
}

static void finish_pass(check_run *r) {
    lt_conv_pass_free(r->state);
    lt_free(r->packed);
}

#define PASS(what, impl, precision, allowed)                                                                           \
    {                                                                                                                  \
        .name = "gradient of convolution by its " #what, .numbers = precision, .by_threads = true,                     \
        .tolerance = allowed, .with = &impl, .edges = LT_COUNT(edges), .shapes = LT_COUNT(shapes) - FIRST_TRAINED,     \
        .make = make_##what##_pass, .prepare = prepare_##what##_pass, .run = run_pass, .finish = finish_pass           \
    }
const check_kernel check_passes[] = {
    PASS(data, lt_backward_data_conv, LT_PRECISION_F32, 1e-5),
    PASS(data, lt_backward_data_strided, LT_PRECISION_F32, 3e-6),
    PASS(data, lt_backward_data_conv, LT_PRECISION_BF16, 3e-6),
    PASS(data, lt_backward_data_strided, LT_PRECISION_BF16, 3e-6),
    PASS(data, lt_backward_rounded, LT_PRECISION_BF16, 1e-5),
    PASS(weights, lt_backward_weights_winograd, LT_PRECISION_F32, 1e-5),
    PASS(weights, lt_backward_weights_gemm, LT_PRECISION_F32, 3e-6),
#if defined(__x86_64__)
    PASS(weights, lt_backward_weights_amx, LT_PRECISION_BF16, 3e-6),
#endif
    PASS(weights, lt_backward_rounded, LT_PRECISION_BF16, 1e-5),
    {0},
};
