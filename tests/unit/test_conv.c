/* Implementers of kernels/conv.h: the formula (conv_reference.c) against numbers worked out by hand, the pairs that
 * each serves, weights of every format and layout, bytes that stay the same, refusals. That each of them gives what the
 * formula gives, over all kinds of shapes, is checked by bench/check. */
#include "base/blocks_write.h"
#include "conv_data.h"
#include "kernels/bf16.h"
#include "kernels/narrow.h"
#include "kernels/winograd_pairs.h"
#include "team.h"

#include <math.h>
#include <stdio.h>

/* ---- One convolution with its data ---- */

typedef struct problem {
    lt_conv_desc desc;
    lt_tensor weight; /* float32 [oc, c, k, k], or [oc, c] for 1x1 */
    float *src[2], *bias, *residual, *expected;
    size_t out_count;
} problem;

/* Runs conv over p's data into a fresh dst, or into a copy of the residual, with guards behind all that it writes. */
static float *run(const lt_conv *conv, const problem *p, const lt_tensor *weight, bool in_place) {
    const size_t packed_size = lt_conv_packed_size(conv), scratch_size = lt_conv_scratch_size(conv);
    const size_t sizes[3] = {packed_size, scratch_size, p->out_count * sizeof(float)};
    unsigned char *memory[3];
    for (int i = 0; i < 3; i++) {
        memory[i] = lt_alloc(sizes[i] + GUARD);
        assert_non_null(memory[i]);
        memset(memory[i], FRESH_BYTE, sizes[i]);
        memset(memory[i] + sizes[i], GUARD_BYTE, GUARD);
    }
    float *dst = (float *)memory[2];
    if (in_place) memcpy(dst, p->residual, sizes[2]);
    const lt_conv_io io = {.src = {p->src[0], p->src[1]},
                           .weight = memory[0],
                           .bias = p->desc.bias ? p->bias : NULL,
                           .residual = !p->desc.residual ? NULL
                                       : in_place        ? dst
                                                         : p->residual,
                           .dst = dst,
                           .scratch = memory[1]};
    use_threads(conv->desc.threads);
    if (lt_conv_pack(conv, &(lt_weight_source){.tensor = *weight}, memory[0]) != LT_OK ||
        lt_conv_run(conv, &io) != LT_OK)
        fail_msg("%s: %s", lt_conv_name(conv), lt_error_message());
    for (int i = 0; i < 3; i++)
        for (size_t j = 0; j < GUARD; j++)
            if (memory[i][sizes[i] + j] != GUARD_BYTE) fail_msg("%s writes behind its memory", lt_conv_name(conv));
    lt_free(memory[0]);
    lt_free(memory[1]);
    return dst;
}

/* Who computes d by the formula: of int8, over numbers that are rounded in plain C. */
static lt_conv *formula_of(lt_conv_desc d) {
    lt_conv *formula;
    const bool int8 = d.precision == LT_PRECISION_INT8;
    if (int8) d.isa = LT_ISA_SCALAR;
    assert_int_equal(lt_conv_create_with(int8 ? &lt_conv_rounded : &lt_conv_reference, &d, &formula), LT_OK);
    return formula;
}

static problem make_problem(const lt_conv_desc *d, uint32_t seed) {
    problem p = {.desc = *d, .out_count = lt_conv_rows(d) * (size_t)d->oc};
    const size_t rows = (size_t)lt_conv_weight_rows(d), c = (size_t)d->c[0] + (size_t)d->c[1], k = (size_t)d->kernel;
    for (int i = 0; i < 2; i++)
        if (d->c[i])
            p.src[i] = random_floats(&seed, (size_t)d->n * (size_t)d->h * (size_t)d->w * (size_t)d->c[i], 1.0f);
    p.weight = (lt_tensor){.name = "weight", .dtype = LT_F32, .rank = k == 1 ? 2 : 4, .shape = {rows, c, k, k}};
    lt_tensor_set_contiguous(&p.weight);
    p.weight.data = random_floats(&seed, rows * c * k * k, 3.0f / sqrtf((float)(c * k * k)));
    p.bias = random_floats(&seed, rows, 1.0f);
    p.residual = random_floats(&seed, p.out_count, 1.0f);
    lt_conv *formula = formula_of(*d);
    p.expected = run(formula, &p, &p.weight, false);
    lt_conv_free(formula);
    return p;
}

static void free_problem(problem *p) {
    lt_free(p->src[0]);
    lt_free(p->src[1]);
    lt_free((void *)(uintptr_t)p->weight.data);
    lt_free(p->bias);
    lt_free(p->residual);
    lt_free(p->expected);
}

static double relative_error(const float *ours, const float *reference, size_t count) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        const double a = (double)ours[i], b = (double)reference[i];
        difference += (a - b) * (a - b);
        norm += b * b;
    }
    return sqrt(difference / norm);
}

/* Winograd's transforms cost a digit; over integers it rounds otherwise than the formula, no more (test_integers). */
static double tolerance(const lt_conv *conv) {
    if (!strstr(lt_conv_name(conv), "winograd")) return 2e-6;
    return conv->desc.precision == LT_PRECISION_F32 ? 1e-5 : 2e-2;
}

static void expect_close(const lt_conv *conv, const problem *p, const float *dst) {
    const double error = relative_error(dst, p->expected, p->out_count);
    if (!(error <= tolerance(conv))) {
        char text[160];
        fail_msg("%s: relative error %.2e for %s, activation %d, residual %d", lt_conv_name(conv), error,
                 lt_conv_shape_text(&p->desc, text, sizeof text), (int)p->desc.act, p->desc.residual);
    }
}

