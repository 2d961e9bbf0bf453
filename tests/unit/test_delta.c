/* Deltas of every kind, added to weights of odd shapes, against the formula in double; and every packer, which must
 * find the same numbers in a source with deltas as in a tensor that they were added to. */
#include "test_kernels.h"

#include "kernels/conv_impl.h"
#include "ops/deltas.h"

enum { MAX_TENSORS = 16 };

/* ---- Tensors of random numbers, whose memory a pool keeps ---- */

static void *pool[256];
static size_t pooled;

static void *keep(void *memory) {
    assert_non_null(memory);
    assert_true(pooled < LT_COUNT(pool));
    return pool[pooled++] = memory;
}

static void drain(void) {
    while (pooled) lt_free(pool[--pooled]);
}

/* In one of the types that files have: what is read back is what counts. */
static lt_tensor random_tensor(int rank, const size_t *shape, float scale) {
    static const lt_dtype types[] = {LT_F32, LT_F16, LT_BF16};
    lt_tensor t = {.name = "some.tensor", .dtype = types[random_int(0, 2)], .rank = rank};
    memcpy(t.shape, shape, (size_t)rank * sizeof *shape);
    lt_tensor_set_contiguous(&t);
    const size_t n = lt_tensor_count(&t);
    float *values = keep(random_floats(n, -scale, scale));
    t.data = values;
    if (t.dtype == LT_F32) return t;
    uint16_t *halves = keep(lt_alloc(n * sizeof *halves));
    for (size_t i = 0; i < n; i++) halves[i] = t.dtype == LT_F16 ? lt_f32_to_f16(values[i]) : lt_f32_to_bf16(values[i]);
    t.data = halves;
    return t;
}

static lt_tensor matrix(size_t rows, size_t columns) { return random_tensor(2, (const size_t[]){rows, columns}, 0.5f); }

/* The same numbers where the file has rows and columns exchanged. */
static lt_tensor turned_matrix(size_t rows, size_t columns) {
    const lt_tensor t = matrix(columns, rows);
    return lt_tensor_turned(&t);
}

static double *values_of(const lt_tensor *t) {
    const size_t n = lt_tensor_count(t);
    float *read = lt_alloc(n * sizeof *read);
    double *values = keep(lt_alloc(n * sizeof *values));
    assert_non_null(read);
    lt_tensor_read_f32(t, read);
    for (size_t i = 0; i < n; i++) values[i] = read[i];
    lt_free(read);
    return values;
}

/* ---- The formula ---- */

/* Element by element: up [rows, rank], core [rank, inner, taps], down [inner, channels]. */
static double *factor_values(const lt_factor *f, size_t rows, size_t columns) {
    if (!f->down.data) return values_of(&f->up);
    const size_t rank = f->up.shape[1], inner = f->core.data ? f->core.shape[1] : rank;
    const size_t taps = f->core.data ? lt_tensor_count(&f->core) / rank / inner : 1;
    const double *up = values_of(&f->up), *down = values_of(&f->down),
                 *core = f->core.data ? values_of(&f->core) : NULL;
    double *product = keep(lt_calloc(rows * columns, sizeof *product));
    for (size_t o = 0; o < rows; o++)
        for (size_t c = 0; c < columns; c++)
            for (size_t a = 0; a < rank; a++) {
                double right = core ? 0 : down[a * columns + c];
                for (size_t b = 0; core && b < inner; b++)
                    right += core[(a * inner + b) * taps + c % taps] * down[b * (columns / taps) + c / taps];
                product[o * columns + c] += up[o * rank + a] * right;
            }
    return product;
}

typedef struct size {
    size_t rows, columns;
} size;

