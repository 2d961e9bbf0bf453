/* Each row of weights' formats: reading, widening and packing against values worked out here. */
#include "test_kernels.h"

#include "base/blocks_write.h"
#include "kernels/weight_format.h"

enum { NUMBERS = 1 << 16 };

/* ---- What bits mean ---- */

/* A number of 16 bits: sign, exponent, fraction, as IEEE 754 has them. */
static double value_of(unsigned bits, int exponent_bits) {
    const int fraction_bits = 15 - exponent_bits, all_ones = (1 << exponent_bits) - 1, bias = all_ones / 2;
    const int exponent = (int)(bits >> fraction_bits) & all_ones;
    const double fraction = ldexp(bits & ((1u << fraction_bits) - 1), -fraction_bits), sign = bits >> 15 ? -1 : 1;
    if (exponent == all_ones) return fraction > 0 ? (double)NAN : sign * (double)INFINITY;
    return sign * (exponent ? ldexp(1 + fraction, exponent - bias) : ldexp(fraction, 1 - bias));
}

typedef struct row {
    lt_weight_format_id id;
    int exponent_bits; /* of 16; 0: it is float32 */
} row;

static const row rows[] = {{LT_WEIGHT_F32, 0}, {LT_WEIGHT_F16, 5}, {LT_WEIGHT_BF16, 8}};

static void expect_float(float found, double expected) {
    const float value = (float)expected;
    if (isnan(expected) ? !isnan(found) : memcmp(&found, &value, sizeof value) != 0)
        fail_msg("%.9g, expected %.9g", (double)found, expected);
}

/* Every number of 16 bits; of float32, some. */
static double *all_values(const row *r, void *blocks) {
    double *values = lt_alloc(NUMBERS * sizeof *values);
    assert_non_null(values);
    for (unsigned i = 0; i < NUMBERS; i++) {
        values[i] = value_of(i, r->exponent_bits ? r->exponent_bits : 8);
        if (r->exponent_bits)
            ((uint16_t *)blocks)[i] = (uint16_t)i;
        else
            ((float *)blocks)[i] = (float)values[i];
    }
    return values;
}

static void test_every_row_is_tested(void **unused) {
    (void)unused;
    assert_int_equal(LT_COUNT(rows), LT_WEIGHT_ALONE);
    for (size_t i = 0; i < LT_COUNT(rows); i++) {
        const lt_weight_format *f = &lt_weight_formats[rows[i].id];
        assert_int_equal(rows[i].id, i);
        assert_int_equal(lt_weight_format_of(f->dtype), rows[i].id);
        assert_string_equal(f->name, ((const char *const[]){"f32", "f16", "bf16"})[i]);
        assert_int_equal(lt_weight_bytes(f, 6 * f->block), 6 * f->bytes);
        assert_int_equal(lt_weight_bytes(f, f->block), f->block * lt_dtype_size(f->dtype));
    }
}

/* What is lost in a format is lost of no type that is kept in it, but for what float32 itself can't hold. */
static void test_types_are_kept(void **unused) {
    (void)unused;
    assert_int_equal(lt_weight_format_of(LT_F8_E4M3), LT_WEIGHT_F16);
    assert_int_equal(lt_weight_format_of(LT_F8_E5M2), LT_WEIGHT_F16);
    assert_int_equal(lt_weight_format_of(LT_F64), LT_WEIGHT_F32);
    for (int type = LT_I64; type <= LT_BOOL; type++)
        assert_int_equal(lt_weight_format_of((lt_dtype)type), LT_WEIGHT_F32);
}

/* ---- Reading and widening ---- */

/* Every number, every length of the rest, and nothing behind it. */
static void check_widen(lt_widen_loop *widen, const char *blocks, size_t bytes, const double *values) {
    enum { BEHIND = 8 };
    float *y = lt_alloc((NUMBERS + BEHIND) * sizeof *y);
    assert_non_null(y);
    for (size_t n = NUMBERS - 20; n <= NUMBERS; n++) {
        for (size_t i = 0; i < NUMBERS + BEHIND; i++) y[i] = 77;
        widen(blocks + (NUMBERS - n) * bytes, y, n, 1);
        for (size_t i = 0; i < n; i++) expect_float(y[i], values[NUMBERS - n + i]);
        for (size_t i = n; i < n + BEHIND; i++) expect_float(y[i], 77);
    }
    memset(y, 0, NUMBERS * sizeof *y);
    widen(blocks, y, NUMBERS / 32, 32); /* a panel */
    for (size_t i = 0; i < NUMBERS; i++) expect_float(y[i], values[i]);
    lt_free(y);
}

/* By the team, with whatever limit. */
static void check_shared(const row *r, const void *blocks, const double *values) {
    float *y = lt_alloc(NUMBERS * sizeof *y);
    assert_non_null(y);
    for (lt_isa isa = LT_ISA_SCALAR; isa <= LT_ISA_BEST; isa++)
        for (int threads = 1; threads <= MAX_THREADS; threads++) {
            use_threads(threads);
            memset(y, 0, NUMBERS * sizeof *y);
            lt_weight_widen(r->id, isa, blocks, y, NUMBERS - 1);
            for (size_t i = 0; i + 1 < NUMBERS; i++) expect_float(y[i], values[i]);
            expect_float(y[NUMBERS - 1], 0);
        }
    lt_free(y);
}