/* Whether this processor multiplies such numbers. */
static bool served(lt_precision precision) {
    return precision != LT_PRECISION_BF16 || lt_isa_has(LT_ISA_AVX512BF16, LT_ISA_BEST);
}

static float *run_with(const lt_conv_impl *impl, const problem *p) {
    lt_conv *conv;
    if (lt_conv_create_with(impl, &p->desc, &conv) != LT_OK) return NULL;
    float *dst = run(conv, p, &p->weight, false);
    lt_conv_free(conv);
    return dst;
}

/* A weight that is no number makes none of its output channel, in every precision: nothing rounds it away. */
static void expect_no_numbers(const lt_conv_impl *impl, problem *p) {
    const int taps = p->desc.kernel * p->desc.kernel; /* the one in the middle: it meets a pixel everywhere */
    float *weight = (float *)(uintptr_t)p->weight.data + taps / 2;
    const float before = *weight;
    *weight = NAN;
    float *dst = run_with(impl, p);
    *weight = before;
    if (!dst) return;
    const size_t oc = (size_t)p->desc.oc;
    bool any = false;
    for (size_t i = 0; i < p->out_count; i += oc) any |= isnan(dst[i]);
    assert_true(any);
    lt_free(dst);
}

/* ---- The formula ---- */

static void expect_reference(const lt_conv_desc *d, const problem *p, const float *expected) {
    lt_conv *conv;
    assert_int_equal(lt_conv_create_with(&lt_conv_reference, d, &conv), LT_OK);
    float *dst = run(conv, p, &p->weight, false);
    for (size_t i = 0; i < p->out_count; i++) assert_float_equal(dst[i], expected[i], 1e-6);
    lt_free(dst);
    lt_conv_free(conv);
}

/* A 2x2 picture of 1 2 / 3 4, the kernel 1..9, stride 2, padded at the right and the bottom only, as the VAE's encoder
 * does. */
static void test_reference_pads_as_told(void **state) {
    (void)state;
    lt_conv_desc d = shape(1, 2, 2, 1, 0, 1, 3, 2, 0, 1);
    float pixels[] = {1, 2, 3, 4}, kernel[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, bias[] = {0.5f}, residual[] = {100};
    problem p = {.desc = d, .src = {pixels}, .bias = bias, .residual = residual, .out_count = 1};
    p.weight = (lt_tensor){.dtype = LT_F32, .rank = 4, .shape = {1, 1, 3, 3}, .data = kernel};
    lt_tensor_set_contiguous(&p.weight);
    expect_reference(&d, &p, (const float[]){1 * 1 + 2 * 2 + 3 * 4 + 4 * 5 + 0.5f});

    p.desc = d = shape(1, 2, 2, 1, 0, 1, 3, 2, 1, 0);
    d.residual = p.desc.residual = true;
    expect_reference(&d, &p, (const float[]){1 * 5 + 2 * 6 + 3 * 8 + 4 * 9 + 0.5f + 100});
}

/* One row [1, 2 | 3] through [[1, 0, 2], [0, 1, -1]], and through its two rows as GEGLU's value and gate. */
static void test_reference_reads_two_sources(void **state) {
    (void)state;
    lt_conv_desc d = shape(1, 1, 1, 2, 1, 2, 1, 1, 0, 0);
    float first[] = {1, 2}, second[] = {3}, matrix[] = {1, 0, 2, 0, 1, -1}, bias[] = {0, 2};
    problem p = {.desc = d, .src = {first, second}, .bias = bias, .out_count = 2};
    p.weight = (lt_tensor){.dtype = LT_F32, .rank = 2, .shape = {2, 3}, .data = matrix};
    lt_tensor_set_contiguous(&p.weight);
    expect_reference(&d, &p, (const float[]){7, 1});

    d.act = p.desc.act = LT_ACT_SILU;
    expect_reference(&d, &p, (const float[]){6.9936234f, 0.7310586f});
    d.act = p.desc.act = LT_ACT_QUICK_GELU;
    expect_reference(&d, &p, (const float[]){6.9999531f, 0.8457958f});
    d.act = p.desc.act = LT_ACT_GELU;
    expect_reference(&d, &p, (const float[]){7, 0.8413447f});
    d.act = p.desc.act = LT_ACT_GEGLU;
    d.oc = p.desc.oc = 1;
    p.out_count = 1;
    expect_reference(&d, &p, (const float[]){7 * 0.8413447f});
}

/* ---- The implementers ---- */

static const struct {
    int n, h, w, c[2], oc, kernel, stride, begin, end;
} shapes[] = {
    {1, 1, 77, {320, 0}, 320, 1, 1, 0, 0}, {1, 1, 131, {40, 0}, 64, 1, 1, 0, 0},  {1, 1, 1, {320, 0}, 64, 1, 1, 0, 0},
    {1, 1, 2, {64, 0}, 320, 1, 1, 0, 0},   {1, 1, 33, {9, 0}, 40, 1, 1, 0, 0},    {1, 1, 65, {64, 32}, 40, 1, 1, 0, 0},
    {2, 5, 7, {40, 9}, 64, 1, 1, 0, 0},    {2, 9, 7, {4, 0}, 4, 1, 1, 0, 0},      {2, 16, 16, {64, 0}, 64, 3, 1, 1, 1},
    {2, 9, 7, {320, 0}, 64, 3, 1, 1, 1},   {1, 8, 8, {64, 0}, 320, 3, 1, 1, 1},   {2, 13, 11, {4, 0}, 40, 3, 1, 1, 1},
    {1, 12, 12, {9, 0}, 64, 3, 1, 1, 1},   {1, 17, 5, {64, 0}, 4, 3, 1, 1, 1},    {1, 16, 20, {32, 0}, 3, 3, 1, 1, 1},
    {1, 15, 15, {3, 0}, 32, 3, 1, 1, 1},   {2, 16, 12, {40, 0}, 40, 3, 2, 1, 1},  {1, 15, 13, {64, 0}, 64, 3, 2, 1, 1},
    {1, 16, 16, {32, 0}, 40, 3, 2, 0, 1},  {1, 17, 16, {64, 0}, 32, 3, 2, 0, 1},  {1, 56, 56, {3, 0}, 40, 14, 14, 0, 0},
    {2, 48, 48, {3, 0}, 64, 16, 16, 0, 0}, {1, 64, 64, {3, 0}, 64, 32, 32, 0, 0}, {1, 10, 6, {64, 40}, 64, 3, 1, 1, 1},
    {1, 9, 9, {32, 4}, 40, 3, 2, 1, 1},    {1, 1, 1, {1, 0}, 1, 1, 1, 0, 0},      {3, 3, 3, {1, 0}, 1, 3, 1, 1, 1},
    {1, 2, 2, {33, 0}, 17, 3, 1, 1, 1},
};

static lt_conv_desc shape_at(size_t i) {
    return shape(shapes[i].n, shapes[i].h, shapes[i].w, shapes[i].c[0], shapes[i].c[1], shapes[i].oc, shapes[i].kernel,
                 shapes[i].stride, shapes[i].begin, shapes[i].end);
}

static void test_somebody_takes_each_shape(void **state) {
    (void)state;
    if (lt_isa_vectors(LT_ISA_BEST) == LT_ISA_SCALAR) skip();
    for (size_t i = 0; i < LT_COUNT(shapes); i++) {
        const lt_conv_desc d = shape_at(i);
        lt_conv *conv;
        assert_int_equal(lt_conv_create(&d, &conv), LT_OK);
        if (conv->impl == &lt_conv_reference) fail_msg("shape %zu: nobody but the reference takes it", i);
        lt_conv_free(conv);
    }
}

static void test_no_numbers(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(shapes); i++) {
        lt_conv_desc d = shape_at(i);
        for (d.precision = LT_PRECISION_F32; d.precision <= LT_PRECISION_INT8; d.precision++) {
            if (!served(d.precision)) continue;
            problem p = make_problem(&d, 3);
            for (const lt_conv_impl *const *impl = lt_conv_impls; *impl; impl++)
                for (p.desc.isa = LT_ISA_SCALAR; p.desc.isa < LT_ISA_BEST; p.desc.isa++) expect_no_numbers(*impl, &p);
            free_problem(&p);
        }
    }
}