static double *delta_values(const lt_delta *d, size w, size left) {
    const size right = {w.rows / left.rows, w.columns / left.columns};
    const bool kron = d->kind == LT_DELTA_KRONECKER;
    const double *a =
        kron ? factor_values(&d->factor[0], left.rows, left.columns) : factor_values(&d->factor[0], w.rows, w.columns);
    const double *b = d->kind == LT_DELTA_SUM ? NULL
                      : kron                  ? factor_values(&d->factor[1], right.rows, right.columns)
                                              : factor_values(&d->factor[1], w.rows, w.columns);
    double *values = keep(lt_alloc(w.rows * w.columns * sizeof *values));
    for (size_t o = 0; o < w.rows; o++)
        for (size_t c = 0; c < w.columns; c++) {
            const size_t i = o * w.columns + c;
            const double first = kron ? a[o / right.rows * left.columns + c / right.columns] : a[i];
            const double second = kron ? b[o % right.rows * right.columns + c % right.columns] : b ? b[i] : 1;
            values[i] = d->scale * first * second;
        }
    return values;
}

static void add_plainly(const lt_delta *d, double strength, size w, size left, size_t taps, double *weight) {
    const double *delta = delta_values(d, w, left);
    const double *m = d->magnitude.data ? values_of(&d->magnitude) : NULL;
    const bool of_rows = m && lt_magnitude_is_of_rows(&d->magnitude, w.rows);
    double *norm = keep(lt_calloc(w.rows + w.columns, sizeof *norm));
#define GROUP (of_rows ? i / w.columns : i % w.columns / taps)
    for (size_t i = 0; i < w.rows * w.columns; i++) norm[GROUP] += pow(weight[i] + delta[i], 2);
    for (size_t i = 0; i < w.rows * w.columns; i++)
        weight[i] +=
            m ? strength * (m[GROUP] * (weight[i] + delta[i]) / sqrt(norm[GROUP]) - weight[i]) : strength * delta[i];
#undef GROUP
}

/* ---- Cases ---- */

enum { WHOLE, PRODUCT, TURNED, TUCKER, FORMS };

static lt_factor make_factor(int form, size_t rows, size_t channels, size_t taps) {
    const size_t rank = (size_t)random_int(1, 20), inner = (size_t)random_int(1, 9);
    switch (form) {
    case PRODUCT: return (lt_factor){.up = matrix(rows, rank), .down = matrix(rank, channels * taps)};
    case TURNED: return (lt_factor){.up = turned_matrix(rows, rank), .down = turned_matrix(rank, channels * taps)};
    case TUCKER:
        return (lt_factor){.up = turned_matrix(rows, rank),
                           .core = random_tensor(4, (const size_t[]){rank, inner, taps, 1}, 0.5f),
                           .down = matrix(inner, channels)};
    default: return (lt_factor){.up = form % 2 ? turned_matrix(rows, channels * taps) : matrix(rows, channels * taps)};
    }
}

typedef struct adding {
    lt_tensor weight;
    size w, left;
    size_t taps;
    lt_delta delta;
} adding;

/* A weight of left x right in both directions, so that it can be a Kronecker product. */
static adding make_case(lt_delta_kind kind, int form, size left, size right, size_t channels, size_t side) {
    adding a = {.left = left, .w = {left.rows * right.rows, left.columns * right.columns}, .taps = side * side};
    a.weight = random_tensor(4, (const size_t[]){a.w.rows, left.columns * channels, side, side}, 1);
    const bool kron = kind == LT_DELTA_KRONECKER;
    a.delta = (lt_delta){.kind = kind, .scale = 0.5f};
    a.delta.factor[0] = kron ? make_factor(form == TUCKER ? PRODUCT : form, left.rows, left.columns, 1)
                             : make_factor(form, a.w.rows, left.columns * channels, a.taps);
    a.delta.factor[1] = kron ? make_factor(form, right.rows, channels, a.taps)
                             : make_factor(form, a.w.rows, left.columns * channels, a.taps);
    if (kind == LT_DELTA_SUM) a.delta.factor[1] = (lt_factor){0};
    return a;
}

static adding random_case(lt_delta_kind kind, int form) {
    const size left = {(size_t)random_int(1, 9), (size_t)random_int(1, 7)};
    const size_t side = random_int(0, 1) ? 3 : 1, channels = (size_t)random_int(1, 24);
    return make_case(kind, form, left, (size){(size_t)random_int(1, 12), channels * side * side}, channels, side);
}

