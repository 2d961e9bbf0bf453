/* The gradients of convolutions: the formula (backward_reference.c) against finite differences of the forward one,
 * pairs, weights of every layout, choices and refusals. That every implementer gives what the formula gives, over all
 * kinds of shapes, is checked by bench/check. */
#include "conv_data.h"
#include "team.h"

#include <math.h>
#include <stdio.h>

/* ---- One convolution with its data ---- */

enum { DSRC0, DSRC1, DWEIGHT, DBIAS, RESULTS, PACKED = RESULTS, SCRATCH, MEMORIES };

typedef struct problem {
    lt_conv_desc desc;
    lt_tensor weight;
    float *src[2], *ddst;
    size_t count[RESULTS];
    float *start[RESULTS];    /* what the gradients are added to */
    float *expected[RESULTS]; /* the reference's results */
} problem;

static const char *const result_names[RESULTS] = {"source", "second source", "weight", "bias"};

static problem make_problem(const lt_conv_desc *d, uint32_t seed) {
    problem p = {.desc = *d};
    const size_t oc = (size_t)d->oc, c = (size_t)(d->c[0] + d->c[1]), k = (size_t)d->kernel;
    for (int i = 0; i < 2; i++) {
        p.count[DSRC0 + i] = lt_conv_pixels(d) * (size_t)d->c[i];
        if (d->c[i]) p.src[i] = random_floats(&seed, p.count[DSRC0 + i], 1.0f);
    }
    p.count[DWEIGHT] = oc * c * k * k;
    p.count[DBIAS] = d->bias ? oc : 0;
    p.ddst = random_floats(&seed, lt_conv_rows(d) * oc, 1.0f);
    p.weight = (lt_tensor){.name = "weight", .dtype = LT_F32, .rank = k == 1 ? 2 : 4, .shape = {oc, c, k, k}};
    lt_tensor_set_contiguous(&p.weight);
    p.weight.data = random_floats(&seed, oc * c * k * k, 1.0f);
    for (int i = DWEIGHT; i < RESULTS; i++) p.start[i] = random_floats(&seed, p.count[i], 1.0f);
    return p;
}

static void free_problem(problem *p) {
    lt_free(p->src[0]);
    lt_free(p->src[1]);
    lt_free(p->ddst);
    lt_free((void *)(uintptr_t)p->weight.data);
    for (int i = 0; i < RESULTS; i++) {
        lt_free(p->start[i]);
        lt_free(p->expected[i]);
    }
}

static bool is_wanted(const lt_conv_backward_wanted *w, int result) { return result < 2 ? w->src[result] : w->weight; }

/* Runs a pass over p's data, with guards behind all that it writes; results[]: to be freed. */
static void run(const lt_conv_pass *pass, const problem *p, const lt_tensor *weight, float *results[RESULTS]) {
    size_t sizes[MEMORIES];
    char *memory[MEMORIES];
    for (int i = 0; i < RESULTS; i++) sizes[i] = p->count[i] * sizeof(float);
    sizes[PACKED] = pass->packed_size;
    sizes[SCRATCH] = pass->scratch_size;
    for (int i = 0; i < MEMORIES; i++) {
        memory[i] = lt_alloc(sizes[i] + GUARD);
        assert_non_null(memory[i]);
        memset(memory[i], FRESH_BYTE, sizes[i]);
        memset(memory[i] + sizes[i], GUARD_BYTE, GUARD);
        if (i < RESULTS && p->start[i]) memcpy(memory[i], p->start[i], sizes[i]);
    }
    const bool *src = pass->wanted.src;
    const lt_conv_backward_io io = {
        .src = {p->src[0], p->src[1]},
        .weight = memory[PACKED],
        .ddst = p->ddst,
        .dsrc = {src[0] ? (float *)memory[DSRC0] : NULL, src[1] ? (float *)memory[DSRC1] : NULL},
        .dweight = pass->wanted.weight ? (float *)memory[DWEIGHT] : NULL,
        .dbias = pass->wanted.weight && p->count[DBIAS] ? (float *)memory[DBIAS] : NULL,
        .scratch = memory[SCRATCH]};
    use_threads(pass->desc.threads);
    if ((pass->packed_size &&
         pass->impl->pack(pass, &(lt_weight_source){.tensor = *weight}, memory[PACKED]) != LT_OK) ||
        pass->impl->run(pass, &io) != LT_OK)
        fail_msg("%s: %s", pass->name, lt_error_message());
    for (int i = 0; i < MEMORIES; i++)
        for (size_t j = 0; j < GUARD; j++)
            if ((unsigned char)memory[i][sizes[i] + j] != GUARD_BYTE)
                fail_msg("%s writes behind memory %d", pass->name, i);
    for (int i = 0; i < RESULTS; i++) results[i] = (float *)memory[i];
    lt_free(memory[PACKED]);
    lt_free(memory[SCRATCH]);
}