/* ---- Weights ---- */

/* The same values as p's weight, but of another type, and with the output channels innermost in memory, as a .ckpt may
 * have it. */
static lt_tensor transposed(const problem *p, lt_dtype type) {
    lt_tensor t = p->weight;
    const size_t rows = t.shape[0], row = lt_tensor_count(&t) / rows;
    const float *from = t.data;
    void *to = lt_alloc(rows * row * sizeof(float));
    assert_non_null(to);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < row; j++) {
            if (type == LT_F16) ((uint16_t *)to)[j * rows + i] = lt_f32_to_f16(from[i * row + j]);
            if (type == LT_BF16) ((uint16_t *)to)[j * rows + i] = lt_f32_to_bf16(from[i * row + j]);
            if (type == LT_F32) ((float *)to)[j * rows + i] = from[i * row + j];
        }
    t.dtype = type;
    t.data = to;
    for (int i = 0; i < t.rank; i++) t.stride[i] = i ? p->weight.stride[i] * rows : 1;
    return t;
}

/* The same values as t's, row-major. */
static lt_tensor straightened(const lt_tensor *t) {
    lt_tensor s = *t;
    const size_t rows = t->shape[0], row = lt_tensor_count(t) / rows, size = lt_dtype_size(t->dtype);
    char *to = lt_alloc(rows * row * size);
    assert_non_null(to);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < row; j++)
            memcpy(to + (i * row + j) * size, (const char *)t->data + (j * rows + i) * size, size);
    s.data = to;
    lt_tensor_set_contiguous(&s);
    return s;
}

/* impl's product of sources in `precision` and weights in `format`: true to the formula, however the weight lies in
 * memory. Returns whether impl takes it. */
static bool check_pair(const lt_conv_impl *impl, problem *p, const lt_tensor *strided, const lt_tensor *dense) {
    lt_conv *conv;
    const lt_status status = lt_conv_create_with(impl, &p->desc, &conv);
    if (status == LT_ERROR_UNSUPPORTED) return false;
    assert_int_equal(status, LT_OK);
    float *a = run(conv, p, dense, false), *b = run(conv, p, strided, false);
    expect_close(conv, p, a);
    assert_memory_equal(a, b, p->out_count * sizeof(float));
    lt_free(a);
    lt_free(b);
    lt_conv_free(conv);
    return true;
}

static void expect_of_reference(problem *p, const lt_tensor *weight) {
    lt_conv *formula = formula_of(p->desc);
    lt_free(p->expected);
    p->expected = run(formula, p, weight, false);
    lt_conv_free(formula);
}

/* How often each implementer took each pair. */
typedef int pair_counts[8][LT_PRECISION_INT8 + 1][LT_WEIGHT_ALONE];