/* F1 + W F2. */
static adding input_case(size_t rows, size_t columns) {
    adding a = {.weight = matrix(rows, columns), .w = {rows, columns}, .left = {1, 1}, .taps = 1};
    a.delta = (lt_delta){.kind = LT_DELTA_INPUT, .scale = 0.5f};
    a.delta.factor[0] = (lt_factor){.up = matrix(rows, 5), .down = matrix(5, columns)};
    a.delta.factor[1] = (lt_factor){.up = matrix(columns, 3), .down = matrix(3, columns)};
    return a;
}

static adding rotation_case(size_t blocks, size_t side, size_t columns) {
    adding a = {.weight = matrix(blocks * side, columns), .w = {blocks * side, columns}, .left = {1, 1}, .taps = 1};
    a.delta = (lt_delta){.kind = LT_DELTA_ROTATION, .scale = 1};
    a.delta.factor[0].up = random_tensor(3, (const size_t[]){blocks, side, side}, 0.5f);
    a.delta.factor[1].up = matrix(blocks * side, 1);
    return a;
}

static adding butterfly_case(size_t stages, size_t blocks, size_t side, size_t columns) {
    adding a = rotation_case(blocks, side, columns);
    a.delta.factor[0].up = random_tensor(4, (const size_t[]){stages, blocks, side, side}, 0.5f);
    return a;
}

static lt_weight_source open_source(const lt_tensor *t, const lt_applied *applied, size_t count, lt_isa isa) {
    lt_weight_source source;
    assert_int_equal(lt_weight_source_open(t, (lt_delta_list){applied, count}, isa, &source), LT_OK);
    return source;
}

static float *read_all(const lt_tensor *t, const lt_applied *applied, size_t count, lt_isa isa) {
    lt_weight_source source = open_source(t, applied, count, isa);
    lt_tensor copy;
    assert_int_equal(lt_weight_source_copy(&source, &copy), LT_OK);
    lt_weight_source_close(&source);
    return keep((void *)(uintptr_t)copy.data);
}

static void expect(const lt_kernels *k, const adding *a, float strength) {
    const size_t n = a->w.rows * a->w.columns;
    double *expected = values_of(&a->weight);
    float *rounded = keep(lt_alloc(n * sizeof *rounded));
    add_plainly(&a->delta, strength, a->w, a->left, a->taps, expected);
    for (size_t i = 0; i < n; i++) rounded[i] = (float)expected[i];
    check_close("a delta", k, read_all(&a->weight, &(lt_applied){&a->delta, strength}, 1, k->isa), rounded, n, 2e-6);
}

static void check_kinds(const lt_kernels *k) {
    for (int i = 0; i < 8; i++)
        for (int kind = LT_DELTA_SUM; kind <= LT_DELTA_KRONECKER; kind++)
            for (int form = 0; form < FORMS; form++) {
                adding a = random_case((lt_delta_kind)kind, form);
                assert_int_equal(lt_delta_check(&a.delta, &a.weight), LT_OK);
                expect(k, &a, random_float(-1, 1));
                a.delta.magnitude = i % 2 ? matrix(a.w.rows, 1) : matrix(1, a.w.columns / a.taps);
                assert_int_equal(lt_delta_check(&a.delta, &a.weight), LT_OK);
                expect(k, &a, random_float(-1, 1));
                drain();
            }
}

static void test_kinds(void **unused) {
    (void)unused;
    state = 7;
    check_kinds(reference());
    for_each_isa(check_kinds);
}

/* GLoRA is what a low-rank product of the sum's two halves is that were multiplied before. */
static void check_input(const lt_kernels *k) {
    adding a = input_case(70, 150), both = a;
    assert_int_equal(lt_delta_check(&a.delta, &a.weight), LT_OK);
    const double *w = values_of(&a.weight), *first = factor_values(&a.delta.factor[0], 70, 150),
                 *second = factor_values(&a.delta.factor[1], 150, 150);
    float *sum = keep(lt_calloc(70 * 150, sizeof *sum));
    for (size_t r = 0; r < 70; r++)
        for (size_t c = 0; c < 150; c++) {
            double value = first[r * 150 + c];
            for (size_t i = 0; i < 150; i++) value += w[r * 150 + i] * second[i * 150 + c];
            sum[r * 150 + c] = (float)value;
        }
    both.delta = (lt_delta){.scale = 0.5f, .factor = {{.up = {"sum", LT_F32, 2, {70, 150}, {150, 1}, sum}}}};
    const float *expected = read_all(&both.weight, &(lt_applied){&both.delta, 0.8f}, 1, k->isa);
    check_close("GLoRA", k, read_all(&a.weight, &(lt_applied){&a.delta, 0.8f}, 1, k->isa), expected, 70 * 150, 2e-6);
    drain();
}

