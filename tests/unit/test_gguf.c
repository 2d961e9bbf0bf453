/* GGUF: numbers in blocks as ggml's own code reads them, two recorded models, and files that are broken. */
#include "base/blocks_write.h"
#include "formats/gguf.h"
#include "modules.h"

/* ---- Numbers ---- */

static const lt_dtype in_blocks[] = {LT_Q4_0, LT_Q4_1, LT_Q5_0, LT_Q5_1, LT_Q8_0,  LT_Q2_K,
                                     LT_Q3_K, LT_Q4_K, LT_Q5_K, LT_Q6_K, LT_IQ4_NL};

static const lt_tensor *find(const lt_checkpoint *c, lt_dtype type, const char *what) {
    char name[32];
    snprintf(name, sizeof name, "%s.%s", lt_dtype_name(type), what);
    const lt_tensor *t = lt_checkpoint_find(c, name);
    if (!t) fail_msg("%s is not recorded", name);
    return t;
}

/* values [n] have the bits of those expected. */
static void assert_same_bits(const float *values, const float *expected, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(&values[i], &expected[i], sizeof *values) != 0)
            fail_msg("%s: value %zu is %.9g, not %.9g", what, i, (double)values[i], (double)expected[i]);
}

/* Random bytes, as the gguf package reads them: whole, and any part of them. */
static void check_type(const lt_checkpoint *golden, lt_dtype type) {
    const lt_block_format *f = lt_block_format_of(type);
    const lt_tensor *bytes = find(golden, type, "bytes"), *expected = find(golden, type, "values");
    const size_t n = lt_tensor_count(expected);
    lt_tensor t = {.dtype = type, .rank = 1, .shape = {n}, .stride = {1}, .data = bytes->data};
    float values[8 * LT_BLOCK_MOST], recorded[8 * LT_BLOCK_MOST];
    assert_int_equal(n, 8 * f->values);
    assert_int_equal(lt_tensor_bytes(&t), lt_tensor_bytes(bytes));
    lt_tensor_read_f32(expected, recorded);
    lt_tensor_read_f32(&t, values);
    assert_same_bits(values, recorded, n, lt_dtype_name(type));
    for (size_t first = 0; first < n; first += 37)
        for (size_t count = 1; first + count <= n; count += 61) {
            lt_tensor part = t;
            lt_tensor_skip(&part, first);
            part.shape[0] = count;
            lt_tensor_read_f32(&part, values);
            assert_same_bits(values, recorded + first, count, lt_dtype_name(type));
        }
}

static void test_numbers(void **state) {
    (void)state;
    lt_checkpoint golden;
    open_golden("gguf/blocks.safetensors", &golden);
    for (size_t i = 0; i < LT_COUNT(in_blocks); i++) check_type(&golden, in_blocks[i]);
    lt_checkpoint_close(&golden);
}

/* Views of what is in blocks: rows that begin within one, and columns. */
static void test_views(void **state) {
    (void)state;
    lt_checkpoint golden;
    open_golden("gguf/blocks.safetensors", &golden);
    float expected[256], values[256];
    lt_tensor_read_f32(find(&golden, LT_Q5_1, "values"), expected);
    lt_tensor t = {.dtype = LT_Q5_1, .rank = 2, .shape = {16, 16}, .data = find(&golden, LT_Q5_1, "bytes")->data};
    lt_tensor_set_contiguous(&t);
    for (size_t i = 0; i < 16; i++) {
        const lt_tensor row = lt_tensor_row(&t, i);
        lt_tensor_read_f32(&row, values);
        assert_same_bits(values, expected + 16 * i, 16, "a row");
    }
    const lt_tensor turned = lt_tensor_turned(&t);
    lt_tensor_read_f32(&turned, values);
    for (size_t i = 0; i < 256; i++) assert_same_bits(&values[i], &expected[i % 16 * 16 + i / 16], 1, "turned");
    lt_checkpoint_close(&golden);
}

/* ---- Rounding ---- */