static void check_pairs(lt_conv_desc d, lt_precision precision, lt_weight_format_id format, pair_counts took) {
    problem p = make_problem(&d, 7);
    p.desc.precision = precision;
    p.desc.weight_type = lt_weight_formats[format].dtype;
    lt_tensor strided = transposed(&p, p.desc.weight_type), dense = straightened(&strided);
    expect_of_reference(&p, &dense);
    for (size_t i = 0; lt_conv_impls[i]; i++)
        for (p.desc.isa = LT_ISA_SCALAR; p.desc.isa < LT_ISA_BEST; p.desc.isa++) {
            const bool taken = check_pair(lt_conv_impls[i], &p, &strided, &dense);
            took[i][precision][format] += taken;
            if (taken) assert_true(lt_conv_impls[i]->serves[precision] >> format & 1);
        }
    lt_free((void *)(uintptr_t)strided.data);
    lt_free((void *)(uintptr_t)dense.data);
    free_problem(&p);
}

/* Whether it has to be taken by somebody's shape: Winograd multiplies narrow numbers as pairs of integers, by VNNI. */
static bool is_due(const lt_conv_impl *impl, lt_precision precision, lt_weight_format_id format) {
    const bool can = impl != &lt_conv_winograd || precision == LT_PRECISION_F32 || lt_isa_has_vnni(LT_ISA_BEST);
    return can && lt_isa_vectors(LT_ISA_BEST) != LT_ISA_SCALAR && impl->serves[precision] >> format & 1;
}

static lt_conv_desc for_inference(lt_conv_desc d) {
    d.inference = true;
    return d;
}

/* Every implementer over every pair that it lists, and over no other. */
static void test_pairs(void **state) {
    (void)state;
    const lt_conv_desc shapes_of_pairs[] = {shape(1, 1, 41, 40, 0, 33, 1, 1, 0, 0),
                                            shape(1, 1, 3, 40, 0, 33, 1, 1, 0, 0),
                                            shape(1, 8, 9, 32, 0, 40, 3, 1, 1, 1),
                                            shape(1, 8, 9, 32, 0, 40, 3, 2, 1, 1),
                                            shape(1, 1, 30, 64, 9, 40, 1, 1, 0, 0),
                                            shape(1, 5, 16, 64, 0, 40, 3, 1, 1, 1),
                                            for_inference(shape(1, 17, 20, 32, 0, 40, 3, 1, 1, 1))};
    pair_counts took = {0};
    for (lt_precision precision = LT_PRECISION_F32; precision <= LT_PRECISION_INT8; precision++)
        for (lt_weight_format_id format = 0; served(precision) && format < LT_WEIGHT_ALONE; format++) {
            for (size_t i = 0; i < LT_COUNT(shapes_of_pairs); i++)
                check_pairs(shapes_of_pairs[i], precision, format, took);
            for (size_t i = 0; lt_conv_impls[i]; i++)
                if (!took[i][precision][format] && is_due(lt_conv_impls[i], precision, format))
                    fail_msg("implementer %zu does not take weights in %s, precision %d, that it lists", i,
                             lt_weight_formats[format].name, (int)precision);
        }
}

/* ---- Winograd over pairs of integers ---- */

/* The formula in float32 over weights that are rounded as desc says: of int8 to bytes, else as they are. */
static void expect_of_exact_sources(problem *p) {
    const size_t rows = (size_t)lt_conv_weight_rows(&p->desc), row = lt_tensor_count(&p->weight) / rows;
    float *weight = (float *)(uintptr_t)p->weight.data;
    lt_conv_desc exact = p->desc;
    exact.precision = LT_PRECISION_F32;
    lt_conv *formula = formula_of(exact);
    lt_free(p->expected);
    if (p->desc.precision == LT_PRECISION_INT8) lt_round_to_int8(weight, weight, rows, row, 1);
    p->expected = run(formula, p, &p->weight, false);
    lt_conv_free(formula);
}

/* With every instruction set that has them: an error below that of rounding to bf16, 2.3e-3 of white noise; the
 * same bytes for several threads and in a batch. Returns how many ran. */
static int check_integers(problem *p, double most) {
    int ran = 0;
    expect_of_exact_sources(p);
    for (p->desc.isa = LT_ISA_SCALAR; p->desc.isa < LT_ISA_BEST; p->desc.isa++) {
        float *dst = run_with(&lt_conv_winograd, p);
        if (!dst) continue;
        const double error = relative_error(dst, p->expected, p->out_count);
        if (!(error <= most)) fail_msg("%s: relative error %.2e", lt_isa_name(p->desc.isa), error);
        problem one = *p;
        one.desc.threads = 1;
        one.desc.n = 1;
        one.out_count /= (size_t)p->desc.n;
        float *alone = run_with(&lt_conv_winograd, &one);
        assert_memory_equal(alone, dst, one.out_count * sizeof *alone);
        lt_free(alone);
        lt_free(dst);
        ran++;
    }
    return ran;
}

/* Sources in bf16 give the bytes of the same numbers in float32. */
static void expect_same_of_bf16(const problem *p) {
    problem narrow = *p;
    for (int i = 0; i < 2 && p->desc.c[i]; i++) {
        const size_t count = lt_conv_pixels(&p->desc) * (size_t)p->desc.c[i];
        uint16_t *bf16 = lt_alloc(count * sizeof *bf16);
        assert_non_null(bf16);
        lt_bf16_write(p->src[i], bf16, count);
        lt_bf16_read(bf16, p->src[i], count);
        narrow.src[i] = (float *)(void *)bf16;
        narrow.desc.source_type[i] = LT_VALUE_BF16;
    }
    float *wide = run_with(&lt_conv_winograd, p), *ours = run_with(&lt_conv_winograd, &narrow);
    assert_memory_equal(wide, ours, p->out_count * sizeof *wide);
    void *const all[] = {wide, ours, narrow.src[0], narrow.src[1]};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_free(all[i]);
}