static void test_reading_and_widening(void **unused) {
    (void)unused;
    for (size_t i = 0; i < LT_COUNT(rows); i++) {
        const lt_weight_format *f = &lt_weight_formats[rows[i].id];
        char *blocks = lt_alloc(lt_weight_bytes(f, NUMBERS));
        float *read = lt_alloc(NUMBERS * sizeof *read);
        assert_non_null(blocks);
        assert_non_null(read);
        double *values = all_values(&rows[i], blocks);
        f->read(blocks, read, NUMBERS);
        for (size_t j = 0; j < NUMBERS; j++) expect_float(read[j], values[j]);
        for (lt_isa isa = LT_ISA_AVX2; isa <= LT_ISA_AVX512; isa++)
            if (lt_isa_vectors(isa) == isa) check_widen(f->widen[isa], blocks, f->bytes, values);
        check_shared(&rows[i], blocks, values);
        lt_free(blocks);
        lt_free(read);
        lt_free(values);
    }
}

/* ---- Codes ---- */

/* Columns of type, put into a panel one by one, widen to what a reader finds. */
static void check_codes(lt_dtype type, size_t columns, size_t depth) {
    enum { MOST = 32 * 512 };
    static float values[MOST], read[MOST], wide[MOST];
    static char blocks[MOST * 2];
    int8_t codes[512];
    float scale[512 / 16], offset[512 / 16];
    const lt_block_format *b = lt_block_format_of(type);
    const lt_weight_format *f = &lt_weight_formats[lt_weight_format_of(type)];
    char *panel = lt_alloc(lt_weight_bytes(f, depth * columns));
    assert_non_null(panel);
    assert_int_equal(f->block, b->group);
    for (size_t i = 0; i < depth * columns; i++) values[i] = sinf((float)(i * i % 1009)) * (float)(1 + i % 7);
    lt_blocks_write(type, values, depth * columns / b->values, blocks);
    lt_blocks_read(b, blocks, depth * columns / b->values, read);
    for (size_t c = 0; c < columns; c++) {
        lt_blocks_parts(b, blocks, c * depth, depth, codes, scale, offset);
        lt_codes_put(f, codes, scale, offset, depth, columns, c, panel);
    }
    for (lt_isa isa = LT_ISA_AVX2; isa <= LT_ISA_AVX512; isa++) {
        if (lt_isa_vectors(isa) != isa) continue;
        f->widen[isa](panel, wide, depth, columns);
        for (size_t c = 0; c < columns; c++)
            for (size_t r = 0; r < depth; r++) expect_float(wide[r * columns + c], (double)read[c * depth + r]);
    }
    lt_free(panel);
}

static void test_codes(void **unused) {
    (void)unused;
    static const lt_dtype types[] = {LT_Q8_0, LT_Q4_0, LT_Q4_1, LT_Q5_0, LT_Q5_1,
                                     LT_Q2_K, LT_Q3_K, LT_Q4_K, LT_Q5_K, LT_Q6_K};
    for (size_t i = 0; i < LT_COUNT(types); i++)
        for (size_t depth = 64; depth <= 512; depth += 32) check_codes(types[i], 32, depth);
}

/* ---- Packing ---- */

static double pack_one(const lt_weight_format *f, double x) {
    char block[8];
    float value = (float)x, packed;
    f->pack(&value, block, 1);
    f->read(block, &packed, 1);
    return (double)packed;
}

/* Each number stays itself; between it and the next, what is nearer, and of the middle the even one. */
static void check_packing(const row *r) {
    const lt_weight_format *f = &lt_weight_formats[r->id];
    for (unsigned i = 0; i < 1u << 15; i++) {
        const double x = value_of(i, r->exponent_bits), next = value_of(i + 1, r->exponent_bits);
        if (!isfinite(x) || !isfinite(next)) continue;
        const double middle = x / 2 + next / 2, even = i % 2 ? next : x;
        for (int sign = -1; sign <= 1; sign += 2) {
            expect_float((float)pack_one(f, sign * x), sign * x);
            expect_float((float)pack_one(f, sign * middle), sign * even);
            expect_float((float)pack_one(f, sign * (double)nextafterf((float)middle, 0)), sign * x);
            expect_float((float)pack_one(f, sign * (double)nextafterf((float)middle, INFINITY)), sign * next);
        }
    }
    expect_float((float)pack_one(f, (double)INFINITY), (double)INFINITY);
    assert_true(isnan(pack_one(f, (double)NAN)));
}

static void test_packing(void **unused) {
    (void)unused;
    for (size_t i = 0; i < LT_COUNT(rows); i++)
        if (rows[i].exponent_bits) check_packing(&rows[i]);
    const float values[] = {1.1f, -0.0f, 1e-42f, 3e38f};
    float packed[LT_COUNT(values)];
    lt_weight_formats[LT_WEIGHT_F32].pack(values, packed, LT_COUNT(values));
    assert_memory_equal(values, packed, sizeof values);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_tested),
        cmocka_unit_test(test_types_are_kept),
        cmocka_unit_test(test_reading_and_widening),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_packing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