static void free_results(float *results[RESULTS]) {
    for (int i = 0; i < RESULTS; i++) lt_free(results[i]);
}

static double relative_error(const float *ours, const float *reference, size_t count) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        const double a = (double)ours[i], b = (double)reference[i];
        difference += (a - b) * (a - b);
        norm += b * b;
    }
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

/* Winograd's transforms cost a digit. */
static double tolerance(const char *name) { return strstr(name, "winograd") ? 1e-5 : 3e-6; }

static void expect_close(const lt_conv_pass *pass, const problem *p, float *const results[RESULTS]) {
    for (int i = 0; i < RESULTS; i++) {
        if (!p->count[i] || !is_wanted(&pass->wanted, i)) continue;
        const double error = relative_error(results[i], p->expected[i], p->count[i]);
        if (!(error <= tolerance(pass->name))) {
            char text[160];
            fail_msg("%s: the gradient by the %s has a relative error of %.2e for %s, %d threads", pass->name,
                     result_names[i], error, lt_conv_shape_text(&p->desc, text, sizeof text), pass->desc.threads);
        }
    }
}

/* Fills expected, from the reference. */
static void expect(problem *p) {
    for (int i = 0; i < 2; i++) {
        const lt_conv_backward_wanted wanted = {.src = {!i, !i && p->desc.c[1]}, .weight = i};
        lt_conv_pass *pass;
        float *results[RESULTS];
        assert_int_equal(lt_conv_pass_create_with(&lt_backward_reference, &p->desc, &wanted, &pass), LT_OK);
        run(pass, p, &p->weight, results);
        for (int j = 0; j < RESULTS; j++)
            if (is_wanted(&wanted, j))
                p->expected[j] = results[j];
            else
                lt_free(results[j]);
        lt_conv_pass_free(pass);
    }
}

/* Twice: the same bytes. Returns whether impl takes it. */
static bool check_one(const lt_conv_pass_impl *impl, const problem *p, const lt_conv_desc *d,
                      const lt_conv_backward_wanted *wanted) {
    lt_conv_pass *pass;
    const lt_status status = lt_conv_pass_create_with(impl, d, wanted, &pass);
    if (status == LT_ERROR_UNSUPPORTED) return false;
    if (status != LT_OK) fail_msg("%s", lt_error_message());
    float *first[RESULTS], *second[RESULTS];
    run(pass, p, &p->weight, first);
    run(pass, p, &p->weight, second);
    expect_close(pass, p, first);
    for (int i = 0; i < RESULTS; i++)
        if (memcmp(first[i], second[i], p->count[i] * sizeof(float)) != 0) {
            char text[160];
            fail_msg("%s gives other bytes the second time for %s", pass->name,
                     lt_conv_shape_text(d, text, sizeof text));
        }
    free_results(first);
    free_results(second);
    lt_conv_pass_free(pass);
    return true;
}

/* ---- The formula ---- */

/* The sum of ddst * conv(src, weight) + bias, whose gradients they are: linear in each, so a difference of any size
 * gives them. */
static double objective(const problem *p, const float *bias) {
    lt_conv *conv;
    assert_int_equal(lt_conv_create_with(&lt_conv_reference, &p->desc, &conv), LT_OK);
    float *packed = lt_alloc(lt_conv_packed_size(conv));
    const size_t count = lt_conv_rows(&p->desc) * (size_t)p->desc.oc;
    float *dst = lt_alloc(count * sizeof *dst);
    const lt_conv_io io = {.src = {p->src[0], p->src[1]}, .weight = packed, .bias = bias, .dst = dst};
    assert_int_equal(lt_conv_pack(conv, &(lt_weight_source){.tensor = p->weight}, packed), LT_OK);
    assert_int_equal(lt_conv_run(conv, &io), LT_OK);
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)dst[i] * (double)p->ddst[i];
    lt_free(packed);
    lt_free(dst);
    lt_conv_free(conv);
    return sum;
}