static bool has_pairs(void) {
    return lt_isa_has(LT_ISA_AVX512VNNI, LT_ISA_BEST) || lt_isa_has(LT_ISA_AVXVNNI, LT_ISA_BEST);
}

static const lt_conv_desc *integer_shapes(size_t *count) {
    static lt_conv_desc shapes_of_integers[6];
    shapes_of_integers[0] = shape(2, 16, 16, 64, 0, 64, 3, 1, 1, 1);
    shapes_of_integers[1] = shape(2, 19, 17, 320, 0, 40, 3, 1, 1, 1);
    shapes_of_integers[2] = shape(2, 17, 32, 160, 96, 70, 3, 1, 1, 1);
    shapes_of_integers[3] = shape(1, 33, 18, 16, 32, 3, 3, 1, 1, 1);
    shapes_of_integers[4] = shape(3, 20, 21, 272, 16, 33, 3, 1, 1, 1);
    shapes_of_integers[5] = shape(1, 32, 32, 128, 0, 128, 3, 1, 1, 1);
    *count = LT_COUNT(shapes_of_integers);
    for (size_t i = 0; i < *count; i++) {
        shapes_of_integers[i].inference = true;
        shapes_of_integers[i].threads = 2;
        shapes_of_integers[i].residual = i % 2;
        shapes_of_integers[i].act = i % 3 ? LT_ACT_NONE : LT_ACT_SILU;
    }
    return shapes_of_integers;
}

static void test_integers(void **state) {
    (void)state;
    size_t count;
    const lt_conv_desc *all = integer_shapes(&count);
    for (size_t i = 0; i < count; i++)
        for (lt_precision precision = LT_PRECISION_BF16; precision <= LT_PRECISION_INT8; precision++) {
            problem p = make_problem(&all[i], (uint32_t)i);
            p.desc.precision = precision;
            const int ran = served(precision) ? check_integers(&p, 2.3e-3) : 0;
            p.desc.isa = LT_ISA_AMX - 1; /* whose tiles are sooner done */
            if (ran) expect_no_numbers(&lt_conv_winograd, &p);
            if (ran) expect_same_of_bf16(&p);
            assert_true(ran || !has_pairs() || !served(precision));
            free_problem(&p);
        }
}

/* Sums as great as they can be: all weights and sources alike, or of signs that follow a tile's greatest value. All
 * channels are rounded alike here, so that nothing averages out; a sum that overflowed would be off by its own size. */
static void test_integers_do_not_overflow(void **state) {
    (void)state;
    static const float signs[6] = {1, 1, -1, -1, 1, 1}; /* along a line: some rows of B' reach their greatest */
    for (int kind = 0; kind < 4; kind++) {
        lt_conv_desc d = for_inference(shape(1, 16, 16, 256, 0, 32, 3, 1, 1, 1));
        problem p = make_problem(&d, 5);
        float *weight = (float *)(uintptr_t)p.weight.data;
        p.desc.precision = LT_PRECISION_INT8;
        for (size_t i = 0; i < lt_tensor_count(&p.weight); i++)
            weight[i] = kind & 2 ? signs[i % 3] * signs[i / 3 % 3 + 2] : 1;
        for (size_t i = 0; i < lt_conv_pixels(&d) * 256; i++)
            p.src[0][i] = kind & 1 ? signs[i / 256 % 16 % 6] * signs[i / 4096 % 6] : 1e20f;
        const int ran = check_integers(&p, 2e-2);
        assert_true(ran || !has_pairs());
        free_problem(&p);
    }
}

/* ---- Formats ---- */

/* Weights that stay as they are in memory, and that are read as float32: the same bytes by each that takes both. */
static int expect_same(lt_conv_desc d, const problem *p, const lt_tensor *kept) {
    lt_tensor widened = *kept;
    float *values = lt_alloc(lt_tensor_count(kept) * sizeof *values);
    int taken = 0;
    assert_non_null(values);
    lt_tensor_read_f32(kept, values);
    widened.dtype = LT_F32;
    widened.data = values;
    for (d.isa = LT_ISA_AVX2; d.isa <= LT_ISA_AVX512; d.isa++)
        for (size_t i = 0; lt_conv_impls[i]; i++) {
            lt_conv *conv;
            float *dst[2];
            lt_conv_desc wide = d;
            wide.weight_type = LT_F32;
            if (lt_conv_create_with(lt_conv_impls[i], &d, &conv) != LT_OK) continue;
            dst[0] = run(conv, p, kept, false);
            taken++;
            lt_conv_free(conv);
            assert_int_equal(lt_conv_create_with(lt_conv_impls[i], &wide, &conv), LT_OK);
            dst[1] = run(conv, p, &widened, false);
            lt_conv_free(conv);
            assert_memory_equal(dst[0], dst[1], p->out_count * sizeof(float));
            lt_free(dst[0]);
            lt_free(dst[1]);
        }
    lt_free(values);
    return taken;
}

static void expect_same_kept(lt_conv_desc d, lt_weight_format_id format) {
    d.weight_type = lt_weight_formats[format].dtype;
    problem p = make_problem(&d, 9);
    lt_tensor strided = transposed(&p, d.weight_type), kept = straightened(&strided);
    expect_same(d, &p, &kept);
    lt_free((void *)(uintptr_t)strided.data);
    lt_free((void *)(uintptr_t)kept.data);
    free_problem(&p);
}

static void test_kept_weights_give_the_bytes_of_wide_ones(void **state) {
    (void)state;
    for (lt_weight_format_id format = 0; format < LT_WEIGHT_ALONE; format++) {
        expect_same_kept(shape(1, 1, 450, 72, 0, 70, 1, 1, 0, 0), format);
        expect_same_kept(shape(1, 1, 5, 400, 0, 70, 1, 1, 0, 0), format);
        expect_same_kept(shape(1, 12, 9, 48, 16, 40, 3, 1, 1, 1), format);
    }
}