/* Where Q is not bounded, what is turned and not scaled has the same length; within a bound of nothing it stays. */
static void check_rotation(const lt_kernels *k, adding a) {
    const size_t count = a.w.rows * a.w.columns;
    a.delta.factor[1].up = (lt_tensor){0};
    assert_int_equal(lt_delta_check(&a.delta, &a.weight), LT_OK);
    const float *turned = read_all(&a.weight, &(lt_applied){&a.delta, 1}, 1, k->isa);
    const double *w = values_of(&a.weight);
    float *before = keep(lt_alloc(count * sizeof *before));
    double lengths[2] = {0}, moved = 0;
    for (size_t i = 0; i < count; i++) {
        before[i] = (float)w[i];
        lengths[0] += w[i] * w[i];
        lengths[1] += (double)turned[i] * turned[i];
        moved += (turned[i] - w[i]) * (turned[i] - w[i]);
    }
    assert_true(fabs(lengths[1] / lengths[0] - 1) < 1e-5 && moved > 0.1 * lengths[0]);
    a.delta.bound = 1e-9f;
    check_close("OFT", k, read_all(&a.weight, &(lt_applied){&a.delta, 1}, 1, k->isa), before, count, 1e-6);
    drain();
}

/* A butterfly of one stage turns what OFT does by the transposed matrix: B', of which Q is -Q. Its blocks' rows lie in
 * two runs, of which it takes one each in turns. */
static void check_one_stage(const lt_kernels *k) {
    enum { BLOCKS = 4, SIDE = 6, HALF = SIDE / 2, COLUMNS = 50, COUNT = BLOCKS * SIDE * SIDE };
    adding a = butterfly_case(1, BLOCKS, SIDE, COLUMNS), b = a;
    const double *values = values_of(&a.delta.factor[0].up);
    float *turned = keep(lt_alloc(COUNT * sizeof *turned));
    for (size_t i = 0; i < COUNT; i++) {
        const size_t block = i / SIDE / SIDE, r = i / SIDE % SIDE, c = i % SIDE;
        const size_t from = c % HALF * 2 + c / HALF, to = r % HALF * 2 + r / HALF;
        turned[i] = (float)values[(block * SIDE + from) * SIDE + to];
    }
    b.delta.factor[0].up = (lt_tensor){"turned", LT_F32, 3, {BLOCKS, SIDE, SIDE}, .data = turned};
    lt_tensor_set_contiguous(&b.delta.factor[0].up);
    assert_int_equal(lt_delta_check(&a.delta, &a.weight), LT_OK);
    assert_int_equal(lt_delta_check(&b.delta, &b.weight), LT_OK);
    const float *oft = read_all(&b.weight, &(lt_applied){&b.delta, 0.7f}, 1, k->isa);
    check_close("BOFT", k, read_all(&a.weight, &(lt_applied){&a.delta, 0.7f}, 1, k->isa), oft, BLOCKS * SIDE * COLUMNS,
                1e-6);
    drain();
}

static void check_own(const lt_kernels *k) {
    check_input(k);
    check_rotation(k, rotation_case(5, 9, 140));
    check_rotation(k, butterfly_case(4, 8, 10, 90));
    check_one_stage(k);
}

static void test_made_of_the_weight(void **unused) {
    (void)unused;
    state = 23;
    check_own(reference());
    for_each_isa(check_own);
}