static void expect_differences(const problem *p, int result, float *values, const float *bias) {
    for (size_t i = 0; i < p->count[result]; i++) {
        const float kept = values[i], step = 1.0f;
        values[i] = kept + step;
        const double above = objective(p, bias);
        values[i] = kept - step;
        const double difference = (above - objective(p, bias)) / 2;
        values[i] = kept;
        const double added = p->start[result] ? (double)p->start[result][i] : 0;
        assert_true(fabs((double)p->expected[result][i] - added - difference) <= 1e-4);
    }
}

static void test_reference_against_differences(void **state) {
    (void)state;
    const lt_conv_desc cases[] = {shape(2, 4, 3, 3, 2, 3, 3, 1, 1, 1), shape(1, 5, 6, 2, 0, 3, 3, 2, 0, 1),
                                  shape(1, 6, 5, 1, 2, 2, 2, 2, 1, 0), shape(1, 1, 7, 5, 0, 4, 1, 1, 0, 0)};
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        problem p = make_problem(&cases[i], (uint32_t)i);
        float bias[8] = {1, 2, 3, 4};
        expect(&p);
        for (int s = 0; s < 2; s++)
            if (p.src[s]) expect_differences(&p, DSRC0 + s, p.src[s], bias);
        expect_differences(&p, DWEIGHT, (float *)(uintptr_t)p.weight.data, bias);
        expect_differences(&p, DBIAS, bias, bias);
        free_problem(&p);
    }
}

/* ---- The implementers ---- */

static const struct {
    int n, h, w, c[2], oc, kernel, stride, begin, end;
} shapes[] = {
    {1, 1, 77, {320, 0}, 64, 1, 1, 0, 0},  {1, 1, 131, {40, 0}, 64, 1, 1, 0, 0}, {1, 1, 1, {320, 0}, 64, 1, 1, 0, 0},
    {1, 1, 33, {9, 0}, 40, 1, 1, 0, 0},    {1, 1, 65, {64, 32}, 40, 1, 1, 0, 0}, {1, 1, 513, {64, 0}, 96, 1, 1, 0, 0},
    {2, 9, 7, {4, 0}, 4, 1, 1, 0, 0},      {2, 16, 16, {64, 0}, 64, 3, 1, 1, 1}, {2, 9, 7, {96, 0}, 64, 3, 1, 1, 1},
    {1, 8, 8, {64, 0}, 160, 3, 1, 1, 1},   {2, 13, 11, {4, 0}, 40, 3, 1, 1, 1},  {1, 17, 5, {64, 0}, 4, 3, 1, 1, 1},
    {1, 16, 20, {32, 0}, 3, 3, 1, 1, 1},   {1, 15, 15, {3, 0}, 32, 3, 1, 1, 1},  {2, 16, 12, {40, 0}, 40, 3, 2, 1, 1},
    {1, 15, 13, {64, 0}, 64, 3, 2, 1, 1},  {1, 16, 16, {32, 0}, 40, 3, 2, 0, 1}, {1, 17, 16, {64, 0}, 32, 3, 2, 0, 1},
    {2, 48, 48, {3, 0}, 64, 16, 16, 0, 0}, {3, 24, 24, {3, 0}, 48, 8, 8, 0, 0},  {1, 10, 6, {64, 40}, 64, 3, 1, 1, 1},
    {4, 16, 16, {64, 32}, 32, 3, 1, 1, 1}, {1, 9, 9, {32, 4}, 40, 3, 2, 1, 1},   {1, 1, 1, {1, 0}, 1, 1, 1, 0, 0},
    {3, 3, 3, {1, 0}, 1, 3, 1, 1, 1},      {1, 2, 2, {33, 0}, 17, 3, 1, 1, 1},   {2, 10, 9, {32, 0}, 32, 3, 1, 0, 1},
    {2, 8, 8, {32, 0}, 32, 4, 2, 1, 1},    {1, 21, 21, {16, 0}, 24, 5, 3, 2, 1},
};

static lt_conv_desc shape_at(size_t i) {
    return shape(shapes[i].n, shapes[i].h, shapes[i].w, shapes[i].c[0], shapes[i].c[1], shapes[i].oc, shapes[i].kernel,
                 shapes[i].stride, shapes[i].begin, shapes[i].end);
}