/* To the bytes that the gguf package makes. */
static void test_rounding(void **state) {
    (void)state;
    static const lt_dtype types[] = {LT_Q4_0, LT_Q4_1, LT_Q5_0, LT_Q5_1, LT_Q8_0};
    lt_checkpoint golden;
    open_golden("gguf/rounded.safetensors", &golden);
    const lt_tensor *values = lt_checkpoint_find(&golden, "values");
    for (size_t i = 0; i < LT_COUNT(types); i++) {
        const lt_block_format *f = lt_block_format_of(types[i]);
        const lt_tensor *expected = find(&golden, types[i], "bytes");
        for (size_t k = 0; k < values->shape[0]; k++) {
            uint8_t block[64];
            lt_blocks_write(types[i], (const float *)values->data + 32 * k, 1, block);
            if (memcmp(block, (const uint8_t *)expected->data + k * f->bytes, f->bytes) != 0)
                fail_msg("%s: block %zu", lt_dtype_name(types[i]), k);
        }
    }
    lt_checkpoint_close(&golden);
}

/* Normally distributed, around an offset. */
static void fill_normal(float *values, size_t n, float offset) {
    uint64_t seed = 1;
    for (size_t i = 0; i < n; i++) {
        float sum = -6;
        for (int k = 0; k < 12; k++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            sum += (float)(seed >> 40) * 0x1p-24f;
        }
        values[i] = offset + sum;
    }
}

static double error_of(lt_dtype type, const float *values, size_t n) {
    const lt_block_format *f = lt_block_format_of(type);
    uint8_t blocks[32 * 256];
    float back[32 * LT_BLOCK_MOST];
    double error = 0, sum = 0;
    lt_blocks_write(type, values, n / f->values, blocks);
    lt_blocks_read(f, blocks, n / f->values, back);
    for (size_t i = 0; i < n; i++) {
        error += pow((double)(back[i] - values[i]), 2);
        sum += pow((double)values[i], 2);
    }
    return sqrt(error / sum);
}

/* Blocks of 256 lose no more than they must: bounds are a twentieth over what was measured. */
static void test_fitting(void **state) {
    (void)state;
    static const struct {
        lt_dtype type;
        double most;
    } rows[] = {{LT_Q2_K, 0.28}, {LT_Q3_K, 0.149}, {LT_Q4_K, 0.073}, {LT_Q5_K, 0.0368}, {LT_Q6_K, 0.018}};
    float values[32 * LT_BLOCK_MOST], zeros[LT_BLOCK_MOST] = {0};
    for (size_t i = 0; i < LT_COUNT(rows); i++) {
        fill_normal(values, LT_COUNT(values), 0);
        const double error = error_of(rows[i].type, values, LT_COUNT(values));
        print_message("    %s: %.4f\n", lt_dtype_name(rows[i].type), error);
        assert_true(error < rows[i].most);
        uint8_t block[256];
        float back[LT_BLOCK_MOST];
        lt_blocks_write(rows[i].type, zeros, 1, block);
        lt_blocks_read(lt_block_format_of(rows[i].type), block, 1, back);
        for (size_t k = 0; k < LT_BLOCK_MOST; k++) assert_true(back[k] == 0);
    }
    fill_normal(values, LT_COUNT(values), 4); /* which offsets can't take off: they are below 0 */
    for (size_t i = 0; i < LT_COUNT(rows); i++) assert_true(error_of(rows[i].type, values, LT_COUNT(values)) < 0.12);
}

/* A convolution's rows of three are laid out in rows of 256, and come back in their shape; what is stored in a type is
 * copied as it is. */