/* Wider and higher than a tile, of a rank as files have; a vector, which is one row. */
static void check_sizes(const lt_kernels *k) {
    adding a = make_case(LT_DELTA_SUM, PRODUCT, (size){1, 1}, (size){95, 301 * 9}, 301, 3);
    assert_int_equal(lt_delta_check(&a.delta, &a.weight), LT_OK);
    expect(k, &a, 1);
    a.delta.magnitude = matrix(1, 301);
    assert_int_equal(lt_delta_check(&a.delta, &a.weight), LT_OK);
    expect(k, &a, 0.5f);
    a = (adding){.weight = random_tensor(1, (const size_t[]){259}, 1), .w = {1, 259}, .left = {1, 1}, .taps = 1};
    a.delta = (lt_delta){.scale = 1, .factor = {{.up = random_tensor(1, (const size_t[]){259}, 1)}}};
    assert_int_equal(lt_delta_check(&a.delta, &a.weight), LT_OK);
    expect(k, &a, -0.5f);
    drain();
}

static void test_sizes(void **unused) {
    (void)unused;
    state = 3;
    check_sizes(reference());
    for_each_isa(check_sizes);
}

/* ---- The same bytes ---- */

/* Whichever rows are asked for, by however many threads. */
static void check_pieces(const lt_kernels *k) {
    adding a = make_case(LT_DELTA_HADAMARD, TUCKER, (size){7, 1}, (size){11, 40 * 9}, 40, 3);
    a.delta.magnitude = matrix(77, 1);
    assert_int_equal(lt_delta_check(&a.delta, &a.weight), LT_OK);
    const lt_applied applied = {&a.delta, 0.7f};
    use_threads(1);
    float *alone = read_all(&a.weight, &applied, 1, k->isa), rows[10 * 360];
    use_threads(2);
    assert_memory_equal(read_all(&a.weight, &applied, 1, k->isa), alone, 77 * 360 * sizeof *alone);
    lt_weight_source source = open_source(&a.weight, &applied, 1, k->isa);
    for (size_t first = 0; first < 77; first += 9) {
        const size_t count = lt_min(9, 77 - first);
        lt_weight_source_read(&source, first, count, rows, 400 - 40);
        assert_memory_equal(rows, alone + first * 360, count * 360 * sizeof *rows);
    }
    lt_weight_source_close(&source);
    use_threads(1);
    drain();
}

static void test_pieces(void **unused) {
    (void)unused;
    state = 5;
    check_pieces(reference());
    for_each_isa(check_pieces);
}

static lt_delta_list list_of(const lt_delta *const *deltas, size_t count, const lt_weight *w, lt_deltas **set) {
    lt_delta_use uses[4];
    for (size_t i = 0; i < count; i++) uses[i] = (lt_delta_use){w, deltas[i], 0.25f * (float)(1 + deltas[i]->scale)};
    assert_int_equal(lt_deltas_create(uses, count, set), LT_OK);
    return lt_deltas_of(*set, w);
}

static void test_order(void **unused) {
    (void)unused;
    state = 11;
    adding a = random_case(LT_DELTA_SUM, PRODUCT), b = a, c = a;
    lt_weight w = {.tensor = a.weight}, other = {.tensor = a.weight};
    b.delta.factor[0] = make_factor(WHOLE, a.w.rows, a.w.columns, 1);
    c.delta.scale = 0.125f;
    const lt_delta *const one_way[] = {&a.delta, &b.delta, &c.delta}, *const other_way[] = {&c.delta, &a.delta,
                                                                                            &b.delta};
    for (int dora = 0; dora < 2; dora++) {
        if (dora) a.delta.magnitude = matrix(a.w.rows, 1);
        assert_int_equal(lt_delta_check(&a.delta, &a.weight), LT_OK);
        assert_int_equal(lt_delta_check(&b.delta, &a.weight), LT_OK);
        assert_int_equal(lt_delta_check(&c.delta, &a.weight), LT_OK);
        assert_true(a.delta.identity != b.delta.identity && a.delta.identity != c.delta.identity);
        lt_deltas *sets[2];
        const lt_delta_list lists[] = {list_of(one_way, 3, &w, &sets[0]), list_of(other_way, 3, &w, &sets[1])};
        const bool same = lt_delta_list_identity(lists[0]) == lt_delta_list_identity(lists[1]);
        assert_int_equal(same, !dora);
        const float *first = read_all(&a.weight, lists[0].items, 3, LT_ISA_BEST);
        const float *second = read_all(&a.weight, lists[1].items, 3, LT_ISA_BEST);
        assert_int_equal(!memcmp(first, second, a.w.rows * a.w.columns * sizeof *first), !dora);
        assert_int_equal(lt_deltas_of(sets[0], &other).count, 0);
        for (int i = 0; i < 2; i++) lt_deltas_free(sets[i]);
    }
    drain();
}