static void test_somebody_takes_each_shape(void **state) {
    (void)state;
    if (lt_isa_vectors(LT_ISA_BEST) == LT_ISA_SCALAR) skip();
    for (size_t i = 0; i < 2 * LT_COUNT(shapes); i++) {
        const lt_conv_desc d = shape_at(i / 2);
        const lt_conv_backward_wanted wanted = {.src = {i % 2, i % 2 && d.c[1]}, .weight = !(i % 2)};
        lt_conv_pass *pass;
        assert_int_equal(lt_conv_pass_create(&d, &wanted, &pass), LT_OK);
        if (pass->impl == &lt_backward_reference) fail_msg("shape %zu: nobody but the reference takes it", i / 2);
        lt_conv_pass_free(pass);
    }
}

/* ---- bf16 ---- */

static bool have_bf16(void) { return lt_isa_has(LT_ISA_AVX512BF16, LT_ISA_BEST); }

static void test_bf16_is_refused_where_it_is_missing(void **state) {
    (void)state;
    lt_conv_desc d = shape(1, 16, 16, 64, 0, 64, 3, 1, 1, 1);
    d.precision = LT_PRECISION_BF16;
    d.isa = have_bf16() ? LT_ISA_AVX2 : LT_ISA_BEST;
    lt_conv *conv;
    lt_conv_backward *backward;
    const lt_conv_backward_wanted wanted = {.src = {true}, .weight = true};
    assert_int_equal(lt_conv_create(&d, &conv), LT_ERROR_UNSUPPORTED);
    assert_int_equal(lt_conv_backward_create(&d, &wanted, &backward), LT_ERROR_UNSUPPORTED);
}

/* AMX's kernels have it in their names, ours and oneDNN's. */
static bool uses_amx(const char *name) { return strstr(name, "amx") != NULL; }

static void expect_amx(lt_isa isa, bool expected) {
    lt_conv_desc d = shape(2, 16, 16, 64, 0, 64, 3, 1, 1, 1);
    d.precision = LT_PRECISION_BF16;
    d.isa = isa;
    lt_conv *conv;
    lt_conv_backward *backward;
    const lt_conv_backward_wanted wanted = {.src = {true}, .weight = true};
    assert_int_equal(lt_conv_create(&d, &conv), LT_OK);
    assert_int_equal(lt_conv_backward_create(&d, &wanted, &backward), LT_OK);
    const char *data = lt_conv_backward_name(backward), *weights = strchr(data, '|');
    assert_non_null(weights);
    assert_int_equal(uses_amx(lt_conv_name(conv)), expected);
    assert_int_equal(uses_amx(data) && uses_amx(weights), expected);
    assert_int_equal(uses_amx(data) || uses_amx(weights), expected);
    lt_conv_free(conv);
    lt_conv_backward_free(backward);
}

/* Below AMX nobody uses it, whatever ran before in this process. */
static void test_amx_only_where_it_is_allowed(void **state) {
    (void)state;
    if (!lt_isa_has_amx(LT_ISA_BEST)) skip();
    assert_int_equal(lt_isa_choose(LT_ISA_BEST), LT_ISA_AMX);
    assert_false(lt_isa_has_amx(LT_ISA_AVX512BF16));
    expect_amx(LT_ISA_AMX, true);
    expect_amx(LT_ISA_AVX512BF16, false);
    expect_amx(LT_ISA_BEST, true);
}

/* ---- Weights ---- */

/* The same values, but with the output channels innermost in memory. */
static lt_tensor transposed(const lt_tensor *weight) {
    lt_tensor t = *weight;
    const size_t rows = t.shape[0], row = lt_tensor_count(&t) / rows;
    const float *from = t.data;
    float *to = lt_alloc(rows * row * sizeof *to);
    assert_non_null(to);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < row; j++) to[j * rows + i] = from[i * row + j];
    t.data = to;
    for (int i = 0; i < t.rank; i++) t.stride[i] = i ? weight->stride[i] * rows : 1;
    return t;
}