static void test_writing(void **state) {
    (void)state;
    enum { COUNT = 32 * 8 * 3 * 3 };
    static float values[COUNT], back[COUNT], again[COUNT];
    fill_normal(values, COUNT, 0);
    lt_tensor t = {.name = "conv", .dtype = LT_F32, .rank = 4, .shape = {32, 8, 3, 3}, .data = values};
    lt_tensor_set_contiguous(&t);
    const lt_dtype types[] = {LT_Q5_K};
    const lt_metadata metadata[] = {{"who", "me"}};
    const lt_gguf_number numbers[] = {{"how", 7}};
    const lt_gguf_file first = {&t, types, 1, metadata, 1, numbers, 1};
    lt_checkpoint c, d;
    assert_true(lt_gguf_can_hold(&t, LT_Q5_K));
    assert_ok(lt_gguf_write(scratch_path("a.gguf"), &first));
    assert_ok(lt_checkpoint_open(scratch_path("a.gguf"), &c));
    assert_true(lt_tensor_has_shape(&c.tensors[0], 4, t.shape));
    assert_string_equal(lt_checkpoint_metadata(&c, "who"), "me");
    assert_string_equal(lt_checkpoint_metadata(&c, "how"), "7");
    lt_tensor_read_f32(&c.tensors[0], back);
    const lt_gguf_file second = {c.tensors, types, 1, metadata, 1, numbers, 1};
    assert_ok(lt_gguf_write(scratch_path("b.gguf"), &second));
    assert_ok(lt_checkpoint_open(scratch_path("b.gguf"), &d));
    lt_tensor_read_f32(&d.tensors[0], again);
    assert_same_bits(again, back, COUNT, "copied");
    assert_int_equal(memcmp(c.tensors[0].data, d.tensors[0].data, lt_tensor_bytes(&c.tensors[0])), 0);
    lt_checkpoint_close(&c);
    lt_checkpoint_close(&d);
    t.shape[0] = 31;
    assert_false(lt_gguf_can_hold(&t, LT_Q5_K));
    assert_false(lt_gguf_can_hold(&t, LT_U8));
}

/* ---- Models ---- */

/* Each weight as it was read when the file was made: its first values and its norm. */
static void check_weights(const lt_checkpoint *c, const lt_checkpoint *golden, const char *style, const char *prefix) {
    for (size_t i = 0; i < c->count; i++) {
        char name[256];
        const lt_tensor *t = &c->tensors[i];
        const size_t n = lt_tensor_count(t);
        float *values = malloc(n * sizeof *values), expected[8];
        double sum = 0;
        lt_tensor_read_f32(t, values);
        for (size_t k = 0; k < n; k++) sum += (double)values[k] * (double)values[k];
        snprintf(name, sizeof name, "%s/%s:head", style, t->name + strlen(prefix));
        const lt_tensor *head = lt_checkpoint_find(golden, name);
        if (!head) fail_msg("%s is not recorded", name);
        lt_tensor_read_f32(head, expected);
        assert_same_bits(values, expected, lt_tensor_count(head), name);
        snprintf(name, sizeof name, "%s/%s:norm", style, t->name + strlen(prefix));
        lt_tensor_read_f32(lt_checkpoint_find(golden, name), expected);
        if (fabs(sqrt(sum) - (double)*expected) > 1e-5 * (double)*expected) fail_msg("%s: %g", name, sqrt(sum));
        free(values);
    }
}

static void check_run(const char *path, lt_isa isa, const lt_checkpoint *golden, const char *out) {
    lt_session_options options = lt_session_options_defaults();
    lt_session *session;
    lt_arrays arrays;
    options.isa = isa;
    options.precision = LT_PRECISION_F32;
    assert_ok(open_session(path, &options, &session));
    assert_ok(lt_run_module(session, "unet", golden->tensors, golden->count, &arrays));
    assert_int_equal(arrays.count, 1);
    arrays.items[0].name = (char *)(uintptr_t)out;
    assert_golden_array(golden, &arrays.items[0], 1e-4);
    arrays.items[0].name = "out";
    lt_arrays_free(&arrays);
    lt_session_close(session);
}

static void check_model(const char *style, const char *prefix) {
    char file[64], path[512], out[32];
    lt_checkpoint golden, c;
    snprintf(file, sizeof file, "gguf/mini_%s.gguf", style);
    snprintf(path, sizeof path, LT_GOLDEN_DIR "/%s", file);
    snprintf(out, sizeof out, "out.%s", style);
    open_golden("gguf/expected.safetensors", &golden);
    open_golden(file, &c);
    assert_string_equal(c.format, "GGUF");
    check_weights(&c, &golden, style, prefix);
    lt_checkpoint_close(&c);
    check_run(path, LT_ISA_SCALAR, &golden, out);
    check_run(path, LT_ISA_BEST, &golden, out);
    lt_checkpoint_close(&golden);
}