/* The same of a type in blocks: in groups, or widened where they would be parted. */
static void expect_same_in_blocks(lt_conv_desc d, lt_dtype type) {
    const lt_block_format *f = lt_block_format_of(type);
    d.weight_type = type;
    problem p = make_problem(&d, 9);
    lt_tensor kept = p.weight;
    const size_t count = lt_tensor_count(&kept);
    void *blocks = lt_alloc(count / f->values * f->bytes);
    assert_non_null(blocks);
    assert_int_equal(count % f->values, 0);
    lt_blocks_write(type, kept.data, count / f->values, blocks);
    kept.dtype = type;
    kept.data = blocks;
    assert_true(expect_same(d, &p, &kept) > 0 || lt_isa_vectors(LT_ISA_BEST) == LT_ISA_SCALAR);
    lt_free(blocks);
    free_problem(&p);
}

static void test_weights_in_blocks_give_the_bytes_of_wide_ones(void **state) {
    (void)state;
    static const lt_dtype types[] = {LT_Q8_0, LT_Q4_0, LT_Q5_1, LT_Q4_K, LT_Q6_K, LT_Q2_K};
    for (size_t i = 0; i < LT_COUNT(types); i++) {
        expect_same_in_blocks(shape(1, 1, 450, 256, 0, 70, 1, 1, 0, 0), types[i]);
        expect_same_in_blocks(shape(1, 1, 5, 512, 256, 33, 1, 1, 0, 0), types[i]);
        expect_same_in_blocks(shape(1, 1, 40, 320, 0, 64, 1, 1, 0, 0), types[i]); /* rows begin within a block of 256 */
        expect_same_in_blocks(shape(1, 1, 40, 24, 0, 64, 1, 1, 0, 0), types[i]);  /* and within a group */
        expect_same_in_blocks(shape(1, 12, 9, 32, 0, 40, 3, 1, 1, 1), types[i]);
    }
}

/* Where two layout strings are equal, so are the packed bytes. */
static void test_layouts_tell_formats_apart(void **state) {
    (void)state;
    static const int sides[] = {4, 7, 8, 16, 33};
    for (const lt_conv_impl *const *impl = lt_conv_impls; *impl; impl++) {
        lt_conv *convs[LT_COUNT(sides)];
        void *packed[LT_COUNT(sides)] = {NULL};
        for (size_t i = 0; i < LT_COUNT(sides); i++) {
            const lt_conv_desc d = shape(1, sides[i], sides[i], 48, 0, 80, 3, 1, 1, 1);
            if (lt_conv_create_with(*impl, &d, &convs[i]) != LT_OK) {
                convs[i] = NULL;
                continue;
            }
            problem p = make_problem(&d, 3);
            uint32_t seed = 99;
            lt_free((void *)(uintptr_t)p.weight.data);
            p.weight.data = random_floats(&seed, lt_tensor_count(&p.weight), 1.0f);
            packed[i] = lt_calloc(1, lt_conv_packed_size(convs[i]));
            assert_int_equal(lt_conv_pack(convs[i], &(lt_weight_source){.tensor = p.weight}, packed[i]), LT_OK);
            free_problem(&p);
            for (size_t j = 0; j < i; j++)
                if (convs[j] && strcmp(lt_conv_layout(convs[i]), lt_conv_layout(convs[j])) == 0) {
                    assert_int_equal(lt_conv_packed_size(convs[i]), lt_conv_packed_size(convs[j]));
                    assert_memory_equal(packed[i], packed[j], lt_conv_packed_size(convs[i]));
                }
        }
        for (size_t i = 0; i < LT_COUNT(sides); i++) {
            lt_free(packed[i]);
            lt_conv_free(convs[i]);
        }
    }
}

/* ---- The same bytes ---- */

static void expect_same_for_any_threads(const lt_conv_impl *impl, const problem *p) {
    float *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        lt_conv_desc d = p->desc;
        d.threads = threads;
        lt_conv *conv;
        const lt_status status = lt_conv_create_with(impl, &d, &conv);
        if (status == LT_ERROR_UNSUPPORTED) break;
        assert_int_equal(status, LT_OK);
        float *dst = run(conv, p, &p->weight, false);
        if (first && memcmp(first, dst, p->out_count * sizeof(float)) != 0) {
            char text[160];
            fail_msg("%s gives other bytes with %d threads for %s", lt_conv_name(conv), threads,
                     lt_conv_shape_text(&d, text, sizeof text));
        }
        lt_conv_free(conv);
        if (first)
            lt_free(dst);
        else
            first = dst;
    }
    lt_free(first);
}

static void expect_same_bytes(lt_conv_desc d, size_t i) {
    d.act = i % 2 ? LT_ACT_SILU : LT_ACT_GEGLU;
    d.residual = i % 3 == 0;
    problem p = make_problem(&d, 11);
    for (const lt_conv_impl *const *impl = lt_conv_impls; *impl; impl++) expect_same_for_any_threads(*impl, &p);
    free_problem(&p);
}

static void test_same_bytes_for_any_threads(void **state) {
    (void)state;
    for (size_t i = 0; i < LT_COUNT(shapes); i++) expect_same_bytes(shape_at(i), i);
}

/* More samples than threads, which do not divide them. */
static void test_same_bytes_in_narrow_numbers(void **state) {
    (void)state;
    for (size_t i = 0; i < 24; i++) {
        lt_conv_desc d = shape((int)i / 4 + 1, 10, 8, 32, i % 4 > 1 ? 16 : 0, 32, 3, 1, 1, 1);
        d.precision = i < 12 ? LT_PRECISION_BF16 : LT_PRECISION_INT8;
        if (!served(d.precision)) continue;
        d.isa = i % 2 ? LT_ISA_BEST : LT_ISA_AVX512BF16;
        expect_same_bytes(d, i);
    }
}