static void test_strided_weights(void **state) {
    (void)state;
    const lt_conv_desc cases[] = {shape(1, 9, 8, 32, 0, 40, 3, 1, 1, 1), shape(1, 9, 8, 32, 8, 40, 3, 2, 1, 1),
                                  shape(1, 1, 41, 40, 0, 33, 1, 1, 0, 0)};
    for (size_t i = 0; i < 2 * LT_COUNT(cases); i++) {
        lt_conv_desc d = cases[i / 2];
        if (i % 2) d.precision = LT_PRECISION_BF16;
        problem p = make_problem(&d, 3);
        lt_tensor strided = transposed(&p.weight);
        const lt_conv_backward_wanted wanted = {.src = {true, d.c[1] != 0}};
        for (const lt_conv_pass_impl *const *impl = lt_conv_pass_impls; *impl; impl++) {
            lt_conv_pass *pass;
            if (lt_conv_pass_create_with(*impl, &d, &wanted, &pass) != LT_OK) continue;
            float *a[RESULTS], *b[RESULTS];
            run(pass, &p, &p.weight, a);
            run(pass, &p, &strided, b);
            for (int s = 0; s < 2; s++) assert_memory_equal(a[s], b[s], p.count[s] * sizeof(float));
            free_results(a);
            free_results(b);
            lt_conv_pass_free(pass);
        }
        lt_free((void *)(uintptr_t)strided.data);
        free_problem(&p);
    }
}

/* The same values as weight's, as far as the format holds them. */
static lt_tensor in_format(const lt_tensor *weight, lt_weight_format_id id) {
    const lt_weight_format *f = &lt_weight_formats[id];
    lt_tensor t = *weight;
    void *blocks = lt_alloc(lt_weight_bytes(f, lt_tensor_count(weight)));
    assert_non_null(blocks);
    f->pack(weight->data, blocks, lt_tensor_count(weight));
    t.dtype = f->dtype;
    t.data = blocks;
    return t;
}

/* How many of impl's runs over d with its weight in a format, at every instruction set, gave what the formula gives. */
static int check_format(const lt_conv_pass_impl *impl, lt_conv_desc d, const lt_conv_backward_wanted *wanted,
                        lt_weight_format_id id) {
    problem p = make_problem(&d, 5);
    const lt_tensor wide = p.weight;
    p.weight = in_format(&wide, id);
    d.weight_type = p.desc.weight_type = p.weight.dtype;
    expect(&p);
    int taken = 0;
    for (d.isa = LT_ISA_SCALAR; d.isa < LT_ISA_BEST; d.isa++) taken += check_one(impl, &p, &d, wanted);
    lt_free((void *)(uintptr_t)wide.data);
    free_problem(&p);
    return taken;
}

/* Every implementer over every pair that it lists, and over no other. */
static void test_pairs(void **state) {
    (void)state;
    if (lt_isa_vectors(LT_ISA_BEST) == LT_ISA_SCALAR) skip();
    const lt_conv_desc cases[] = {shape(1, 8, 9, 32, 0, 32, 3, 1, 1, 1), shape(1, 9, 8, 32, 8, 40, 3, 2, 1, 1)};
    const lt_precision last = have_bf16() ? LT_PRECISION_BF16 : LT_PRECISION_F32;
    for (size_t i = 0; lt_conv_pass_impls[i]; i++)
        for (lt_precision precision = LT_PRECISION_F32; precision <= last; precision++)
            for (lt_weight_format_id id = 0; id < LT_WEIGHT_ALONE; id++) {
                int taken = 0;
                for (size_t j = 0; j < 2 * LT_COUNT(cases); j++) {
                    lt_conv_desc d = cases[j / 2];
                    d.precision = precision;
                    const lt_conv_backward_wanted wanted = {.src = {j % 2 == 0}, .weight = j % 2};
                    taken += check_format(lt_conv_pass_impls[i], d, &wanted, id);
                }
                const bool listed = lt_conv_pass_impls[i]->serves[precision] >> id & 1;
                const bool here = lt_conv_pass_impls[i]->serves[LT_PRECISION_F32] || lt_isa_has_amx(LT_ISA_BEST) ||
                                  lt_conv_pass_impls[i] == &lt_backward_rounded;
                if (here && listed != (taken > 0))
                    fail_msg("implementer %zu: %d runs with weights in %s, precision %d", i, taken,
                             lt_weight_formats[id].name, (int)precision);
            }
}

/* ---- The whole, the choice, and what is refused ---- */