static void test_whole_names(void **state) {
    (void)state;
    check_model("sdcpp", "");
}

static void test_unet_alone(void **state) {
    (void)state;
    check_model("city96", "");
}

/* ---- Files that are broken ---- */

static lt_buffer file;

static void put(const void *bytes, size_t size) { assert_ok(lt_buffer_append(&file, bytes, size)); }
static void put_u32(uint32_t n) { put(&n, sizeof n); }
static void put_u64(uint64_t n) { put(&n, sizeof n); }
static void put_text(const char *text) {
    put_u64(strlen(text));
    put(text, strlen(text));
}

static void begin(uint32_t version, uint64_t tensors, uint64_t metadata) {
    file.size = 0;
    put("GGUF", 4);
    put_u32(version);
    put_u64(tensors);
    put_u64(metadata);
}

static void put_key(const char *key, uint32_t type) {
    put_text(key);
    put_u32(type);
}

static void put_number(const char *key, uint32_t value) {
    put_key(key, 4);
    put_u32(value);
}

static void put_list(const char *key, uint32_t type, uint64_t count) {
    put_key(key, 9);
    put_u32(type);
    put_u64(count);
}

static void put_tensor(const char *name, uint32_t rank, const uint64_t *shape, uint32_t type, uint64_t offset) {
    put_text(name);
    put_u32(rank);
    for (uint32_t i = 0; i < rank; i++) put_u64(shape[i]);
    put_u32(type);
    put_u64(offset);
}

static void pad(size_t multiple, size_t more) {
    static const char zeros[512];
    assert_true(more <= sizeof zeros);
    put(zeros, lt_round_up(file.size, multiple) - file.size);
    put(zeros, more);
}

/* Opens a copy that ends where its memory ends, so that a sanitizer sees each byte read beyond, and reads it. */
static lt_status open_copy(lt_checkpoint *c) {
    uint8_t *copy = malloc(file.size);
    memcpy(copy, file.data, file.size);
    const lt_status status = lt_checkpoint_open_memory(copy, file.size, c);
    for (size_t i = 0; i < c->count; i++) {
        if (lt_tensor_readable(&c->tensors[i])) continue;
        float *values = malloc(lt_tensor_count(&c->tensors[i]) * sizeof *values + 1);
        assert_non_null(values);
        lt_tensor_read_f32(&c->tensors[i], values);
        free(values);
    }
    free(copy);
    return status;
}

static void assert_refused(const char *expected) {
    lt_checkpoint c;
    assert_int_not_equal(open_copy(&c), LT_OK);
    if (!strstr(lt_error_message(), expected)) fail_msg("\"%s\" lacks \"%s\"", lt_error_message(), expected);
    assert_null(c.files);
}

static void test_heads(void **state) {
    (void)state;
    begin(1, 0, 0), assert_refused("version 1");
    begin(4, 0, 0), assert_refused("version 4");
    begin(0x03000000, 0, 0), assert_refused("big-endian");
    begin(3, 1, 0), assert_refused("cut off");
    begin(3, 0, 1), assert_refused("cut off");
    begin(3, UINT64_MAX, 0), assert_refused("size of 18446744073709551615");
    begin(3, 0, INT64_MAX), assert_refused("cut off");
    for (file.size = 4; file.size < 24; file.size++) assert_refused("cut off");
}