static void test_no_strength_is_nothing(void **unused) {
    (void)unused;
    adding a = random_case(LT_DELTA_SUM, PRODUCT);
    lt_weight w = {.tensor = a.weight};
    lt_deltas *set;
    assert_int_equal(lt_deltas_create(&(lt_delta_use){&w, &a.delta, 0}, 1, &set), LT_OK);
    assert_int_equal(lt_delta_list_identity(lt_deltas_of(set, &w)), 0);
    assert_int_equal(lt_deltas_type(set, &w, LT_PRECISION_F32), a.weight.dtype);
    lt_deltas_free(lt_deltas_share(set));
    lt_deltas_free(set);
    drain();
}

/* ---- Packers ---- */

/* A weight for desc, deltas on it, and the tensor that they add up to. */
static void make_packed_case(const lt_conv_desc *d, lt_isa isa, lt_tensor *weight, lt_delta deltas[2],
                             lt_tensor *merged) {
    const size_t rows = (size_t)lt_conv_weight_rows(d), c = (size_t)(d->c[0] + d->c[1]), k = (size_t)d->kernel;
    *weight = random_tensor(4, (const size_t[]){rows, c, k, k}, 1);
    deltas[0] = (lt_delta){.scale = 0.5f, .factor = {make_factor(PRODUCT, rows, c, k * k)}};
    deltas[1] = (lt_delta){.scale = 0.5f, .factor = {make_factor(WHOLE, rows, c, k * k)}, .magnitude = matrix(1, c)};
    for (int i = 0; i < 2; i++) assert_int_equal(lt_delta_check(&deltas[i], weight), LT_OK);
    const lt_applied applied[] = {{&deltas[0], 1}, {&deltas[1], 0.5f}};
    *merged = *weight;
    merged->dtype = LT_F32;
    merged->data = read_all(weight, applied, 2, isa);
}

typedef lt_status pack_fn(const void *packer, const lt_weight_source *weight, void *packed);

static lt_status pack_forward(const void *conv, const lt_weight_source *weight, void *packed) {
    return lt_conv_pack(conv, weight, packed);
}

static lt_status pack_backward(const void *pass, const lt_weight_source *weight, void *packed) {
    const lt_conv_pass *p = pass;
    return p->impl->pack(p, weight, packed);
}

static void expect_same_packed(const char *name, const lt_conv_desc *d, const void *packer, pack_fn *pack,
                               size_t bytes) {
    lt_tensor weight, merged;
    lt_delta deltas[2];
    make_packed_case(d, d->isa, &weight, deltas, &merged);
    void *packed[2] = {keep(lt_calloc(1, bytes)), keep(lt_calloc(1, bytes))};
    const lt_applied applied[] = {{&deltas[0], 1}, {&deltas[1], 0.5f}};
    lt_weight_source source = open_source(&weight, applied, 2, d->isa);
    assert_int_equal(pack(packer, &source, packed[0]), LT_OK);
    lt_weight_source_close(&source);
    assert_int_equal(pack(packer, &(lt_weight_source){.tensor = merged}, packed[1]), LT_OK);
    if (memcmp(packed[0], packed[1], bytes)) fail_msg("%s packs other numbers with deltas than without", name);
    drain();
}