/* ---- The choice, and what is refused ---- */

static void test_choice(void **state) {
    (void)state;
    lt_conv *conv;
    lt_conv_desc d = shape(1, 16, 16, 64, 0, 64, 3, 1, 1, 1);
    d.isa = LT_ISA_SCALAR;
    assert_int_equal(lt_conv_create(&d, &conv), LT_OK);
    assert_string_equal(lt_conv_name(conv), "reference");
    lt_conv_free(conv);
    if (lt_isa_choose(LT_ISA_BEST) == LT_ISA_SCALAR) return;
    d.isa = LT_ISA_BEST;
    assert_int_equal(lt_conv_create(&d, &conv), LT_OK);
    assert_string_not_equal(lt_conv_name(conv), "reference");
    lt_conv_free(conv);
}

static void expect_refused(lt_conv_desc d) {
    lt_conv *conv = (lt_conv *)&d;
    assert_int_equal(lt_conv_create(&d, &conv), LT_ERROR_ARGUMENT);
    assert_null(conv);
}

static void test_nonsense_is_refused(void **state) {
    (void)state;
    lt_conv_desc d = shape(1, 4, 4, 8, 0, 8, 1, 1, 0, 0);
    d.threads = 0;
    expect_refused(d);
    d.threads = 1;
    d.act = (lt_activation)77;
    expect_refused(d);
    expect_refused(shape(0, 4, 4, 8, 0, 8, 1, 1, 0, 0));
    expect_refused(shape(1, -4, 4, 8, 0, 8, 1, 1, 0, 0));
    expect_refused(shape(1, 4, 4, 8, -1, 8, 1, 1, 0, 0));
    expect_refused(shape(1, 4, 4, 8, 0, 8, 1, 0, 0, 0));
    expect_refused(shape(1, 2, 2, 8, 0, 8, 5, 1, 1, 1));
    expect_refused(shape(1, 2, 2, 8, 0, 8, 1, 1, 2147483647, 2147483647));
    expect_refused(shape(2147483647, 2147483647, 2147483647, 2147483647, 2147483647, 2147483647, 1, 1, 0, 0));
    expect_refused(shape(65536, 65536, 65536, 65536, 0, 65536, 1, 1, 0, 0));
    expect_refused(shape(1, 4, 4, 8, 0, 2147483647, 1, 1, 0, 0));
}

static void test_wrong_weights_and_pointers_are_refused(void **state) {
    (void)state;
    const lt_conv_desc d = shape(1, 4, 4, 8, 0, 8, 3, 1, 1, 1);
    problem p = make_problem(&d, 1);
    lt_conv *conv;
    assert_int_equal(lt_conv_create(&d, &conv), LT_OK);
    void *packed = lt_alloc(lt_conv_packed_size(conv));
    p.weight.shape[3] = 1;
    assert_int_equal(lt_conv_pack(conv, &(lt_weight_source){.tensor = p.weight}, packed), LT_ERROR_MODEL);
    assert_string_equal(lt_error_message(), "weight has shape [8,8,3,1], expected [8,8,3,3]");
    assert_int_equal(lt_conv_run(conv, &(lt_conv_io){.src = {p.src[0]}, .weight = packed}), LT_ERROR_ARGUMENT);
    lt_free(packed);
    lt_conv_free(conv);
    free_problem(&p);
}

/* Each allocation fails in turn, of creating and of packing. */
static void test_failing_allocations(void **state) {
    (void)state;
    const lt_conv_desc d = shape(1, 9, 9, 40, 8, 40, 3, 1, 1, 1);
    problem p = make_problem(&d, 1);
    for (const lt_conv_impl *const *impl = lt_conv_impls; *impl; impl++) {
        bool failed = true;
        for (size_t n = 0; failed; n++) {
            lt_conv *conv;
            lt_alloc_fail_at(n);
            const lt_status status = lt_conv_create_with(*impl, &d, &conv);
            failed = lt_alloc_failed();
            lt_alloc_fail_at(SIZE_MAX);
            assert_true(failed == (status == LT_ERROR_MEMORY));
            if (status == LT_OK) lt_conv_free(conv);
        }
        lt_conv *conv;
        if (lt_conv_create_with(*impl, &d, &conv) != LT_OK) continue;
        void *packed = lt_alloc(lt_conv_packed_size(conv));
        failed = true;
        for (size_t n = 0; failed; n++) {
            lt_alloc_fail_at(n);
            const lt_status status = lt_conv_pack(conv, &(lt_weight_source){.tensor = p.weight}, packed);
            failed = lt_alloc_failed();
            lt_alloc_fail_at(SIZE_MAX);
            assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
        }
        lt_free(packed);
        lt_conv_free(conv);
    }
    free_problem(&p);
}

/* ---- Pixels that lie apart ---- */

/* rows of c, spread to rows of `pitch`, the rest of which is fill; lt_free it. */
static float *spread(const float *x, size_t rows, size_t c, size_t pitch, float fill) {
    float *y = lt_alloc(rows * pitch * sizeof *y);
    assert_non_null(y);
    for (size_t i = 0; i < rows * pitch; i++) y[i] = i % pitch < c ? x[i / pitch * c + i % pitch] : fill;
    return y;
}

/* A convolution whose source, result and residual each lie in wider pixels makes the bytes that it makes of dense ones,
 * scaled, and touches nothing between them. The result lies behind the source, as in a dense block. */