static void test_metadata(void **state) {
    (void)state;
    begin(3, 0, 1), put_key("a", 13), pad(1, 64), assert_refused("type 13");
    begin(3, 0, 1), put_key("", 4), pad(1, 64), assert_refused("a name is empty");
    begin(3, 0, 1), put_key("long", 8), put_u64(1000), assert_refused("cut off");
    begin(3, 0, 1), put_key("long", 8), put_u64(UINT64_MAX - 7), assert_refused("size of");
    begin(3, 0, 2), put_number("a", 1), put_number("a", 2), assert_refused("a twice");
    for (uint32_t wrong = 0; wrong < 40; wrong += 3)
        begin(3, 0, 1), put_number("general.alignment", wrong), assert_refused("power of two");
    begin(3, 0, 1), put_key("general.alignment", 5), put_u32(32), assert_refused("power of two");
}

static void put_nested(uint32_t depth) {
    put_list("deep", 9, 1);
    for (uint32_t i = 0; i < depth; i++) put_u32(9), put_u64(1);
    put_u32(0), put_u64(0);
}

static void test_arrays(void **state) {
    (void)state;
    lt_checkpoint c;
    begin(3, 0, 1), put_nested(20), assert_refused("arrays");
    begin(3, 0, 1), put_list("many", 0, INT64_MAX), assert_refused("cut off");
    begin(3, 0, 1), put_list("many", 12, UINT64_C(1) << 61), assert_refused("cut off");
    begin(3, 0, 1), put_list("texts", 8, 3), put_text("a"), assert_refused("cut off");
    begin(3, 0, 1), put_list("kinds", 77, 0), assert_refused("type 77");
    begin(3, 0, 2), put_nested(3), put_list("texts", 8, 2), put_text("a"), put_text("");
    assert_ok(open_copy(&c));
    lt_checkpoint_close(&c);
}

static void test_tensors(void **state) {
    (void)state;
    const uint64_t row[] = {64}, odd[] = {33}, wide[] = {UINT64_C(1) << 40, UINT64_C(1) << 40},
                   huge[] = {INT64_MAX / 2};
    begin(3, 1, 0), put_tensor("a", 1, row, 8, 0), pad(32, 67), assert_refused("ends at byte 68 of 67");
    begin(3, 1, 0), put_tensor("a", 1, row, 8, 64), pad(32, 68), assert_refused("cut off");
    begin(3, 1, 0), put_tensor("a", 1, row, 8, 16), pad(32, 99), assert_refused("no multiple of 32");
    begin(3, 1, 0), put_tensor("a", 1, row, 8, INT64_MAX - 31), pad(32, 99), assert_refused("cut off");
    begin(3, 1, 0), put_tensor("a", 1, odd, 8, 0), pad(32, 99), assert_refused("no whole blocks of 32");
    begin(3, 1, 0), put_tensor("a", 2, wide, 0, 0), pad(32, 99), assert_refused("too large");
    begin(3, 1, 0), put_tensor("a", 1, huge, 0, 0), pad(32, 99), assert_refused("too large");
    begin(3, 1, 0), put_text("a"), put_u32(UINT32_MAX), pad(32, 99), assert_refused("cut off");
    begin(3, 1, 0), put_tensor("", 1, row, 0, 0), pad(32, 99), assert_refused("a name is empty");
    begin(3, 2, 0), put_tensor("a", 1, row, 8, 0), put_tensor("a", 1, row, 8, 96), pad(32, 192);
    assert_refused("a is there twice");
    begin(3, 2, 0), put_tensor("a", 1, row, 8, 0), put_tensor("b", 1, row, 8, 64), pad(32, 192);
    assert_refused("b begins within a");
}

static void put_shape(const char *key, uint32_t rank, const uint32_t *shape) {
    put_list(key, 5, rank);
    for (uint32_t i = 0; i < rank; i++) put_u32(shape[i]);
}