static int pack_all(const lt_conv_desc *d) {
    int packers = 0;
    for (const lt_conv_impl *const *impl = lt_conv_impls; *impl; impl++) {
        lt_conv *conv;
        if (lt_conv_create_with(*impl, d, &conv)) continue;
        expect_same_packed(lt_conv_name(conv), d, conv, pack_forward, lt_conv_packed_size(conv));
        lt_conv_free(conv);
        packers++;
    }
    for (const lt_conv_pass_impl *const *impl = lt_conv_pass_impls; *impl && d->act == LT_ACT_NONE; impl++) {
        lt_conv_pass *pass;
        if (lt_conv_pass_create_with(*impl, d, &(lt_conv_backward_wanted){.src = {true, true}}, &pass)) continue;
        expect_same_packed(pass->name, d, pass, pack_backward, pass->packed_size);
        lt_conv_pass_free(pass);
        packers++;
    }
    return packers;
}

static void test_packers(void **unused) {
    (void)unused;
    state = 13;
    static const lt_conv_desc shapes[] = {
        {.c = {64, 32}, .oc = 70, .kernel = 3, .stride = 1, .pad_begin = 1, .pad_end = 1},
        {.c = {13, 0}, .oc = 37, .kernel = 3, .stride = 2, .pad_begin = 0, .pad_end = 1},
        {.c = {40, 0}, .oc = 33, .kernel = 1, .stride = 1, .act = LT_ACT_GEGLU},
        {.c = {96, 16}, .oc = 64, .kernel = 1, .stride = 1},
    };
    int packers = 0;
    for (size_t i = 0; i < LT_COUNT(shapes); i++)
        for (lt_isa isa = LT_ISA_SCALAR; isa <= LT_ISA_AMX; isa++)
            for (int bf16 = 0; bf16 < 2; bf16++)
                for (int f16 = 0; f16 < 2; f16++) {
                    lt_conv_desc d = shapes[i];
                    d.n = 1;
                    d.h = d.w = 16;
                    d.threads = 1;
                    d.isa = isa;
                    d.weight_type = f16 ? LT_F16 : LT_F32;
                    if (bf16) d.precision = LT_PRECISION_BF16;
                    packers += pack_all(&d);
                }
    assert_true(packers >= 16);
}

/* ---- What does not fit ---- */

static void refuse(lt_delta d, const lt_tensor *weight) {
    assert_int_equal(lt_delta_check(&d, weight), LT_ERROR_MODEL);
    assert_non_null(strstr(lt_error_message(), "does not fit"));
}