static void expect_the_same_apart(const lt_conv_impl *impl, const problem *dense) {
    const lt_conv_desc *d = &dense->desc;
    const size_t rows = lt_conv_rows(d), c = (size_t)d->c[0], oc = (size_t)d->oc, wide = c + oc + 3, more = oc + 5;
    problem p = *dense;
    float *expected = run_with(impl, dense);
    if (!expected) return;
    p.desc.src_pitch = p.desc.dst_pitch = (int)wide;
    p.desc.residual_pitch = (int)more;
    lt_conv *conv;
    assert_int_equal(lt_conv_create_with(impl, &p.desc, &conv), LT_OK);
    float *both = spread(dense->src[0], rows, c, wide, 77), *residual = spread(dense->residual, rows, oc, more, NAN);
    void *packed = lt_alloc(lt_conv_packed_size(conv)), *scratch = lt_alloc(lt_conv_scratch_size(conv));
    assert_true(packed && scratch);
    use_threads(p.desc.threads);
    assert_int_equal(lt_conv_pack(conv, &(lt_weight_source){.tensor = p.weight}, packed), LT_OK);
    const lt_conv_io io = {.src = {both},
                           .weight = packed,
                           .bias = p.bias,
                           .residual = d->residual ? residual : NULL,
                           .dst = both + c,
                           .scratch = scratch};
    assert_int_equal(lt_conv_run(conv, &io), LT_OK);
    for (size_t row = 0; row < rows; row++) {
        assert_memory_equal(both + row * wide, dense->src[0] + row * c, c * sizeof(float));
        assert_memory_equal(both + row * wide + c, expected + row * oc, oc * sizeof(float));
        for (size_t k = c + oc; k < wide; k++) assert_true(both[row * wide + k] == 77);
    }
    float *const all[] = {expected, both, residual, packed, scratch};
    for (size_t i = 0; i < LT_COUNT(all); i++) lt_free(all[i]);
    lt_conv_free(conv);
}

static void test_pixels_that_lie_apart(void **state) {
    (void)state;
    const lt_conv_desc all[] = {shape(1, 20, 17, 32, 0, 16, 3, 1, 1, 1), shape(1, 19, 18, 48, 0, 40, 3, 1, 1, 1),
                                shape(1, 9, 7, 20, 0, 33, 3, 1, 1, 1), shape(2, 7, 5, 24, 0, 24, 1, 1, 0, 0)};
    static const lt_conv_impl *const impls[] = {&lt_conv_winograd, &lt_conv_gemm, &lt_conv_reference};
    for (size_t i = 0; i < LT_COUNT(all); i++)
        for (int residual = 0; residual < 2; residual++) {
            lt_conv_desc d = all[i];
            d.residual = residual;
            d.bias = true;
            d.alpha = 0.2f;
            d.act = LT_ACT_LEAKY_RELU;
            problem p = make_problem(&d, 3);
            for (p.desc.isa = LT_ISA_SCALAR; p.desc.isa < LT_ISA_BEST; p.desc.isa++)
                for (size_t k = 0; k < LT_COUNT(impls); k++) expect_the_same_apart(impls[k], &p);
            free_problem(&p);
        }
}

/* Over integers, too; the others leave it, and the choice is then float32. */
static void test_narrow_pixels_that_lie_apart(void **state) {
    (void)state;
    lt_conv_desc d = for_inference(shape(1, 24, 24, 64, 0, 32, 3, 1, 1, 1));
    d.bias = d.residual = true;
    problem p = make_problem(&d, 5);
    p.desc.precision = LT_PRECISION_INT8;
    for (p.desc.isa = LT_ISA_SCALAR; p.desc.isa < LT_ISA_BEST; p.desc.isa++) {
        lt_conv *conv;
        expect_the_same_apart(&lt_conv_winograd, &p);
        lt_conv_desc apart = p.desc;
        apart.src_pitch = 100;
        assert_int_equal(lt_conv_create_with(&lt_conv_rounded, &apart, &conv), LT_ERROR_UNSUPPORTED);
        assert_true(lt_conv_worth(&apart) == (lt_winograd_pairs(&apart) ? LT_PRECISION_INT8 : LT_PRECISION_F32));
    }
    free_problem(&p);
}

static void test_pixels_too_close_are_refused(void **state) {
    (void)state;
    lt_conv *conv;
    lt_conv_desc d = shape(1, 8, 8, 32, 0, 16, 3, 1, 1, 1);
    d.src_pitch = 31;
    assert_int_equal(lt_conv_create(&d, &conv), LT_ERROR_ARGUMENT);
    d.src_pitch = 0;
    d.dst_pitch = 15;
    assert_int_equal(lt_conv_create(&d, &conv), LT_ERROR_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_pads_as_told),
        cmocka_unit_test(test_reference_reads_two_sources),
        cmocka_unit_test(test_somebody_takes_each_shape),
        cmocka_unit_test(test_no_numbers),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_integers_do_not_overflow),
        cmocka_unit_test(test_kept_weights_give_the_bytes_of_wide_ones),
        cmocka_unit_test(test_weights_in_blocks_give_the_bytes_of_wide_ones),
        cmocka_unit_test(test_layouts_tell_formats_apart),
        cmocka_unit_test(test_same_bytes_for_any_threads),
        cmocka_unit_test(test_same_bytes_in_narrow_numbers),
        cmocka_unit_test(test_pixels_that_lie_apart),
        cmocka_unit_test(test_narrow_pixels_that_lie_apart),
        cmocka_unit_test(test_pixels_too_close_are_refused),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_nonsense_is_refused),
        cmocka_unit_test(test_wrong_weights_and_pointers_are_refused),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