/* city96's shapes: what they say holds for everybody but the blocks. */
static void test_own_shapes(void **state) {
    (void)state;
    lt_checkpoint c;
    const char *key = "comfy.gguf.orig_shape.a";
    const uint64_t rows[] = {256, 1};
    const uint32_t shape[] = {4, 4, 4, 4}, other[] = {4, 4, 4, 3}, below[] = {16, (uint32_t)-16};
    begin(3, 1, 1), put_shape(key, 4, other), put_tensor("a", 2, rows, 8, 0), pad(32, 272),
        assert_refused("another number");
    begin(3, 1, 1), put_shape(key, 2, below), put_tensor("a", 2, rows, 8, 0), pad(32, 272),
        assert_refused("another number");
    begin(3, 1, 1), put_list(key, 8, 0), put_tensor("a", 2, rows, 8, 0), pad(32, 272),
        assert_refused("no list of sizes");
    begin(3, 1, 1), put_list(key, 5, 9), pad(32, 272), assert_refused("no list of sizes");
    begin(3, 1, 2), put_shape(key, 4, shape), put_shape(key, 4, shape), put_tensor("a", 2, rows, 8, 0), pad(32, 272);
    assert_refused("a twice");
    begin(3, 1, 1), put_shape(key, 4, shape), put_tensor("a", 2, rows, 8, 0), pad(32, 272);
    assert_ok(open_copy(&c));
    assert_true(lt_tensor_has_shape(&c.tensors[0], 4, (const size_t[]){4, 4, 4, 4}));
    lt_checkpoint_close(&c);
}

/* Types that we lack, and more dimensions than we can hold, refuse nothing but themselves. */
static void test_foreign(void **state) {
    (void)state;
    lt_checkpoint c;
    const uint64_t row[] = {256}, deep[] = {32, 1, 1, 1, 1, 1, 1, 1, 1};
    begin(2, 3, 1), put_number("general.alignment", 64);
    put_tensor("a", 1, row, 19, 0), put_tensor("b", 9, deep, 0, 64), put_tensor("c", 1, row, 4, 0), pad(64, 192);
    assert_ok(open_copy(&c));
    assert_string_equal(lt_tensor_type(lt_checkpoint_find(&c, "a")), "IQ1_S");
    assert_string_equal(lt_tensor_type(lt_checkpoint_find(&c, "b")), "of 9 dimensions");
    assert_string_equal(lt_tensor_type(lt_checkpoint_find(&c, "c")), "of ggml's number 4");
    for (size_t i = 0; i < c.count; i++) assert_int_equal(lt_tensor_readable(&c.tensors[i]), LT_ERROR_UNSUPPORTED);
    lt_checkpoint_close(&c);
}

/* A small file of everything with each byte of its head changed in turn, and cut at each: refused, or read. */
static void test_every_byte(void **state) {
    (void)state;
    static const uint8_t changes[] = {0, 1, 0x7F, 0x80, 0xFF};
    const uint32_t shape[] = {2, 4, 4, 4};
    const uint64_t rows[] = {32, 4}, values[] = {3, 2, 1};
    lt_checkpoint c;
    begin(3, 2, 3), put_number("general.alignment", 32), put_shape("comfy.gguf.orig_shape.a", 4, shape), put_nested(2);
    put_tensor("a", 2, rows, 2, 0), put_tensor("b", 3, values, 0, 96), pad(32, 120);
    const size_t size = file.size, head = size - 120;
    assert_ok(open_copy(&c));
    lt_checkpoint_close(&c);
    for (size_t i = 0; i < head; i++) {
        const char before = file.data[i];
        for (size_t k = 0; k < LT_COUNT(changes); k++) {
            file.data[i] = (char)changes[k];
            if (!open_copy(&c)) lt_checkpoint_close(&c);
        }
        file.data[i] = before;
    }
    for (file.size = 0; file.size < size; file.size++) assert_int_not_equal(open_copy(&c), LT_OK);
}

static int free_file(void **state) {
    (void)state;
    lt_buffer_free(&file);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),    cmocka_unit_test(test_views),      cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_fitting),    cmocka_unit_test(test_writing),    cmocka_unit_test(test_whole_names),
        cmocka_unit_test(test_unet_alone), cmocka_unit_test(test_heads),      cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_arrays),     cmocka_unit_test(test_tensors),    cmocka_unit_test(test_own_shapes),
        cmocka_unit_test(test_foreign),    cmocka_unit_test(test_every_byte),
    };
    const int failed = cmocka_run_group_tests_name("gguf", tests, NULL, free_file);
    remove_scratch();
    return failed;
}