static void test_misfits(void **unused) {
    (void)unused;
    state = 17;
    const lt_tensor w = random_tensor(4, (const size_t[]){12, 6, 3, 3}, 1);
    lt_delta good = {.scale = 1, .factor = {{.up = matrix(12, 4), .down = matrix(4, 54)}}}, d;
    assert_int_equal(lt_delta_check(&good, &w), LT_OK);
    d = good;
    d.factor[0].up = matrix(11, 4);
    refuse(d, &w);
    d = good;
    d.factor[0].down = matrix(4, 53);
    refuse(d, &w);
    d = good;
    d.factor[0].down = matrix(5, 54);
    refuse(d, &w);
    d = good;
    d.factor[0].core = matrix(4, 3);
    refuse(d, &w);
    d = good;
    d.factor[0].core = random_tensor(4, (const size_t[]){4, 5, 3, 3}, 1);
    d.factor[0].down = matrix(4, 6);
    refuse(d, &w);
    d = good;
    d.factor[0].down = (lt_tensor){0};
    refuse(d, &w);
    d = good;
    d.kind = LT_DELTA_HADAMARD;
    d.factor[1] = (lt_factor){.up = matrix(12, 53)};
    refuse(d, &w);
    d = good;
    d.kind = LT_DELTA_KRONECKER;
    d.factor[0] = (lt_factor){.up = matrix(5, 6)};
    d.factor[1] = (lt_factor){.up = matrix(2, 9)};
    refuse(d, &w);
    d = good;
    d.magnitude = matrix(1, 12);
    refuse(d, &w);
    d = good;
    d.magnitude = matrix(6, 1);
    refuse(d, &w);
    d = input_case(12, 54).delta;
    assert_int_equal(lt_delta_check(&d, &w), LT_OK);
    d.factor[1].up = matrix(53, 3);
    refuse(d, &w);
    d = input_case(12, 54).delta;
    d.factor[0] = (lt_factor){.up = matrix(12, 54)};
    refuse(d, &w);
    d = rotation_case(3, 4, 54).delta;
    assert_int_equal(lt_delta_check(&d, &w), LT_OK);
    d.factor[1].up = matrix(11, 1);
    refuse(d, &w);
    d = rotation_case(3, 4, 54).delta;
    d.factor[0].up.shape[1] = 3;
    refuse(d, &w);
    d = rotation_case(2, 4, 54).delta;
    refuse(d, &w);
    d.factor[0].up = matrix(12, 12);
    refuse(d, &w);
    d = butterfly_case(2, 2, 6, 54).delta;
    assert_int_equal(lt_delta_check(&d, &w), LT_OK);
    d = butterfly_case(2, 4, 3, 54).delta; /* no half of a block */
    refuse(d, &w);
    d = butterfly_case(1, 3, 4, 54).delta; /* no power of two */
    refuse(d, &w);
    d = butterfly_case(3, 2, 6, 54).delta; /* rows as far apart as that there are not */
    refuse(d, &w);
    d = butterfly_case(2, 2, 8, 54).delta;
    refuse(d, &w);
    d.factor[0].up = random_tensor(4, (const size_t[]){1, 2, 6, 5}, 1);
    refuse(d, &w);
    lt_tensor huge = matrix(12, 1); /* one element seen as many, as a .ckpt can say */
    huge.shape[1] = (size_t)1 << 40;
    huge.stride[1] = 0;
    d = good;
    d.factor[0].up = huge;
    huge.shape[0] = (size_t)1 << 40;
    huge.shape[1] = 54;
    huge.stride[0] = 0;
    huge.stride[1] = 0;
    d.factor[0].down = huge;
    refuse(d, &w);
    lt_tensor foreign = matrix(12, 54);
    foreign.dtype = LT_FOREIGN;
    foreign.type = "Q4_K";
    d = (lt_delta){.scale = 1, .factor = {{.up = foreign}}};
    assert_int_equal(lt_delta_check(&d, &w), LT_ERROR_UNSUPPORTED);
    drain();
}

/* ---- Without memory ---- */

static lt_status open_and_read(const adding *a, lt_deltas **set, lt_weight *w) {
    LT_TRY(lt_deltas_create(&(lt_delta_use){w, &a->delta, 1}, 1, set));
    lt_weight_source source;
    lt_tensor copy = {0};
    lt_status status = lt_weight_source_open(&a->weight, lt_deltas_of(*set, w), LT_ISA_BEST, &source);
    if (!status) status = lt_weight_source_copy(&source, &copy);
    lt_weight_source_close(&source);
    lt_free((void *)(uintptr_t)copy.data);
    lt_deltas_free(*set);
    return status;
}

static void fail_each_allocation(adding a, size_t least) {
    assert_int_equal(lt_delta_check(&a.delta, &a.weight), LT_OK);
    lt_weight w = {.tensor = a.weight};
    lt_deltas *set;
    size_t failures = 0;
    for (;; failures++) {
        lt_alloc_fail_at(failures);
        const lt_status status = open_and_read(&a, &set, &w);
        const bool reached = lt_alloc_failed();
        lt_alloc_fail_at(SIZE_MAX);
        assert_int_equal(status, reached ? LT_ERROR_MEMORY : LT_OK);
        if (!reached) break;
    }
    assert_true(failures >= least);
    drain();
}

static void test_no_memory(void **unused) {
    (void)unused;
    for (int kind = LT_DELTA_SUM; kind <= LT_DELTA_KRONECKER; kind++)
        for (int form = 0; form < FORMS; form++) {
            adding a = random_case((lt_delta_kind)kind, form);
            a.delta.magnitude = matrix(a.w.rows, 1);
            fail_each_allocation(a, 8);
        }
    fail_each_allocation(input_case(30, 20), 8);
    fail_each_allocation(rotation_case(5, 6, 20), 8);
    fail_each_allocation(butterfly_case(3, 4, 6, 20), 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_made_of_the_weight),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_packers),
        cmocka_unit_test(test_no_strength_is_nothing),
        cmocka_unit_test(test_misfits),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("delta", tests, NULL, NULL);
}