static void test_both_passes_together(void **state) {
    (void)state;
    const lt_conv_desc d = shape(2, 12, 12, 32, 16, 48, 3, 1, 1, 1);
    problem p = make_problem(&d, 1);
    expect(&p);
    lt_conv_backward *backward;
    const lt_conv_backward_wanted wanted = {.src = {true, true}, .weight = true};
    assert_int_equal(lt_conv_backward_create(&d, &wanted, &backward), LT_OK);
    void *packed = lt_alloc(lt_conv_backward_packed_size(backward)),
         *scratch = lt_alloc(lt_conv_backward_scratch_size(backward));
    float *dsrc[2] = {lt_alloc(p.count[0] * sizeof(float)), lt_alloc(p.count[1] * sizeof(float))};
    const lt_conv_backward_io io = {.src = {p.src[0], p.src[1]},
                                    .weight = packed,
                                    .ddst = p.ddst,
                                    .dsrc = {dsrc[0], dsrc[1]},
                                    .dweight = p.start[DWEIGHT],
                                    .dbias = p.start[DBIAS],
                                    .scratch = scratch};
    assert_int_equal(lt_conv_backward_pack(backward, &(lt_weight_source){.tensor = p.weight}, packed), LT_OK);
    assert_int_equal(lt_conv_backward_run(backward, &io), LT_OK);
    const float *results[RESULTS] = {dsrc[0], dsrc[1], p.start[DWEIGHT], p.start[DBIAS]};
    for (int i = 0; i < RESULTS; i++) assert_true(relative_error(results[i], p.expected[i], p.count[i]) < 1e-5);

    lt_conv_backward_io missing = io;
    missing.dbias = NULL;
    assert_int_equal(lt_conv_backward_run(backward, &missing), LT_ERROR_ARGUMENT);
    p.weight.shape[3] = 1;
    assert_int_equal(lt_conv_backward_pack(backward, &(lt_weight_source){.tensor = p.weight}, packed), LT_ERROR_MODEL);
    lt_conv_backward_free(backward);
    lt_free(dsrc[0]);
    lt_free(dsrc[1]);
    lt_free(packed);
    lt_free(scratch);
    free_problem(&p);
}

static void test_choice(void **state) {
    (void)state;
    lt_conv_backward *backward;
    lt_conv_desc d = shape(1, 16, 16, 64, 0, 64, 3, 1, 1, 1);
    const lt_conv_backward_wanted all = {.src = {true}, .weight = true}, weight = {.weight = true};
    d.isa = LT_ISA_SCALAR;
    assert_int_equal(lt_conv_backward_create(&d, &all, &backward), LT_OK);
    assert_string_equal(lt_conv_backward_name(backward), "reference|reference");
    lt_conv_backward_free(backward);
    assert_int_equal(lt_conv_backward_create(&d, &weight, &backward), LT_OK);
    assert_int_equal(lt_conv_backward_packed_size(backward), 0);
    lt_conv_backward_free(backward);
    d.threads = 0;
    assert_int_equal(lt_conv_backward_create(&d, &all, &backward), LT_ERROR_ARGUMENT);
    assert_null(backward);
    if (lt_isa_choose(LT_ISA_BEST) == LT_ISA_SCALAR) return;
    d = shape(1, 16, 16, 64, 0, 64, 3, 1, 1, 1);
    assert_int_equal(lt_conv_backward_create(&d, &all, &backward), LT_OK);
    assert_null(strstr(lt_conv_backward_name(backward), "ref"));
    lt_conv_backward_free(backward);
}

/* Each allocation fails in turn, of creating and of packing. */
static void test_failing_allocations(void **state) {
    (void)state;
    const lt_conv_desc d = shape(1, 9, 9, 40, 8, 40, 3, 1, 1, 1);
    problem p = make_problem(&d, 1);
    const lt_conv_backward_wanted wanted = {.src = {true, true}, .weight = true};
    lt_conv_backward *backward = NULL;
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        lt_alloc_fail_at(n);
        const lt_status status = lt_conv_backward_create(&d, &wanted, &backward);
        failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_true(failed == (status == LT_ERROR_MEMORY));
    }
    void *packed = lt_alloc(lt_conv_backward_packed_size(backward));
    failed = true;
    for (size_t n = 0; failed; n++) {
        lt_alloc_fail_at(n);
        const lt_status status = lt_conv_backward_pack(backward, &(lt_weight_source){.tensor = p.weight}, packed);
        failed = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, failed ? LT_ERROR_MEMORY : LT_OK);
    }
    lt_free(packed);
    lt_conv_backward_free(backward);
    free_problem(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_against_differences),
        cmocka_unit_test(test_somebody_takes_each_shape),
        cmocka_unit_test(test_bf16_is_refused_where_it_is_missing),
        cmocka_unit_test(test_amx_only_where_it_is_allowed),
        cmocka_unit_test(test_strided_weights),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_both_passes_together),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
