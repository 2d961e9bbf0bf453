/* base/tensor: number formats, views, and texts. */
#include "formats/formats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* A half's value from its definition in IEEE 754. */
static double half_value(unsigned h) {
    const double sign = h & 0x8000 ? -1 : 1;
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static void test_every_f16(void **state) {
    (void)state;
    for (unsigned h = 0; h < 65536; h++) {
        const double expected = half_value(h);
        const float f = lt_f16_to_f32((uint16_t)h);
        if (isnan(expected))
            assert_true(isnan(f));
        else
            assert_int_equal(bits_of(f), bits_of((float)expected));
        assert_int_equal(lt_f32_to_f16(f), h);
    }
}

static void test_every_bf16(void **state) {
    (void)state;
    for (unsigned b = 0; b < 65536; b++) {
        const float f = lt_bf16_to_f32((uint16_t)b);
        assert_int_equal(bits_of(f), b << 16);
        assert_int_equal(lt_f32_to_bf16(f), b);
    }
}

/* An F8's value from Micikevicius et al. 2022: sign, exponent, fraction bits. E4M3's one NaN takes the last place. */
static double f8_value(unsigned v, int fraction_bits, int bias) {
    const double sign = v & 0x80 ? -1 : 1;
    const int ones = (1 << fraction_bits) - 1, fraction = (int)v & ones, exponent = (int)(v & 0x7F) >> fraction_bits;
    const bool e5m2 = fraction_bits == 2, last = exponent == 0x7F >> fraction_bits;
    if (last && (e5m2 ? fraction > 0 : fraction == ones)) return NAN;
    if (last && e5m2) return sign * INFINITY;
    return sign * (exponent ? ldexp(ones + 1 + fraction, exponent - bias - fraction_bits)
                            : ldexp(fraction, 1 - bias - fraction_bits));
}

/* All of them, as defined and as PyTorch widens them; none loses anything as an f16, in which they are kept. */
static void test_every_f8(void **state) {
    (void)state;
    lt_checkpoint file;
    assert_int_equal(lt_checkpoint_open(LT_GOLDEN_DIR "/formats/f8.safetensors", &file), LT_OK);
    for (int e5m2 = 0; e5m2 < 2; e5m2++) {
        const lt_tensor *f8 = lt_checkpoint_find(&file, e5m2 ? "e5m2" : "e4m3"),
                        *f32 = lt_checkpoint_find(&file, e5m2 ? "e5m2.f32" : "e4m3.f32");
        assert_int_equal(f8->dtype, e5m2 ? LT_F8_E5M2 : LT_F8_E4M3);
        float values[256], torch[256];
        lt_tensor_read_f32(f8, values);
        lt_tensor_read_f32(f32, torch);
        for (unsigned v = 0; v < 256; v++) {
            const double expected = e5m2 ? f8_value(v, 2, 15) : f8_value(v, 3, 7);
            assert_int_equal(isnan(values[v]), isnan(expected));
            assert_int_equal(isnan(values[v]), isnan(torch[v]));
            if (isnan(expected)) continue;
            assert_int_equal(bits_of(values[v]), bits_of((float)expected));
            assert_int_equal(bits_of(values[v]), bits_of(torch[v]));
            assert_int_equal(bits_of(lt_f16_to_f32(lt_f32_to_f16(values[v]))), bits_of(values[v]));
        }
    }
    lt_checkpoint_close(&file);
}

/* A NaN whose payload lies below what the half keeps must not become infinity. */
static void test_small_nan_stays_nan(void **state) {
    (void)state;
    const uint32_t bits[] = {0x7F800001, 0xFF800001, 0x7FFFFFFF, 0x7F801FFF};
    for (size_t i = 0; i < LT_COUNT(bits); i++) {
        float f;
        memcpy(&f, &bits[i], sizeof f);
        assert_true(isnan(lt_f16_to_f32(lt_f32_to_f16(f))));
        assert_true(isnan(lt_bf16_to_f32(lt_f32_to_bf16(f))));
        assert_int_equal(lt_f32_to_f16(f) >> 15, bits[i] >> 31);
    }
}

/* Nothing of it is read; whoever asks is told. */
static void test_foreign(void **state) {
    (void)state;
    const lt_tensor t = {
        .name = "a", .dtype = LT_FOREIGN, .rank = 1, .shape = {2}, .stride = {1}, .type = "F4", .bytes = 1};
    float values[2];
    lt_tensor_read_f32(&t, values);
    assert_true(isnan(values[0]) && isnan(values[1]));
    assert_int_equal(lt_tensor_bytes(&t), 1);
    assert_string_equal(lt_tensor_type(&t), "F4");
    assert_int_equal(lt_tensor_readable(&t), LT_ERROR_UNSUPPORTED);
    assert_non_null(strstr(lt_error_message(), "tensor a has type F4, which can't be read (F32, F16, "));
    assert_non_null(strstr(lt_error_message(), ", Q6_K, IQ4_NL can)"));
}

/* f32 to f16 as numpy rounds, to bf16 as PyTorch does: random bits, and all around boundaries. */
static void test_rounding_against_numpy(void **state) {
    (void)state;
    lt_checkpoint file;
    assert_int_equal(lt_checkpoint_open(LT_GOLDEN_DIR "/formats/rounding.safetensors", &file), LT_OK);
    const lt_tensor *f32 = lt_checkpoint_find(&file, "f32"), *f16 = lt_checkpoint_find(&file, "f16"),
                    *bf16 = lt_checkpoint_find(&file, "bf16");
    assert_true(f32 && f16 && bf16);
    const size_t count = lt_tensor_count(f32);
    assert_true(count > 7000);
    for (size_t i = 0; i < count; i++) {
        float value;
        uint16_t half, brain;
        memcpy(&value, (const char *)f32->data + 4 * i, 4);
        memcpy(&half, (const char *)f16->data + 2 * i, 2);
        memcpy(&brain, (const char *)bf16->data + 2 * i, 2);
        assert_int_equal(lt_f32_to_f16(value), half);
        assert_int_equal(lt_f32_to_bf16(value), brain);
    }
    lt_checkpoint_close(&file);
}

/* Data may stand at any address: safetensors' headers were not always padded. */
static void test_every_type_unaligned(void **state) {
    (void)state;
    static const struct {
        lt_dtype type;
        uint8_t bytes[16]; /* two values */
        float values[2];
    } cases[] = {
        {LT_F32, {0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0}, {1, -2}},
        {LT_F16, {0, 0x3C, 0, 0xC0}, {1, -2}},
        {LT_BF16, {0x80, 0x3F, 0, 0xC0}, {1, -2}},
        {LT_F64, {0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0, 0, 0, 0, 0, 0, 0, 0xC0}, {1, -2}},
        {LT_I64, {1, 0, 0, 0, 1, 0, 0, 0, 0xFE, 255, 255, 255, 255, 255, 255, 255}, {4294967296.0f, -2}},
        {LT_I32, {1, 0, 0, 0, 0xFE, 255, 255, 255}, {1, -2}},
        {LT_I16, {1, 1, 0xFE, 255}, {257, -2}},
        {LT_I8, {1, 0xFE}, {1, -2}},
        {LT_U8, {1, 0xFE}, {1, 254}},
        {LT_BOOL, {0, 7}, {0, 1}},
        {LT_F8_E4M3, {0x38, 0xC0}, {1, -2}},
        {LT_F8_E5M2, {0x3C, 0xC0}, {1, -2}},
    };
    assert_int_equal(LT_COUNT(cases), LT_Q4_0); /* the first in blocks */
    for (size_t i = 0; i < LT_COUNT(cases); i++) {
        for (size_t shift = 0; shift < 8; shift++) {
            uint8_t data[24];
            memcpy(data + shift, cases[i].bytes, 16);
            const lt_tensor t = {.dtype = cases[i].type, .rank = 1, .shape = {2}, .stride = {1}, .data = data + shift};
            float out[2];
            lt_tensor_read_f32(&t, out);
            assert_memory_equal(out, cases[i].values, sizeof out);
        }
    }
}

static void test_f64_to_nearest(void **state) {
    (void)state;
    const double in[] = {0.1, 1.0 + 0x1p-24, 1e300, -1e300, 1e-300};
    float out[LT_COUNT(in)];
    const lt_tensor t = {.dtype = LT_F64, .rank = 1, .shape = {LT_COUNT(in)}, .stride = {1}, .data = in};
    lt_tensor_read_f32(&t, out);
    assert_int_equal(bits_of(out[0]), bits_of(0.1f));
    assert_int_equal(bits_of(out[1]), bits_of(1.0f));
    assert_true(isinf(out[2]) && out[2] > 0 && isinf(out[3]) && out[3] < 0);
    assert_int_equal(bits_of(out[4]), bits_of(0.0f));
}

static void test_strided(void **state) {
    (void)state;
    float data[120], out[120], raw[120];
    for (int i = 0; i < 120; i++) data[i] = (float)i;
    /* [2, 3, 4, 5] row-major seen as [5, 2, 4, 3], then a slice of it */
    lt_tensor t = {.dtype = LT_F32, .rank = 4, .shape = {5, 2, 4, 3}, .stride = {1, 60, 5, 20}, .data = data};
    assert_false(lt_tensor_contiguous(&t));
    for (size_t cut = 0; cut < 2; cut++) {
        t.shape[0] -= cut * 2;
        t.stride[0] += cut;
        t.shape[2] -= cut;
        lt_tensor_read_f32(&t, out);
        lt_tensor_read_raw(&t, raw);
        const float *p = out;
        for (size_t a = 0; a < t.shape[0]; a++)
            for (size_t b = 0; b < t.shape[1]; b++)
                for (size_t c = 0; c < t.shape[2]; c++)
                    for (size_t d = 0; d < t.shape[3]; d++)
                        assert_true(*p++ == data[a * t.stride[0] + b * 60 + c * 5 + d * 20]);
        assert_int_equal(p - out, (ptrdiff_t)lt_tensor_count(&t));
        assert_memory_equal(out, raw, lt_tensor_count(&t) * sizeof *out);
    }
}

static void test_scalar_and_empty(void **state) {
    (void)state;
    const float one = 2.5f;
    float out = 0;
    lt_tensor scalar = {.dtype = LT_F32, .data = &one};
    assert_int_equal(lt_tensor_count(&scalar), 1);
    assert_true(lt_tensor_contiguous(&scalar));
    lt_tensor_read_f32(&scalar, &out);
    assert_true(out == 2.5f);
    lt_tensor empty = {.dtype = LT_F16, .rank = 3, .shape = {4, 0, 3}, .stride = {9, 7, 5}};
    assert_int_equal(lt_tensor_count(&empty), 0);
    lt_tensor_read_f32(&empty, &out);
    lt_tensor_read_raw(&empty, &out);
    assert_true(out == 2.5f);
}

static void test_shapes(void **state) {
    (void)state;
    lt_tensor t = {.dtype = LT_F32, .rank = 4, .shape = {4, 320, 1, 3}};
    lt_tensor_set_contiguous(&t);
    assert_int_equal(t.stride[0], 960);
    assert_int_equal(t.stride[3], 1);
    assert_true(lt_tensor_contiguous(&t));
    t.stride[2] = 77; /* of one element, the stride does not matter */
    assert_true(lt_tensor_contiguous(&t));
    assert_true(lt_tensor_has_shape(&t, 4, (size_t[]){4, 320, 1, 3}));
    assert_false(lt_tensor_has_shape(&t, 4, (size_t[]){4, 320, 3, 1}));
    assert_false(lt_tensor_has_shape(&t, 3, (size_t[]){4, 320, 1}));
    char text[32];
    lt_tensor_shape_text(&t, text, sizeof text);
    assert_string_equal(text, "[4,320,1,3]");
    char small[8];
    lt_tensor_shape_text(&t, small, sizeof small);
    assert_string_equal(small, "[4,320,");
    t.rank = 0;
    lt_tensor_shape_text(&t, text, sizeof text);
    assert_string_equal(text, "[]");
    assert_string_equal(lt_dtype_name(LT_BF16), "BF16");
    assert_int_equal(lt_dtype_size(LT_F64), 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_f16),
        cmocka_unit_test(test_every_bf16),
        cmocka_unit_test(test_every_f8),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_small_nan_stays_nan),
        cmocka_unit_test(test_rounding_against_numpy),
        cmocka_unit_test(test_every_type_unaligned),
        cmocka_unit_test(test_f64_to_nearest),
        cmocka_unit_test(test_strided),
        cmocka_unit_test(test_scalar_and_empty),
        cmocka_unit_test(test_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
